"""
One problem as a timeline: what is told of it, in which order, whatever happened to it.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest
from _dynatrace.engine.answers import pages
from _dynatrace.facts.steps import KINDS
from _dynatrace.master.envelope import clean

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_commands import order
from tests.functional.engine.test_late_returns import Lost
from tests.functional.engine.test_outcomes import Outage
from tests.functional.engine.world import BAD, GOOD, HEALTHY, World, down


def story(world: World, problem: Any, now: float | None = None) -> dict[str, Any]:
    """
    Return the story of a problem's latest episode.
    """
    episode = world.ledger.episodes.latest(problem.problem_id)
    assert episode is not None
    told = world.engine.story.of(episode, world.now if now is None else now)
    assert json.loads(json.dumps(clean(told))) == told, "it is plain and has no floats"
    moments = [step["at"] for step in told["steps"]]
    assert moments == sorted(moments)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one) for one in moments)
    assert {step["what"] for step in told["steps"]} <= set(KINDS)
    return told


def whats(told: dict[str, Any]) -> list[str]:
    """
    Return what happened, in its order, without comments.
    """
    return [step["what"] for step in told["steps"] if step["what"] != "commented"]


def texts(told: dict[str, Any], what: str) -> list[str]:
    return [step["text"] for step in told["steps"] if step["what"] == what]


def seconds(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def closes(outage: Outage) -> None:
    """
    Let the tenant close the problem, and the engine see it.
    """
    outage.scene.tenant.close_problem(outage.problem)
    outage.world.poll(5)


def test_a_healed_problem_is_told_from_the_failure_to_the_end(scene: Scene) -> None:
    """
    Each step once, with its time; the outage is from Dynatrace's evidence to the proof.
    """
    outage = Outage(scene, "web01")
    outage.world.poll(1)
    (made,) = outage.orders
    outage.world.take(made)
    outage.world.cycle(1)
    outage.world.give(made["jid"], "web01", GOOD)
    outage.world.cycle(1)
    outage.passes(1)
    closes(outage)
    told = story(outage.world, outage.problem)
    steps = whats(told)
    assert steps.count("failed") == steps.count("problem") == steps.count("closed") == 1
    done = ["seen", "ordered", "fired", "taken", "returned"]
    assert [one for one in steps if one in done] == done
    assert texts(told, "decided") == ["acts on web01", "holds web01: healed"]
    assert told["failed_at"] == told["down"][0]["from"]
    assert seconds(told["failed_at"]) == pytest.approx(outage.begun, abs=0.002)
    (returned,) = [step for step in told["steps"] if step["what"] == "returned"]
    assert (returned["minion"], returned["attempt"], returned["outcome"]) == ("web01", 1, "good")
    assert returned["text"] == "web01 is brought back and proved to serve: it serves"
    assert told["healed_at"] == told["down"][0]["to"] == returned["at"]
    lasted = seconds(told["healed_at"]) - seconds(told["failed_at"])
    assert told["outage_ms"] == pytest.approx(lasted * 1000, abs=2)
    assert told["outage_s"] == round(lasted)
    assert told["outages"][0]["proved"] is True
    assert told["state"] == "closed"
    assert told["attempts"][0]["jid"] == made["jid"]
    assert any(made["jid"] in text for text in texts(told, "taken"))
    assert texts(told, "commented")[0].startswith("Salt healed this")
    assert told["comments"][0]["sent"] is not None
    assert told["targets"][0]["process"].endswith("apache2")


def test_what_failed_first_and_was_healed_then_is_two_attempts(scene: Scene) -> None:
    """
    The outage is one, from the failure to the second return.
    """
    outage = Outage(scene, "web01", policy={"cooldown": 60})
    outage.ends(BAD)
    outage.ends(GOOD)
    told = story(outage.world, outage.problem)
    returned = [step for step in told["steps"] if step["what"] == "returned"]
    assert [step["attempt"] for step in returned] == [1, 2]
    assert "is not healed, the remedy failed: Syntax error" in returned[0]["text"]
    assert len(told["down"]) == 1
    assert told["down"][0]["to"] == told["healed_at"] == returned[1]["at"]
    assert "cooldown until" in " ".join(texts(told, "decided"))


def test_an_escalated_problem_names_the_reason_and_is_still_down(scene: Scene) -> None:
    """
    Nobody knows an end of the outage: it lasts.
    """
    outage = Outage(scene, "web01", policy={"max_attempts": 1, "cooldown": 0})
    outage.ends(BAD)
    outage.passes(60)
    told = story(outage.world, outage.problem)
    assert texts(told, "escalated") == ["a person is called: attempts spent"]
    assert told["state"] == "escalated: attempts spent"
    assert told["healed_at"] is None
    assert told["down"][0]["to"] is None
    assert told["outage_s"] == pytest.approx(outage.world.now - outage.begun, abs=1)


def test_a_pause_is_told_with_who_gave_it_and_why(scene: Scene) -> None:
    """
    Also one that was given before the problem was seen; what was given and taken back before is no part of it.
    """
    apache = scene.host("web01")
    world = scene.world()
    for command, reason in (("pause", "an old change"), ("resume", None), ("pause", "change CH-1")):
        order(world, command, reason=reason)
        world.now += 10
    problem = scene.tenant.open_problem(apache)
    world.poll(1)
    world.now += 10
    order(world, "resume")
    told = story(world, problem)
    assert texts(told, "paused") == ["paused by admin: change CH-1"]
    assert texts(told, "resumed") == ["resumed by admin"]
    decided = texts(told, "decided")
    assert decided[0].startswith("holds web01: paused")
    assert decided[-1].startswith("acts on web01")


def test_what_others_resolved_ends_when_dynatrace_closed_it(scene: Scene) -> None:
    """
    Nothing was proved, and nothing was healed by Salt.
    """
    outage = Outage(scene, "web01", policy={"dry_run": True})
    outage.world.poll(1)
    outage.world.now += 100
    closes(outage)
    told = story(outage.world, outage.problem)
    assert told["healed_at"] is None
    assert told["down"][0]["to"] == told["closed"]
    assert told["outages"][0]["proved"] is False
    assert "dry run" in texts(told, "decided")[0]
    assert told["attempts"] == []


def test_a_return_that_comes_late_does_not_hide_that_it_was_lost(scene: Scene) -> None:
    """
    Both are told, each at its time.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 3600})
    lost.returns(GOOD)
    told = story(lost.world, lost.problem)
    steps = whats(told)
    assert steps.index("lost") < steps.index("returned")
    assert "web01 did not return: no return within" in texts(told, "lost")[0]
    assert told["healed_at"] is not None


def test_a_retry_by_a_person_is_told_with_the_name(scene: Scene) -> None:
    """
    What follows is another attempt.
    """
    outage = Outage(scene, "web01", policy={"max_attempts": 1, "cooldown": 0})
    outage.ends(BAD)
    outage.world.now += 10
    order(outage.world, "retry", display_id=outage.problem.display_id)
    outage.world.salt_runs(outage.world.events("retry")[-1], GOOD)
    outage.world.cycle(1)
    told = story(outage.world, outage.problem)
    assert texts(told, "retried") == ["retried by admin"]
    steps = whats(told)
    assert (
        steps.index("escalated") < steps.index("retried") < len(steps) - steps[::-1].index("taken")
    )
    assert told["healed_at"] is not None


def test_of_two_minions_the_outage_lasts_until_the_last_is_back(scene: Scene) -> None:
    """
    Each has its own outage, and the users see both as one.
    """
    outage = Outage(scene, "web01", "web02")
    outage.world.poll(1)
    made = outage.orders[-1]
    outage.world.take(made)
    for minion, returned in (("web01", GOOD), ("web02", HEALTHY)):
        outage.world.give(made["jid"], minion, returned)
        outage.world.cycle(20)
    told = story(outage.world, outage.problem)
    ends = {one["minion"]: one["to"] for one in told["outages"]}
    assert seconds(ends["web02"]) - seconds(ends["web01"]) == pytest.approx(20, abs=0.01)
    assert len(told["down"]) == 1
    assert told["healed_at"] == told["down"][0]["to"] == ends["web02"]


def test_a_second_failure_within_the_problem_is_a_second_outage(scene: Scene) -> None:
    """
    Between the two the service served, and nobody counts that as an outage.
    """
    outage = Outage(scene, "web01", policy={"cooldown": 0})
    outage.ends(GOOD)
    again = outage.world.now + 30
    (apache,) = outage.apaches
    evidence = [down(apache, outage.begun, "CLOSED"), down(apache, again)]
    outage.scene.tenant.update_problem(outage.problem, evidence=evidence)
    outage.world.now = again + 1
    outage.passes(31)
    outage.world.salt_runs(outage.orders[-1], GOOD)
    outage.world.cycle(1)
    told = story(outage.world, outage.problem)
    assert len(told["down"]) == 2
    assert seconds(told["down"][1]["from"]) == pytest.approx(again, abs=0.002)
    assert told["healed_at"] == told["down"][1]["to"]
    assert len(texts(told, "failed")) == 2


def test_a_reopened_problem_has_a_story_of_its_own(scene: Scene) -> None:
    """
    Nothing of the first episode is told in the second.
    """
    outage = Outage(scene, "web01", policy={"cooldown": 0})
    outage.ends(GOOD)
    closes(outage)
    begun = outage.world.now + 5
    outage.scene.tenant.reopen_problem(outage.problem)
    outage.shows(begun)
    outage.world.poll(10)
    told = story(outage.world, outage.problem)
    assert told["episode"] == 2
    assert whats(told).count("seen") == 1
    assert [row["attempt"] for row in told["attempts"]] == [1]
    assert "returned" not in whats(told)


def test_the_runner_gets_a_long_story_in_several_events(scene: Scene) -> None:
    """
    Its lists are rows, so that each page fits.
    """
    outage = Outage(scene, "web01")
    outage.ends(GOOD)
    outage.passes(1)
    answer = order(outage.world, "story", display_id=outage.problem.display_id)
    told = story(outage.world, outage.problem)
    for name in ("steps", "comments", "attempts"):
        assert answer["facts"][name] == []
        assert [row[name] for row in answer["rows"] if name in row] == told[name]
    assert answer["facts"]["failed_at"] == told["failed_at"]
    assert len(pages({"facts": {}, "rows": answer["rows"] * 100})) > 1
    assert "no problem" in order(outage.world, "story", display_id="P-0")["error"]

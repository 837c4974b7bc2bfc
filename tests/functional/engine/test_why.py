"""
Why something is done or not, as somebody asks at night: the rule that decides, and what happens next.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from _dynatrace.engine.answers import in_rows, pages
from _dynatrace.master.envelope import clean, iso

from tests.functional.engine.conftest import Scene
from tests.functional.engine.night import Night, play
from tests.functional.engine.test_commands import order
from tests.functional.engine.test_second_failure import healed, show
from tests.functional.engine.world import BAD, GOOD, HEALTHY, World, down
from tests.unit.docs.pages import REPO, rows


def why(world: World, display_id: str) -> dict[str, Any]:
    """
    Return what the runner is told, its lists put together as the runner does.
    """
    answer = order(world, "why", display_id=display_id)
    if "error" in answer:
        return answer
    found = {name: list(one) if one in ([], ()) else one for name, one in answer["facts"].items()}
    for row in answer["rows"]:
        for name, one in row.items():
            found[name].append(one)
    assert json.loads(json.dumps(found)) == found
    return found


def held_by(told: dict[str, Any], process: int = 0) -> tuple[str, str] | None:
    """
    Return the rule that holds a process, and what it says.
    """
    rules = told["processes"][process]["rules"]
    return next(((one["rule"], one["told"]) for one in rules if one["result"] == "held"), None)


@pytest.fixture
def night(scene: Scene) -> Night:
    return play(scene)


def test_the_rules_are_documented_in_their_order(night: Night) -> None:
    """
    With the keys of a row; scripts read them.
    """
    page = (REPO / "docs" / "reference" / "runner.md").read_text()
    [row] = why(night.world, night.name("forbidden"))["processes"]
    listed = re.findall(r"^[0-9]+\. `([a-z ]+)`: ", page, re.MULTILINE)
    assert [one["rule"] for one in row["rules"]] == listed
    [cells] = [
        cells for key, cells in rows(REPO / "docs" / "reference" / "runner.md") if key == "why"
    ]
    assert set(row) | set(row["rules"][0]) <= set(re.findall(r"`([a-z_]+)`", cells[1]))


def test_each_problem_of_a_night_is_explained(night: Night) -> None:
    """
    By the rule that decides, with its numbers, and with what happens next.
    """
    world = night.world
    told = {story: why(world, night.name(story)) for story in night.problems}
    assert held_by(told["forbidden"]) == ("allowed", "`deny` has web02")
    rule, text = held_by(told["no remedy"]) or ("", "")
    assert rule == "reactor"
    assert "redis: {on: {technology: REDIS}, service: <its unit>}" in text
    assert held_by(told["maintenance"]) == ("maintenance", "its problem is under maintenance")
    rule, text = held_by(told["healed, still open"]) or ("", "")
    assert rule == "serving"
    assert text.startswith("it was brought back at ")
    assert (
        "a person is called if it is open after"
        in told["healed, still open"]["processes"][0]["next"]
    )
    rule, text = held_by(told["paused"]) or ("", "")
    assert rule == "pause"
    assert text.startswith("paused by bob since 20")
    assert text.endswith(": database migration, ask bob")
    rule, text = held_by(told["at work"]) or ("", "")
    assert rule == "in progress"
    assert night.order_of("at work")["jid"] in text
    assert told["at work"]["attempts"][0]["state"] == "running"
    rule, text = held_by(told["given up"]) or ("", "")
    assert (rule, "attempts spent" in text) == ("person", True)
    assert any("a person was called at 20" in one for one in told["given up"]["says"])
    name = night.name("given up")
    assert f"`salt-run dynatrace.retry {name}`" in told["given up"]["processes"][0]["next"]
    [unmatched] = told["no minion"]["unmatched"]
    assert "no minion has this host id" in unmatched["reason"]
    assert told["no minion"]["waits"] == "for a minion that it fits"
    assert told["no minion"]["processes"] == []


def test_a_cooldown_is_told_with_its_times(scene: Scene) -> None:
    """
    When the last attempt ended, when the next may start, and how often it was doubled.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    told = why(world, problem.display_id)
    rule, text = held_by(told) or ("", "")
    assert rule == "cooldown"
    assert text.endswith("(300 s, doubled once)")
    due = told["processes"][0]["until"][11:19]
    assert f"the next may start {due}" in text
    assert told["next"][11:19] == due
    assert told["processes"][0]["next"] == f"the next attempt may start {due}"
    rules = {one["rule"]: one["told"] for one in told["processes"][0]["rules"]}
    assert rules["attempts"] == "1 of 3 attempts in 3600 s"
    assert rules["identity"] == "matched by host_id"


def test_what_is_closed_is_told_by_its_last_decision(night: Night) -> None:
    """
    Nothing is decided anew about it.
    """
    told = why(night.world, night.name("healed at the second attempt"))
    assert (told["state"], told["processes"][0]["verdict"]) == ("closed", "healed")
    assert told["processes"][0]["process"] == "Apache Web Server apache2"
    assert [one["state"] for one in told["attempts"]] == ["bad", "good"]
    assert told["says"][0] == "Dynatrace closed it; Salt had healed it; nothing more is done"
    assert told["closed"] == iso(night.problems["healed at the second attempt"].end / 1000)


def test_who_had_paused_and_who_ended_a_closed_problem_is_told(night: Night) -> None:
    """
    By others: a person, or it came back by itself.
    """
    told = why(night.world, night.name("recovered by others"))
    assert told["processes"][0]["verdict"] == "paused"
    ended = "Salt tried nothing, it ended by hand, or by itself"
    assert told["says"][0] == f"Dynatrace closed it; {ended}; nothing more is done"
    assert re.match(r"paused by alice at 20.*: change CH-77$", told["says"][-1])


def test_what_failed_again_and_was_not_healed_is_not_owed_to_salt(scene: Scene) -> None:
    """
    An attempt ended well before; the last one did not, and Dynatrace closed the problem all the same.
    """
    world, problem, apache = healed(scene)
    show(scene, problem, down(apache, world.now + 1))
    while "retry" not in world.whats():
        world.poll(31)
    world.salt_runs(world.events("retry")[0], BAD)
    world.cycle(5)
    scene.tenant.close_problem(problem)
    world.poll(31)
    told = why(world, problem.display_id)
    assert told["says"][0].startswith("Dynatrace closed it; no attempt healed it, it ended by hand")


def test_the_end_of_a_window_is_no_promise_after_a_person_was_called(night: Night) -> None:
    """
    The engine does not go on then.
    """
    told = why(night.world, night.name("given up"))
    assert told["says"][-1].endswith("holds web03: attempts spent")


def test_what_is_not_known_is_told_with_what_is(night: Night) -> None:
    """
    How many are in the ledger, since when, and when old ones are forgotten.
    """
    error = why(night.world, "P-99")["error"]
    still = [one for one in night.problems.values() if one.status == "OPEN"]
    assert f"no problem 'P-99' is in the ledger; it has the {len(still)} open ones" in error
    assert "those that closed since 20" in error
    assert "closed ones are forgotten after 30 days" in error


def test_an_empty_ledger_says_that_nothing_closed(scene: Scene) -> None:
    """
    As on the first day.
    """
    error = why(scene.world(), "P-99")["error"]
    assert "it has the 0 open ones" in error
    assert "and none that closed" in error


def test_a_storm_is_told_with_its_numbers(scene: Scene) -> None:
    """
    Also what a remedy has for itself.
    """
    apaches = [scene.host(f"web0{n}") for n in range(4)]
    limited = {"on": {"technology": "APACHE_HTTPD"}, "service": "a", "policy": {"max_minions": 1}}
    world = scene.world(policy={"max_minions": 2}, remedies={"apache2": limited})
    for apache in apaches:
        scene.tenant.open_problem(apache)
    world.poll()
    told = [why(world, one["display_id"]) for one in world.events("open")]
    texts = {held_by(one) for one in told}
    assert ("storm", "1 of 2 minions are being healed, 1 of 1 by apache2") in texts
    assert {one["waits"] for one in told} == {None, "for fewer minions in progress"}


def test_one_order_at_a_time_is_told(scene: Scene) -> None:
    """
    A second process of a minion waits for the end of the first.
    """
    apache = scene.host("web01")
    other = scene.tenant.add_process(scene.hosts["web01"], "Apache apache2-foo")
    world = scene.world()
    start = world.now - 5
    problem = scene.tenant.open_problem(
        [apache, other], evidence=[down(apache, start), down(other, start)]
    )
    world.poll()
    told = why(world, problem.display_id)
    assert sorted(held_by(told, one)[0] for one in (0, 1)) == ["in progress", "order"]  # type: ignore[index]
    waits = [one["next"] for one in told["processes"]]
    assert "it is ordered when that job is done" in waits


def test_what_is_not_connected_is_told_and_not_asked(scene: Scene) -> None:
    """
    To explain asks no minion: that is a job on the bus.
    """
    world, problem = scene.gone()
    asked = len(world.pings)
    told = why(world, problem.display_id)
    rule, text = held_by(told) or ("", "")
    assert (rule, "has not answered since" in text) == ("connected", True)
    assert "a person is called when it lasts until" in told["processes"][0]["next"]
    told_again = [world.engine.why.of(world.ledger.episodes.find(problem.display_id), world.now)]  # type: ignore[arg-type]
    assert told_again[0]["processes"][0]["verdict"] == "not connected"
    assert len(world.pings) == asked


def test_nothing_is_written_by_an_explanation(night: Night) -> None:
    """
    Whatever is explained; the answer fits into events.
    """
    before = night.world.ledger.database.connection.total_changes
    for story in night.problems:
        episode = night.world.ledger.episodes.find(night.name(story))
        assert episode is not None
        told = night.world.engine.why.of(episode, night.world.now)
        assert pages(clean(in_rows(told, "processes", "attempts", "unmatched")))
    assert night.world.ledger.database.connection.total_changes == before


@pytest.mark.parametrize(("returned", "verdict"), [(GOOD, "healed"), (HEALTHY, "already healthy")])
def test_what_serves_waits_for_dynatrace(scene: Scene, returned: Any, verdict: str) -> None:
    """
    And says when a person is called.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], returned)
    world.cycle(1)
    told = why(world, problem.display_id)
    assert told["processes"][0]["verdict"] == verdict
    assert "a person is called if" in told["processes"][0]["next"]

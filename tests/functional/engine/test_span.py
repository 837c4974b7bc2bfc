"""
The figures of a span of time, of problems that the engine itself went through.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.master.envelope import iso

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_commands import order
from tests.functional.engine.test_late_returns import Lost
from tests.functional.engine.test_outcomes import Outage
from tests.functional.engine.test_story import closes
from tests.functional.engine.world import BAD, GOOD, HEALTHY, World, down


def figures(world: World, since: float = 86400.0, until: float = 0.0) -> dict[str, Any]:
    """
    Return the figures from some seconds ago until some seconds ago.
    """
    now = world.now + 1
    answer = order(world, "span", since=iso(now - since), until=iso(now - until))
    assert "error" not in answer, answer
    problems = [row["problems"] for row in answer["rows"]]
    assert answer["facts"]["problems"] == []
    return {**answer["facts"], "problems": problems}


def counts(told: dict[str, Any]) -> dict[str, int]:
    return {who: count for who, count in told["ended_by"].items() if count}


def test_what_was_brought_back_counts_for_salt(scene: Scene) -> None:
    """
    Also where the first attempt failed; the outage is from the failure to the proof.
    """
    outage = Outage(scene, "web01", policy={"cooldown": 1})
    outage.ends(BAD)
    outage.ends(GOOD)
    closes(outage)
    told = figures(outage.world)
    assert counts(told) == {"salt": 1}
    assert told["outcomes"] == {"bad": 1, "good": 1}
    (row,) = told["problems"]
    assert (row["problem"], row["ended_by"]) == (outage.problem.display_id, "salt")
    assert (row["minions"], row["attempts"], row["escalated"]) == (["web01"], 2, None)
    healed = outage.world.events("healed")[0]
    assert healed["outcome"][0]["done"] is True
    assert row["outage_ms"] == told["outage"]["longest_ms"] > 90_000
    assert told["worst"]["minions"][0]["name"] == "web01"
    assert told["worst"]["processes"][0]["name"].endswith("apache2")


@pytest.mark.parametrize("returned", [BAD, HEALTHY])
def test_what_salt_did_not_bring_back_counts_for_others(scene: Scene, returned: Any) -> None:
    """
    By hand or by itself: nobody knows which. What it found serving was healed by somebody else.
    """
    outage = Outage(scene, "web01", policy={"max_attempts": 1, "cooldown": 0})
    outage.ends(returned)
    outage.passes(30)
    closes(outage)
    told = figures(outage.world)
    assert counts(told) == {"other": 1}
    assert told["problems"][0]["outage_ms"] is None
    assert told["outage"]["problems"] == 0
    assert told["escalated"] == (returned is BAD)


def test_of_two_minions_both_must_be_brought_back(scene: Scene) -> None:
    """
    Where one failed, somebody else has healed it.
    """
    outage = Outage(scene, "web01", "web02", policy={"max_attempts": 1})
    outage.ends(GOOD, BAD)
    closes(outage)
    assert counts(figures(outage.world)) == {"other": 1}


def test_what_is_still_open_counts_for_nobody(scene: Scene) -> None:
    """
    Also when it is healed: Dynatrace may go on to see the failure.
    """
    outage = Outage(scene, "web01")
    outage.ends(GOOD)
    told = figures(outage.world)
    assert counts(told) == {"open": 1}
    assert told["problems"][0]["length_s"] is None


def test_a_dry_run_ends_nothing(scene: Scene) -> None:
    """
    And is something to compare with: a process of a minion was down.
    """
    outage = Outage(scene, "web01", policy={"dry_run": True})
    outage.world.poll(1)
    closes(outage)
    told = figures(outage.world)
    assert counts(told) == {"other": 1}
    assert told["worst"]["minions"][0] == {
        **told["worst"]["minions"][0],
        **{"name": "web01", "problems": 1, "by_salt": 0},
    }


def test_one_heal_ends_all_problems_of_one_dead_process(scene: Scene) -> None:
    """
    Dynatrace opened two; an attempt was made for one of them.
    """
    outage = Outage(scene, "web01")
    second = scene.tenant.open_problem(outage.apaches)
    evidence = [down(apache, outage.begun) for apache in outage.apaches]
    scene.tenant.update_problem(second, evidence=evidence)
    outage.ends(GOOD)
    outage.passes(30)
    scene.tenant.close_problem(second)
    closes(outage)
    told = figures(outage.world)
    assert counts(told) == {"salt": 2}
    assert sorted(row["attempts"] for row in told["problems"]) == [0, 1]


def test_a_return_after_the_end_of_the_problem_counts(scene: Scene) -> None:
    """
    Dynatrace may see the service before the job returns.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 3600})
    closes(lost)
    assert counts(figures(lost.world)) == {"other": 1}
    lost.returns(GOOD)
    assert counts(figures(lost.world)) == {"salt": 1}


@pytest.mark.parametrize(
    ("after", "found"),
    [(600, {"1h": 1, "1d": 1}), (7200, {"1h": 0, "1d": 1}), (100_000, {"1h": 0, "1d": 0})],
)
def test_a_relapse_is_a_later_failure_of_what_was_healed(
    scene: Scene, after: int, found: dict[str, int]
) -> None:
    """
    Counted by the time between the proof and the next failure.
    """
    outage = Outage(scene, "web01", policy={"cooldown": 0})
    outage.ends(GOOD)
    outage.world.now += after
    outage.shows(outage.world.now - 1)
    outage.passes(31)
    assert len(outage.orders) == 2
    assert figures(outage.world, since=500)["relapses"] == found


def test_a_problem_belongs_to_the_time_in_which_it_was_seen(scene: Scene) -> None:
    """
    However long it stays open.
    """
    outage = Outage(scene, "web01")
    outage.ends(GOOD)
    outage.world.now += 7200
    assert figures(outage.world, 3600)["problems_count"] == 0
    assert figures(outage.world, 10_000)["problems_count"] == 1
    assert figures(outage.world, 20_000, 10_000)["problems_count"] == 0


def test_a_span_that_is_none_is_refused(scene: Scene) -> None:
    """
    With a sentence.
    """
    world = scene.world()
    answer = order(world, "span", since=iso(world.now), until=iso(world.now - 1))
    assert "before" in answer["error"]
    assert "time" in order(world, "span", since="yesterday", until=None)["error"]

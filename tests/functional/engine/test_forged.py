"""
Job events that a minion puts on the bus for jobs that it has no part in.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.remediation.job_tracker import HEARD

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD, World


def test_a_forged_start_of_a_job_does_not_stand_for_one(scene: Scene) -> None:
    """
    What is not in the job cache was never sent: the order is given again, under the same ids.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    (order,) = world.events()
    world.engine.on_job(order["jid"], "new", None, {"fun": "state.apply", "minions": ["web01"]})
    for _ in range(6):
        world.cycle(10)
    assert [data["jid"] for data in world.events("open")] == [order["jid"]] * 2


def test_a_forged_start_of_an_orchestration_heals_nothing(scene: Scene) -> None:
    """
    Its record comes with its end, so the start is believed; without an end it is lost, and counts.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"outcome_timeout": 60})
    scene.tenant.open_problem(apache)
    world.poll()
    (order,) = world.events()
    world.engine.on_job(order["jid"], "new", None, {"fun": "runner.state.orchestrate"})
    for _ in range(20):
        world.cycle(10)
    assert world.whats() == ["open", "failed"]
    assert world.events("failed")[0]["reason"] == "lost"


HOSTILE: list[Any] = [
    {"fun": None},
    {"fun": ["runner."], "success": True},
    {"return": "x" * 1_000_000, "success": True, "retcode": 0},
    {"return": {"a": {"result": True}}, "retcode": "0", "success": "yes"},
    {"fun": "runner.x", "return": None, "success": True},
]


NAMES = [None, "web01", "web02", "../../etc", "x" * 10_000, "web01/x"]


@pytest.mark.parametrize("minion", NAMES)
def test_whatever_a_forged_return_holds_the_true_one_counts(
    scene: Scene, minion: str | None
) -> None:
    """
    It raises nothing, and neither heals nor fails anything.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    (order,) = world.events()
    world.take(order)
    for data in HOSTILE:
        world.engine.on_job(order["jid"], "ret", minion, data)
        world.cycle(1)
    assert world.whats() == ["open"]
    world.give(order["jid"], "web01", BAD)
    world.engine.on_job(order["jid"], "ret", "web01", GOOD)
    world.cycle(1)
    assert world.whats() == ["open", "failed"]


def test_a_flood_of_forged_returns_is_bounded_and_hides_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    In the name of nobody it wakes nobody; in a minion's own so many wait, it is said once, and the true one counts.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    (order,) = world.events()
    world.take(order)
    world.cycle(1)
    world.engine.trigger.clear()
    for number in range(2000):
        world.engine.on_job(order["jid"], "ret", f"nobody{number}", GOOD)
    assert not world.engine.trigger.is_set()
    for _ in range(10):
        for _ in range(3 * HEARD):
            world.engine.on_job(order["jid"], "ret", "web01", {"return": "x" * 1000, "fun": "x"})
        assert world.job_tracker._heard.qsize() == HEARD
        world.cycle(6)
        world.cycle(6)
    assert world.whats() == ["open"]
    world.give(order["jid"], "web01", GOOD)
    world.cycle(1)
    assert "healed" in world.whats()
    assert caplog.text.count("on the bus but not in the job cache") == 1


def healed_by_whom_knows(scene: Scene, **config: Any) -> tuple[World, dict[str, Any]]:
    """
    Return a world in which a good return stands in the job cache, and its order.
    """
    apache = scene.host("web01")
    world = scene.world(**config)
    scene.tenant.open_problem(apache)
    world.poll()
    (order,) = world.events()
    world.salt_runs(order, GOOD)
    return world, order


@pytest.mark.parametrize("first", [True, False])
def test_a_second_return_that_tells_of_a_failure_calls_a_person(
    scene: Scene, first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Salt keeps the first that is filed in a minion's name; the true one is then only heard, in the same cycle or later.
    """
    world, order = healed_by_whom_knows(scene, feedback={"close": True, "close_after": 60})
    if first:
        world.cycle(1)
        assert world.job_tracker.is_watched(order["jid"])
    world.engine.on_job(order["jid"], "ret", "web01", BAD)
    for _ in range(3):
        world.cycle(1)
    assert world.whats() == ["open", "healed", "escalated"]
    (said,) = world.events("escalated")
    assert said["reason"] == "contradictory returns"
    assert caplog.text.count("contradict each other") == 1
    world.now += 3600
    world.send_comments()
    (problem,) = scene.tenant.problems
    assert problem.status == "OPEN"
    assert "contradictory returns" in scene.tenant.comments(problem)[-1].message


def test_the_same_return_again_calls_nobody(scene: Scene) -> None:
    """
    A minion sends its return again when the master was slow to take it.
    """
    world, order = healed_by_whom_knows(scene)
    world.cycle(1)
    world.engine.on_job(order["jid"], "ret", "web01", GOOD)
    world.cycle(1)
    assert world.whats() == ["open", "healed"]
    world.cycle(400)
    assert not world.job_tracker.is_watched(order["jid"])


def test_a_failure_that_was_said_of_others_calls_nobody(scene: Scene) -> None:
    """
    Neither in the name of a minion that the job did not go to, nor of one that is none.
    """
    scene.host("web02")
    world, order = healed_by_whom_knows(scene)
    world.engine.on_job(order["jid"], "ret", "web02", BAD)
    world.engine.on_job(order["jid"], "ret", "x" * 10_000, BAD)
    world.cycle(1)
    world.cycle(1)
    assert world.whats() == ["open", "healed"]


def test_all_attempts_are_looked_up_when_the_bus_was_not_heard(scene: Scene) -> None:
    """
    What passed while the ear was closed stands in the job cache, and does not wait for the next look.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    world.cycle(0.1)
    (order,) = world.events()
    world.cache.sent[order["jid"]] = ["web01"]
    world.cache.returned[order["jid"]] = {"web01": GOOD}
    world.cycle(0.1)
    assert world.whats() == ["open"]
    world.engine.on_open()
    world.cycle(0.1)
    assert world.whats() == ["open", "healed"]

"""
Job events that a minion puts on the bus for jobs that it has no part in.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD


def test_a_forged_start_of_a_job_does_not_stand_for_one(scene: Scene) -> None:
    """
    What is not in the job cache was never sent: the order is given again, under the same ids.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    (order,) = world.events()
    world.loop.job(order["jid"], "new", None, {"fun": "state.apply", "minions": ["web01"]})
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
    world.loop.job(order["jid"], "new", None, {"fun": "runner.state.orchestrate"})
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
        world.loop.job(order["jid"], "ret", minion, data)
        world.cycle(1)
    assert world.whats() == ["open"]
    world.give(order["jid"], "web01", BAD)
    world.loop.job(order["jid"], "ret", "web01", GOOD)
    world.cycle(1)
    assert world.whats() == ["open", "failed"]

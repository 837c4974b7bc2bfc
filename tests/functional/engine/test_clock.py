"""
The machine's clock is set, forwards and backwards, while the engine runs and while it is down.
"""

from __future__ import annotations

import logging

import pytest
from _dynatrace.core.notification import Notification

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD, World

POLICY = {"cooldown": 300, "max_attempts": 3, "attempt_window": 3600, "outcome_timeout": 120}
HOUR = 3600.0
BOTH = pytest.mark.parametrize("by", [HOUR, -HOUR, 40 * 86400.0, -40 * 86400.0])


def ordered(scene: Scene) -> World:
    """
    Return a world with an order that is out.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    scene.tenant.open_problem(apache)
    world.poll()
    return world


def seconds_until(world: World, what: str, most: float) -> float:
    """
    Return after how many seconds an event of this kind was fired.
    """
    for waited in range(0, int(most), 10):
        if world.events(what):
            return waited
        world.poll(10)
    raise AssertionError(f"no {what} within {most} s: {world.whats()}")


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    Return what the engine warned of.
    """
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("_dynatrace")
    ]


@BOTH
def test_a_cooldown_lasts_as_long_as_it_would_have(scene: Scene, by: float) -> None:
    """
    It neither ends when the clock is set forward, nor lasts for hours when it is set back.
    """
    world = ordered(scene)
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    world.cycle(100)
    world.set_clock(by)
    assert 490 <= seconds_until(world, "retry", 700) <= 520


@BOTH
def test_a_running_job_is_neither_lost_early_nor_waited_for_for_hours(
    scene: Scene, by: float
) -> None:
    """
    Its timeout goes on.
    """
    world = ordered(scene)
    world.take(world.events("open")[0])
    world.cycle(20)
    world.set_clock(by)
    world.cycle(60)
    assert world.events("failed") == []
    assert 30 <= seconds_until(world, "failed", 200) <= 80


@BOTH
def test_the_outcome_of_a_job_that_runs_while_the_clock_is_set_is_taken(
    scene: Scene, by: float
) -> None:
    """
    It is healed, once.
    """
    world = ordered(scene)
    order = world.events("open")[0]
    world.take(order)
    world.cycle(20)
    world.set_clock(by)
    world.give(order["jid"], "web01", GOOD)
    for _ in range(10):
        world.poll(31)
    assert world.whats() == ["open", "healed"]


@BOTH
def test_an_order_that_no_reactor_takes_is_given_again_in_its_time(scene: Scene, by: float) -> None:
    """
    The reactor refuses it when its validity seems over, or not begun; it is ordered anew under the same ids.
    """
    world = ordered(scene)
    world.set_clock(by)
    world.cycle(1)
    assert len(world.events("open")) == 1
    for _ in range(5):
        world.cycle(10)
    first, second = world.events("open")
    assert first["jid"] == second["jid"]


@pytest.mark.parametrize("refused_for", [0, 30])
@BOTH
def test_an_order_that_waits_for_the_bus_is_decided_anew(
    scene: Scene, by: float, refused_for: float
) -> None:
    """
    However fresh it looks, its problem is read again: it closed meanwhile, and nobody notified of that.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY, poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    world.ledger.notifications.add([(world.now, Notification(problem.problem_id))])
    world.bus.refuse = True
    world.cycle()
    assert world.ledger.attempts.in_progress.busy_minions() == {"web01"}
    scene.tenant.close_problem(problem)
    world.set_clock(by)
    world.cycle(1)
    world.cycle(refused_for)
    world.bus.refuse = False
    for _ in range(4):
        world.cycle(10)
    assert world.whats() == ["open", "resolved"]
    assert [data["minions"] for data in world.events()] == [[], []]


@BOTH
def test_polls_go_on(scene: Scene, by: float) -> None:
    """
    The next one does not wait until the clock has caught up.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    world.cycle()
    world.set_clock(by)
    scene.tenant.open_problem(apache)
    world.cycle(31)
    assert world.whats() == ["open"]


@BOTH
def test_attempts_stay_spent_in_their_window(scene: Scene, by: float) -> None:
    """
    The budget is neither given back by a clock set forward, nor kept for ever by one set back.
    """
    apache = scene.host("web01")
    world = scene.world(policy={**POLICY, "max_attempts": 1, "cooldown": 0})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], GOOD)
    world.cycle(1)
    scene.tenant.close_problem(problem)
    world.poll(10)
    world.set_clock(by)
    scene.tenant.open_problem(apache)
    world.poll(10)
    assert world.events("open")[1]["held"][0]["reason"] == "attempts spent"
    world.poll(HOUR)
    scene.tenant.open_problem(apache)
    world.poll(10)
    assert world.events("open")[2]["minions"] == ["web01"]


def test_a_clock_that_was_set_back_while_the_engine_was_down_locks_nobody_out(
    scene: Scene,
) -> None:
    """
    What was done then lies in the future; it is taken for having been done just now.
    """
    world = ordered(scene)
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    world.now -= 40 * 86400
    world.restart()
    assert 590 <= seconds_until(world, "retry", 700) <= 620


@BOTH
def test_comments_are_sent_in_their_time(scene: Scene, by: float) -> None:
    """
    One that waits for its next try does not wait for hours.
    """
    world = ordered(scene)
    (problem,) = scene.tenant.problems
    world.salt_runs(world.events("open")[0], GOOD)
    world.cycle(1)
    scene.tenant.fault("server_error", times=1, path="/comments")
    world.send_comments()
    world.set_clock(by)
    world.cycle(1)
    for _ in range(6):
        world.now += 10
        world.send_comments()
    assert len(scene.tenant.comments(problem)) == 1


def test_a_clock_that_is_set_is_said_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """
    With by how much; small corrections are not worth a line until they add up.
    """
    world = ordered(scene)
    world.take(world.events("open")[0])
    world.set_clock(-HOUR)
    for _ in range(3):
        world.cycle(10)
    (said,) = warned(caplog)
    assert "-3600 s" in said
    for _ in range(4):
        world.set_clock(2)
        world.cycle(1)
    _, said = warned(caplog)
    assert "+6 s" in said


def test_hours_of_downtime_are_no_jump(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """
    Time that really passed ends cooldowns.
    """
    world = ordered(scene)
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    world.now += 5 * HOUR
    world.restart()
    world.poll(1)
    assert world.events("retry")[0]["minions"] == ["web01"]
    assert warned(caplog) == []

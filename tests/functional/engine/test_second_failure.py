"""
A service that dies again while its healed problem is still open, and one that only seems to.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import GOOD, World
from tests.tenant import Problem

COOLDOWN = 60
POLICY = {"cooldown": COOLDOWN, "max_attempts": 3, "attempt_window": 86400}


def down(
    apache: str, start: float, status: str = "OPEN", kind: str = "PGI_UNAVAILABLE"
) -> dict[str, Any]:
    """
    Return evidence of a process that is down since `start` (epoch seconds), in the documented shape.
    """
    begun = int(start * 1000)
    entity = {"entityId": {"id": apache, "type": "PROCESS_GROUP_INSTANCE"}, "name": "apache2"}
    return {
        "evidenceType": "EVENT",
        "displayName": "Process unavailable",
        "entity": entity,
        "groupingEntity": None,
        "rootCauseRelevant": True,
        "eventId": f"1_{begun}",
        "eventType": kind,
        "startTime": begun,
        "endTime": -1 if status == "OPEN" else begun + 1000,
        "data": {"status": status, "startTime": begun, "underMaintenance": False},
    }


def healed(scene: Scene, **config: Any) -> tuple[World, Problem, str]:
    """
    Return a world in which a problem is healed and still open, and its process.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY, **config)
    problem = scene.tenant.open_problem(apache)
    show(scene, problem, down(apache, world.now - 90))
    world.poll()
    world.salt_runs(world.events()[-1], GOOD)
    world.cycle(5)
    assert world.whats() == ["open", "healed"]
    return world, problem, apache


def show(scene: Scene, problem: Problem, *evidence: dict[str, Any]) -> None:
    """
    Let the tenant show this evidence from now on; the list of problems does not show that it changed.
    """
    scene.tenant.update_problem(problem, evidence=list(evidence))


def test_a_service_that_dies_again_while_its_problem_is_open_is_healed_again(scene: Scene) -> None:
    """
    The evidence has a new event, which only a reading of the problem shows: a new attempt is right.
    """
    world, problem, apache = healed(scene)
    first = world.now - 95
    show(scene, problem, down(apache, first, "CLOSED"), down(apache, world.now + 30))
    while "retry" not in world.whats():
        world.poll(31)
        assert world.now < first + 600
    assert world.whats() == ["open", "healed", "retry"]
    order = world.events("retry")[0]
    assert (order["minions"], order["attempt"]) == (["web01"], 2)
    assert order["technologies"] == {"APACHE_HTTPD": ["web01"]}
    world.salt_runs(order, GOOD)
    for _ in range(20):
        world.poll(31)
    assert world.whats() == ["open", "healed", "retry", "healed"]


def test_a_second_failure_waits_for_the_cooldown(scene: Scene) -> None:
    """
    The attempts of one process keep their distance, also within one problem.
    """
    world, problem, apache = healed(scene)
    ended = world.now
    show(scene, problem, down(apache, world.now + 1))
    while "retry" not in world.whats():
        world.poll(5)
    assert ended + COOLDOWN <= world.now < ended + COOLDOWN + 200


#: Seconds after the heal at which the evidence says that an event began, its state, its kind.
OLD = [
    ("the old event is still open", -95, "OPEN", "PGI_UNAVAILABLE"),
    ("another began before the heal", -2, "OPEN", "PGI_UNAVAILABLE"),
    ("a new one is over already", 30, "CLOSED", "PGI_UNAVAILABLE"),
    ("the new one is not about being down", 30, "OPEN", "SERVICE_SLOWDOWN"),
]


@pytest.mark.parametrize(("what", "after", "status", "kind"), OLD, ids=[row[0] for row in OLD])
def test_a_healed_service_is_not_restarted_on_old_evidence(
    scene: Scene, what: str, after: float, status: str, kind: str
) -> None:
    """
    Healthy here, still open there: for hours nothing is done.
    """
    world, problem, apache = healed(scene)
    show(scene, problem, down(apache, world.now + after, status, kind))
    for _ in range(40):
        world.poll(300)
    assert [name for name in world.whats() if name != "changed"] == ["open", "healed"], what


def test_a_tenant_whose_clock_is_ahead_causes_no_second_restart(scene: Scene) -> None:
    """
    The only failure seems to begin after its own heal; it is known from before the order.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    problem = scene.tenant.open_problem(apache)
    show(scene, problem, down(apache, world.now + 600))
    world.poll()
    world.salt_runs(world.events()[-1], GOOD)
    for _ in range(40):
        world.poll(60)
    assert world.whats() == ["open", "healed"]


def test_evidence_without_times_never_causes_a_second_restart(scene: Scene) -> None:
    """
    Some old evidence has none; then nothing tells one failure from two.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    problem = scene.tenant.open_problem(apache)
    bare = down(apache, world.now)
    del bare["startTime"]
    show(scene, problem, bare)
    world.poll()
    world.salt_runs(world.events()[-1], GOOD)
    world.cycle(5)
    show(scene, problem, down(apache, world.now + 30))
    for _ in range(20):
        world.poll(60)
    assert world.whats() == ["open", "healed"]


def test_a_flapper_within_one_problem_is_escalated(scene: Scene) -> None:
    """
    Healed each time, and dead again each time: after `max_attempts` in the window a person is called, once.
    """
    world, problem, apache = healed(scene)
    for _ in range(4):
        show(scene, problem, down(apache, world.now + 1))
        for _ in range(12):
            world.poll(31)
            for data in world.events():
                if data["minions"] and data["jid"] not in world.cache.sent:
                    world.salt_runs(data, GOOD)
    assert sum(bool(data["minions"]) for data in world.events()) == 3
    assert world.whats().count("healed") == 3
    assert world.whats()[-1] == "escalated"
    assert world.whats().count("escalated") == 1


def test_a_healed_problem_is_read_ever_less_often(scene: Scene) -> None:
    """
    The tenant's calls are counted: over two hours an open and healed problem costs less than one a poll.
    """
    world, problem, _ = healed(scene)
    before = sum(call.path.endswith(problem.problem_id) for call in scene.tenant.requests)
    for _ in range(240):
        world.poll(30)
    after = sum(call.path.endswith(problem.problem_id) for call in scene.tenant.requests)
    assert 20 < after - before < 40


def test_a_notification_of_the_second_failure_is_looked_at_at_once(scene: Scene) -> None:
    """
    Whoever tells of it need not wait for the next regular look.
    """
    world, problem, apache = healed(scene, poll_interval=3600)
    for _ in range(10):
        world.cycle(60)
    show(scene, problem, down(apache, world.now))
    world.ledger.remind(problem.problem_id, world.now)
    world.cycle(1)
    assert world.whats() == ["open", "healed", "retry"]


@pytest.mark.parametrize("again", [False, True])
def test_a_problem_that_failed_again_is_not_closed_for_its_first_heal(
    scene: Scene, again: bool
) -> None:
    """
    Whoever has healed problems closed has them read once more first.
    """
    world, problem, apache = healed(scene, feedback={"close": True, "close_after": 60})
    if again:
        show(scene, problem, down(apache, world.now + 30))
    world.now += 61
    world.send_comments()
    assert problem.status == ("OPEN" if again else "CLOSED")

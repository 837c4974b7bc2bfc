"""
A service that dies again while its healed problem is still open, and one that only seems to.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.core.notification import Notification

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import GOOD, World, down
from tests.tenant import Problem, Tenant

COOLDOWN = 60
POLICY = {"cooldown": COOLDOWN, "max_attempts": 3, "attempt_window": 86400}


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


def looks(tenant: Tenant, problem_id: str) -> int:
    """
    Return how often a problem was read by its id.
    """
    paths = sum(call.path.endswith(problem_id) for call in tenant.requests)
    return paths + sum(f'"{problem_id}"' in query for query in tenant.dql)


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
    before = looks(scene.tenant, problem.problem_id)
    for _ in range(240):
        world.poll(30)
    assert 20 < looks(scene.tenant, problem.problem_id) - before < 40


def test_a_notification_of_the_second_failure_is_looked_at_at_once(scene: Scene) -> None:
    """
    Whoever tells of it need not wait for the next regular look.
    """
    world, problem, apache = healed(scene, poll_interval=3600)
    for _ in range(10):
        world.cycle(60)
    show(scene, problem, down(apache, world.now))
    world.ledger.notifications.add([(world.now, Notification(problem.problem_id))])
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


def duplicates(scene: Scene) -> tuple[World, list[Problem], str]:
    """
    Return a world with three problems about one dead process: its own, a service's, and a synthetic monitor's.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    start = world.now - 90
    problems = [scene.tenant.open_problem(apache, start=start)]
    for title, severity, named in (
        ("Failure rate increase", "ERROR", "SERVICE-00000000000000C1"),
        ("Web site unavailable", "AVAILABILITY", "HTTP_CHECK-00000000000000C2"),
    ):
        problems.append(
            scene.tenant.open_problem(
                apache, title=title, severity=severity, root_cause=apache, start=start + 60
            )
        )
        body = {"entityId": {"id": named, "type": named.rpartition("-")[0]}, "name": title}
        problems[-1].extra = {"affectedEntities": [body], "impactedEntities": [body]}
    for problem in problems:
        show(scene, problem, down(apache, start))
    return world, problems, apache


def test_three_problems_about_one_dead_process_cause_one_attempt(scene: Scene) -> None:
    """
    The others are held while it is in progress, and as healed for as long as they stay open.
    """
    world, problems, _ = duplicates(scene)
    world.poll()
    opened = world.events("open")
    assert [bool(data["minions"]) for data in opened] == [True, False, False]
    assert [item["reason"] for data in opened for item in data["held"]] == ["in progress"] * 2
    world.salt_runs(opened[0])
    for _ in range(60):
        world.poll(60)
    assert sum(bool(data["minions"]) for data in world.events()) == 1
    assert world.events("escalated") == []
    for problem in problems:
        scene.tenant.close_problem(problem)
    world.poll(60)
    assert world.whats().count("resolved") == 3


def test_a_duplicate_that_appears_late_is_held_as_healed(scene: Scene) -> None:
    """
    Its evidence shows the failure that was healed already, by a problem that is closed by now.
    """
    world, problem, apache = healed(scene)
    event = {**problem.evidence[0], "eventId": "2_1"} if problem.evidence else {}
    scene.tenant.close_problem(problem)
    world.poll(300)
    late = scene.tenant.open_problem(apache, title="Failure rate increase", severity="ERROR")
    show(scene, late, event)
    for _ in range(20):
        world.poll(60)
    assert world.events("open")[1]["held"][0]["reason"] == "healed"
    assert sum(bool(data["minions"]) for data in world.events()) == 1


def test_a_duplicate_whose_process_fails_again_is_acted_on(scene: Scene) -> None:
    """
    By one attempt, whichever of the problems shows it.
    """
    world, problems, apache = duplicates(scene)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.poll(10)
    show(scene, problems[1], down(apache, world.now + 30))
    for _ in range(10):
        world.poll(60)
        for data in world.events("retry"):
            if data["jid"] not in world.cache.sent:
                world.salt_runs(data)
    (retry,) = world.events("retry")
    assert retry["problem_id"] == problems[1].problem_id


def test_a_reopened_problem_is_not_held_for_the_heal_of_another(scene: Scene) -> None:
    """
    Closed and open again, it may mean a new failure whose event is the old one.
    """
    world, problems, _ = duplicates(scene)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.poll(10)
    scene.tenant.close_problem(problems[2])
    world.poll(10)
    scene.tenant.reopen_problem(problems[2])
    for _ in range(3):
        world.poll(60)
    ordered = {(data["problem_id"], data["episode"]) for data in world.events() if data["minions"]}
    assert ordered == {(problems[0].problem_id, 1), (problems[2].problem_id, 2)}

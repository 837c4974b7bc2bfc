"""
What is notified may be invented, or be what cannot be read: the list of problems and the orders keep their share.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from itertools import count, islice

import pytest
from _dynatrace.api.rate_limiter import RateLimiter
from _dynatrace.core.notification import Notification
from _dynatrace.webhook.salt_api_hook import WAITING, Hook

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, World
from tests.tenant import Tenant

#: Of a small tenant: the flood below wants nine times as many.
CALLS = 60


def lists(tenant: Tenant) -> int:
    """
    Return how often the list of problems was read.
    """
    paths = sum(call.path.partition("?")[0].endswith("/problems") for call in tenant.requests)
    return paths + sum("is_duplicate" in query.partition("| fields")[0] for query in tenant.dql)


def limit(world: World, calls: int = CALLS) -> None:
    """
    Give the engine so many calls a minute, by the test's clock.
    """
    client = world.engine.problem_reader._client
    assert client is not None

    def sleep(seconds: float) -> None:
        world.now += seconds

    limiter = RateLimiter(calls, lambda: world.now, sleep)
    for transport in client._transports:
        transport._rate_limiter = limiter


def run(world: World, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
    """
    Run cycles as the loop does, each when it is due or a second later; ``meanwhile`` is done before each.
    """
    until = world.now + seconds
    while world.now < until:
        meanwhile()
        world.cycle(0)
        world.now += min(max(world.reconciler._wait(world.now), 0.25), 1.0)


@pytest.mark.parametrize("interval", [30, 60, 120, 300])
def test_a_notified_problem_that_cannot_be_read_does_not_keep_the_list_from_being_read(
    scene: Scene, interval: int, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is tried once a minute, with each poll; and it is said once.
    """
    for name in ("web01", "web02"):
        scene.host(name)
    world = scene.world(poll_interval=interval)
    world.poll()
    unreadable = scene.tenant.open_problem(scene.apaches["web01"])
    path = f"/problems/{unreadable.problem_id}"
    scene.tenant.fault("server_error", times=None, path=path)
    world.notify(json.dumps({"PID": unreadable.problem_id, "State": "OPEN"}).encode())
    run(world, 400)
    scene.tenant.open_problem(scene.apaches["web02"])
    began, before = world.now, lists(scene.tenant)
    run(world, 3600)
    assert lists(scene.tenant) - before >= 3600 // interval - 1
    assert world.now - (world.status.last_poll or 0) <= interval + 1
    assert not world.status.polls_late(world.now)
    order = next(data for data in world.events("open") if "web02" in data["minions"])
    episode = world.ledger.episodes.latest(order["problem_id"])
    assert episode is not None
    assert episode.opened - began <= interval + 1
    warned = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert 1 <= len([one for one in warned if one.name[0] == "_"]) <= 2


INVENTED: dict[str, Callable[[int], Notification]] = {
    "ids": lambda number: Notification(problem_id=f"{number}_1700000000000V2"),
    "numbers": lambda number: Notification(display_id=f"P-{number}"),
    "old ids": lambda number: Notification(old_pid=f"-17{number:016d}"),
}


@pytest.mark.parametrize("kind", INVENTED)
def test_invented_problems_do_not_spend_the_calls_of_the_list(
    scene: Scene, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Nine calls a second are asked for where a minute has sixty: what only the list tells is healed with the next poll.
    """
    for name in ("web01", "web02"):
        scene.host(name)
    world = scene.world()
    limit(world)
    world.poll()
    numbers = count()

    def flood() -> None:
        notices = [(world.now, INVENTED[kind](number)) for number in islice(numbers, 9)]
        world.ledger.notifications.add(notices)

    run(world, 150, flood)
    began, before = world.now, lists(scene.tenant)
    problem = scene.tenant.open_problem(scene.apaches["web02"])
    run(world, 120, flood)
    opened = world.ledger.episodes.latest(problem.problem_id)
    assert opened is not None
    assert opened.opened - began < 35
    assert world.events("open")[0]["minions"] == ["web02"]
    if kind == "ids":
        assert lists(scene.tenant) - before >= 4
    assert world.status.api_error is None
    warned = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len([one for one in warned if one.name[0] == "_"]) <= 2


def test_invented_problems_do_not_spend_the_calls_of_an_order(scene: Scene) -> None:
    """
    What was read a while ago is read again before it is acted on.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 60})
    limit(world)
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    numbers = count()

    def flood() -> None:
        notices = [(world.now, INVENTED["ids"](number)) for number in islice(numbers, 9)]
        world.ledger.notifications.add(notices)

    world.cycle(1)
    began = world.now
    while not world.events("retry"):
        assert world.now - began < 300
        run(world, 1, flood)
    assert world.now - began < 140


def test_a_flood_through_the_hook_delays_nothing_that_is_real(scene: Scene) -> None:
    """
    Neither what the list shows, nor what the hook names among it all, nor does it fill the ledger.
    """
    for name in ("web01", "web02"):
        scene.host(name)
    world = scene.world()
    limit(world)
    world.poll()
    hook = Hook("test", {}, world.ledger.notifications, world.engine.look_now, lambda: world.now)
    numbers = count()

    def flood() -> None:
        for number in islice(numbers, 50):
            hook.receive({"post": {"PID": f"{number}_1700000000000V2"}})
        hook.process()
        assert world.ledger.queue_length() <= WAITING + 10

    run(world, 150, flood)
    began = world.now
    hook.receive({"post": {"PID": scene.tenant.open_problem(scene.apaches["web01"]).problem_id}})
    listed = scene.tenant.open_problem(scene.apaches["web02"])
    while len(world.events("open")) < 2:
        assert world.now - began < 35
        run(world, 1, flood)
    assert world.ledger.episodes.latest(listed.problem_id) is not None


def test_all_that_is_notified_is_read_in_the_end(scene: Scene) -> None:
    """
    More problems than a minute has calls for, of which nothing but the notifications tells.
    """
    for number in range(40):
        scene.host(f"web{number:02d}")
    world = scene.world(poll_interval=0, policy={"max_minions": 100})
    limit(world)
    for apache in scene.apaches.values():
        problem = scene.tenant.open_problem(apache)
        world.notify(json.dumps({"PID": problem.problem_id, "State": "OPEN"}).encode())
    run(world, 600)
    assert len(world.ledger.episodes.summaries()) == 40
    assert world.ledger.notifications.next_due() is None

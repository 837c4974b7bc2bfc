"""
A storm: far more problems than the storm guard lets be healed at once.

The reactor and the minions are simulated with the delays and refusals of the real ones: an order is taken while it is
valid, a job takes some seconds, and while the reactor is stalled nothing is taken at all.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from _dynatrace.core.notification import Notification
from _dynatrace.engine.commands import _seconds
from _dynatrace.engine.reconciler import BUS_STEP_S
from _dynatrace.remediation.scheduler import AHEAD

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import GOOD, World

SEVERITIES = ("AVAILABILITY", "ERROR", "PERFORMANCE")


class Salt:
    """
    Reactor and minions over the world's bus; `stalled_until` is when the reactor begins to take events.
    """

    def __init__(self, world: World, stalled_until: float = 0.0) -> None:
        self.world = world
        self.stalled_until = stalled_until
        self.read = 0
        self.queue: list[dict[str, Any]] = []
        self.running: dict[str, tuple[float, dict[str, Any]]] = {}
        self.orders: list[dict[str, Any]] = []
        self.executed: list[str] = []
        self.most = 0

    def step(self) -> None:
        """
        End the jobs that are over, take what was ordered, and count who is being healed.
        """
        now = self.world.now
        for jid, (ends, order) in list(self.running.items()):
            if now >= ends:
                for minion in order["minions"]:
                    self.world.give(jid, minion, GOOD)
                del self.running[jid]
        fired = self.world.events()[self.read :]
        self.read += len(fired)
        ordered = [data for data in fired if data["minions"]]
        self.orders += ordered
        self.queue += ordered
        self._count(now)
        if now >= self.stalled_until:
            for order in self.queue:
                self._take(order, now)
            self.queue = []

    def _take(self, order: dict[str, Any], now: float) -> None:
        if now > _seconds(order["valid_until"]) or order["jid"] in self.world.cache.sent:
            return
        self.world.take(order)
        self.executed += order["minions"]
        self.running[order["jid"]] = (now + 3 + int(order["jid"][-1]) % 5, order)

    def _count(self, now: float) -> None:
        """
        Count the minions on which a job runs, or for which an order is out that may still become one.
        """
        healing = {minion for _, order in self.running.values() for minion in order["minions"]}
        for order in self.queue:
            if now <= _seconds(order["valid_until"]):
                healing.update(order["minions"])
        self.most = max(self.most, len(healing))


def storm(scene: Scene, count: int, begun: float) -> list[Any]:
    """
    Open a problem on each of `count` minions; severity and start are in no order.
    """
    opened = []
    for number in range(len(scene.hosts), len(scene.hosts) + count):
        apache = scene.host(f"web{number:04d}")
        opened.append(
            scene.tenant.open_problem(
                apache, severity=SEVERITIES[number * 7 % 3], start=begun + number * 37 % 60
            )
        )
    return opened


def run(world: World, salt: Salt, until: int, polls: int, step: float = 1.0) -> list[float]:
    """
    Run cycles until so many minions were acted on; return how long each took.
    """
    spent: list[float] = []
    for number in range(20 * until):
        begun = time.perf_counter()
        world.reconciler._next_poll = 0.0 if number < polls else world.now + 1e6
        world.cycle(step)
        spent.append(time.perf_counter() - begun)
        salt.step()
        if len(salt.executed) >= until and not salt.running and number > polls:
            break
    world.cycle(1)
    return spent


def assert_in_order(world: World) -> None:
    """
    Check that at each order nothing worse or older was known and still waited.
    """
    waiting: dict[str, tuple[int, str]] = {}
    for data in world.events():
        place = (SEVERITIES.index(data["severity"]), data["start"])
        if data["what"] == "open" and not data["minions"]:
            waiting[data["problem_id"]] = place
        elif data["what"] in ("open", "retry"):
            waiting.pop(data["problem_id"], None)
            assert place <= min(waiting.values(), default=place)


@pytest.mark.timeout(900)
def test_a_thousand_problems_in_a_minute_are_healed_ten_at_a_time_and_in_order(
    scene: Scene,
) -> None:
    """
    Never more than the limit, all in the end, each once, the most severe and oldest first.
    """
    begun = time.time() - 60
    world = None
    for _ in range(1000):
        scene.host(f"web{len(scene.hosts):04d}")
    world = scene.world(policy={"max_minions": 10})
    salt = Salt(world)
    spent: list[float] = []
    names = list(scene.hosts)
    for part in range(4):
        for number in range(part * 250, part * 250 + 250):
            scene.tenant.open_problem(
                scene.apaches[names[number]],
                severity=SEVERITIES[number * 7 % 3],
                start=begun + number * 37 % 60,
            )
        first = time.perf_counter()
        world.poll(15)
        spent.append(time.perf_counter() - first)
        salt.step()
    spent += run(world, salt, until=1000, polls=0)
    print(
        f"\n{len(spent)} cycles in {sum(spent):.1f} s: median {sorted(spent)[len(spent) // 2] * 1e3:.1f} ms, "
        f"longest {max(spent) * 1e3:.0f} ms"
    )
    assert salt.most == 10
    assert len(salt.executed) == len(set(salt.executed)) == 1000
    assert len(world.events("healed")) == 1000
    assert_in_order(world)


@pytest.mark.parametrize("limit", [10, "5%"])
def test_a_share_or_a_number_limits_a_storm_of_minions_that_share_a_problem(
    scene: Scene, limit: Any
) -> None:
    """
    Some problems are about several minions: they too count one by one.
    """
    names = [f"web{number:03d}" for number in range(200)]
    for name in names:
        scene.host(name)
    world = scene.world(policy={"max_minions": limit})
    salt = Salt(world)
    for at in range(0, 200, 4):
        group = [scene.apaches[name] for name in names[at : at + 4]]
        scene.tenant.open_problem(group, root_cause=None, start=time.time() - 200 + at)
    run(world, salt, until=200, polls=1)
    assert salt.most == 10
    assert sorted(salt.executed) == names


def test_a_reactor_stalled_for_75_seconds_delays_a_storm_and_loses_nothing(scene: Scene) -> None:
    """
    What expired in its queue is ordered again under the same ids, keeps its place, and calls no person.
    """
    storm(scene, 100, time.time() - 60)
    world = scene.world(policy={"max_minions": 10})
    salt = Salt(world, stalled_until=world.now + 75)
    run(world, salt, until=100, polls=2)
    assert salt.most == 10
    assert len(salt.executed) == len(set(salt.executed)) == 100
    assert len(world.events("healed")) == 100
    assert world.events("escalated") == []
    by_minion = {tuple(order["minions"]): order["attempt_id"] for order in salt.orders}
    assert all(order["attempt_id"] == by_minion[tuple(order["minions"])] for order in salt.orders)


def test_orders_that_nobody_took_keep_no_new_problem_waiting(scene: Scene) -> None:
    """
    Each is read again before it is given again, and a cycle does so for a moment only, beginning with those that wait longest.
    """
    names = [f"web{number:03d}" for number in range(30)]
    for name in names:
        scene.tenant.open_problem(scene.host(name), start=time.time() - 60)
    late = scene.host("late")
    world = scene.world(policy={"max_minions": 1000})
    world.poll()
    world.cycle()
    assert len(world.events("open")) == len(names)
    now = iter(range(10**6))
    dispatch = world.reconciler.dispatch
    dispatch.steady = lambda: next(now) * 0.1
    problem = scene.tenant.open_problem(late)
    world.ledger.notifications.add([(world.now, Notification(problem.problem_id))])
    world.cycle(40)
    assert world.events("open")[len(names) :][-1]["minions"] == ["late"]
    assert len(world.events("open")) < len(names) + 8
    assert dispatch.crowded
    assert world.reconciler._wait(world.now) <= BUS_STEP_S
    for _ in range(10):
        world.cycle(0.1)
    assert not dispatch.crowded
    given = Counter(data["minions"][0] for data in world.events("open"))
    assert given == {**dict.fromkeys(names, 2), "late": 1}


def test_what_is_notified_meanwhile_waits_for_few_orders(scene: Scene) -> None:
    """
    However many the policy lets through, few wait to be fired; what is notified comes before all that is not decided.
    """
    names = [f"web{number:03d}" for number in range(3 * AHEAD)]
    for name in names:
        scene.tenant.open_problem(scene.host(name), start=time.time() - 60)
    late = scene.host("late")
    world = scene.world(policy={"max_minions": 1000})
    world.reconciler._next_poll = 0.0
    for _ in range(3):
        world.cycle(0.1, fire=False)
    assert len(world.ledger.outbox.orders(world.now, limit=1000)) == AHEAD
    problem = scene.tenant.open_problem(late)
    world.ledger.notifications.add([(world.now, Notification(problem.problem_id))])
    for _ in range(3):
        world.cycle(0.1, fire=False)
    assert world.reconciler.scheduler.crowded
    for _ in range(5):
        world.fire()
        world.cycle(0.1, fire=False)
    ordered = [minion for data in world.events("open") for minion in data["minions"]]
    assert ordered[AHEAD] == "late"
    assert sorted(ordered) == sorted([*names, "late"])
    assert not world.reconciler.scheduler.crowded


def test_more_minions_than_an_event_carries_are_ordered_by_several(scene: Scene) -> None:
    """
    At once and each once, when the storm guard lets all of them; nobody is cut from an event.
    """
    names = [f"web{number:03d}".ljust(250, "x") for number in range(80)]
    for name in names:
        scene.host(name)
    world = scene.world(policy={"max_minions": 1000})
    salt = Salt(world)
    scene.tenant.open_problem([scene.apaches[name] for name in names], root_cause=None)
    world.poll()
    world.cycle(after=0.1)
    orders = [data for data in world.events() if data["minions"]]
    assert [data["what"] for data in orders] == ["open", "retry"]
    assert sorted(orders[0]["minions"] + orders[1]["minions"]) == names
    assert {held["reason"] for held in orders[0]["held"]} == {"storm"}
    for data in orders:
        assert data["technologies"] == {"APACHE_HTTPD": data["minions"]}
    run(world, salt, until=30, polls=1)
    assert sorted(salt.executed) == names


def untaken(scene: Scene, count: int, limit: int) -> World:
    """
    Return a world with problems about nginx, which no reactor takes though one is mapped, and two healthy apache2.
    """
    for number in range(count):
        host = scene.tenant.add_host(f"ngx{number:02d}.example.com")
        scene.hosts[f"ngx{number:02d}"] = host
        nginx = scene.tenant.add_process(host, "nginx", technology="NGINX")
        scene.tenant.open_problem(nginx, start=time.time() - 600 + number)
    scene.host("web01")
    scene.host("web02")
    return scene.world(policy={"max_minions": limit})


def runs(world: World, until: float, takes: str = "APACHE_HTTPD") -> dict[str, float]:
    """
    Run cycles for so long, let orders for a technology be taken, and return when each minion was acted on first.
    """
    first: dict[str, float] = {}
    begun, read = world.now, len(world.events())
    while world.now < begun + until:
        world.reconciler._next_poll = 0.0 if world.now == begun else world.now + 1e6
        world.cycle(1)
        fired = world.events()[read:]
        read += len(fired)
        for data in fired:
            if takes in data["technologies"] and data["jid"] not in world.cache.sent:
                world.salt_runs(data)
            for minion in data["minions"]:
                first.setdefault(minion, world.now - begun)
    return first


def test_what_nobody_takes_leaves_room_for_what_a_remedy_takes(scene: Scene) -> None:
    """
    It counts while a reactor may take it, and afterwards it has a half of the places; each calls a person in the end.
    """
    world = untaken(scene, count=30, limit=10)
    runs(world, 5)
    scene.tenant.open_problem(scene.apaches["web01"], start=time.time() - 30)
    assert runs(world, 40)["web01"] <= 33
    scene.tenant.open_problem(scene.apaches["web02"], start=time.time() - 30)
    assert runs(world, 40)["web02"] <= 2
    runs(world, 900)
    reasons = [data["reason"] for data in world.events("escalated")]
    assert reasons == ["no remedy took the event"] * 30


def test_what_is_taken_after_all_gets_all_places_again(scene: Scene) -> None:
    """
    The reactor was stalled, or its file was mended.
    """
    world = untaken(scene, count=20, limit=4)
    runs(world, 60)
    assert len(world.engine.verdicts.capacity().busy) == 2
    first = runs(world, 60, takes="NGINX")
    assert len(first) == 20
    assert not world.engine.verdicts.uptake


def test_an_order_for_more_minions_than_the_half_is_given_again(scene: Scene) -> None:
    """
    It cannot be given in parts, since it has one job id.
    """
    names = ["web01", "web02", "web03"]
    for name in names:
        scene.host(name)
    world = scene.world(policy={"max_minions": 3})
    scene.tenant.open_problem([scene.apaches[name] for name in names], root_cause=None)
    runs(world, 50, takes="nothing")
    first, again = [data for data in world.events() if data["minions"]]
    assert first["minions"] == again["minions"] == names
    assert first["jid"] == again["jid"]


def test_with_one_place_what_nobody_takes_does_not_keep_it(scene: Scene) -> None:
    """
    The order of the storm still counts: the problem with the most severe failure is first.
    """
    world = untaken(scene, count=3, limit=1)
    runs(world, 5)
    scene.tenant.open_problem(scene.apaches["web01"], start=time.time() - 30)
    assert "web01" in runs(world, 600)
    assert len(world.events("escalated")) >= 1

"""
Many decisions at once: in groups of one commit each, for a short time, and each group knows what the one before ordered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from _dynatrace.core.errors import LedgerDamaged
from _dynatrace.core.records import Episode
from _dynatrace.engine import reconciler as reconciler_
from _dynatrace.remediation import scheduler

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, World


def crowd(scene: Scene, count: int, **config: Any) -> World:
    """
    Return a world that knows of so many problems, of three severities, and has decided none of them.
    """
    for number in range(count):
        apache = scene.host(f"web{number:03d}")
        severity = ("AVAILABILITY", "ERROR", "PERFORMANCE")[number % 3]
        scene.tenant.open_problem(apache, severity=severity)
    world = scene.world(**config)
    decide = world.scheduler.decide
    world.scheduler.decide = lambda *_: []  # type: ignore[method-assign]
    world.poll()
    world.scheduler.decide = decide  # type: ignore[method-assign]
    return world


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """
    Collect what sqlite is asked.
    """
    found: list[str] = []
    connection = world.ledger.database.connection
    connection.set_trace_callback(found.append)
    yield found
    connection.set_trace_callback(None)


def test_decisions_of_a_group_are_one_commit_and_few_statements(scene: Scene) -> None:
    """
    What is only announced asks the ledger for nothing of its own but whether all is paused. The other commits wake what
    waited for the end of a pause, or for the index of minions, before the start.
    """
    world = crowd(scene, 60, policy={"dry_run": True})
    with statements(world) as asked:
        world.scheduler.decide(world.now)
    assert world.ledger.queue_length() == 60
    assert asked.count("COMMIT") <= 3
    assert len(asked) <= 60 * 6 + 20


def test_time_is_bounded_and_the_most_severe_are_decided_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is left is due at once, and nothing is announced twice.
    """
    world = crowd(scene, 30, policy={"dry_run": True})
    monkeypatch.setattr(scheduler, "AHEAD", 4)
    now = iter(range(10**6))
    monkeypatch.setattr(world.scheduler, "steady", lambda: next(now) * 0.1)
    calls = 0
    while (due := world.ledger.episodes.next_due()) is not None and due <= world.now:
        world.scheduler.decide(world.now)
        calls += 1
    monkeypatch.undo()
    world.fire()
    assert 5 <= calls <= 30
    severities = [data["severity"] for data in world.events()]
    assert severities == ["AVAILABILITY"] * 10 + ["ERROR"] * 10 + ["PERFORMANCE"] * 10


def test_no_transaction_waits_for_a_call(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Neither of the tenant nor of the job cache: others write to the ledger meanwhile.
    """
    world = crowd(scene, 6, policy={"max_minions": 3})
    world.now += 60  # What was read is old.
    read: list[str] = []

    def watched(part: Any, name: str) -> None:
        right = getattr(part, name)

        def call(*args: Any) -> Any:
            assert world.ledger.database._depth == 0
            read.append(name)
            return right(*args)

        object.__setattr__(part, name, call)

    watched(world.engine.episodes, "read")
    watched(world.engine.jobs, "minions")
    world.scheduler.decide(world.now)
    assert read.count("read") >= 3
    assert read.count("minions") == 3
    assert len(world.ledger.attempts.open()) == 3


def test_one_decision_that_fails_takes_back_only_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Also what it had written already; it is decided again a moment later.
    """
    world = crowd(scene, 5)
    escalate = world.scheduler._escalate

    def breaks(decision: Any, *args: Any) -> Any:
        if decision.episode.resolution.targets[0].minion == "web003":
            raise ValueError("a fault of the engine")
        return escalate(decision, *args)

    with monkeypatch.context() as patched:
        patched.setattr(world.scheduler, "_escalate", breaks)
        world.scheduler.decide(world.now)
    world.fire()
    names = [["web000"], ["web001"], ["web002"], ["web004"]]
    assert sorted(data["minions"] for data in world.events()) == names
    assert len(world.ledger.attempts.open()) == 4
    world.cycle(16)
    assert world.events()[-1]["minions"] == ["web003"]


def test_a_pause_that_comes_between_reading_and_recording_holds(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing is recorded as ordered; the pause is the reason that is announced.
    """
    world = crowd(scene, 2)
    takes = scheduler.Group.takes

    def paused(*args: Any) -> bool:
        world.commands._pause({"reason": "x", "who": "admin"}, world.now)
        return takes(*args)

    with monkeypatch.context() as patched:
        patched.setattr(scheduler.Group, "takes", paused)
        world.scheduler.decide(world.now)
    assert world.ledger.attempts.open() == []
    world.cycle(1)
    assert [one["held"][0]["reason"] for one in world.events("open")] == ["paused", "paused"]


def test_many_that_wait_for_capacity_do_not_hide_what_is_due(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Less severe, and only to be announced: it is announced in the same call.
    """
    monkeypatch.setattr(scheduler, "PLACES", 3)
    world = crowd(scene, 12, policy={"max_minions": 1})
    for _ in range(12):
        world.cycle(0.1)
    assert len(world.events("open")) == 12
    world.salt_runs(next(data for data in world.events() if data["minions"]), BAD)
    scene.tenant.open_problem(scene.host("db01"), severity="CUSTOM_ALERT")
    world.poll(1)
    assert len(world.events("open")) == 13
    orders = [data for data in world.events() if data["minions"]]
    assert [data["severity"] for data in orders] == ["AVAILABILITY"] * 2


def test_two_problems_of_one_minion_are_ordered_one_after_the_other(scene: Scene) -> None:
    """
    Though they are decided in one group, and the first is not recorded when the second is looked at.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"max_minions": 5})
    for _ in range(3):
        scene.tenant.open_problem(apache)
    world.poll()
    assert [data["minions"] for data in world.events()] == [["web01"], [], []]
    held = {one["reason"] for data in world.events()[1:] for one in data["held"]}
    assert held == {"in progress"}


def test_what_waits_costs_no_query_of_its_own_in_each_cycle(scene: Scene) -> None:
    """
    Neither open problems, nor jobs that run, nor orders that nobody took.
    """
    counts = []
    for number in range(2):
        world = crowd(scene, 10 + 20 * number, policy={"max_minions": 1000})
        world.cycle()
        for data in world.events():
            world.take(data)
        world.cycle(1)
        world.scheduler.decide(world.now)
        with statements(world) as asked:
            world.cycle(1)
        counts.append(len(asked))
        world.ledger.close()
        scene.worlds.remove(world)
        (scene.directory / "ledger.db").unlink()
    assert counts[0] == counts[1]


def work(world: World) -> int:
    """
    Return how many instructions of sqlite's machine a cycle takes, in hundreds.
    """
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    world.ledger.database.connection.set_progress_handler(step, 100)
    world.cycle(1)
    world.ledger.database.connection.set_progress_handler(None, 0)
    return count


def test_orders_that_are_out_cost_a_cycle_no_reading(scene: Scene) -> None:
    """
    Beside a problem that is new, and its order: whether nobody took the others or jobs run, 20 cost what 220 do.
    """
    scene.host("late")
    counts = []
    for number in range(2):
        world = crowd(scene, 20 + 200 * number, policy={"max_minions": 1000})
        for _ in range(1 + 200 // scheduler.AHEAD * number):
            world.cycle()
        assert len(world.ledger.attempts.in_progress.busy_minions()) == 20 + 200 * number
        for data in world.events()[::2]:
            world.take(data)
        world.cycle(1)
        problem = scene.tenant.open_problem(scene.apaches["late"])
        world.notify(json.dumps({"PID": problem.problem_id, "State": "OPEN"}).encode())
        counts.append(work(world))
        assert "late" in world.ledger.attempts.in_progress.busy_minions()
        scene.tenant.close_problem(problem)
        world.ledger.close()
        scene.worlds.remove(world)
        (scene.directory / "ledger.db").unlink()
    assert counts[1] < counts[0] + 10


def test_only_what_a_decision_changes_is_written(scene: Scene) -> None:
    """
    A person's retry that came meanwhile is not undone.
    """
    world = crowd(scene, 1, policy={"dry_run": True})
    (place,) = world.ledger.episodes.places(world.now, waiting=False)
    episode = world.ledger.episodes.get(place.problem_key, place.episode)
    assert isinstance(episode, Episode)
    episode.announced, episode.counted_from, episode.summary = True, 5.0, "other"
    world.ledger.episodes.decided(episode)
    kept = world.ledger.episodes.get(place.problem_key, place.episode)
    assert kept is not None
    assert kept.announced
    assert (kept.counted_from, kept.summary) != (5.0, "other")


def test_what_is_notified_is_decided_before_a_crowd(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Before others that are as severe, and not before what is more so.
    """
    scene.host("late")
    world = crowd(scene, 30, policy={"max_minions": 100})
    monkeypatch.setattr(scheduler, "AHEAD", 2)
    monkeypatch.setattr(scheduler, "PLACES", 5)
    now = iter(range(10**6))
    monkeypatch.setattr(world.scheduler, "steady", lambda: next(now) * 0.1)
    problem = scene.tenant.open_problem(scene.apaches["late"])
    world.notify(json.dumps({"PID": problem.problem_id, "State": "OPEN"}).encode())
    world.cycle()
    assert world.events("open")[0]["problem_id"] == problem.problem_id
    assert len(world.events("open")) < 30


def test_the_loop_rests_after_a_cycle_and_never_when_nothing_hurries(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    As long as the cycle took, and for a moment at most; who waited for something to do has rested already.
    """
    reconciler, now, rests = scene.world().reconciler, [1000.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=rests.append)
    monkeypatch.setattr(reconciler_, "time", clock)
    #: Of each cycle: the seconds that it takes, and that nothing happens after it.
    cycles = iter([(0.002, 0.0), (0.002, 0.0015), (3.0, 0.0), (0.002, 10.0)])
    idle = [0.0]

    def step() -> float:
        took, idle[0] = next(cycles, (0.0, 0.0))
        if not took:
            raise LedgerDamaged("the end")
        now[0] += took
        return 10.0

    def wait(_: float) -> None:
        now[0] += idle[0]

    monkeypatch.setattr(reconciler, "step", step)
    monkeypatch.setattr(reconciler.trigger, "wait", wait)
    reconciler.run()
    assert rests == pytest.approx([0.002, 0.0005, reconciler_.REST_S, 0.0])

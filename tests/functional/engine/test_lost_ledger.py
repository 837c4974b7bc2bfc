"""
The ledger is lost, damaged, old, or in use: what the engine does without its memory.
"""

from __future__ import annotations

import logging
import shutil

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD, World
from tests.tenant import Problem


def lose(world: World) -> None:
    """
    Kill the engine, remove its ledger, and start it anew; tenant, job cache and bus stay.
    """
    world.ledger.close()
    for path in world.directory.glob("ledger.db*"):
        path.unlink()
    world.build()


def ordered(scene: Scene, **policy: object) -> tuple[World, Problem, dict[str, object]]:
    """
    Return a world with one problem and its first order.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 60, "attempt_window": 86400, **policy})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    return world, problem, world.events("open")[0]


def test_a_heal_of_before_is_taken_over_and_not_repeated(scene: Scene) -> None:
    """
    The job cache knows the attempt: nothing is ordered, its outcome is told, and its comment not doubled.
    """
    world, problem, order = ordered(scene)
    world.salt_runs(order, GOOD)
    world.cycle(1)
    world.send_comments()
    lose(world)
    for _ in range(30):
        world.poll(31)
        world.send_comments()
    told = [(data["what"], data["minions"]) for data in world.events()]
    assert told == [("open", ["web01"]), ("healed", []), ("open", []), ("healed", [])]
    assert [item["reason"] for item in world.events("open")[1]["held"]] == ["in progress"]
    assert len(scene.tenant.comments(problem)) == 1


def test_a_failure_of_before_counts_and_the_next_attempt_has_another_id(scene: Scene) -> None:
    """
    After the cooldown the second attempt is made, which minions have not taken yet.
    """
    world, problem, order = ordered(scene)
    world.salt_runs(order, BAD)
    world.cycle(1)
    world.send_comments()
    lose(world)
    world.poll(1)
    lost_at = world.now
    while not world.events("retry"):
        world.poll(10)
        assert world.now < lost_at + 600
    (retry,) = world.events("retry")
    assert world.now - lost_at >= 2 * 60
    assert (retry["attempt"], retry["minions"]) == (2, ["web01"])
    assert retry["jid"] != order["jid"]
    world.salt_runs(retry, GOOD)
    world.cycle(1)
    world.send_comments()
    assert world.events()[-1]["what"] == "healed"
    assert len(scene.tenant.comments(problem)) == 2


def test_a_job_that_was_running_is_waited_for(scene: Scene) -> None:
    """
    Its outcome is told when it comes, with the one comment that was never sent.
    """
    world, problem, order = ordered(scene)
    world.take(order)
    lose(world)
    world.poll(1)
    world.give(str(order["jid"]), "web01", GOOD)
    for _ in range(3):
        world.poll(31)
    world.send_comments()
    assert [data["minions"] for data in world.events()] == [["web01"], [], []]
    assert world.whats() == ["open", "open", "healed"]
    assert len(scene.tenant.comments(problem)) == 1


def test_a_job_that_never_returned_is_lost_as_ever(scene: Scene) -> None:
    """
    The budget goes on with the next attempt.
    """
    world, _, order = ordered(scene)
    world.take(order)
    lose(world)
    while not world.events("retry"):
        world.poll(31)
    assert world.whats() == ["open", "open", "failed", "retry"]
    assert [data["attempt"] for data in world.events()] == [1, 0, 1, 2]


def test_several_attempts_of_before_are_all_taken_over(scene: Scene) -> None:
    """
    What was spent stays spent: a person is called, and nothing more is ordered.
    """
    world, problem, order = ordered(scene, max_attempts=2)
    world.salt_runs(order, BAD)
    while not world.events("retry"):
        world.poll(10)
    world.salt_runs(world.events("retry")[0], BAD)
    for _ in range(3):
        world.poll(10)
    assert world.whats()[-1] == "escalated"
    world.send_comments()
    lose(world)
    for _ in range(60):
        world.poll(31)
        world.send_comments()
    assert sum(bool(data["minions"]) for data in world.events()) == 2
    assert world.whats().count("escalated") == 2
    assert len(scene.tenant.comments(problem)) == 3


def test_an_old_ledger_put_back_repeats_nothing(scene: Scene) -> None:
    """
    It does not know what was done after the copy; the job cache does.
    """
    apache = scene.host("web01")
    world = scene.world()
    world.poll()
    world.ledger.close()
    shutil.copy(world.ledger.database.path, world.directory / "copy")
    world.build()
    scene.tenant.open_problem(apache)
    world.poll(1)
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    world.ledger.close()
    for path in world.directory.glob("ledger.db*"):
        path.unlink()
    shutil.copy(world.directory / "copy", world.ledger.database.path)
    world.build()
    for _ in range(20):
        world.poll(31)
    assert sum(bool(data["minions"]) for data in world.events()) == 1


def test_an_orchestration_of_before_is_taken_over_for_all_its_minions(scene: Scene) -> None:
    """
    It is filed under the master's own id.
    """
    pair = [scene.host("web01"), scene.host("web02")]
    world = scene.world()
    scene.tenant.open_problem(pair, root_cause=None)
    world.poll()
    world.orchestrates(world.events()[0], True)
    world.cycle(1)
    lose(world)
    for _ in range(20):
        world.poll(31)
    assert world.whats() == ["open", "healed", "open", "healed"]
    assert [item["ok"] for item in world.events("healed")[1]["outcome"]] == [True, True]


def test_minions_that_the_old_job_did_not_reach_are_acted_on(scene: Scene) -> None:
    """
    Each by an attempt of its own, under an id that no minion has taken.
    """
    pair = [scene.host("web01"), scene.host("web02")]
    world = scene.world(policy={"cooldown": 0})
    scene.tenant.open_problem(pair, root_cause=None)
    world.poll()
    order = world.events()[0]
    world.take(order, ["web01"])
    world.give(order["jid"], "web01", GOOD)
    world.cycle(1)
    lose(world)
    before = len(world.events())
    for _ in range(5):
        world.poll(31)
    again = [data for data in world.events()[before:] if data["minions"]]
    assert (again[0]["what"], again[0]["attempt"]) == ("open", 2)
    assert {data["attempt"] for data in again} == {2}
    assert all(data["minions"] == ["web02"] for data in again)


def test_without_a_job_cache_the_first_attempt_is_ordered_anew(scene: Scene) -> None:
    """
    Nothing tells that it was made; the minion's own record refuses it.
    """
    world, _, order = ordered(scene)
    world.cache.cached = False
    lose(world)
    world.poll(1)
    assert [data["jid"] for data in world.events("open")] == [order["jid"], order["jid"]]


def test_the_loss_of_the_ledger_is_said(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """
    One warning for each attempt that is taken over, with the job's id.
    """
    world, _, order = ordered(scene)
    world.salt_runs(order)
    world.cycle(1)
    lose(world)
    for _ in range(10):
        world.poll(31)
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 1
    assert str(order["jid"]) in warned[0] and "lost or is old" in warned[0]

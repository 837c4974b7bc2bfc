"""
A job cache that cannot be read: nothing is ordered, repeated, given up or believed for it, and that is said.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_two_engines import iso
from tests.functional.engine.world import BAD, GOOD, World

POLICY = {"cooldown": 0, "outcome_timeout": 60, "attempt_window": 600}
SAID = "the job cache cannot be read"


def ordered(scene: Scene) -> tuple[World, dict[str, Any]]:
    """
    Return a world in which an attempt is ordered, and its order.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    scene.tenant.open_problem(apache)
    world.poll()
    return world, world.events("open")[0]


def pass_time(world: World, seconds: float) -> None:
    until = world.now + seconds
    while world.now < until:
        world.poll(10)


def test_what_cannot_be_read_is_not_taken_for_never_executed(scene: Scene) -> None:
    """
    The job ran and failed while the cache could not be read: it is neither ordered again nor escalated, and counts.
    """
    world, order = ordered(scene)
    world.cache.readable = False
    world.take(order)
    world.give(order["jid"], "web01", BAD)
    pass_time(world, 1000)
    assert world.whats() == ["open"]
    world.cache.readable = True
    pass_time(world, 20)
    assert world.whats()[:2] == ["open", "failed"]
    assert world.events("failed")[0]["reason"] == "the remedy failed"
    assert len(world.ledger.attempts.past("web01", order["targets"][0]["entity"], 0)) >= 1


def test_a_job_whose_return_cannot_be_read_is_not_lost(scene: Scene) -> None:
    """
    It is taken when it can be read, however long that takes.
    """
    world, order = ordered(scene)
    world.take(order)
    world.cycle(1)
    world.cache.readable = False
    world.give(order["jid"], "web01", GOOD)
    pass_time(world, 300)
    assert world.whats() == ["open"]
    world.cache.readable = True
    pass_time(world, 20)
    assert world.whats() == ["open", "healed"]


@pytest.mark.parametrize("what", ["new", "ret"])
def test_the_bus_is_not_believed_instead(scene: Scene, what: str) -> None:
    """
    Any minion can fire it.
    """
    world, order = ordered(scene)
    world.cache.readable = False
    world.engine.on_job(order["jid"], what, "web01" if what == "ret" else None, GOOD)
    pass_time(world, 300)
    assert world.whats() == ["open"]
    (attempt,) = world.ledger.attempts.open()
    assert attempt.state == "fired"


def test_nothing_is_ordered_while_nobody_could_learn_how_it_ends(scene: Scene) -> None:
    """
    The problem is announced all the same, with the reason, and acted on as soon as that is over.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    world.cache.readable = False
    problem = scene.tenant.open_problem(apache)
    world.poll()
    (opened,) = world.events()
    assert (opened["what"], opened["minions"], opened["attempt"]) == ("open", [], 0)
    (held,) = opened["held"]
    assert (held["reason"], held["until"]) == (
        "job cache unreadable",
        iso(world.now + 15)[:23] + "Z",
    )
    world.cache.readable = True
    world.poll(16)
    assert world.whats() == ["open", "retry"]
    assert world.events("retry")[0]["problem_id"] == problem.problem_id


def test_a_person_is_called_when_it_lasts_and_the_engine_goes_on_afterwards(scene: Scene) -> None:
    """
    Once, with a comment that says where to look.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    world.cache.readable = False
    problem = scene.tenant.open_problem(apache)
    pass_time(world, 2000)
    assert world.whats() == ["open", "escalated"]
    assert world.events("escalated")[0]["reason"] == "job cache unreadable"
    world.send_comments()
    (comment,) = scene.tenant.comments(problem)
    assert "salt-run dynatrace.check" in comment.message
    world.cache.readable = True
    world.poll(16)
    world.salt_runs(world.events("retry")[0])
    world.cycle(1)
    assert world.whats() == ["open", "escalated", "retry", "healed"]


def test_a_minion_whose_answer_cannot_be_read_is_not_called_away(scene: Scene) -> None:
    """
    Its last job was lost, and the answer to the ping is in the cache.
    """
    world, order = ordered(scene)
    world.take(order)
    pass_time(world, 60)
    world.cache.readable = False
    pass_time(world, 30)
    world.cache.readable = True
    world.gone.add("web01")
    while "failed" not in world.whats():
        world.poll(10)
    world.gone.clear()
    world.cache.readable = False
    pass_time(world, 1500)
    assert [one["reason"] for one in world.events("escalated")] == ["job cache unreadable"]


def test_one_job_that_cannot_be_read_keeps_no_other_from_its_end(scene: Scene) -> None:
    """
    Another owner's file among many: it waits alone.
    """
    apaches = [scene.host("web01"), scene.host("web02")]
    world = scene.world(policy=POLICY)
    for apache in apaches:
        scene.tenant.open_problem(apache)
    world.poll()
    first, second = world.events("open")
    world.cache.unreadable.add(first["jid"])
    for order in (first, second):
        world.salt_runs(order)
    pass_time(world, 200)
    (healed,) = world.events("healed")
    assert healed["problem_id"] == second["problem_id"]


def test_it_is_said_once_and_once_that_it_is_over(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    With the option and what failed, however often it was tried, and without blaming a minion for forging.
    """
    world, order = ordered(scene)
    with caplog.at_level(logging.INFO):
        world.cache.readable = False
        world.salt_runs(order)
        pass_time(world, 200)
        world.cache.readable = True
        pass_time(world, 20)
    errors = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(errors) == 1
    assert SAID in errors[0] and "redis.get_load of `ext_job_cache` failed" in errors[0]

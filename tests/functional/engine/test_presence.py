"""
Minions that are down: an order to them spends no second attempt and keeps nobody else waiting.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD, World
from tests.tenant import Problem

POLICY = {"cooldown": 60, "outcome_timeout": 60, "attempt_window": 3600, "max_attempts": 3}


def lost(scene: Scene, **policy: Any) -> tuple[World, Problem]:
    """
    Return a world whose one minion took a job and never returned.
    """
    apache = scene.host("web01")
    world = scene.world(policy={**POLICY, **policy})
    world.gone = {"web01"}
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.take(world.events("open")[0])
    while not world.events("failed"):
        world.poll(10)
    assert world.events("failed")[0]["reason"] == "lost"
    return world, problem


def held(world: World) -> set[str]:
    """
    Return for which reasons anybody is held now.
    """
    found = set()
    for episode in world.ledger.episodes.shown(100):
        _, items = world.verdicts(episode, 10)
        found |= {verdict.reason.value for _, verdict in items if verdict.reason}
    return found


def test_a_minion_that_did_not_return_is_asked_before_it_gets_another_order(scene: Scene) -> None:
    """
    It does not answer: no attempt is spent on it, for as long as it is gone.
    """
    world, _ = lost(scene)
    for _ in range(60):
        world.poll(31)
    assert world.events("retry") == []
    assert held(world) == {"not connected"}
    assert world.ledger.attempts.in_progress.busy_minions() == set()
    assert 20 <= len(world.pings) <= 40


def test_a_minion_that_answers_again_gets_its_order(scene: Scene) -> None:
    """
    It is back, and the problem is still open.
    """
    world, _ = lost(scene)
    for _ in range(20):
        world.poll(31)
    assert world.events("retry") == []
    world.gone = set()
    for _ in range(3):
        world.poll(31)
    (retry,) = world.events("retry")
    assert (retry["minions"], retry["attempt"]) == (["web01"], 2)


def test_a_minion_that_says_that_it_started_is_asked_at_once(scene: Scene) -> None:
    """
    Any minion could say so for another: it is asked, not believed, and not more than every few seconds.
    """
    world, _ = lost(scene)
    for _ in range(20):
        world.poll(31)
    asked = len(world.pings)
    assert world.ping is not None
    for _ in range(50):
        world.ping.started("web01")
        world.cycle(0.01)
    assert len(world.pings) <= asked + 1
    assert world.events("retry") == []
    world.gone = set()
    world.now += 6
    world.ping.started("web01")
    world.cycle(0.1)
    world.cycle(0.1)
    assert [data["minions"] for data in world.events("retry")] == [["web01"]]


def test_a_minion_that_was_slow_and_not_gone_is_tried_again(scene: Scene) -> None:
    """
    Its job took too long; it answers, and nothing waits longer than the cooldown.
    """
    world, _ = lost(scene)
    world.gone = set()
    failed = world.now
    while not world.events("retry"):
        world.poll(5)
    assert world.now - failed < 2 * 60 + 15


@pytest.mark.parametrize("returned", [GOOD, BAD])
def test_who_returned_is_not_asked(scene: Scene, returned: dict[str, Any]) -> None:
    """
    Good or bad, a return shows that the minion is there: asking costs a job.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], returned)
    for _ in range(10):
        world.poll(31)
    assert world.pings == []


def test_who_would_be_held_anyway_is_not_asked(scene: Scene) -> None:
    """
    A pause comes first.
    """
    world, _ = lost(scene)
    world.commands._pause({"reason": "test", "who": "admin"}, world.now)
    asked = len(world.pings)
    for _ in range(10):
        world.poll(31)
    assert len(world.pings) == asked


def test_twenty_dead_minions_are_asked_by_one_job_and_keep_nobody_waiting(scene: Scene) -> None:
    """
    Another problem about them finds them gone at once, and the living have the room.
    """
    dead = [f"db{number:02d}" for number in range(20)]
    for name in [*dead, "web01"]:
        scene.host(name)
    world = scene.world(policy={**POLICY, "max_minions": 10, "cooldown": 0})
    world.gone = set(dead)
    for name in dead:
        scene.tenant.open_problem(scene.apaches[name])
    taken: set[str] = set()
    while len(world.events("failed")) < len(dead):
        world.poll(11)
        for data in world.events():
            if data["minions"] and data["jid"] not in taken:
                taken.add(data["jid"])
                world.take(data)
    before = len(world.pings)
    scene.tenant.open_problem(scene.apaches["web01"])
    world.poll(1)
    assert world.events("open")[-1]["minions"] == ["web01"]
    for _ in range(4):
        world.poll(31)
    assert {data["attempt"] for data in world.events() if data["minions"]} == {1}
    assert len(world.pings) - before <= 4
    assert set(world.pings[-1]) <= set(dead)
    assert max(len(names) for names in world.pings) > 15


def test_a_minion_that_stays_away_calls_a_person_once(scene: Scene) -> None:
    """
    After `attempt_window` nobody waits any longer for it to come back by itself.
    """
    world, problem = lost(scene)
    for _ in range(150):
        world.poll(31)
        world.send_comments()
    (escalated,) = world.events("escalated")
    assert escalated["reason"] == "not connected"
    assert [item["reason"] for item in escalated["held"]] == ["not connected"]
    texts = [comment.message for comment in scene.tenant.comments(problem)]
    assert sum("does not answer" in text for text in texts) == 1


def test_nobody_is_asked_twice_within_a_minute(scene: Scene) -> None:
    """
    However often its problem is decided; and a clock that is set back silences nothing.
    """
    world, _ = lost(scene)
    ping, at = world.ping, world.ledger.attempts.lost_at("web01")
    assert ping is not None and world.queries is not None and at is not None
    for after, count in ((0, 1), (59, 0), (61, 1), (30, 0), (-1800, 1), (10, 0), (61, 1)):
        world.now += after
        asked = len(world.pings)
        for _ in range(20):
            assert not ping.is_connected("web01", at, world.now)
            world.queries.step()
            ping.has_news()
        assert len(world.pings) == asked + count, after


def test_a_question_that_cannot_be_asked_is_asked_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Salt's client may fail in many ways; the minion is held meanwhile.
    """
    world, _ = lost(scene)
    assert world.queries is not None
    publish, world.queries.publish = world.queries.publish, lambda *_: str(1 / 0)
    caplog.set_level(logging.WARNING)
    for _ in range(6):
        world.poll(31)
    assert held(world) == {"not connected"}
    assert "could not be asked" in caplog.text
    world.queries.publish = publish
    world.gone = set()
    for _ in range(5):
        world.poll(31)
    assert world.events("retry")[0]["minions"] == ["web01"]


def test_without_a_job_cache_nobody_is_asked(scene: Scene) -> None:
    """
    Nothing could prove the answer: orders are given as before.
    """
    world, _ = lost(scene)
    world.cache.cached = False
    world.restart()
    for _ in range(10):
        world.poll(31)
    assert world.pings == []
    assert world.events("retry")

"""
What the engine writes down for whoever asks later: each decision that differs, and what a person ordered.
"""

from __future__ import annotations

from typing import Any

from _dynatrace.core.records import Episode

from tests.functional.engine.conftest import Scene
from tests.functional.engine.night import play
from tests.functional.engine.test_commands import order
from tests.functional.engine.world import BAD, GOOD, World


def episode_of(world: World) -> Episode:
    (found,) = world.ledger.episodes.shown(10)
    return found


def decisions(world: World) -> list[dict[str, Any]]:
    """
    Return what was decided about the only problem, oldest first.
    """
    entries = world.ledger.journal.of(episode_of(world))
    return [one.told for one in entries if one.kind == "decision"]


def test_each_decision_that_differs_is_written_once_with_its_numbers(scene: Scene) -> None:
    """
    Ordered, held while it runs, held by the cooldown until a time, ordered again, held since it is healed.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 60})
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    for _ in range(4):
        world.poll(10)
    world.cycle(100)
    world.salt_runs(world.events("retry")[0], GOOD)
    for _ in range(3):
        world.poll(10)
    told = decisions(world)
    assert [one["targets"][0]["reason"] for one in told] == [None, "cooldown", None, "healed"]
    first, cooling = told[0], told[1]["targets"][0]
    assert first["attempt_id"] == world.events("open")[0]["attempt_id"]
    assert (first["count"], first["held"]) == (1, {})
    assert told[1]["held"] == {"cooldown": 1}
    assert cooling["minion"] == "web01" and cooling["matched_by"] == "host_id"
    assert cooling["until"] > world.now - 200
    assert episode_of(world).held == "healed"


def test_what_holds_the_open_problems_is_counted_by_its_reason(scene: Scene) -> None:
    """
    What is acted on counts nowhere, nor does what is closed.
    """
    problems = [scene.tenant.open_problem(scene.host(f"web0{n}")) for n in range(1, 5)]
    world = scene.world(policy={"max_minions": 1, "deny": ["web04"]})
    world.poll()
    assert world.ledger.episodes.held_counts() == {"storm": 2, "not allowed": 1}
    scene.tenant.close_problem(problems[3])
    world.poll(60)
    assert world.ledger.episodes.held_counts() == {"storm": 2}


def test_who_paused_resumed_and_ordered_a_retry_is_written(scene: Scene) -> None:
    """
    An escalation too; a pause and its end belong to no problem.
    """
    scene.tenant.open_problem(scene.host("web01"))
    world = scene.world(policy={"max_attempts": 1})
    begun = world.now
    order(world, "pause", reason="change CH-1")
    order(world, "resume")
    order(world, "resume")
    world.poll()
    world.salt_runs(world.events()[-1], BAD)
    world.poll(10)
    order(world, "retry", display_id=episode_of(world).name)
    world.poll(10)
    entries = world.ledger.journal.between(begun - 1, world.now + 1, "pause", "resume")
    assert [(one.kind, one.told, one.problem_key) for one in entries] == [
        ("pause", {"who": "admin", "reason": "change CH-1"}, None),
        ("resume", {"who": "admin"}, None),
    ]
    own = world.ledger.journal.of(episode_of(world))
    assert [one.kind for one in own if one.kind != "decision"] == ["escalated", "retry"]
    assert [one.told for one in own if one.kind == "retry"] == [{"who": "admin"}]


def test_entries_keep_their_distance_when_the_clock_is_set(scene: Scene) -> None:
    """
    As all times of the ledger do.
    """
    world = scene.world()
    order(world, "pause", reason="x")
    (before,) = world.ledger.journal.between(0, world.now + 1, "pause")
    world.ledger.shift(-3600)
    (after,) = world.ledger.journal.between(0, world.now + 1, "pause")
    assert after.at == before.at - 3600


def test_the_last_decision_of_each_problem_of_a_night_says_how_it_stands(scene: Scene) -> None:
    """
    What is acted on has no reason; what no minion is known for has no target.
    """
    night = play(scene)
    ledger = night.world.ledger
    said = {}
    for story in night.problems:
        episode = ledger.episodes.find(night.name(story))
        assert episode is not None
        last = ledger.journal.latest(episode, "decision")
        assert last is not None
        said[story] = [(one["minion"], one["reason"]) for one in last.told["targets"]]
    assert said == {
        "healed at the second attempt": [("web01", "healed")],
        "given up": [("web03", "attempts spent")],
        "recovered by others": [("web07", "paused")],
        "forbidden": [("web02", "not allowed")],
        "no remedy": [("web04", "no remedy")],
        "no minion": [],
        "maintenance": [("web09", "maintenance")],
        "healed, still open": [("web08", "healed")],
        "cooling down": [("web05", "cooldown")],
        "at work": [("web06", None)],
        "paused": [("web10", "paused")],
    }

"""
Two engines with one minion between them, which runs a job id once: what each records, and that nothing runs twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_commands import order as command
from tests.functional.engine.world import BAD, World, down
from tests.tenant import Problem

POLICY = {"cooldown": 60, "outcome_timeout": 60, "max_attempts": 3}


def record(attempt_id: str, taken: float, finished: float | None) -> Callable[..., dict[str, Any]]:
    """
    Return what gives `dynatrace.attempt` of a minion at a time, by its clock.
    """

    def remembered(now: float, skew: float) -> dict[str, Any]:
        told = {"taken": taken, "finished": finished, "now": now}
        return {"id": attempt_id, **{key: at and iso(at + skew) for key, at in told.items()}}

    return remembered


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat().replace("+00:00", "Z")


def unreturned(scene: Scene, **options: Any) -> tuple[World, Problem, dict[str, Any]]:
    """
    Return an engine whose job a minion did not run, since it had the job's id from another master already.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY, **options)
    problem = scene.tenant.open_problem(apache, start=world.now - 5)
    world.poll()
    (order,) = world.events("open")
    world.take(order)
    world.poll(1)
    return world, problem, order


def pass_time(world: World, seconds: int = 90) -> None:
    for _ in range(seconds // 10):
        world.poll(10)
        world.send_comments()


def test_what_another_master_healed_is_healed_here_too(scene: Scene) -> None:
    """
    The minion remembers the good end, so nothing is lost, and no second attempt restarts what serves.
    """
    world, _, order = unreturned(scene)
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, world.now, world.now + 1)
    pass_time(world, 900)
    assert world.whats() == ["open", "healed"]
    assert world.recalls == [(own, ["web01"])]
    assert world.events("healed")[0]["outcome"][0]["ok"] is True
    assert world.ledger.attempts.in_progress.busy_minions() == set()


def test_what_another_engine_told_the_tenant_is_not_told_again(scene: Scene) -> None:
    """
    Its comment has the same marker, and is looked for; without one this engine writes its own.
    """
    world, problem, order = unreturned(scene)
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, world.now, world.now + 1)
    marker = f"[salt-dynatrace attempt {own[:16]}]"
    scene.tenant.add_comment(problem, f"Salt healed this.\n{marker}")
    pass_time(world)
    assert world.whats() == ["open", "healed"]
    assert len(scene.tenant.comments(problem)) == 1


def test_what_nobody_told_the_tenant_yet_is_told(scene: Scene) -> None:
    """
    The other master may have gone down before its engine could.
    """
    world, problem, order = unreturned(scene)
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, world.now, world.now + 1)
    pass_time(world)
    (comment,) = scene.tenant.comments(problem)
    assert comment.message.startswith("Salt healed this")
    assert "the minion remembers its good end" in comment.message


@pytest.mark.parametrize("known", ["nothing", "unfinished", "another", "an error", "no time"])
def test_what_no_minion_remembers_as_finished_is_lost(scene: Scene, known: str) -> None:
    """
    It failed, was cut off, still runs or never began: that is not known to be good.
    """
    world, _, order = unreturned(scene)
    own = order["attempt_id"]
    world.memories[own, "web01"] = {
        "nothing": None,
        "unfinished": record(own, world.now, None),
        "another": record("0" * 32, world.now, world.now),
        "an error": "'dynatrace.attempt' is not available.",
        "no time": {"id": own, "taken": iso(world.now), "finished": "yesterday", "now": 7},
    }[known]
    pass_time(world)
    assert world.whats()[:2] == ["open", "failed"]
    assert world.events("failed")[0]["reason"] == "lost"


def test_a_minion_that_cannot_be_asked_has_lost_the_attempt(scene: Scene) -> None:
    """
    It is gone, so its job is lost as ever, and it waits as not connected.
    """
    world, _, _ = unreturned(scene)
    world.gone = {"web01"}
    pass_time(world, 600)
    assert world.whats() == ["open", "failed"]


def test_a_failure_that_the_other_engine_told_is_not_contradicted(scene: Scene) -> None:
    """
    One comment an attempt, and the next attempt has the id that it has on the other master.
    """
    world, problem, order = unreturned(scene)
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, world.now, None)
    marker = f"[salt-dynatrace attempt {own[:16]}]"
    scene.tenant.add_comment(problem, f"Salt could not heal this.\n{marker}")
    while not world.events("retry"):
        pass_time(world, 10)
    assert len(scene.tenant.comments(problem)) == 1
    (retry,) = world.events("retry")
    assert retry["attempt_id"] != own
    world.salt_runs(retry, BAD)
    pass_time(world, 60)
    assert len(scene.tenant.comments(problem)) == 2


def test_a_person_need_not_wait_after_the_other_engines_failure(scene: Scene) -> None:
    """
    It counts as a failure here; the next attempt comes at once when it is ordered, not after the cooldown.
    """
    world, problem, order = unreturned(scene)
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, world.now, None)
    pass_time(world)
    assert world.whats() == ["open", "failed"]
    command(world, "retry", display_id=problem.display_id)
    world.poll(1)
    assert world.whats() == ["open", "failed", "retry"]
    assert world.events("retry")[0]["attempt"] == 2


def test_an_orchestration_is_not_over_when_a_minion_has_finished(scene: Scene) -> None:
    """
    Its later steps may have failed: only its own return counts.
    """
    apache = scene.host("web01")
    world = scene.world(policy=POLICY)
    scene.tenant.open_problem(apache)
    world.poll()
    (order,) = world.events("open")
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, world.now, world.now + 1)
    told = {"fun": "runner.state.orchestrate", "jid": order["jid"], "return": {}}
    world.engine.on_job(order["jid"], "new", None, told)
    pass_time(world)
    assert world.events("failed")[0]["reason"] == "lost"
    assert world.recalls == []


def test_a_failure_after_the_other_masters_heal_is_healed_here(scene: Scene) -> None:
    """
    The first master healed the first failure and went down; the standby's first attempt has the id of that heal.

    The minion refuses it, since it has finished it: that says nothing of the failure which came later.
    """
    apache = scene.host("web01")
    world = scene.world(policy={**POLICY, "cooldown": 0})
    began = world.now - 1200
    ended = down(apache, began, status="CLOSED")
    again = down(apache, began + 600)
    scene.tenant.open_problem(apache, start=began, evidence=[ended, again])
    world.poll()
    (order,) = world.events("open")
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, began + 30, began + 31)
    world.take(order)
    pass_time(world, 120)
    retry = world.events("retry")[0]
    assert (retry["attempt"], retry["minions"]) == (2, ["web01"])


@pytest.mark.parametrize("skew", [-7200, 7200])
def test_a_minion_whose_clock_is_wrong_by_hours_changes_nothing(scene: Scene, skew: float) -> None:
    """
    By its own clock it tells how long ago it was.
    """
    world, _, order = unreturned(scene)
    own = order["attempt_id"]
    world.skew = skew
    world.memories[own, "web01"] = record(own, world.now, world.now + 1)
    pass_time(world, 900)
    assert world.whats() == ["open", "healed"]


def test_a_failure_that_began_with_the_other_masters_heal_is_not_taken_for_a_second(
    scene: Scene,
) -> None:
    """
    The clocks of tenant and minion differ by some seconds: it is the failure that was healed.
    """
    apache = scene.host("web01")
    world = scene.world(policy={**POLICY, "cooldown": 0})
    began = world.now - 5
    scene.tenant.open_problem(apache, start=began, evidence=[down(apache, began)])
    world.poll()
    (order,) = world.events("open")
    own = order["attempt_id"]
    world.memories[own, "web01"] = record(own, began - 20, began - 19)
    world.take(order)
    pass_time(world, 600)
    assert world.whats() == ["open", "healed"]


def refused(attempt_id: str, ago: int) -> dict[str, Any]:
    """
    Return what a remedy gives whose attempt the minion had finished before.
    """
    told = {"attempt": attempt_id, "outcome": "repeated", "ago": ago, "before": "healed"}
    state = {"result": True, "comment": "It was well finished.", "changes": {}, "dynatrace": told}
    states = {"dynatrace_|-a_|-apache2_|-healed": state}
    return {"return": states, "retcode": 0, "success": True}


def test_an_order_that_the_minion_had_finished_before_is_healed_and_told_once(scene: Scene) -> None:
    """
    A minion that was restarted runs the job id again and refuses the attempt: the other engine told of it already.
    """
    world, problem, order = unreturned(scene)
    own = order["attempt_id"]
    scene.tenant.add_comment(problem, f"Salt healed this.\n[salt-dynatrace attempt {own[:16]}]")
    world.give(order["jid"], "web01", refused(own, 1))
    pass_time(world)
    assert world.whats() == ["open", "healed"]
    assert len(scene.tenant.comments(problem)) == 1
    assert world.recalls == []


def test_a_refused_order_does_not_pass_for_the_heal_of_a_later_failure(scene: Scene) -> None:
    """
    What was finished before the failure began did not heal it, and the next attempt does.
    """
    apache = scene.host("web01")
    world = scene.world(policy={**POLICY, "cooldown": 0})
    began = world.now - 600
    scene.tenant.open_problem(apache, start=began, evidence=[down(apache, began)])
    world.poll()
    (order,) = world.events("open")
    world.take(order)
    world.give(order["jid"], "web01", refused(order["attempt_id"], 900))
    pass_time(world, 20)
    assert world.events("retry")[0]["attempt"] == 2

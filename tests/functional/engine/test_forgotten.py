"""
What must not be forgotten: problems that nobody heals and nobody is called to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from _dynatrace.webhook.salt_api_hook import Hook

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD, World, down
from tests.unit.engine.bodies import problem_v1, problem_v2


def run_orders(world: World, returned: object) -> None:
    """
    Let Salt run every order that no job took yet, all with the same end.
    """
    for data in world.events():
        if data["minions"] and data["jid"] not in world.cache.sent:
            world.salt_runs(data, returned)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", [{"max_attempts": 5}, {"cooldown": 3000}])
def test_a_budget_that_the_window_never_sees_spent_is_spent_all_the_same(
    scene: Scene, policy: dict[str, int]
) -> None:
    """
    With doubled cooldowns so many failures may not fit into the window; a person is called after them all the same.
    """
    apache = scene.host("web01")
    world = scene.world(policy=policy)
    scene.tenant.open_problem(apache)
    world.poll()
    for _ in range(500):
        run_orders(world, BAD)
        world.poll(120)
    attempts = world.events("failed")
    assert len(attempts) == policy.get("max_attempts", 3)
    assert [data["reason"] for data in world.events("escalated")] == ["attempts spent"]


def test_failures_of_an_earlier_problem_spend_nothing_of_a_later_one(scene: Scene) -> None:
    """
    Days later somebody has mended what the engine could not: a new problem has its own attempts.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"max_attempts": 2})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    for _ in range(20):
        run_orders(world, BAD)
        world.poll(120)
    assert len(world.events("escalated")) == 1
    scene.tenant.close_problem(problem)
    world.poll(30)
    world.now += 86400
    scene.tenant.open_problem(apache)
    world.poll()
    assert world.events()[-1]["what"] == "open"
    assert world.events()[-1]["minions"] == ["web01"]


def test_a_minion_cannot_have_a_problem_forgotten_through_the_hook(scene: Scene) -> None:
    """
    Any minion can fire the hook's event: that a problem is merged counts only from who has the webhook's secret.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    hook = Hook("test", {}, world.ledger.notifications, world.engine.look_now, lambda: world.now)
    body = {"PID": problem.problem_id, "State": "MERGED"}
    hook.receive({"headers": {}, "post": body, "body": json.dumps(body)})
    hook.process()
    run_orders(world, BAD)
    for _ in range(30):
        world.poll(31)
    assert "resolved" not in world.whats()
    assert world.events("retry")[0]["minions"] == ["web01"]


def test_two_services_of_one_host_are_healed_one_by_one(scene: Scene) -> None:
    """
    One event starts one job on a minion; the second process is not healed by what was done for the first.
    """
    apache = scene.host("web01")
    nginx = scene.tenant.add_process(scene.hosts["web01"], "nginx", "NGINX")
    world = scene.world()
    problem = scene.tenant.open_problem([apache, nginx])
    scene.tenant.update_problem(
        problem, evidence=[down(apache, world.now - 90), down(nginx, world.now - 90)]
    )
    world.poll()
    ordered: list[tuple[str, str]] = []
    for _ in range(20):
        for data in world.events():
            if data["minions"] and data["jid"] not in world.cache.sent:
                assert len(data["technologies"]) == 1
                ordered += [(data["what"], *data["technologies"])]
                world.salt_runs(data, GOOD)
        world.cycle(5)
    assert ordered == [("open", "APACHE_HTTPD"), ("retry", "NGINX")]


@pytest.mark.parametrize("policy", [{"dry_run": True}, {"deny": ["web*"]}, {"allow": ["db*"]}])
def test_an_order_of_before_is_not_fired_under_a_policy_that_forbids_it(
    scene: Scene, policy: dict[str, object]
) -> None:
    """
    Recorded and not fired when the master was restarted with another policy, which counts at once.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.bus.refuse = True
    world.poll()
    world.bus.refuse = False
    world.given["policy"] = policy
    world.restart()
    world.fire()
    for _ in range(20):
        world.poll(15)
    assert [data["minions"] for data in world.events() if data["minions"]] == []
    assert world.events()[0]["what"] == "open"


def test_an_order_that_waits_for_the_bus_is_held_by_a_pause(scene: Scene) -> None:
    """
    From the pause on nothing is acted on, also what was decided a moment before; resumed, it is.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.reconciler._next_poll = 0.0
    world.cycle(fire=False)
    world.commands._pause({"reason": "change CH-1234", "who": "admin"}, world.now)
    world.fire()
    assert world.events() == []
    for _ in range(5):
        world.cycle(5)
    assert [data for data in world.events() if data["minions"]] == []
    world.commands._resume({}, world.now)
    world.cycle(1)
    world.cycle(1)
    assert [data["minions"] for data in world.events()] == [["web01"]]


def test_a_person_who_was_called_is_not_passed_over_by_a_restart(scene: Scene) -> None:
    """
    What no remedy took is not ordered again because the master starts.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    for _ in range(10):
        world.poll(30)
    told = world.whats()
    assert told[-1] == "escalated"
    world.restart()
    for _ in range(10):
        world.poll(30)
    assert world.whats() == told


def test_a_healed_problem_that_never_closes_calls_a_person(scene: Scene) -> None:
    """
    The remedy found a service that serves, and Dynatrace still has the process down: it is perhaps another one.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    scene.tenant.update_problem(problem, evidence=[down(apache, world.now - 90)])
    world.poll()
    run_orders(world, GOOD)
    for _ in range(50):
        world.poll(60)
    assert world.whats() == ["open", "healed"]
    for _ in range(60):
        world.poll(60)
    assert world.whats() == ["open", "healed", "escalated"]
    assert world.events("escalated")[0]["reason"] == "still open"
    world.send_comments()
    assert "A person must look" in scene.tenant.comments(problem)[-1].message
    scene.tenant.update_problem(problem, evidence=[down(apache, world.now)])
    for _ in range(60):
        run_orders(world, BAD)
        world.poll(120)
    assert world.whats()[3:] == ["retry", "failed"] * 3 + ["escalated"]
    world.send_comments()
    assert "attempts spent" in scene.tenant.comments(problem)[-1].message


def test_a_problem_is_new_though_another_one_could_never_be_read(scene: Scene) -> None:
    """
    The first look is over when the list was read; what comes later is not older than the engine.
    """
    apache, other = scene.host("web01"), scene.host("web02")
    world = scene.world(lookback=0)
    world.now -= 600  # The tenant has no problem that begins in its future.
    broken = scene.tenant.open_problem(other, start=world.now - 600)
    scene.tenant.fault("wrong_type", times=None, path=f"/problems/{broken.problem_id}")
    for _ in range(3):
        world.poll(31)
    scene.tenant.open_problem(apache, start=world.now - 5)
    world.poll(31)
    assert [data["minions"] for data in world.events("open")] == [["web01"]]
    scene.tenant.clear_faults()
    world.poll(61)
    assert "ignored P-" in world.sentences[-1]


@pytest.mark.parametrize("step", ["_take_in", "_prepare", "_record_decision"])
def test_one_problem_that_breaks_the_engine_keeps_no_other_from_being_healed(
    scene: Scene, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A fault of the engine itself with one problem: it is said, looked at again, and the others go on.
    """
    broken = scene.tenant.open_problem(scene.host("web01"))
    scene.tenant.open_problem(scene.host("web02"))
    world = scene.world()
    part = world.engine.episodes if step == "_take_in" else world.scheduler
    right = getattr(part, step)

    def breaks(one: Any, *args: Any) -> Any:
        episode = one.episode if step == "_record_decision" else one
        problem = one if step == "_take_in" else episode.problem
        if problem.problem_id == broken.problem_id:
            raise ValueError("a fault of the engine")
        return right(one, *args)

    with monkeypatch.context() as patched:
        patched.setattr(part, step, breaks)
        world.poll()
        assert [data["minions"] for data in world.events()] == [["web02"]]
        assert "a fault of the engine" in caplog.text
    for _ in range(3):
        world.poll(31)
    assert ["web01"] in [data["minions"] for data in world.events()]


ENDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "merged": lambda own: {"PID": own, "State": "MERGED"},
    "resolved": lambda own: {"PID": own, "State": "RESOLVED"},
    "closed": lambda own: {"PID": own, "State": "CLOSED"},
    "v1 details": lambda own: {
        "ProblemDetailsJSON": problem_v1(id=own, status="CLOSED", endTime=1721545300000)
    },
    "v2 details": lambda own: {
        "ProblemDetailsJSONv2": problem_v2(problemId=own, status="CLOSED", endTime=1721545300000)
    },
    "a record of Grail": lambda own: {"eventData": {"event.id": own, "event.status": "CLOSED"}},
}


@pytest.mark.parametrize("end", ENDS)
def test_a_notification_ends_nothing_that_the_api_shows_open(scene: Scene, end: str) -> None:
    """
    Neither one that was seen, which is healed on, nor one that was not, which is healed.
    """
    for name in ("web01", "web02"):
        scene.host(name)
    world = scene.world()
    problem = scene.tenant.open_problem(scene.apaches["web01"])
    world.poll()
    unseen = scene.tenant.open_problem(scene.apaches["web02"])
    for one in (problem, unseen):
        world.notify(json.dumps(ENDS[end](one.problem_id)).encode())
    world.cycle(1)
    for _ in range(30):
        run_orders(world, BAD)
        world.poll(31)
    assert "resolved" not in world.whats()
    assert world.events("retry")[0]["minions"] == ["web01"]
    assert world.events("open")[1]["minions"] == ["web02"]


@pytest.mark.parametrize("end", ENDS)
def test_an_end_that_is_told_before_the_api_knows_it_is_not_missed(scene: Scene, end: str) -> None:
    """
    Who never polls would hear of it no more: it is looked at again for a while.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    world.notify(json.dumps({"PID": problem.problem_id, "State": "OPEN"}).encode())
    world.cycle(1)
    world.salt_runs(world.events("open")[0])
    world.notify(json.dumps(ENDS[end](problem.problem_id)).encode())
    world.cycle(1)
    assert world.whats() == ["open", "healed"]
    scene.tenant.close_problem(problem)
    for _ in range(5):
        world.cycle(1)
    assert world.whats() == ["open", "healed", "resolved"]


def test_a_problem_that_was_merged_and_is_opened_again_is_healed_again(scene: Scene) -> None:
    """
    It is over when the API says so, and begins anew when the API says that.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 0})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    scene.tenant.close_problem(problem)
    world.notify(json.dumps({"PID": problem.problem_id, "State": "MERGED"}).encode())
    world.cycle(1)
    scene.tenant.reopen_problem(problem)
    world.poll(600)
    assert world.whats() == ["open", "healed", "resolved", "open"]
    assert world.events("open")[1]["minions"] == ["web01"]

"""
What the engine promises beyond the main story: late, vanished and old problems, holds and their ends, partial outcomes.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from _dynatrace.core.errors import LedgerError

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD, World, on_platform


def detail_reads(scene: Scene, problem_id: str) -> int:
    """
    Return how often the details of a problem were read.
    """
    return sum(call.path.endswith(f"/problems/{problem_id}") for call in scene.tenant.requests)


def open_body(problem: Any, state: str = "OPEN") -> bytes:
    """
    Return the notification of a problem, as the recommended template has it.
    """
    return json.dumps(
        {"PID": problem.problem_id, "ProblemID": problem.display_id, "State": state}
    ).encode()


# -- which problems are seen, and when ---------------------------------------------------------------------------------


def test_a_problem_that_appears_minutes_late_with_an_old_start_is_acted_on(scene: Scene) -> None:
    """
    Only the first look goes by the lookback; what appears later is new, whenever it says that it began.
    """
    apache = scene.host("web01")
    world = scene.world(lookback=60)
    world.poll()
    scene.tenant.open_problem(apache, start=time.time() - 900)
    world.poll(30)
    assert [data["minions"] for data in world.events("open")] == [["web01"]]


@pytest.mark.parametrize("restarts", [0, 1])
def test_problems_older_than_the_lookback_are_left_alone_on_the_first_start(
    scene: Scene, restarts: int
) -> None:
    """
    What was open long before the engine came is for those who know of it, also after a restart.
    """
    apache, other = scene.host("web01"), scene.host("web02")
    scene.tenant.open_problem(apache, start=time.time() - 7200)
    fresh = scene.tenant.open_problem(other, start=time.time() - 60)
    world = scene.world(lookback=3600)
    sentence = world.poll()
    assert "ignored P-" in sentence
    for _ in range(restarts):
        world.restart()
    world.poll(30)
    world.poll(3600)
    assert {data["problem_id"] for data in world.events()} == {fresh.problem_id}


def test_a_problem_left_alone_is_acted_on_when_a_person_asks_for_it(scene: Scene) -> None:
    """
    Its hosts were not looked up when it was left; they are when it is taken up.
    """
    apache = scene.host("web01")
    problem = scene.tenant.open_problem(apache, start=time.time() - 7200)
    world = scene.world(lookback=3600)
    world.poll()
    world.commands._retry({"display_id": problem.display_id}, world.now)
    world.cycle(1)
    assert [data["minions"] for data in world.events("open")] == [["web01"]]


def test_a_notified_problem_is_new_to_an_engine_that_never_polls(scene: Scene) -> None:
    """
    Without polls there is no first look at what was open before.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0, lookback=60)
    world.cycle()
    problem = scene.tenant.open_problem(apache, start=time.time() - 900)
    world.notify(open_body(problem))
    world.cycle(1)
    assert world.whats() == ["open"]


def test_a_problem_that_opens_and_closes_between_two_polls_starts_nothing(scene: Scene) -> None:
    """
    Its notifications, read late, find it closed.
    """
    apache = scene.host("web01")
    world = scene.world()
    world.poll()
    problem = scene.tenant.open_problem(apache)
    scene.tenant.close_problem(problem)
    world.notify(open_body(problem))
    world.notify(open_body(problem, "RESOLVED"))
    world.poll(30)
    assert world.whats() == []


def test_a_problem_reopened_between_two_polls_is_one_episode(scene: Scene) -> None:
    """
    Nobody saw it closed; there is nothing to announce, unless the problem's record tells of it.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    scene.tenant.close_problem(problem)
    scene.tenant.reopen_problem(problem)
    world.poll(30)
    told = ["open", "resolved", "open"] if on_platform(scene.tenant) else ["open"]
    assert world.whats() == told


@pytest.mark.parametrize("tenant", ["classic"], indirect=True)
def test_problems_that_vanish_from_the_list_are_read_one_by_one(scene: Scene) -> None:
    """
    One is closed, one is unknown by now, one is only hidden: each is asked for before anything is concluded.
    """
    problems = [scene.tenant.open_problem(scene.host(f"web{number}")) for number in range(3)]
    world = scene.world()
    world.poll()
    before = [detail_reads(scene, problem.problem_id) for problem in problems]
    closed, forgotten, hidden = problems
    scene.tenant.close_problem(closed)
    scene.tenant.forget_problem(forgotten)
    hidden.hidden_for = 2
    world.poll(30)
    after = [detail_reads(scene, problem.problem_id) for problem in problems]
    # What is closed says so in the answer that is about all three.
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, 1, 1]
    ended = {data["problem_id"] for data in world.events("resolved")}
    assert ended == {closed.problem_id, forgotten.problem_id}


def test_after_hours_of_downtime_only_what_is_true_now_is_fired(scene: Scene) -> None:
    """
    One closed meanwhile, one is still open, one is new: no order of before is replayed.
    """
    apaches = [scene.host(f"web{number}") for number in range(3)]
    world = scene.world()
    over = scene.tenant.open_problem(apaches[0])
    still = scene.tenant.open_problem(apaches[1])
    world.bus.refuse = True
    world.poll()
    scene.tenant.close_problem(over)
    new = scene.tenant.open_problem(apaches[2])
    world.bus.refuse = False
    world.now += 4 * 3600
    world.restart()
    world.fire()
    assert world.whats() == []
    world.poll()
    world.cycle(1)
    told = {(data["problem_id"], data["what"]): data["minions"] for data in world.events()}
    assert told == {
        (over.problem_id, "open"): [],
        (over.problem_id, "resolved"): [],
        (still.problem_id, "open"): ["web1"],
        (new.problem_id, "open"): ["web2"],
    }


def test_an_order_lost_with_the_master_is_given_again_after_hours(scene: Scene) -> None:
    """
    Fired once, and the master was down when it expired: that is no proof that no remedy takes it.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    world.now += 3 * 3600
    world.restart()
    world.poll()
    first, second = world.events()
    assert (first["what"], second["what"]) == ("open", "open")
    assert first["attempt_id"] == second["attempt_id"]
    for _ in range(10):
        world.cycle(10)
    assert world.events()[-1]["reason"] == "no remedy took the event"


# -- crashes at bad moments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", [True, False])
def test_a_notification_is_settled_only_when_its_problem_is_recorded(
    scene: Scene, api: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Killed between reading and recording, an engine that never polls still learns of the problem.
    """
    apache = scene.host("web01")
    config = {"poll_interval": 0} if api else {"api_token": None, "webhook": {"token": "x"}}
    world = scene.world(**config)
    problem = scene.tenant.open_problem(apache)
    world.notify(open_body(problem) if api else v2_body(problem, apache))

    def dies(*_: Any) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(world.engine.episodes, "_take_in", dies)
        with pytest.raises(LedgerError):
            world.cycle(1)
    world.restart()
    world.cycle(1)
    assert world.whats() == ["open"]


def v2_body(problem: Any, apache: str, status: str = "OPEN") -> bytes:
    """
    Return a notification whose details are all that an engine without an API learns; synthetic.
    """
    entity = {"entityId": {"id": apache, "type": "PROCESS_GROUP_INSTANCE"}, "name": "apache2"}
    details = {
        "problemId": problem.problem_id,
        "displayId": problem.display_id,
        "title": "Process unavailable",
        "severityLevel": "AVAILABILITY",
        "impactLevel": "INFRASTRUCTURE",
        "status": status,
        "startTime": problem.start,
        "endTime": -1 if status == "OPEN" else problem.start + 1000,
        "affectedEntities": [entity],
        "rootCauseEntity": entity,
    }
    state = "OPEN" if status == "OPEN" else "RESOLVED"
    return json.dumps(
        {"PID": problem.problem_id, "State": state, "ProblemDetailsJSONv2": details}
    ).encode()


def test_an_episode_that_ends_before_a_decision_is_announced_from_its_beginning(
    scene: Scene,
) -> None:
    """
    Opened and resolved within one look: whoever hears of the end has heard of the beginning, and nobody acts.
    """
    apache = scene.host("web01")
    world = scene.world(api_token=None, webhook={"token": "x"})
    problem = scene.tenant.open_problem(apache)
    world.notify(v2_body(problem, apache))
    world.notify(v2_body(problem, apache, "CLOSED"))
    world.cycle(1)
    assert [(data["what"], data["minions"]) for data in world.events()] == [
        ("open", []),
        ("resolved", []),
    ]


def test_a_comment_in_doubt_after_a_kill_is_looked_for_when_it_can_be_listed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Killed after sending, the engine does not ask at once, when a stored comment may not be listed yet.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    scene.tenant.fault("comment_delayed_visibility", times=1, calls=1)
    monkeypatch.setattr(world.ledger.comments, "sent", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        world.send_comments()
    world.restart()
    world.now += 1
    world.send_comments()
    scene.tenant.by_id[problem.problem_id].comments[0].hidden_for = 0
    world.now += 60
    world.send_comments()
    assert len(scene.tenant.comments(problem)) == 1


def test_what_cannot_be_read_is_asked_for_less_and_less_often(scene: Scene) -> None:
    """
    Two minutes in which no entity can be read: twenty problems wait, and are healed soon after it is over.
    """
    for number in range(20):
        scene.tenant.open_problem(scene.host(f"web{number:02d}"))
    world = scene.world(policy={"max_minions": 20})
    scene.tenant.fault("server_error", times=None, path="/entities")
    until = world.now + 120
    world.poll()
    before = len(scene.tenant.requests)
    while world.now < until:
        world.cycle(max(world.reconciler._wait(world.now), 0.25))
    assert len(scene.tenant.requests) - before < 200
    assert (world.events(), world.status.api_error) == ([], "Unavailable")
    assert world.ledger.queue_length() == 0
    scene.tenant.clear_faults()
    until = world.now + 65
    while world.now < until:
        world.cycle(max(world.reconciler._wait(world.now), 0.25))
    assert len({data["problem_id"] for data in world.events("open")}) == 20
    assert world.status.api_error is None


def test_what_was_kept_while_entities_failed_is_read_again_before_an_order(scene: Scene) -> None:
    """
    It is as old as it is: the problem closed meanwhile, and nothing is ordered.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=300)
    problem = scene.tenant.open_problem(apache)
    scene.tenant.fault("server_error", times=None, path="/entities")
    world.poll()
    for wait in (5, 10):
        world.cycle(wait)
    scene.tenant.close_problem(problem)
    scene.tenant.clear_faults()
    world.cycle(20)
    assert not any(data["minions"] for data in world.events())


def test_a_reading_that_began_before_another_undoes_nothing(scene: Scene) -> None:
    """
    Two readings of one problem overlap, and the older one, which saw it open, comes last: it opens nothing anew.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    client = world.engine.client
    assert client is not None
    older = client.problem(problem.problem_id)
    scene.tenant.close_problem(problem)
    world.poll(30)
    before = world.whats()
    assert before[-1] == "resolved"
    world.engine.episodes.observe_all([older], world.now, {problem.problem_id: world.now - 1})
    world.cycle(1)
    assert world.whats() == before


@pytest.mark.parametrize("times", [1, 1100])
def test_what_cannot_be_decided_for_days_is_tried_once_a_minute(scene: Scene, times: int) -> None:
    """
    However often it failed before.
    """
    scene.tenant.open_problem(scene.host("web01"))
    world = scene.world()
    world.poll()
    (episode,) = world.ledger.episodes.shown(1)
    for _ in range(times):
        world.scheduler._retries.after(episode.problem_key, world.now)
    world.scheduler._postpone(episode, ValueError("a fault"), world.now)
    due = world.ledger.episodes.next_due()
    assert due is not None
    assert 15 <= due - world.now <= 60


def test_a_notified_problem_whose_entities_cannot_be_read_waits_for_them(scene: Scene) -> None:
    """
    Also where nothing but the notification tells of it.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    scene.tenant.fault("server_error", times=None, path="/entities")
    world.notify(open_body(problem))
    for _ in range(20):
        world.cycle(3)
    assert (world.events(), world.ledger.queue_length()) == ([], 1)
    scene.tenant.clear_faults()
    for _ in range(21):
        world.cycle(3)
    assert (world.whats()[0], world.ledger.queue_length()) == ("open", 0)


def test_a_listing_that_is_on_its_way_keeps_nothing_waiting(scene: Scene) -> None:
    """
    A tenant of half a second a page: what is notified meanwhile is ordered before the list is there.
    """
    apache = scene.host("web01")
    world = scene.world()
    assert world.engine.readings is not None
    world.engine.readings.wait_s = 0.0
    scene.tenant.fault("slow", times=1, path="/problems", delay=4.0)
    ends = time.monotonic() + 60
    world.poll()
    while scene.tenant.faults._faults:
        time.sleep(0.01)
    problem = scene.tenant.open_problem(apache)
    world.notify(open_body(problem))
    while not world.events("open"):
        assert time.monotonic() < ends
        world.cycle(0.01)
        time.sleep(0.01)
    assert world.status.last_poll is None


# -- what holds, and what releases -------------------------------------------------------------------------------------


def test_problems_under_maintenance_are_watched_by_one_list(scene: Scene) -> None:
    """
    And not by a detail of each a minute; the one whose window ends is healed with the next poll but one.
    """
    problems = [
        scene.tenant.open_problem(scene.host(f"web{number:02d}"), under_maintenance=True)
        for number in range(20)
    ]
    world = scene.world(policy={"max_minions": 20})
    world.poll()
    world.poll(30)
    before = len(scene.tenant.requests)
    for _ in range(20):
        world.poll(30)
    made = [call.path for call in scene.tenant.requests[before:]]
    listed = "/query:execute" if on_platform(scene.tenant) else "/problems"
    assert not [path for path in made if not path.endswith(listed)]
    # Who is under maintenance Grail shows in the list itself.
    assert len(made) <= (20 if on_platform(scene.tenant) else 40)
    assert world.events("open")[0]["minions"] == []
    scene.tenant.update_problem(problems[7], under_maintenance=False, suppress_alert=False)
    for _ in range(2):
        world.poll(30)
    assert [data["minions"] for data in world.events("retry")] == [["web07"]]


def test_a_problem_under_maintenance_is_held_and_acted_on_when_the_window_ends(
    scene: Scene,
) -> None:
    """
    The flag stands on the evidence, which the list does not show: a held problem is read again for it.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache, under_maintenance=True)
    world.poll()
    (opened,) = world.events()
    assert opened["minions"] == []
    assert [item["reason"] for item in opened["held"]] == ["maintenance"]
    for _ in range(10):
        world.poll(31)
    assert world.whats() == ["open"]
    scene.tenant.update_problem(problem, under_maintenance=False, suppress_alert=False)
    for _ in range(4):
        world.poll(31)
    assert world.whats()[:3] == ["open", "changed", "retry"]
    assert world.events("retry")[0]["minions"] == ["web01"]


def test_a_maintenance_window_that_begins_after_the_order_holds_the_next(scene: Scene) -> None:
    """
    A retry reads the problem again first, and finds the window.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 60})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    scene.tenant.update_problem(problem, under_maintenance=True)
    for _ in range(10):
        world.cycle(30)
    assert "retry" not in world.whats()


@pytest.mark.parametrize("hold", ["pause", "maintenance"])
def test_an_order_that_is_held_before_it_is_fired_blocks_nobody(scene: Scene, hold: str) -> None:
    """
    Its place among those being healed is free again, and it is announced with the reason why nobody acts.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"max_minions": 1})
    problem = scene.tenant.open_problem(apache)
    world.bus.refuse = True
    world.poll()
    if hold == "pause":
        world.commands._pause({"reason": "test", "who": "admin"}, world.now)
    else:
        scene.tenant.update_problem(problem, under_maintenance=True)
    world.bus.refuse = False
    for _ in range(5):
        world.poll(31)
    assert world.ledger.attempts.in_progress.busy_minions() == set()
    assert [data["minions"] for data in world.events("open")] == [[]]
    if hold == "pause":
        world.commands._resume({}, world.now)
    else:
        scene.tenant.update_problem(problem, under_maintenance=False, suppress_alert=False)
    for _ in range(4):
        world.poll(31)
    assert world.events("retry")[0]["minions"] == ["web01"]


def test_a_dry_run_announces_and_orders_nothing(scene: Scene) -> None:
    """
    The event says whom it would have been, and why not; nobody is asked, and nothing becomes of it later.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"dry_run": True})
    scene.tenant.open_problem(apache)
    for _ in range(10):
        world.poll(120)
    (opened,) = world.events()
    assert (opened["minions"], opened["attempt"], opened["dry_run"]) == ([], 0, True)
    assert [item["reason"] for item in opened["held"]] == ["dry run"]
    assert world.ledger.attempts.history(10) == []
    assert world.pings == []


def test_a_chronic_flapper_is_escalated_although_it_was_healed_each_time(scene: Scene) -> None:
    """
    Three problems about one process in the window, each healed: the fourth is for a person.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"max_attempts": 3, "cooldown": 60, "attempt_window": 3600})
    for _ in range(4):
        problem = scene.tenant.open_problem(apache)
        world.poll(120)
        for data in world.events():
            if data["minions"] and data["jid"] not in world.cache.sent:
                world.salt_runs(data)
        world.cycle(1)
        scene.tenant.close_problem(problem)
        world.poll(30)
    assert sum(bool(data["minions"]) for data in world.events()) == 3
    (escalated,) = world.events("escalated")
    assert escalated["problem_id"] == problem.problem_id
    assert escalated["reason"] == "attempts spent"


@pytest.mark.parametrize(
    ("share", "accepted", "allowed"), [("20%", 20, 4), ("20%", 2, 1), (3, 20, 3)]
)
def test_the_storm_guard_may_be_a_share_of_the_accepted_minions(
    scene: Scene, share: Any, accepted: int, allowed: int
) -> None:
    """
    A fifth of twenty is four; the least is one.
    """
    for number in range(accepted):
        scene.tenant.open_problem(scene.host(f"web{number:02d}"))
    world = scene.world(policy={"max_minions": share})
    world.poll()
    assert sum(len(data["minions"]) for data in world.events("open")) == allowed
    held = [item["reason"] for data in world.events("open") for item in data["held"]]
    assert held == ["storm"] * (accepted - allowed)


def test_room_that_a_closed_problem_leaves_is_taken(scene: Scene) -> None:
    """
    An order that was never fired is taken back when its problem closes, and the next in line has its turn.
    """
    first = scene.tenant.open_problem(scene.host("web01"), start=time.time() - 60)
    scene.tenant.open_problem(scene.host("web02"))
    world = scene.world(policy={"max_minions": 1})
    world.bus.refuse = True
    world.poll()
    scene.tenant.close_problem(first)
    world.bus.refuse = False
    world.poll(1)
    world.cycle(1)
    acted = [data["minions"] for data in world.events() if data["minions"]]
    assert acted == [["web02"]]


def test_room_that_one_minion_of_an_attempt_leaves_is_taken(scene: Scene) -> None:
    """
    Of an order to two minions one returned: one more may be healed.
    """
    pair = [scene.host("web01"), scene.host("web02")]
    scene.tenant.open_problem(pair, start=time.time() - 60, root_cause=None)
    scene.tenant.open_problem(scene.host("web03"))
    world = scene.world(policy={"max_minions": 2})
    world.poll()
    order = next(data for data in world.events("open") if data["minions"])
    assert sorted(order["minions"]) == ["web01", "web02"]
    world.take(order)
    world.give(order["jid"], "web01", GOOD)
    world.cycle(1)
    assert [data["minions"] for data in world.events("retry")] == [["web03"]]


def test_an_episode_that_waits_for_an_attempt_of_the_one_before_is_not_forgotten(
    scene: Scene,
) -> None:
    """
    Closed and open again while the job runs: when the job is over, the new episode has its turn.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 0})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    order = world.events("open")[0]
    world.take(order)
    scene.tenant.close_problem(problem)
    world.poll(10)
    scene.tenant.reopen_problem(problem)
    world.poll(10)
    assert world.events("open")[1]["held"][0]["reason"] == "in progress"
    world.give(order["jid"], "web01", BAD)
    for _ in range(3):
        world.cycle(1)
    assert [(data["what"], data["episode"]) for data in world.events()] == [
        ("open", 1),
        ("resolved", 1),
        ("open", 2),
        ("failed", 1),
        ("retry", 2),
    ]
    world.send_comments()
    assert len(scene.tenant.comments(problem)) == 1


def test_a_minion_that_is_not_accepted_is_not_acted_on_until_it_is(scene: Scene) -> None:
    """
    Its key is accepted while the problem is open: it is found then.
    """
    apache = scene.host("web01")
    world = scene.world()
    grains = world.minions.pop("web01")
    world.index.touch_keys()
    world.now += 3
    world.index.refresh()
    scene.tenant.open_problem(apache)
    world.poll()
    (opened,) = world.events()
    assert opened["minions"] == [] and opened["unmatched"]
    world.minions["web01"] = grains
    world.index.touch_keys()
    for _ in range(5):
        world.cycle(31)
    assert world.whats()[:3] == ["open", "changed", "retry"]
    assert world.events("retry")[0]["minions"] == ["web01"]


def test_a_minion_whose_key_is_removed_before_a_retry_is_not_acted_on(scene: Scene) -> None:
    """
    The retry looks again who is accepted.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 60})
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    world.minions.clear()
    world.index.touch_keys()
    for _ in range(10):
        world.cycle(60)
    assert "retry" not in world.whats()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"title": "Other"}, "title"),
        ({"severity": "ERROR"}, "severity"),
        ({"root_cause": None}, "root cause"),
    ],
)
def test_a_change_while_open_is_announced_once(
    scene: Scene, change: dict[str, Any], named: str
) -> None:
    """
    The event says what changed, and orders nothing.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.take(world.events("open")[0])
    scene.tenant.update_problem(problem, **change)
    for _ in range(3):
        world.poll(10)
    (changed,) = world.events("changed")
    assert changed["reason"] == named
    assert (changed["minions"], changed["attempt"]) == ([], 0)
    assert world.whats() == ["open", "changed"]


def test_a_minion_that_is_affected_later_is_acted_on_by_an_attempt_of_its_own(
    scene: Scene,
) -> None:
    """
    The first minion is healed already and is not touched again.
    """
    first, second = scene.host("web01"), scene.host("web02")
    world = scene.world(policy={"cooldown": 0})
    problem = scene.tenant.open_problem(first, root_cause=None)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    scene.tenant.update_problem(problem, affected=[first, second])
    world.poll(30)
    assert world.whats() == ["open", "healed", "changed", "retry"]
    assert world.events("retry")[0]["minions"] == ["web02"]


# -- outcomes ----------------------------------------------------------------------------------------------------------


def two_minions(scene: Scene, **config: Any) -> tuple[World, dict[str, Any]]:
    """
    Return a world with an order to two minions, and the order.
    """
    pair = [scene.host("web01"), scene.host("web02")]
    world = scene.world(**config)
    scene.tenant.open_problem(pair, root_cause=None)
    world.poll()
    (order,) = world.events()
    assert sorted(order["minions"]) == ["web01", "web02"]
    return world, order


def test_an_attempt_ends_when_its_last_minion_returned_and_only_the_bad_one_is_retried(
    scene: Scene,
) -> None:
    """
    Good on one and bad on the other is failed, with both outcomes; the good one is left alone.
    """
    world, order = two_minions(scene, policy={"cooldown": 0})
    world.take(order)
    world.give(order["jid"], "web01", GOOD)
    world.cycle(1)
    assert world.whats() == ["open"]
    world.give(order["jid"], "web02", BAD)
    world.cycle(1)
    (failed,) = world.events("failed")
    assert [(item["minion"], item["ok"]) for item in failed["outcome"]] == [
        ("web01", True),
        ("web02", False),
    ]
    assert [data["minions"] for data in world.events("retry")] == [["web02"]]


def test_a_minion_that_never_returns_makes_the_attempt_lost(scene: Scene) -> None:
    """
    The return of the other one is kept in the outcome.
    """
    world, order = two_minions(scene, policy={"outcome_timeout": 60})
    world.take(order)
    world.give(order["jid"], "web01", GOOD)
    for _ in range(8):
        world.cycle(10)
    (failed,) = world.events("failed")
    assert failed["reason"] == "lost"
    assert [item["ok"] for item in failed["outcome"]] == [True, False]


def test_a_minion_for_which_the_reactor_has_no_remedy_is_not_waited_for(scene: Scene) -> None:
    """
    The job went to one of the two: its outcome is the attempt's.
    """
    world, order = two_minions(scene)
    world.take(order, ["web01"])
    world.give(order["jid"], "web01", GOOD)
    world.cycle(1)
    (healed,) = world.events("healed")
    assert [item["minion"] for item in healed["outcome"]] == ["web01"]


def test_a_job_that_goes_to_nobody_calls_a_person_and_is_not_repeated(scene: Scene) -> None:
    """
    A reaction that targets none of the minions heals nothing, however often it is asked for.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    world.take(world.events("open")[0], ["db01"])
    world.minions["db01"] = {}
    world.index.touch_keys()
    world.now += 3
    world.index.refresh()
    for _ in range(10):
        world.cycle(10)
    assert world.whats() == ["open", "escalated"]


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("success", [True, False])
def test_an_orchestration_ends_the_attempt_on_all_its_minions(
    scene: Scene, heard: bool, success: bool
) -> None:
    """
    Its outcome is believed from the job cache, where the master files it, heard on the bus or not.
    """
    world, order = two_minions(scene)
    world.orchestrates(order, success, heard=heard)
    world.cycle(20)
    world.cycle(1)
    (ended,) = world.events("healed" if success else "failed")
    assert [item["ok"] for item in ended["outcome"]] == [success, success]


def test_an_orchestration_forged_on_the_bus_heals_nothing(scene: Scene) -> None:
    """
    Any minion can fire the event of a runner's end.
    """
    world, order = two_minions(scene)
    data = {"fun": "runner.state.orchestrate", "success": True, "return": {}}
    world.engine.on_job(order["jid"], "ret", None, data)
    for _ in range(5):
        world.cycle(2)
    assert world.whats() == ["open"]


def test_without_a_job_cache_the_returns_on_the_bus_count(scene: Scene) -> None:
    """
    A master may keep no jobs; then nothing is concluded from their absence.
    """
    world, order = two_minions(scene)
    world.cache.cached = False
    world.restart()
    world.cycle(20)
    assert world.whats() == ["open"]
    for minion in order["minions"]:
        world.engine.on_job(order["jid"], "ret", minion, GOOD)
    world.cycle(1)
    assert world.whats() == ["open", "healed"]


def test_an_order_given_again_is_not_announced_a_second_time_when_its_problem_closes(
    scene: Scene,
) -> None:
    """
    Taken back while it waits for the bus, an order that was fired before becomes nothing, not one more `open`.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.bus.refuse = True
    for _ in range(4):
        world.cycle(10)
    scene.tenant.close_problem(problem)
    world.bus.refuse = False
    world.reconciler._next_poll = 0.0
    world.cycle(30)
    assert world.whats() == ["open", "resolved"]

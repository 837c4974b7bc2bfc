"""
The life of a problem, from its opening to its end.
"""

from __future__ import annotations

import json

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, down


def test_a_problem_is_opened_healed_commented_and_resolved(scene: Scene) -> None:
    """
    The main story: seen, acted on once, proved, told to Dynatrace, and closed by it.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    (opened,) = world.events()

    assert opened["what"] == "open"
    assert opened["minions"] == ["web01"]
    assert opened["technologies"] == {"APACHE_HTTPD": ["web01"]}
    assert opened["problem_id"] == problem.problem_id
    assert opened["attempt"] == 1

    world.salt_runs(opened)
    world.cycle(1)
    assert world.whats() == ["open", "healed"]
    assert world.events("healed")[0]["outcome"] == [
        {"minion": "web01", "ok": True, "done": True, "comment": "it serves"}
    ]

    world.send_comments()
    (comment,) = scene.tenant.comments(problem)
    assert "healed" in comment.message and opened["jid"] in comment.message

    scene.tenant.close_problem(problem)
    world.poll(30)
    assert world.whats() == ["open", "healed", "resolved"]


def test_a_closed_problem_keeps_its_evidence(scene: Scene) -> None:
    """
    Grail may tell none of a problem that is over: since when what was down is known all the same.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    evidence = [down(apache, world.now - 90)]
    scene.tenant.update_problem(problem, evidence=evidence)
    world.poll()
    scene.tenant.close_problem(problem)
    world.poll(30)
    episode = world.ledger.episodes.latest(problem.problem_id or "")
    assert episode is not None and str(episode.state) == "closed"
    assert [item.start for item in episode.problem.evidence] == [evidence[0]["startTime"]]


def test_a_healed_problem_that_stays_open_is_not_acted_on_again(scene: Scene) -> None:
    """
    Healthy here, still open there: the engine waits for Dynatrace to close, and at last for a person.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 0})
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    for _ in range(20):
        world.poll(300)
    assert world.whats() == ["open", "healed", "escalated"]


def test_a_clone_keeps_its_original_from_being_acted_on_until_it_is_another_host(
    scene: Scene,
) -> None:
    """
    Two minions with one host id are told with what to do, and neither is acted on.
    """
    apache = scene.host("web01")
    scene.hosts["clone"] = scene.hosts["web01"]
    world = scene.world()
    scene.tenant.open_problem(apache)
    for _ in range(5):
        world.poll(300)
    (opened,) = world.events()
    assert (opened["minions"], opened["targets"], opened["attempt"]) == ([], [], 0)
    (unmatched,) = opened["unmatched"]
    assert "ambiguous: 2 minions by host_id: clone, web01; a clone keeps" in unmatched["reason"]

    world.minions["clone"] = {"dynatrace": {"host_id": "HOST-00000000000000C1"}}
    world.index.touch("clone")
    world.poll(900)
    assert world.events()[-1]["minions"] == ["web01"]


def test_webhook_and_poll_racing_cause_one_attempt(scene: Scene) -> None:
    """
    One problem, known by a hundred notifications and by the poll, is one event.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    body = json.dumps(
        {"PID": problem.problem_id, "ProblemID": problem.display_id, "State": "OPEN"}
    ).encode()
    for _ in range(50):
        world.notify(body)
    world.poll()
    for _ in range(50):
        world.notify(body)
        world.cycle(0.1)
    assert world.whats() == ["open"]


def test_a_failed_attempt_is_tried_again_after_the_cooldown_and_escalated_when_spent(
    scene: Scene,
) -> None:
    """
    Cooldowns double with each failure, and after `max_attempts` a person is called, once.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 60, "max_attempts": 3, "attempt_window": 86400})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    times = []
    for _ in range(2000):
        world.cycle(10)
        for data in world.events()[len(times) :]:
            times.append((data["what"], data["attempt"]))
            if data["minions"]:
                world.salt_runs(data, BAD)
    assert times == [
        ("open", 1),
        ("failed", 1),
        ("retry", 2),
        ("failed", 2),
        ("retry", 3),
        ("failed", 3),
        ("escalated", 0),
    ]
    world.send_comments()
    texts = [comment.message for comment in scene.tenant.comments(problem)]
    assert len(texts) == 4
    assert sum("A person must look" in text for text in texts) == 1


def test_a_problem_reopened_under_its_id_is_a_new_episode(scene: Scene) -> None:
    """
    Closed and open again: announced again, with other attempt ids.
    """
    world = scene.healed(policy={"cooldown": 0})
    [problem] = scene.tenant.problems
    scene.tenant.reopen_problem(problem)
    world.poll(30)

    first, second = world.events("open")
    assert (first["episode"], second["episode"]) == (1, 2)
    assert first["attempt_id"] != second["attempt_id"]
    assert first["jid"] != second["jid"]


def test_120_open_problems_are_all_seen_and_each_announced_once(scene: Scene) -> None:
    """
    Pages of 50 are walked to the end.
    """
    for number in range(120):
        apache = scene.host(f"web{number:03d}")
        scene.tenant.open_problem(apache)
    world = scene.world(policy={"max_minions": 10})
    world.poll()
    world.poll(30)
    opened = world.events("open")
    assert len(opened) == 120
    assert len({data["problem_id"] for data in opened}) == 120
    assert sum(len(data["minions"]) for data in opened) == 10


def test_a_problem_closed_before_its_event_is_fired_is_not_acted_on(scene: Scene) -> None:
    """
    What waits in the outbox while the bus is broken is decided anew, and nothing stale is fired as an order.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.bus.refuse = True
    world.poll()
    scene.tenant.close_problem(problem)
    world.bus.refuse = False
    world.poll(3600)
    assert world.whats() == ["open", "resolved"]
    assert world.events("open")[0]["minions"] == []
    assert world.events("open")[0]["attempt"] == 0


def test_an_order_that_waited_for_the_bus_is_given_after_a_fresh_look(scene: Scene) -> None:
    """
    After an hour without a bus the problem is read again, found open, and acted on under the same ids.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.bus.refuse = True
    world.poll()
    planned = world.ledger.attempts.open()[0]
    world.bus.refuse = False
    world.now += 3600
    world.fire()
    assert world.whats() == []
    world.cycle()
    (opened,) = world.events()
    assert opened["attempt_id"] == planned.attempt_id
    assert opened["minions"] == ["web01"]


def test_a_reaction_that_never_became_a_job_is_ordered_again_under_the_same_ids(
    scene: Scene,
) -> None:
    """
    No job within the order's validity proves that nothing was executed.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    for _ in range(6):
        world.cycle(10)
    orders = world.events("open")
    assert len(orders) == 2
    assert orders[0]["attempt_id"] == orders[1]["attempt_id"]
    assert orders[0]["jid"] == orders[1]["jid"]
    assert orders[0]["valid_until"] < orders[1]["fired"] < orders[1]["valid_until"]


def test_an_order_that_no_job_takes_is_escalated_once(scene: Scene) -> None:
    """
    A reactor is mapped to it and makes nothing of it, time and again: after the timeout a person is called.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    for _ in range(60):
        world.cycle(10)
    assert set(world.whats()[:-1]) == {"open"}
    assert len({data["attempt_id"] for data in world.events("open")}) == 1
    assert [data["reason"] for data in world.events("escalated")] == ["no remedy took the event"]


def test_a_job_that_does_not_return_is_lost_and_counts(scene: Scene) -> None:
    """
    A job that was taken and never returned is failed with the reason lost.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"outcome_timeout": 60, "cooldown": 300})
    scene.tenant.open_problem(apache)
    world.poll()
    world.take(world.events("open")[0])
    for _ in range(20):
        world.cycle(10)
    assert world.whats() == ["open", "failed"]
    assert world.events("failed")[0]["reason"] == "lost"


def test_a_return_that_is_not_in_the_job_cache_is_ignored(scene: Scene) -> None:
    """
    Any minion can fire another's return on the bus; the master's job cache is what counts.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    (opened,) = world.events()
    world.take(opened)
    world.engine.on_job(
        opened["jid"], "ret", "web01", {"return": True, "retcode": 0, "success": True}
    )
    world.cycle(1)
    world.cycle(10)
    assert world.whats() == ["open"]


def test_duplicates_of_one_dead_process_cause_one_attempt(scene: Scene) -> None:
    """
    An availability and an error problem about the same apache2: the second is held while the first is in progress.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    scene.tenant.open_problem(apache, title="Failure rate increase", severity="ERROR")
    world.poll()
    first, second = world.events("open")
    assert first["minions"] == ["web01"]
    assert second["minions"] == []
    assert second["held"][0]["reason"] == "in progress"


def test_a_merged_problem_ends_and_starts_nothing(scene: Scene) -> None:
    """
    The API says that it is over, and the notification why.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    other = scene.tenant.open_problem(scene.tenant.add_host("db01.example.com"))
    scene.tenant.merge_problem(problem, other)
    world.notify(json.dumps({"PID": problem.problem_id, "State": "MERGED"}).encode())
    world.cycle(1)
    scene.tenant.close_problem(other)
    world.poll(30)
    world.poll(3000)
    assert world.whats() == ["open", "healed", "resolved"]
    assert world.events("resolved")[0]["merged"] is True


def test_the_engine_killed_right_after_firing_repeats_at_most_the_same_order(scene: Scene) -> None:
    """
    Killed between firing and recording, the engine fires again under the same attempt id and job id.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.reconciler._next_poll = 0.0
    world.cycle(fire=False)
    for event in world.ledger.outbox.orders(world.now):
        world.relay._put({**event.data, "signature": ""}, event.tag)
    world.restart()
    world.poll(1)
    first, second = world.events("open")
    assert first["attempt_id"] == second["attempt_id"]
    assert first["jid"] == second["jid"]


def test_an_outcome_that_came_while_the_engine_was_down_is_found_in_the_job_cache(
    scene: Scene,
) -> None:
    """
    A return is an event that is gone; the job cache still has it.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    (opened,) = world.events()
    world.cache.sent[opened["jid"]] = ["web01"]
    world.cache.returned[opened["jid"]] = {"web01": {"return": True, "retcode": 0, "success": True}}
    world.restart()
    world.cycle(30)
    assert world.whats() == ["open", "healed"]


def test_an_order_voided_while_others_are_fired_goes_out_as_a_report(scene: Scene) -> None:
    """
    A problem that closes while the announcer works through a long outbox is not acted on.
    """
    for minion in ("web01", "web02"):
        scene.tenant.open_problem(scene.host(minion))
    world = scene.world()
    world.reconciler._next_poll = 0.0
    world.cycle(fire=False)
    fire_event = world.bus.fire_event

    def closing(data: dict[str, object], tag: str, timeout: int) -> bool:
        world.bus.fire_event = fire_event  # type: ignore[method-assign]
        for problem in scene.tenant.problems:
            if problem.problem_id != data["problem_id"]:
                scene.tenant.close_problem(problem)
        world.reconciler._next_poll = 0.0
        world.cycle(fire=False)
        return fire_event(data, tag, timeout)

    world.bus.fire_event = closing  # type: ignore[method-assign]
    world.fire()
    assert world.whats() == ["open", "open", "resolved"]
    assert [bool(data["minions"]) for data in world.events("open")] == [True, False]

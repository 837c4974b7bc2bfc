"""
What the engine measures and counts while it heals, by the clocks that the reference names.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_outcomes import Outage
from tests.functional.engine.test_second_failure import healed, show
from tests.functional.engine.test_two_engines import record
from tests.functional.engine.world import BAD, GOOD, HEALTHY, World, down
from tests.harness import programs
from tests.harness.prometheus import promtool_finds
from tests.unit.engine.bodies import recommended
from tests.unit.engine.test_metrics import value

WITHIN_S = 3.0


def metric(world: World, name: str, **labels: str) -> float:
    """
    Return the value of one series of the world's engine, of which each scrape is a new one.
    """
    text = world.engine.exposition.text().replace('engine="test"', 'engine="dynatrace"')
    return value(text, name, **labels)


def measured(world: World, name: str, **labels: str) -> tuple[float, float]:
    """
    Return how often something was measured, and the sum of it.
    """
    parts = (metric(world, f"{name}_seconds_{part}", **labels) for part in ("count", "sum"))
    count, total = parts
    return count, total


def lasting(returned: Any, *durations: Any) -> Any:
    """
    Return a return of a job whose states tell how many milliseconds each of them ran.
    """
    told = copy.deepcopy(returned)
    [state] = told["return"].values()
    for number, duration in enumerate(durations):
        own = {**state, "__run_num__": number, "duration": duration}
        told["return"][f"s{number}_|-a_|-a_|-healed"] = own
    return told


@pytest.fixture
def outage(scene: Scene) -> Outage:
    return Outage(scene, "web01")


def test_a_heal_is_measured_from_the_failure_and_from_its_event(outage: Outage) -> None:
    """
    By Dynatrace's start of the failure, 90 s before the engine looked; what its states took by the minion alone.
    """
    world = outage.world
    outage.ends(lasting(GOOD, 1500.5, 499.5, True, "3 ms", -1, None))
    count, total = measured(world, "outage", remedy="none")
    assert count == 1
    assert abs(total - (world.now - outage.begun)) < WITHIN_S
    count, total = measured(world, "event_to_proof", remedy="none")
    assert count == 1
    assert 0 < total < WITHIN_S
    assert measured(world, "state_run", remedy="none") == (1, 2.001)
    assert metric(world, "attempts_total", remedy="none", outcome="good") == 1
    assert metric(world, "events_total", what="healed") == 1


def test_a_heal_on_two_minions_counts_for_each(scene: Scene) -> None:
    """
    One attempt, two processes that were down.
    """
    outage = Outage(scene, "web01", "web02")
    outage.ends(GOOD, GOOD)
    assert measured(outage.world, "outage", remedy="none")[0] == 2
    assert measured(outage.world, "event_to_proof", remedy="none")[0] == 2
    assert metric(outage.world, "attempts_total", remedy="none", outcome="good") == 1


@pytest.mark.parametrize("returned", [BAD, HEALTHY])
def test_what_was_not_brought_back_is_no_outage_that_ended(outage: Outage, returned: Any) -> None:
    """
    How long its states ran is known all the same.
    """
    outage.ends(lasting(returned, 250))
    assert measured(outage.world, "outage", remedy="none") == (0, 0)
    assert measured(outage.world, "event_to_proof", remedy="none") == (0, 0)
    assert measured(outage.world, "state_run", remedy="none") == (1, 0.25)


def test_a_failure_of_unknown_begin_is_left_out(scene: Scene) -> None:
    """
    The problem's own begin is no begin of this process' failure.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    told = down(apache, world.now - 90)
    del told["startTime"]
    show(scene, problem, told)
    world.poll(1)
    world.salt_runs(world.events("open")[0], GOOD)
    world.cycle(1)
    assert world.whats() == ["open", "healed"]
    assert measured(world, "outage", remedy="none") == (0, 0)
    assert measured(world, "event_to_proof", remedy="none")[0] == 1


def test_a_tenant_whose_clock_is_ahead_gives_no_outage_of_less_than_nothing(scene: Scene) -> None:
    """
    The failure seems to begin after its heal.
    """
    outage = Outage(scene, "web01")
    outage.shows(outage.world.now + 600)
    outage.ends(GOOD)
    assert measured(outage.world, "outage", remedy="none") == (0, 0)


def test_a_return_that_is_read_again_is_measured_once(scene: Scene) -> None:
    """
    The job cache is read again and again while another minion has not returned.
    """
    outage = Outage(scene, "web01", "web02")
    world = outage.world
    world.poll(1)
    order = outage.orders[0]
    world.take(order)
    world.give(order["jid"], "web01", lasting(GOOD, 100))
    for _ in range(3):
        world.cycle(16)
    assert measured(world, "state_run", remedy="none") == (1, 0.1)
    world.give(order["jid"], "web02", lasting(GOOD, 300))
    world.cycle(1)
    assert world.whats() == ["open", "healed"]
    assert measured(world, "state_run", remedy="none") == (2, 0.4)
    assert measured(world, "outage", remedy="none")[0] == 2
    assert measured(world, "event_to_proof", remedy="none")[0] == 2


def test_what_only_the_minion_remembers_ended_when_it_says(scene: Scene) -> None:
    """
    Not when the engine asked, after the time for an outcome was over.
    """
    outage = Outage(scene, "web01")
    world = outage.world
    world.poll(1)
    order = world.events("open")[0]
    world.take(order)
    world.memories[order["attempt_id"], "web01"] = record(
        order["attempt_id"], world.now, world.now + 5
    )
    while "healed" not in world.whats():
        world.cycle(10)
    count, total = measured(world, "outage", remedy="none")
    assert count == 1
    assert 90 <= total < 90 + 5 + 2 * WITHIN_S


def notify(world: World, problem: Any) -> None:
    """
    Let a notification of a problem be accepted now.
    """
    told = recommended(PID=problem.problem_id, ProblemID=problem.display_id)
    world.notify(json.dumps(told).encode())


def test_the_way_of_a_notification_to_its_event_is_measured(scene: Scene) -> None:
    """
    From the first of several, which wait for a cycle, and once.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    show(scene, problem, down(apache, world.now - 90))
    notify(world, problem)
    world.now += 4
    notify(world, problem)
    world.cycle(3)
    assert world.whats() == ["open"]
    count, total = measured(world, "notification_to_event")
    assert (count, round(total)) == (1, 7)
    notify(world, problem)
    world.salt_runs(world.events()[-1], GOOD)
    world.cycle(60)
    assert measured(world, "notification_to_event")[0] == 1
    episode = world.ledger.episodes.latest(problem.problem_id)
    assert episode is not None
    [entry] = [one for one in world.ledger.journal.of(episode) if one.kind == "notified"]
    assert round(world.now - entry.at) == 67


def test_a_clock_that_is_set_lengthens_no_way_of_a_notification(scene: Scene) -> None:
    """
    As nothing that waits waits longer for it.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    show(scene, problem, down(apache, world.now - 90))
    world.cycle(1)
    notify(world, problem)
    world.set_clock(3600)
    world.cycle(2)
    assert world.whats() == ["open"]
    count, total = measured(world, "notification_to_event")
    assert (count, round(total)) == (1, 2)


def test_what_a_poll_saw_first_waited_for_no_notification(scene: Scene) -> None:
    """
    The journal has the notification all the same.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    show(scene, problem, down(apache, world.now - 90))
    world.poll(1)
    notify(world, problem)
    world.cycle(10)
    assert measured(world, "notification_to_event") == (0, 0)
    episode = world.ledger.episodes.latest(problem.problem_id)
    assert episode is not None
    assert [one.kind for one in world.ledger.journal.of(episode)].count("notified") == 1


@pytest.mark.parametrize(
    ("after", "hour", "day"), [(100, 1, 1), (3700, 0, 1), (90000, 0, 0)], ids=["1h", "1d", "later"]
)
def test_what_fails_again_is_counted_by_how_long_it_served(
    scene: Scene, after: float, hour: int, day: int
) -> None:
    """
    By the begin of the later failure; that it is tried twice then counts no more.
    """
    world, problem, apache = healed(scene)
    world.now += after + 30
    show(scene, problem, down(apache, world.now - 30))
    while "retry" not in world.whats():
        world.poll(31)
    world.salt_runs(world.events("retry")[0], BAD)
    while len(world.events("retry")) < 2:
        world.poll(31)
    assert metric(world, "relapses_total", remedy="none", within="1h") == hour
    assert metric(world, "relapses_total", remedy="none", within="1d") == day


def test_a_later_failure_of_what_was_not_brought_back_is_no_relapse(scene: Scene) -> None:
    """
    It had not served in between.
    """
    outage = Outage(scene, "web01", policy={"cooldown": 60})
    outage.ends(BAD)
    outage.shows(outage.world.now + 1)
    outage.ends(GOOD)
    assert metric(outage.world, "relapses_total", remedy="none", within="1d") == 0


def test_a_retry_that_a_person_orders_is_no_relapse(scene: Scene) -> None:
    """
    Dynatrace tells of no other failure than the one that was healed.
    """
    world, problem, _ = healed(scene)
    episode = world.ledger.episodes.latest(problem.problem_id)
    assert episode is not None
    world.commands._retry({"display_id": problem.display_id, "who": "admin"}, world.now)
    while "retry" not in world.whats():
        world.poll(31)
    assert metric(world, "relapses_total", remedy="none", within="1d") == 0


@pytest.mark.parametrize(
    ("returned", "by"), [([GOOD], "salt"), ([BAD, GOOD], "salt"), ([BAD], "other"), ([], "other")]
)
def test_problems_that_end_are_counted_by_who_brought_back_what_failed(
    outage: Outage, returned: list[Any], by: str
) -> None:
    """
    By hand, or by itself, is not salt.
    """
    outage.world.poll(1)
    for one in returned:
        if outage.world.ledger.attempts.in_progress.busy_minions():
            order = outage.orders[-1]
            outage.world.salt_runs(order, one)
            outage.world.cycle(1)
        else:
            outage.ends(one)
    outage.scene.tenant.close_problem(outage.problem)
    outage.world.poll(5)
    others = {"salt": "other", "other": "salt"}[by]
    assert metric(outage.world, "problems_closed_total", recovered=by) == 1
    assert metric(outage.world, "problems_closed_total", recovered=others) == 0


def test_a_problem_that_another_ones_heal_ended_counts_as_healed(scene: Scene) -> None:
    """
    One dead process has several problems, and was brought back once.
    """
    outage = Outage(scene, "web01")
    other = scene.tenant.open_problem(outage.apaches[0])
    evidence = [down(outage.apaches[0], outage.begun)]
    scene.tenant.update_problem(other, evidence=evidence)
    outage.ends(GOOD)
    outage.passes(30)
    for problem in (outage.problem, other):
        scene.tenant.close_problem(problem)
    outage.world.poll(30)
    assert metric(outage.world, "problems_closed_total", recovered="salt") == 2


def test_a_problem_that_lives_on_in_another_did_not_end(outage: Outage) -> None:
    """
    Its own end counts, whoever brings that about.
    """
    world = outage.world
    outage.ends(GOOD)
    outage.scene.tenant.close_problem(outage.problem)
    world.notify(json.dumps({"PID": outage.problem.problem_id, "State": "MERGED"}).encode())
    world.cycle(1)
    [resolved] = world.events("resolved")
    assert resolved["merged"] is True
    assert metric(world, "problems_closed_total", recovered="salt") == 0
    assert metric(world, "problems_closed_total", recovered="other") == 0


def test_held_problems_and_calls_for_a_person_are_counted_by_their_reason(scene: Scene) -> None:
    """
    As the events name them.
    """
    outage = Outage(scene, "web01", policy={"cooldown": 0, "max_attempts": 1})
    outage.ends(BAD)
    outage.passes(60)
    assert metric(outage.world, "escalations_total", reason="attempts spent") == 1
    assert metric(outage.world, "problems_held", reason="attempts spent") == 1
    assert metric(outage.world, "attempts_total", remedy="none", outcome="bad") == 1
    assert metric(outage.world, "events_total", what="escalated") == 1


def test_an_order_that_is_taken_back_counts_as_not_executed(outage: Outage) -> None:
    """
    Its problem closed before it was on the bus.
    """
    outage.world.bus.refuse = True
    while not outage.world.ledger.attempts.open():
        outage.world.poll(1)
    assert metric(outage.world, "oldest_order_age_seconds") == 0
    outage.world.now += 12
    assert metric(outage.world, "oldest_order_age_seconds") == 12
    outage.scene.tenant.close_problem(outage.problem)
    outage.world.poll(5)
    assert metric(outage.world, "attempts_total", remedy="none", outcome="not_executed") == 1
    assert metric(outage.world, "oldest_order_age_seconds") == 0
    assert metric(outage.world, "oldest_report_age_seconds") == 17


def test_counters_survive_a_restart_and_histograms_begin_anew(outage: Outage) -> None:
    """
    As the reference says.
    """
    outage.ends(GOOD)
    outage.world.restart()
    assert metric(outage.world, "attempts_total", remedy="none", outcome="good") == 1
    assert metric(outage.world, "events_total", what="healed") == 1
    assert measured(outage.world, "outage", remedy="none") == (0, 0)


def test_a_remedy_of_the_catalogue_is_named(scene: Scene) -> None:
    """
    In each metric that has one.
    """
    remedies = {"apache2": {"on": {"technology": "APACHE_HTTPD"}, "service": "apache2"}}
    outage = Outage(scene, "web01", remedies=remedies)
    outage.ends(lasting(GOOD, 100))
    assert measured(outage.world, "outage", remedy="apache2")[0] == 1
    assert measured(outage.world, "event_to_proof", remedy="apache2")[0] == 1
    assert measured(outage.world, "state_run", remedy="apache2")[0] == 1
    assert metric(outage.world, "attempts_total", remedy="apache2", outcome="good") == 1


def test_each_cycle_and_each_request_is_measured(outage: Outage) -> None:
    """
    Requests by endpoints without ids.
    """
    world = outage.world
    world.reconciler.step()
    outage.ends(BAD)
    outage.passes(30)
    assert measured(world, "cycle")[0] == 1
    text = world.engine.exposition.text()
    counts = [one for one in text.splitlines() if "tenant_request_seconds_count{" in one]
    assert len(counts) >= 2
    assert all('status="2' in one for one in counts)
    assert any("/comments" in one for one in counts)
    assert outage.problem.problem_id not in text


def test_promtool_and_prometheus_own_parser_find_no_fault(scene: Scene) -> None:
    """
    Neither in the format nor in the names, of an engine that healed; each series has the engine's name.
    """
    if lacking := programs.why_not("promtool"):
        pytest.skip(lacking)
    remedies = {"apache2": {"on": {"technology": "APACHE_HTTPD"}, "service": "apache2"}}
    outage = Outage(scene, "web01", remedies=remedies)
    outage.ends(lasting(BAD, 100))
    outage.ends(lasting(GOOD, 100))
    outage.passes(30)
    text = outage.world.engine.exposition.text()
    assert promtool_finds(text) == (0, "", "")
    families = list(text_string_to_metric_families(text))
    assert {one.type for one in families} == {"gauge", "counter", "histogram"}
    samples = [sample for one in families for sample in one.samples]
    assert all(sample.labels["engine"] == "test" for sample in samples)

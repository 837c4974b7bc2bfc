"""
A return that comes when its attempt was given up: it counts, it is told, and nothing more is ordered for what serves.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_outcomes import CLOSING, POLICY, Outage
from tests.functional.engine.test_reports import SCOPES
from tests.functional.engine.world import BAD, GOOD, HEALTHY, REFUSED, UNPROVED, World, down


class Lost(Outage):
    """
    An attempt on some minions of which none returned in time.
    """

    def __init__(self, scene: Scene, *minions: str, **config: Any) -> None:
        policy = {**POLICY, **config.pop("policy", {})}
        super().__init__(scene, *minions, policy=policy, **config)
        self.world.poll()
        self.order = self.world.events("open")[0]
        self.world.take(self.order)
        while "failed" not in self.world.whats():
            self.world.cycle(10)

    def returns(self, returned: Any, minion: str = "web01") -> None:
        """
        Let a minion return now.
        """
        self.world.give(self.order["jid"], minion, returned)
        self.world.cycle(1)

    def plans(self) -> None:
        """
        Let the next attempt be recorded, and not fired.
        """
        self.world.bus.refuse = True
        while not self.world.ledger.attempts.open():
            self.world.poll(10)

    def states(self) -> list[str]:
        """
        Return the states of all attempts.
        """
        episode = self.world.ledger.episodes.latest(self.problem.problem_id)
        assert episode is not None
        return [str(one.state) for one in self.world.ledger.attempts.of(episode)]


@pytest.mark.parametrize(
    ("returned", "what", "reason", "state"),
    [
        (GOOD, "healed", None, "good"),
        (HEALTHY, "healthy", None, "healthy"),
        (BAD, "failed", "the remedy failed", "bad"),
        (REFUSED, "failed", "refused", "refused"),
        (UNPROVED, "failed", "unproved", "unproved"),
    ],
)
def test_a_late_return_tells_how_the_attempt_ended(
    scene: Scene, returned: Any, what: str, reason: str | None, state: str
) -> None:
    """
    By an event, in the ledger, and in a comment that says that it was called lost.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 3600})
    assert lost.world.events("failed")[0]["reason"] == "lost"
    lost.returns(returned)
    told = lost.world.events()[2]
    assert (told["what"], told["reason"], told["attempt"]) == (what, reason, 1)
    assert told["jid"] == lost.order["jid"]
    assert lost.states() == [state]
    first, second = lost.comments[:2]
    assert "no return" in first
    assert "The return came late: this attempt was called lost before." in second
    assert "[salt-dynatrace late " in second
    called = [one["reason"] for one in lost.world.events("escalated")]
    assert called == {"refused": ["refused"], "unproved": ["not proved"]}.get(state, [])


def test_what_a_late_return_told_is_final(scene: Scene) -> None:
    """
    Another one changes nothing, but calls a person where the two contradict each other.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 3600})
    lost.returns(GOOD)
    lost.world.engine.on_job(lost.order["jid"], "ret", "web01", BAD)
    lost.world.cycle(1)
    assert lost.states() == ["good"]
    assert lost.world.whats() == ["open", "failed", "healed", "escalated"]
    assert lost.world.events("escalated")[0]["reason"] == "contradictory returns"


def test_a_late_return_that_is_not_in_the_job_cache_is_ignored(scene: Scene) -> None:
    """
    Any minion can fire it.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 3600})
    lost.world.engine.on_job(lost.order["jid"], "ret", "web01", GOOD)
    for _ in range(3):
        lost.world.cycle(10)
    assert lost.states() == ["lost"]
    assert lost.world.whats() == ["open", "failed"]


def test_an_order_that_is_not_on_the_bus_is_taken_back_by_a_late_good_return(
    scene: Scene,
) -> None:
    """
    It was recorded since the attempt was given up; it is never fired as an order, and nothing follows it.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 30})
    lost.plans()
    assert lost.states() == ["lost", "planned"]
    lost.returns(GOOD)
    assert lost.states() == ["good", "not_executed"]
    lost.world.bus.refuse = False
    lost.passes(300)
    assert lost.states() == ["good", "not_executed"]
    assert len(lost.orders) == 1
    assert lost.held() == ["healed"]


def test_an_order_of_another_problem_about_what_serves_is_taken_back(scene: Scene) -> None:
    """
    Both show the same failure of the same process.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 0})
    lost.scene.tenant.close_problem(lost.problem)
    other = lost.scene.tenant.open_problem(lost.apaches[0])
    lost.scene.tenant.update_problem(other, evidence=[down(lost.apaches[0], lost.begun)])
    lost.world.bus.refuse = True
    lost.world.poll(30)
    lost.world.poll(1)
    (planned,) = lost.world.ledger.attempts.open()
    assert planned.problem_key == other.problem_id
    lost.returns(GOOD)
    assert lost.world.ledger.attempts.open() == []
    lost.world.bus.refuse = False
    lost.passes(60)
    assert len(lost.orders) == 1


def test_an_order_that_was_taken_back_is_not_fired_by_who_read_it_before(scene: Scene) -> None:
    """
    The relay reads it, it is taken back, and the relay asks whether it may be fired.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 30})
    lost.plans()
    (planned,) = lost.world.ledger.attempts.open()
    assert not lost.world.engine.dispatch.forbids(planned.attempt_id)
    lost.returns(GOOD)
    assert lost.world.engine.dispatch.forbids(planned.attempt_id)


def test_who_was_called_for_a_lost_attempt_stays_called(scene: Scene) -> None:
    """
    The comment tells them that it is healed; the engine orders nothing beside them.
    """
    lost = Lost(scene, "web01", policy={"max_attempts": 1})
    lost.world.poll(1)
    assert lost.world.whats() == ["open", "failed", "escalated"]
    lost.returns(GOOD)
    lost.passes(300)
    assert lost.world.whats() == ["open", "failed", "escalated", "healed"]
    assert "Salt healed this" in lost.comments[-1]


def test_of_several_minions_the_last_that_returns_late_is_told(scene: Scene) -> None:
    """
    Until then the attempt is lost, and what serves is not ordered again.
    """
    lost = Lost(scene, "web01", "web02", policy={"cooldown": 3600})
    lost.returns(GOOD)
    assert lost.states() == ["lost"]
    assert lost.world.whats() == ["open", "failed"]
    assert sorted(lost.held()) == ["cooldown", "healed"]
    lost.returns(GOOD, "web02")
    assert lost.states() == ["good"]
    assert lost.world.whats() == ["open", "failed", "healed"]
    assert [one["ok"] for one in lost.world.events("healed")[0]["outcome"]] == [True, True]


def test_a_late_return_is_found_after_a_restart(scene: Scene) -> None:
    """
    It came while nobody listened: the job cache has it.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 3600})
    lost.world.cache.returned[lost.order["jid"]] = {"web01": GOOD}
    lost.world.restart()
    lost.world.cycle(1)
    assert lost.states() == ["good"]


def test_jobs_are_watched_for_a_day_after_they_were_given_up(scene: Scene) -> None:
    """
    So long the job cache keeps them.
    """
    lost = Lost(scene, "web01", policy={"cooldown": 3600, "max_attempts": 1})
    assert lost.world.job_tracker.is_watched(lost.order["jid"])
    lost.world.cycle(86400 - 100)
    assert lost.world.job_tracker.is_watched(lost.order["jid"])
    lost.world.cycle(200)
    assert not lost.world.job_tracker.is_watched(lost.order["jid"])


def test_a_problem_that_a_late_return_healed_is_closed_where_that_is_asked_for(
    scene: Scene,
) -> None:
    """
    And an event stands on the process for each of the two outcomes.
    """
    token = scene.tenant.add_token((*SCOPES, "events.ingest"))
    feedback = {**CLOSING, "event": True}
    lost = Lost(scene, "web01", api_token=token, feedback=feedback, policy={"cooldown": 3600})
    lost.returns(GOOD)
    lost.passes(200)
    assert lost.problem.status == "CLOSED"
    told = [one for one in lost.scene.tenant.journal if one.what == "event ingested"]
    assert len(told) == 2


# -- what else a retry has to do with ----------------------------------------------------------------------------------


def fails(world: World) -> None:
    """
    Let the latest order run and fail.
    """
    world.salt_runs([data for data in world.events() if data["minions"]][-1], BAD)
    world.cycle(1)


@pytest.mark.parametrize("bus", ["works", "fails", "takes it and no job comes"])
def test_a_retry_is_dropped_when_dynatrace_shows_the_failure_closed(scene: Scene, bus: str) -> None:
    """
    While it waits for the cooldown, for the bus, or to be given again.
    """
    outage = Outage(scene, "web01", policy={**POLICY, "cooldown": 60})
    world = outage.world
    world.poll()
    fails(world)
    if bus != "works":
        world.bus.refuse = bus == "fails"
        while len(world.ledger.attempts.open()) == 0:
            world.poll(30)
    given = len(outage.orders)
    outage.shows(outage.begun, "CLOSED")
    world.poll(1)
    world.bus.refuse = False
    outage.passes(600)
    assert len(outage.orders) == given
    assert world.ledger.attempts.open() == []
    assert outage.held() == ["not down"]
    assert world.events("escalated") == []


def test_the_number_that_is_told_is_that_of_the_process(scene: Scene) -> None:
    """
    Four processes fail one after the other in one problem: each was tried once, of three times.
    """
    outage = Outage(scene, "web01", policy={**POLICY, "max_minions": 1})
    apaches = [outage.apaches[0], *(scene.host(f"web{number:02d}") for number in range(2, 6))]
    for minion, host in scene.hosts.items():
        outage.world.minions[minion] = {"dynatrace": {"host_id": host}}
    outage.world.index.refresh()
    evidence = [down(apache, outage.begun) for apache in apaches]
    scene.tenant.update_problem(outage.problem, affected=apaches, evidence=evidence)
    for number in range(1, 6):
        order = outage.ends(BAD) if number == 5 else outage.ends(GOOD)
        assert order["attempt"] == number
    assert all("Attempt 1 of 3, job" in text for text in outage.comments)
    assert len(outage.comments) == 5


def test_the_job_that_is_told_is_the_one_that_was_ordered(scene: Scene) -> None:
    """
    Also where Dynatrace corrects meanwhile when the problem began, which the job's id is made of.
    """
    outage = Outage(scene, "web01")
    world = outage.world
    world.poll()
    order = world.events("open")[0]
    world.take(order)
    begun = int((time.time() - 86400) * 1000)
    scene.tenant.update_problem(outage.problem, start=begun, title="Corrected")
    world.poll(1)
    episode = world.ledger.episodes.latest(outage.problem.problem_id)
    assert episode is not None
    moved = replace(episode.problem, start=begun)
    world.ledger.episodes.save(replace(episode, problem=moved))
    world.give(order["jid"], "web01", GOOD)
    world.cycle(1)
    (healed,) = world.events("healed")
    assert (healed["jid"], healed["attempt_id"]) == (order["jid"], order["attempt_id"])

"""
What is told beside comments, where it is asked for: events on the process, and problems that are closed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from _dynatrace.core.errors import LedgerError
from _dynatrace.remediation.reports import Reports
from _dynatrace.store.ledger import Ledger

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, GOOD, World
from tests.tenant import Problem

WAIT_S = 900.0
SCOPES = ("problems.read", "problems.write", "entities.read")


class Told:
    """
    A scene with one apache2 and its problem.
    """

    def __init__(
        self,
        scene: Scene,
        events: bool = True,
        close: bool = False,
        scopes: Sequence[str] = (*SCOPES, "events.ingest"),
        **config: Any,
    ) -> None:
        self.scene, self.tenant = scene, scene.tenant
        self.apache = scene.host("web01")
        feedback = {"event": events, "close": close, "close_after": WAIT_S}
        token = scene.tenant.add_token(scopes)
        self.world: World = scene.world(api_token=token, feedback=feedback, **config)
        self.problem: Problem = self.tenant.open_problem(self.apache)

    def heal(self, returned: Mapping[str, Any] = GOOD, poll: bool = True) -> None:
        """
        Let what was ordered last run and return.
        """
        if poll:
            self.world.poll()
        self.world.salt_runs(self.world.events()[-1], returned)
        self.cycle(1)

    def cycle(self, after: float) -> None:
        """
        Run a cycle that polls.
        """
        self.world.poll(after)

    def send(self, after: float = 0.0) -> None:
        """
        Let the feedback's thread work, some time later.
        """
        self.world.now += after
        self.world.send_comments()

    @property
    def events(self) -> list[dict[str, Any]]:
        """
        Return the events that the tenant took.
        """
        found = [entry for entry in self.tenant.journal if entry.what == "event ingested"]
        return [entry.detail["body"] for entry in found]

    @property
    def closed(self) -> bool:
        return self.problem.status == "CLOSED"


@pytest.fixture
def told(scene: Scene) -> Told:
    return Told(scene)


@pytest.fixture
def closing(scene: Scene) -> Told:
    return Told(scene, events=False, close=True)


# -- events ------------------------------------------------------------------------------------------------------------


def test_an_event_stands_on_the_process_that_was_healed(told: Told) -> None:
    """
    Of a type that opens no problem, on that one entity, and at the time of the attempt.
    """
    told.heal()
    told.send()
    told.send(3600)
    (event,) = told.events
    assert event["eventType"] == "CUSTOM_INFO"
    assert event["entitySelector"] == f'entityId("{told.apache}")'
    assert event["title"] == "Salt brought the service back"
    (attempt, *_) = told.world.ledger.attempts.history(1)[0]
    assert event["properties"] == {
        "salt.minion": "web01",
        "salt.outcome": "good",
        "salt.comment": "it serves",
        "salt.attempt": "1",
        "salt.attempt_id": attempt.attempt_id,
        "salt.job": attempt.jid,
        "problem": told.problem.display_id,
        "problem.url": f"{told.tenant.url}/#problems/problemdetails;pid={told.problem.problem_id}",
    }
    assert event["startTime"] == int((attempt.first_fired or 0) * 1000)
    assert event["startTime"] <= event["endTime"] <= told.world.now * 1000
    assert [one.problem_id for one in told.tenant.problems] == [told.problem.problem_id]
    assert told.world.ledger.settings.counters()["tenant_events_sent",] == 1


def test_each_outcome_has_an_event_of_its_own(told: Told) -> None:
    """
    Failed first, healed then.
    """
    told.heal(BAD)
    told.cycle(601)
    told.heal(GOOD, poll=False)
    told.send()
    assert [event["properties"]["salt.outcome"] for event in told.events] == ["bad", "good"]


def test_a_lost_job_is_told_as_lost(told: Told) -> None:
    """
    Nobody claims what nobody knows.
    """
    told.world.poll()
    told.world.take(told.world.events("open")[0])
    told.cycle(1)
    told.cycle(200)
    told.send()
    (event,) = told.events
    assert event["title"] == "Salt does not know whether the service is healed"


def test_without_being_asked_nothing_but_comments_is_sent(scene: Scene) -> None:
    """
    An event on an entity is somebody else's business until an admin wants it.
    """
    told = Told(scene, events=False, close=False)
    told.heal()
    for _ in range(5):
        told.send(86400)
    assert told.events == []
    assert not told.closed
    assert len(told.tenant.comments(told.problem)) == 1


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("dropped_connection", {"carried_out": True}),
        ("dropped_connection", {"carried_out": False}),
        ("truncated_body", {}),
        ("server_error", {"status": 500}),
        ("bad_gateway_html", {}),
        ("html_200", {}),
    ],
)
def test_an_event_that_may_have_been_sent_is_not_doubled(
    told: Told, fault: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """
    It cannot be read back, so it is rather missing than there twice; and that is said.
    """
    told.heal()
    told.tenant.fault(fault, times=1, path="/events/ingest", **options)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            told.send(3600)
    assert len(told.events) <= 1
    assert len([call for call in told.tenant.requests if "/events/" in call.path]) == 1
    assert caplog.text.count("the event of a problem could not be sent and is given up") == 1


@pytest.mark.parametrize("why", ["limit", "no connection", "token"])
def test_an_event_that_was_surely_not_sent_is_sent_later(told: Told, why: str) -> None:
    """
    A refusal, a limit and a tenant that cannot be reached leave no doubt.
    """
    told.heal()
    if why == "limit":
        told.tenant.fault("rate_limited", path="/events/ingest")
    elif why == "no connection":
        told.tenant.stop()
    else:
        told.tenant.expire_token(told.world.given["api_token"])
    told.send()
    assert told.events == []
    told.tenant.start() if why == "no connection" else None
    told.tenant.revive_token(told.world.given["api_token"])
    told.send(3600)
    told.send(3600)
    assert len(told.events) == 1


def test_a_kill_while_sending_costs_the_event_and_does_not_double_it(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It was recorded as tried before it was tried; the comment is there all the same.
    """
    told.heal()

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        assert told.world.feedback is not None
        patch.setattr(told.world.feedback._client, "ingest_event", killed)
        with pytest.raises(KeyboardInterrupt):
            told.send()
    told.world.restart()
    for _ in range(3):
        told.send(3600)
    assert told.events == []
    assert len(told.tenant.comments(told.problem)) == 1


def test_a_kill_before_sending_costs_nothing(told: Told) -> None:
    """
    What is recorded with the outcome is sent by whoever comes after.
    """
    told.heal()
    told.world.restart()
    told.send()
    assert len(told.events) == 1


def test_a_missing_scope_is_named(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """
    The admin learns what to give the token; comments and healing go on without.
    """
    told = Told(scene, scopes=SCOPES)
    told.heal()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            told.send(3600)
    assert told.events == []
    said = [one.getMessage() for one in caplog.records if "events are refused" in one.getMessage()]
    assert len(said) == 1
    assert "the API token may not POST /events/ingest" in said[0]
    assert "give the token that scope (events.ingest)" in said[0]
    assert len(scene.tenant.comments(told.problem)) == 1


def test_a_refused_event_is_given_up(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """
    A 201 may say that the entity did not take it.
    """
    told.heal()
    answer = {"reportCount": 1, "eventIngestResults": [{"status": "INVALID_ENTITY_TYPE"}]}
    told.tenant.fault("wrong_type", path="/events/ingest", body=answer)
    with caplog.at_level(logging.WARNING):
        told.send()
        told.send(3600)
    assert "no entity took the event: ['INVALID_ENTITY_TYPE']" in caplog.text
    assert told.events == []


def test_reports_are_recorded_with_the_outcome_or_not_at_all(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    They join the transaction in which the attempt ends.
    """
    told.heal()
    ledger: Ledger = told.world.ledger
    (attempt, *_) = ledger.attempts.history(1)[0]
    episode = ledger.episodes.get(attempt.problem_key, attempt.episode)
    assert episode is not None
    other = Reports(ledger, False, WAIT_S)
    with pytest.raises(LedgerError), ledger.transaction():
        other.outcome(episode, attempt, told.world.now)
        raise LedgerError("the disk is full")
    told.send(WAIT_S + 1)
    assert not told.closed


def test_a_closing_is_never_recorded_without_its_wait(
    closing: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A disk that fails in between leaves no closing that is due at once.
    """

    def fails(*_: Any, **__: Any) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(closing.world.ledger.comments, "later", fails)
        with pytest.raises(LedgerError):
            closing.heal()
    closing.send(1)
    assert not closing.closed


# -- closing -----------------------------------------------------------------------------------------------------------


def test_a_healed_problem_is_closed_after_the_wait(closing: Told) -> None:
    """
    Once, with a comment that names attempt and job, and the engine then hears that it is resolved.
    """
    closing.heal()
    closing.send(WAIT_S - 60)
    assert not closing.closed
    closing.send(61)
    assert closing.closed
    closing.send(3600)
    closes = [call for call in closing.tenant.requests if call.path.endswith("/close")]
    assert len(closes) == 1
    (attempt, *_) = closing.world.ledger.attempts.history(1)[0]
    last = closing.tenant.comments(closing.problem)[-1].message
    assert f"attempt 1, job {attempt.jid}" in last
    closing.cycle(30)
    assert closing.world.whats() == ["open", "healed", "resolved"]


def test_a_problem_that_closed_by_itself_is_left_alone(closing: Told) -> None:
    """
    The usual end: nothing is sent.
    """
    closing.heal()
    closing.tenant.close_problem(closing.problem)
    closing.send(WAIT_S + 1)
    assert [call for call in closing.tenant.requests if call.path.endswith("/close")] == []


def test_a_problem_that_was_not_healed_is_not_closed(closing: Told) -> None:
    """
    However long it stays open.
    """
    closing.heal(BAD)
    for _ in range(10):
        closing.send(WAIT_S)
    assert not closing.closed


def two_targets(scene: Scene, **config: Any) -> Told:
    """
    Return a scene in which one problem is about the apache2 of two minions.
    """
    second = scene.host("web02")
    closing = Told(scene, events=False, close=True, **config)
    closing.tenant.close_problem(closing.problem)
    closing.problem = scene.tenant.open_problem([closing.apache, second])
    closing.world.poll()
    return closing


def test_a_problem_with_a_target_that_was_not_healed_is_not_closed(scene: Scene) -> None:
    """
    One of two came back; the other may not be touched and may still be dead.
    """
    closing = two_targets(scene, policy={"deny": ["web02"]})
    closing.heal(poll=False)
    assert closing.world.events("healed")
    for _ in range(5):
        closing.send(WAIT_S)
    assert not closing.closed


def test_the_wait_begins_with_the_last_that_was_healed(scene: Scene) -> None:
    """
    Two attempts on two minions, 800 s apart: Dynatrace gets its time after the second too.
    """
    closing = two_targets(scene, policy={"max_minions": 1, "outcome_timeout": 3600})
    closing.heal(poll=False)
    assert closing.world.whats() == ["open", "healed", "retry"]
    (second,) = closing.world.events("retry")
    closing.world.take(second)
    closing.cycle(800)
    closing.world.give(second["jid"], second["minions"][0], GOOD)
    closing.cycle(1)
    closing.send(WAIT_S - 800 + 10)
    assert not closing.closed
    closing.send(800)
    assert closing.closed


def test_a_problem_about_an_unknown_host_is_not_closed(scene: Scene) -> None:
    """
    What no minion was found for was healed by nobody.
    """
    foreign = scene.tenant.add_process(scene.tenant.add_host("foreign.example.com"))
    closing = Told(scene, events=False, close=True)
    closing.tenant.close_problem(closing.problem)
    closing.problem = scene.tenant.open_problem([closing.apache, foreign])
    closing.heal()
    assert closing.world.events("healed")
    for _ in range(5):
        closing.send(WAIT_S)
    assert not closing.closed


def test_a_problem_that_grew_is_not_closed_before_it_was_looked_at(scene: Scene) -> None:
    """
    The tenant names another process than the engine knows of; the next poll brings it in.
    """
    second = scene.host("web02")
    closing = Told(scene, events=False, close=True)
    closing.heal()
    scene.tenant.update_problem(closing.problem, affected=[closing.apache, second])
    closing.send(WAIT_S + 1)
    assert not closing.closed
    closing.cycle(1)
    for _ in range(5):
        closing.send(WAIT_S)
    assert not closing.closed


def test_a_reopened_problem_is_not_closed_for_its_first_episode(closing: Told) -> None:
    """
    The second outage has an attempt and a wait of its own.
    """
    closing.heal()
    closing.tenant.close_problem(closing.problem)
    closing.cycle(30)
    closing.tenant.reopen_problem(closing.problem)
    closing.cycle(30)
    assert closing.world.whats()[-1] in ("open", "retry")
    closing.send(WAIT_S)
    assert not closing.closed


def test_nothing_is_closed_while_the_engine_is_paused(closing: Told) -> None:
    """
    Later it is.
    """
    closing.heal()
    closing.world.ledger.settings.put("paused", "{}")
    closing.send(WAIT_S + 1)
    assert not closing.closed
    closing.world.ledger.settings.put("paused", None)
    closing.send(61)
    assert closing.closed


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_lost_answer_to_a_closing_does_no_harm(closing: Told, carried_out: bool) -> None:
    """
    It is looked at again, and closed if it is still open.
    """
    closing.heal()
    closing.tenant.fault(
        "dropped_connection", method="POST", path="/close", carried_out=carried_out
    )
    for _ in range(3):
        closing.send(WAIT_S)
    assert closing.closed
    closes = [call for call in closing.tenant.requests if call.path.endswith("/close")]
    assert len(closes) == (1 if carried_out else 2)


def test_a_closing_survives_a_kill(closing: Told) -> None:
    """
    The intention is in the ledger.
    """
    closing.heal()
    closing.world.restart()
    closing.send(WAIT_S + 1)
    assert closing.closed

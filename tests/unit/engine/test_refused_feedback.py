"""
What is done where the tenant refuses comments, events or closings: said once, written as a business event, or dropped.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from _dynatrace.api.client import Client
from _dynatrace.core.errors import ApiError
from _dynatrace.remediation import feedback as sender
from _dynatrace.remediation.feedback import Feedback
from _dynatrace.remediation.refusals import EVENT_TYPE, RECHECK_S
from _dynatrace.store.ledger import Ledger

from tests.functional.client.servers import says, serving
from tests.tenant import Problem, Tenant

READ = ["problems.read", "entities.read"]
MARK = "[salt-dynatrace attempt {}]"


class Told:
    """
    An engine's feedback with a token of some scopes, and a clock that a test sets.
    """

    def __init__(self, tenant: Tenant, ledger: Ledger, *scopes: str) -> None:
        self.tenant, self.ledger, self.now = tenant, ledger, 1e9
        self.token = tenant.add_token([*READ, *scopes])
        self.client = Client(tenant.url, self.token)
        self.feedback = Feedback("dynatrace", ledger, self.client, lambda: self.now)
        self.process = tenant.add_process(tenant.add_host())
        self.problem: Problem = tenant.open_problem(self.process)
        self._recorded = 0

    def comment(self, text: str = "healed") -> None:
        self._recorded += 1
        mark = MARK.format(self._recorded)
        self.ledger.comments.add(mark, self.problem.problem_id, f"{text}\n{mark}", self.now)

    def event(self) -> None:
        body = {"entity_id": self.process, "title": "Salt brought the service back"}
        body["properties"] = {"salt.minion": "web01"}  # type: ignore[assignment]
        self._recorded += 1
        own = f"event {self._recorded}"
        self.ledger.comments.add(own, self.problem.problem_id, json.dumps(body), self.now)

    def send(self, after_s: float = 1.0) -> None:
        self.now += after_s
        self.feedback.send_all(self.now)

    @property
    def written(self) -> list[dict[str, Any]]:
        """The business events that the tenant has, without its own keys."""
        own = ("timestamp", "event.kind")
        return [{k: v for k, v in one.items() if k not in own} for one in self.tenant.bizevents]

    @property
    def waiting(self) -> int:
        return len(self.ledger.comments.waiting(1e12))


def test_a_refused_comment_becomes_a_business_event(
    tenant: Tenant, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """It is flat, tells the same, and needs another permission; the refusal is said once."""
    told = Told(tenant, ledger, "bizevents.ingest")
    with caplog.at_level(logging.INFO):
        for text in ("healed", "failed", "healed again"):
            told.comment(text)
            told.send()
    assert [one["message"].partition("\n")[0] for one in told.written] == [
        "healed",
        "failed",
        "healed again",
    ]
    assert told.written[0] == {
        "event.type": EVENT_TYPE,
        "event.provider": "salt",
        "salt.instance": "dynatrace",
        "salt.report": MARK.format(1),
        "salt.kind": "comment",
        "problem.id": told.problem.problem_id,
        "message": f"healed\n{MARK.format(1)}",
    }
    assert (told.waiting, ledger.settings.counters()) == (0, {("business_events_sent",): 3})
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "written as business events" in record.getMessage()
    assert "problems.write" in record.getMessage()
    assert told.feedback.failing == {}


def test_what_may_be_written_nowhere_is_dropped(
    tenant: Tenant, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Two warnings for any number of reports; nothing waits for ever, and nothing is asked each time."""
    told = Told(tenant, ledger)
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            told.comment()
            told.send()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "bizevents.ingest" in caplog.records[1].getMessage()
    assert "dropped" in caplog.records[1].getMessage()
    assert told.waiting == 0
    posts = [call.path for call in tenant.requests if call.method == "POST"]
    assert len(posts) == 2


def test_a_permission_that_is_given_is_noticed(
    tenant: Tenant, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Within minutes, without a restart; a later refusal is said again."""
    told = Told(tenant, ledger, "bizevents.ingest")
    told.comment()
    told.send()
    tenant.gain_scope(told.token, "problems.write")
    told.comment("early")
    told.send()
    assert len(told.written) == 2
    with caplog.at_level(logging.INFO):
        told.comment("late")
        told.send(RECHECK_S)
    assert [one.message for one in tenant.comments(told.problem)] == [f"late\n{MARK.format(3)}"]
    assert len(told.written) == 2
    assert "the tenant takes a comment again" in caplog.text
    tenant.lose_scope(told.token, "problems.write")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        told.comment()
        told.send()
    assert caplog.text.count("comments are refused") == 1


def test_a_refused_event_becomes_a_business_event(tenant: Tenant, ledger: Ledger) -> None:
    """With its properties and the entity that it is about."""
    told = Told(tenant, ledger, "bizevents.ingest")
    told.event()
    told.send()
    [event] = told.written
    assert event["entity"] == told.process
    assert event["salt.minion"] == "web01"
    assert event["salt.kind"] == "event"
    assert event["message"] == "Salt brought the service back"


def test_an_event_that_may_be_written_is_not_written_again(
    tenant: Tenant, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot be looked for in this form either."""
    told = Told(tenant, ledger, "bizevents.ingest")
    told.event()
    tenant.fault("dropped_connection", path="/bizevents/ingest", method="POST", carried_out=True)
    told.send()
    told.send(3600)
    assert len(told.written) == 1
    assert told.waiting == 0
    assert "though it may be there" in caplog.text


def test_a_refused_closing_is_told_as_a_business_event(
    tenant: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That Salt healed the problem, and that it stays open."""
    told = Told(tenant, ledger, "bizevents.ingest")
    monkeypatch.setattr(sender, "closing", lambda *_: "closed by Salt")
    ledger.comments.add("close 1", told.problem.problem_id, "", told.now)
    told.send()
    [event] = told.written
    assert event["salt.kind"] == "close"
    assert event["message"] == "Salt healed this, and may not close it."
    assert told.problem.status == "OPEN"
    assert ("closings_sent",) not in ledger.settings.counters()


def test_a_tenant_that_is_away_is_waited_for(tenant: Tenant, ledger: Ledger) -> None:
    """What is refused for good is dropped; an outage of what stands in for it is none."""
    told = Told(tenant, ledger, "bizevents.ingest")
    told.comment()
    tenant.fault("server_error", path="/bizevents/ingest", times=2)
    told.send()
    assert told.waiting == 1
    told.send(3600)
    told.send(3600)
    assert (len(told.written), told.waiting) == (1, 0)


def test_a_rejected_token_is_no_refusal(tenant: Tenant, ledger: Ledger) -> None:
    """A 401 says nothing of what the token may; everything waits for a good one."""
    told = Told(tenant, ledger, "bizevents.ingest")
    told.comment()
    tenant.expire_token(told.token)
    told.send()
    assert told.waiting == 1
    assert told.feedback.failing == {"comments": "AuthError"}


def test_a_comment_that_cannot_be_looked_for_is_written_as_a_business_event(
    tenant: Tenant, ledger: Ledger
) -> None:
    """The token may not read comments any more; the mark tells who reads both that they are one."""
    told = Told(tenant, ledger, "problems.write", "bizevents.ingest")
    told.comment()
    tenant.fault("dropped_connection", path="/comments", method="POST", carried_out=True)
    told.send()
    tenant.lose_scope(told.token, "problems.read", "problems.write")
    told.send(3600)
    assert [one["salt.report"] for one in told.written] == [MARK.format(1)]
    assert told.waiting == 0


@pytest.mark.parametrize(("taken_by", "reached"), [("/api/v2", 2), ("/platform", 1), ("/x", 2)])
def test_a_platform_token_writes_business_events_on_the_classic_host_too(
    taken_by: str, reached: int
) -> None:
    """Documentation says that the gateway takes access tokens alone, and that the classic host takes both."""

    def answer(connection: Any, head: str) -> None:
        good = taken_by in head.split()[1]
        says(b"", b"202 Accepted" if good else b"403 Forbidden")(connection, head)

    with serving(answer) as server:
        url = f"http://127.0.0.1:{server.port}/apps/abc12345"
        client = Client(url, "dt0s16.SYNTHETIC.VERYSECRET")
        try:
            client.business_event({"event.type": "x"})
        except ApiError as err:
            assert "the platform token may not POST /bizevents/ingest" in str(err)
            assert taken_by == "/x"
        else:
            assert taken_by != "/x"
    assert len(server.heads) == reached

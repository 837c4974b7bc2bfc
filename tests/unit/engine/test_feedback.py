"""
Comments on the problem: what they say, and that each is stored exactly once.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import pytest
from _dynatrace.api.client import Client
from _dynatrace.core import problem as problems
from _dynatrace.core.errors import LedgerError
from _dynatrace.core.policy import Policy
from _dynatrace.core.reasons import Escalation
from _dynatrace.core.records import Action, Attempt, Episode
from _dynatrace.core.resolution import Resolution, Target
from _dynatrace.core.states import AttemptState
from _dynatrace.remediation.comments import (
    CONTEXT,
    attempt_comment,
    dispute,
    escalation_comment,
    marker,
)
from _dynatrace.remediation.feedback import DOUBT_WAIT_S, Feedback
from _dynatrace.store.ledger import Ledger

from tests.tenant import Problem, Tenant
from tests.unit.engine.bodies import PID, PROCESS, problem

NOW = 1721545260.0
MARK = "[salt-dynatrace attempt 9f0c9f0c9f0c9f0c]"
FAR = 1e12


@pytest.fixture
def feedback(ledger: Ledger, client: Client) -> Feedback:
    """
    The sender, whose thread is not started.
    """
    return Feedback("dynatrace", ledger, client)


@pytest.fixture
def opened(tenant: Tenant, ledger: Ledger) -> Problem:
    """
    A problem with a comment that waits to be sent.
    """
    one = tenant.open_problem(tenant.add_process(tenant.add_host()))
    ledger.comments.add(MARK, one.problem_id, f"healed\n{MARK}", 0.0)
    return one


def stored(tenant: Tenant, one: Problem) -> list[str]:
    """
    Return the comments that the tenant has.
    """
    return [comment.message for comment in tenant.comments(one)]


def test_a_comment_is_sent_once(
    tenant: Tenant, ledger: Ledger, feedback: Feedback, opened: Problem
) -> None:
    """
    With the context by which it is told from people's comments.
    """
    feedback.send_all(FAR)
    feedback.send_all(FAR)
    assert stored(tenant, opened) == [f"healed\n{MARK}"]
    assert tenant.comments(opened)[0].context == CONTEXT
    assert ledger.settings.counters() == {("comments_sent",): 1}


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("comment_accepted_then_500", {}),
        ("dropped_connection", {"method": "POST", "carried_out": True}),
    ],
)
def test_a_comment_that_may_be_stored_is_looked_for(
    tenant: Tenant,
    ledger: Ledger,
    feedback: Feedback,
    opened: Problem,
    fault: str,
    options: dict[str, object],
) -> None:
    """
    It was stored though the answer said otherwise, and is not sent again.
    """
    tenant.fault(fault, **options)  # type: ignore[arg-type]
    feedback.send_all(FAR)
    (waiting,) = ledger.comments.waiting(FAR)
    assert waiting.doubtful
    assert (ledger.comments.next_due() or 0) >= time.time() + DOUBT_WAIT_S - 5
    feedback.send_all(FAR)
    assert stored(tenant, opened) == [f"healed\n{MARK}"]
    assert ledger.comments.waiting(FAR) == []


@pytest.mark.parametrize(
    ("fault", "doubtful"), [("server_error", True), ("rate_limited", False), ("html_200", True)]
)
def test_a_comment_that_was_not_stored_is_sent_later(
    tenant: Tenant, ledger: Ledger, feedback: Feedback, opened: Problem, fault: str, doubtful: bool
) -> None:
    """
    Only a refusal is a sure no; anything else is looked up first.
    """
    if fault == "html_200":
        tenant.fault("dropped_connection", method="POST")
    else:
        tenant.fault(fault, method="POST")
    feedback.send_all(FAR)
    (waiting,) = ledger.comments.waiting(FAR)
    assert (waiting.doubtful, waiting.tries) == (doubtful, 1)
    feedback.send_all(FAR)
    assert stored(tenant, opened) == [f"healed\n{MARK}"]


def test_a_kill_while_sending_leaves_a_doubt(
    tenant: Tenant,
    ledger: Ledger,
    feedback: Feedback,
    opened: Problem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Trying is recorded before it is tried.
    """

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(feedback._client, "comment", killed)
    with pytest.raises(KeyboardInterrupt):
        feedback.send_all(FAR)
    assert ledger.comments.waiting(FAR)[0].doubtful


def test_an_expired_token_is_waited_for(
    tenant: Tenant, ledger: Ledger, opened: Problem, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Said once, not once a try; nothing is lost.
    """
    token = tenant.add_token()
    feedback = Feedback("dynatrace", ledger, Client(tenant.url, token))
    tenant.expire_token(token)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            feedback.send_all(FAR)
    assert caplog.text.count("comments are sent later") == 1
    assert token not in caplog.text
    assert feedback.failing == {"comments": "AuthError"}
    tenant.revive_token(token)
    feedback.send_all(FAR)
    assert stored(tenant, opened) == [f"healed\n{MARK}"]
    assert feedback.failing == {}


def test_a_problem_that_is_gone_gets_no_comment(
    tenant: Tenant,
    ledger: Ledger,
    feedback: Feedback,
    opened: Problem,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    It is given up, and said; the next one is sent all the same.
    """
    tenant.forget_problem(opened)
    other = tenant.open_problem(tenant.add_process(tenant.add_host()))
    ledger.comments.add("[m2]", other.problem_id, "text [m2]", NOW)
    with caplog.at_level(logging.WARNING):
        feedback.send_all(FAR)
    assert "a comment could not be sent and is given up" in caplog.text
    assert stored(tenant, other) == ["text [m2]"]
    assert ledger.comments.next_due() is None


def test_one_failure_does_not_hold_the_others(
    tenant: Tenant, ledger: Ledger, feedback: Feedback, opened: Problem
) -> None:
    """
    The first meets an error, the second is sent.
    """
    other = tenant.open_problem(tenant.add_process(tenant.add_host()))
    ledger.comments.add("[m2]", other.problem_id, "text [m2]", NOW)
    tenant.fault("server_error", method="POST")
    feedback.send_all(FAR)
    assert (stored(tenant, opened), stored(tenant, other)) == ([], ["text [m2]"])


EPISODE = Episode(PID, 1, problem(), Resolution(), "", 0, NOW, NOW)
ATTEMPT = Attempt(
    "9f0c" * 8, PID, 1, 2, "20240721065959123456", "good", NOW, NOW, NOW + 1, NOW + 2, NOW + 4.25
)


def action(minion: str, state: str, comment: str = "") -> Action:
    """
    Return what an attempt did on one minion.
    """
    return Action(ATTEMPT.attempt_id, minion, PROCESS, state, comment, NOW, NOW + 4)


def test_a_ledger_that_fails_is_said_once_by_the_thread_that_sends(
    feedback: Feedback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    And once when it works again, however often it was tried.
    """
    tries: list[float] = []

    def send_all(now: float) -> None:
        tries.append(now)
        feedback.wake()
        if len(tries) <= 5:
            raise LedgerError("cannot write the ledger: database or disk is full")
        if len(tries) > 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(feedback, "send_all", send_all)
    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        feedback.run()
    assert [one.getMessage() for one in caplog.records] == [
        "dynatrace: comments wait; repeats are not logged: cannot write the ledger: database or disk is full",
        "dynatrace: the ledger works again: comments are sent",
    ]


def test_the_thread_that_sends_outlives_what_it_did_not_expect(
    feedback: Feedback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It would end in silence, and nothing would ever be told again; its traceback is logged once.
    """
    tries: list[float] = []

    def send_all(now: float) -> None:
        tries.append(now)
        feedback.wake()
        raise KeyboardInterrupt if len(tries) > 5 else ValueError("a fault of the engine")

    monkeypatch.setattr(feedback, "send_all", send_all)
    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        feedback.run()
    (said,) = caplog.records
    assert said.getMessage() == (
        "dynatrace: comments wait; repeats are not logged: ValueError: a fault of the engine"
    )
    assert said.exc_info


def test_a_good_outcome_is_told() -> None:
    """
    What was done where, how long it took, which attempt, which job, and why others were held.
    """
    actions = [
        action("web01", "good", "it answers again"),
        action("web03", "not_executed", "no remedy"),
    ]
    text = attempt_comment(ATTEMPT, actions, [2], Policy(), ["web02 (cooldown)"])
    assert text.splitlines() == [
        "Salt healed this: the service was brought back and proved to serve.",
        "Attempt 2 of 3, job 20240721065959123456, 3.2 s.",
        "web01: good: it answers again",
        "Not acted on: web02 (cooldown).",
        MARK,
    ]


@pytest.mark.parametrize(
    ("state", "first", "line"),
    [
        ("bad", "Salt could not heal this.", "web01: failed: AH00526"),
        (
            "lost",
            "Salt does not know whether this is healed: the job did not return.",
            "web01: no return: AH00526",
        ),
    ],
)
def test_a_bad_outcome_is_told(state: str, first: str, line: str) -> None:
    """
    And what comes next.
    """
    attempt = replace(ATTEMPT, state=AttemptState(state))
    actions = [action("web01", state, "AH00526")]
    lines = attempt_comment(attempt, actions, [2], Policy(), []).splitlines()
    assert (lines[0], lines[2], lines[-1]) == (first, line, MARK)
    assert "a person must look" in lines[-2]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [([1], "1 of 3"), ([1, 3, 2], "1 to 3 of 3"), ([3, 3], "3 of 3"), ([4], "4"), ([], "1 of 3")],
)
def test_the_number_of_an_attempt_is_that_of_the_process(numbers: list[int], told: str) -> None:
    """
    The policy counts by process, and a problem about many has more attempts than it allows for one.
    """
    actions = [action("web01", "bad", "AH00526")]
    text = attempt_comment(replace(ATTEMPT, number=14), actions, numbers, Policy(), [])
    assert f"Attempt {told}, job " in text


def test_an_escalation_is_told() -> None:
    """
    With a marker of its own, so that it is sent once an episode.
    """
    text = escalation_comment(Escalation.ATTEMPTS_SPENT, EPISODE, Policy())
    assert text.startswith("Salt stops here: attempts spent (3 in 3600 s). A person must look.")
    assert text.endswith("[salt-dynatrace escalated 1 7000000000000000]")


def test_markers_differ() -> None:
    """
    Of attempts, of episodes, and of kinds.
    """
    made = {
        marker("attempt", "a" * 32),
        marker("attempt", "b" * 32),
        marker("escalated 1", "a" * 32),
    }
    assert len(made) == 3


def test_a_dispute_names_both_sides() -> None:
    """
    What the minion found and when, and what Dynatrace names and since when it sees that down.
    """
    entity = problems.Entity(PROCESS, "PROCESS_GROUP_INSTANCE", "Apache on 7080")
    down = problems.Evidence(
        entity, "EVENT", "PGI_UNAVAILABLE", is_open=True, start=int(NOW * 1000)
    )
    named = problems.Process(executable="/opt/bitnami/apache/bin/httpd", ports=(7080,))
    target = Target("web01", "HOST-0000000000000001", PROCESS, process=named)
    found = action("web01", "healthy", "http://127.0.0.1/ answered 200.")
    assert dispute(problems.Problem("1_1V2", "P-1", evidence=(down,)), target, found) == (
        f"web01, Apache on 7080 ({PROCESS}): the minion found at 2024-07-21T07:01:04.000Z: "
        "http://127.0.0.1/ answered 200. Dynatrace sees it down since 2024-07-21T07:01:00.000Z "
        "(PGI_UNAVAILABLE). It names /opt/bitnami/apache/bin/httpd, port 7080."
    )
    bare = dispute(problems.Problem("1_1V2", "P-1"), Target("web01", "H", PROCESS), found)
    assert bare.endswith("answered 200. Dynatrace does not close the problem.")

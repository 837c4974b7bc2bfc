"""
What one look brings, from the API or from notifications alone.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest
from _dynatrace.api.client import Client, Listing
from _dynatrace.api.rate_limiter import Kind, RateLimiter
from _dynatrace.api.read_budget import LOOK_S, ReadBudget
from _dynatrace.core.errors import AuthError, NotFound, RateLimited, Unavailable, UnexpectedResponse
from _dynatrace.core.notification import Notification
from _dynatrace.core.problem import Problem as Known
from _dynatrace.core.records import Episode
from _dynatrace.core.resolution import Resolution
from _dynatrace.remediation.notified import ENDING_TRIES, NAMES_A_LOOK, NOTICE_TRIES, NOTIFIED_S
from _dynatrace.remediation.problem_reader import (
    ENTITY_CACHE_S,
    PARALLEL_READS,
    Entities,
    ProblemReader,
    digest,
    problem_key,
)
from _dynatrace.store.ledger import Ledger

from tests.tenant import Problem, Tenant
from tests.unit.engine.bodies import PID, PROCESS, evidence, problem

NOW = 1721545260.0


@pytest.fixture
def intake(ledger: Ledger, client: Client) -> ProblemReader:
    """
    An intake with an API behind it.
    """
    return ProblemReader("dynatrace", ledger, client)


def opened(tenant: Tenant, count: int = 1) -> list[Problem]:
    """
    Open problems of processes of their own.
    """
    host = tenant.add_host()
    return [tenant.open_problem(tenant.add_process(host, name=f"p{n}")) for n in range(count)]


def remember(ledger: Ledger, seen: Known, state: str = "open") -> None:
    """
    Record the episode of a problem as the loop does.
    """
    key = problem_key(seen.problem_id, seen.display_id)
    ledger.episodes.save(
        Episode(key, 1, seen, Resolution(), digest(seen), 0, NOW, NOW, state=state)
    )


def detail_reads(tenant: Tenant) -> list[str]:
    """
    Return the ids of the problems that were read one by one.
    """
    paths = [call.path for call in tenant.requests if "/problems/" in call.path]
    return [path.rpartition("/")[2] for path in paths]


def test_a_poll_reads_each_open_problem_with_evidence(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    120 of them over three pages, each once.
    """
    ids = {one.problem_id for one in opened(tenant, 120)}
    seen = intake.look(NOW, poll=True)
    assert (seen.listed, seen.error, seen.open_count) == (True, None, 120)
    assert {one.problem_id for one in seen.problems} == ids
    assert len(seen.problems) == 120
    assert all(one.evidence and one.url for one in seen.problems)
    assert sorted(detail_reads(tenant)) == sorted(ids)


def test_what_did_not_change_is_not_read_again(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    The list shows whether it changed.
    """
    first, second = opened(tenant, 2)
    for one in intake.look(NOW, poll=True).problems:
        remember(ledger, one)
    assert intake.look(NOW, poll=True).problems == []
    tenant.update_problem(second, title="changed")
    assert [one.problem_id for one in intake.look(NOW, poll=True).problems] == [second.problem_id]
    assert detail_reads(tenant).count(first.problem_id) == 1


def test_what_vanished_from_the_list_is_asked_for(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    Closed is concluded from its own answer only; also for those that are left alone.
    """
    closed, left, forgotten = opened(tenant, 3)
    for one in intake.look(NOW, poll=True).problems:
        remember(ledger, one, "ignored" if one.problem_id == left.problem_id else "open")
    for one in (closed, left):
        tenant.close_problem(one)
    tenant.forget_problem(forgotten)
    seen = {one.problem_id: one for one in intake.look(NOW, poll=True).problems}
    assert set(seen) == {closed.problem_id, left.problem_id, forgotten.problem_id}
    assert not any(one.is_open for one in seen.values())


def test_a_problem_that_only_the_walk_missed_stays_open(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    A list can miss what changes during the walk.
    """
    opened(tenant)
    for one in intake.look(NOW, poll=True).problems:
        remember(ledger, one)
    tenant.fault("wrong_type", body={"problems": []})
    seen = intake.look(NOW, poll=True)
    assert [one.is_open for one in seen.problems] == [True]


def test_a_failed_list_closes_nothing(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    Unknown is not resolved.
    """
    opened(tenant)
    for one in intake.look(NOW, poll=True).problems:
        remember(ledger, one)
    tenant.fault("server_error")
    seen = intake.look(NOW, poll=True)
    assert (seen.problems, seen.listed) == ([], False)
    assert isinstance(seen.error, Unavailable)


def test_a_detail_that_cannot_be_read_leaves_the_others(
    tenant: Tenant, intake: ProblemReader
) -> None:
    """
    The error is told, and the rest is worked on.
    """
    first, second = opened(tenant, 2)
    tenant.fault("server_error", path=first.problem_id, times=None)
    seen = intake.look(NOW, poll=True)
    assert [one.problem_id for one in seen.problems] == [second.problem_id]
    assert isinstance(seen.error, Unavailable)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("rate_limited", RateLimited),
        ("html_200", UnexpectedResponse),
        ("dropped_connection", Unavailable),
    ],
)
def test_no_error_is_raised_by_a_look(
    tenant: Tenant, intake: ProblemReader, fault: str, expected: type[Exception]
) -> None:
    """
    It comes with what was seen.
    """
    tenant.fault(fault, times=2)
    assert isinstance(intake.look(NOW, poll=True).error, expected)


def test_a_hundred_notifications_of_one_problem_are_one_read(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    And all of them are answered by it, to be settled when it is recorded; the poll does not read it again.
    """
    (one,) = opened(tenant)
    ledger.notifications.add(
        [(NOW, Notification(one.problem_id, one.display_id, state="OPEN"))] * 100
    )
    seen = intake.look(NOW, poll=True)
    assert [item.problem_id for item in seen.problems] == [one.problem_id]
    assert detail_reads(tenant) == [one.problem_id]
    assert seen.answered == [item[0] for item in ledger.notifications.waiting(NOW)]
    assert len(seen.answered) == 100


def test_a_notification_is_never_believed(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    What it says of the problem is not used; only which one it is.
    """
    (one,) = opened(tenant)
    told = problem(problem_id=one.problem_id, title="told", status="CLOSED")
    ledger.notifications.add([(NOW, Notification(one.problem_id, state="RESOLVED", problem=told))])
    (read,) = intake.look(NOW, poll=False).problems
    assert (read.title, read.is_open, read.source) == ("Process unavailable", True, "api")


def test_a_number_leads_to_the_problem(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    The default template has no PID.
    """
    (one,) = opened(tenant)
    ledger.notifications.add([(NOW, Notification(None, one.display_id, state="OPEN"))])
    assert [item.problem_id for item in intake.look(NOW, poll=False).problems] == [one.problem_id]


def test_an_old_pid_leads_to_the_problem(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    Older tenants send it without its suffix; the list of open ones tells which it is.
    """
    first, second = opened(tenant, 2)
    old = second.problem_id.partition("_")[0]
    ledger.notifications.add([(NOW, Notification(old_pid=old, state="OPEN"))])
    seen = intake.look(NOW, poll=False)
    assert [item.problem_id for item in seen.problems] == [second.problem_id]
    assert len(seen.answered) == 1
    assert first.problem_id not in detail_reads(tenant)


@pytest.mark.parametrize("is_over", [True, False])
def test_merged_is_only_said_of_what_the_api_says_is_over(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader, is_over: bool
) -> None:
    """
    The API has no word for it; the notification has, and ends nothing.
    """
    (one,) = opened(tenant)
    if is_over:
        tenant.close_problem(one)
    ledger.notifications.add([(NOW, Notification(one.problem_id, state="MERGED"))])
    seen = intake.look(NOW, poll=False)
    assert [(read.merged, read.is_open) for read in seen.problems] == [(is_over, not is_over)]
    assert bool(seen.answered) is is_over


def test_an_end_that_the_api_does_not_confirm_is_looked_at_again_for_a_while(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    Its notification may be quicker than the API, or wrong; then it is settled.
    """
    (one,) = opened(tenant)
    ledger.notifications.add([(NOW, Notification(one.problem_id, state="RESOLVED"))])
    now = NOW
    while (due := ledger.notifications.next_due()) is not None:
        now = max(now, due)
        ledger.notifications.settle(intake.look(now, poll=False).answered, now)
    assert 10 < now - NOW < 60
    assert len(detail_reads(tenant)) == ENDING_TRIES


def test_a_problem_that_comes_late_is_waited_for(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Its notification may be quicker than the API; after so many looks it is given up and said.
    """
    ledger.notifications.add([(NOW, Notification(PID, state="OPEN"))])
    now, looks = NOW, 0
    with caplog.at_level(logging.WARNING):
        while (due := ledger.notifications.next_due()) is not None:
            now = max(now, due)
            seen = intake.look(now, poll=False)
            assert (seen.problems, seen.error) == ([], None)
            looks += 1
    assert looks == NOTICE_TRIES
    assert 120 < now - NOW < 900
    assert caplog.text.count("is given up") == 1


def test_a_notification_outlasts_an_outage(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    However long it takes, it is not given up.
    """
    (one,) = opened(tenant)
    ledger.notifications.add([(NOW, Notification(one.problem_id, state="OPEN"))])
    tenant.stop()
    now = NOW
    for _ in range(3 * NOTICE_TRIES):
        now = ledger.notifications.next_due() or now
        assert isinstance(intake.look(now, poll=False).error, Unavailable)
    tenant.start()
    now = ledger.notifications.next_due() or now
    seen = intake.look(now, poll=False)
    assert [item.problem_id for item in seen.problems] == [one.problem_id]
    assert len(seen.answered) == 1


def test_a_wrong_token_keeps_the_notifications(tenant: Tenant, ledger: Ledger) -> None:
    """
    They wait for the right one.
    """
    intake = ProblemReader("dynatrace", ledger, Client(tenant.url, tenant.add_token(expired=True)))
    ledger.notifications.add([(NOW, Notification(PID, state="OPEN"))])
    assert isinstance(intake.look(NOW, poll=True).error, AuthError)
    assert ledger.queue_length() == 1


def test_without_an_api_the_notification_is_all_there_is(ledger: Ledger) -> None:
    """
    What it tells is taken, and what tells nothing is answered all the same.
    """
    intake = ProblemReader("dynatrace", ledger, None)
    told = problem(source="notification")
    ledger.notifications.add(
        [
            (NOW, Notification(PID, state="OPEN", problem=told)),
            (NOW, Notification(old_pid="1" * 18)),
        ]
    )
    seen = intake.look(NOW, poll=True)
    assert (seen.problems, seen.listed, seen.error) == ([told], False, None)
    assert len(seen.answered) == 2
    with pytest.raises(NotFound):
        intake.read(PID)


def test_the_digest_is_of_what_the_list_shows() -> None:
    """
    A read with evidence has the digest of the entry in the list.
    """
    whole = problem()
    listed = problem(evidence=())
    assert digest(whole) == digest(listed)
    assert digest(problem(evidence=(evidence(is_open=False),), url="x")) == digest(whole)
    for change in (
        {"title": "x"},
        {"status": "CLOSED"},
        {"severity": "ERROR"},
        {"affected": ()},
        {"root_cause": None},
    ):
        assert digest(problem(**change)) != digest(whole)


def test_the_key_of_a_problem_is_its_id_or_its_number() -> None:
    """
    Both kinds differ, whatever the number.
    """
    assert problem_key(PID, "P-1") == PID
    assert problem_key(None, "P-1") == "display:P-1"


def test_entities_are_read_once_in_a_while(tenant: Tenant, client: Client) -> None:
    """
    A process stays where it is; one that is not known yet is asked for again.
    """
    now = [1000.0]
    entities = Entities(client, lambda: now[0])
    process = tenant.add_process(tenant.add_host())
    for _ in range(3):
        found = entities(process)
        assert found is not None
        assert found.id == process
    assert len(tenant.requests) == 1
    now[0] += ENTITY_CACHE_S
    entities(process)
    assert len(tenant.requests) == 2
    for _ in range(2):
        assert entities(PROCESS) is None
    assert len(tenant.requests) == 4
    tenant.fault("server_error")
    with pytest.raises(Unavailable):
        entities(PROCESS)


class Crowded:
    """
    A client whose details come only when so many are asked for at once; it counts them.
    """

    def __init__(self, count: int) -> None:
        self.listed = [problem(problem_id=f"{number}_1V2") for number in range(count)]
        self.inside = self.most = 0
        self._lock = threading.Lock()
        self._together = threading.Barrier(PARALLEL_READS)

    def list_open(self) -> Listing:
        return Listing(tuple(self.listed), ())

    def problem(self, problem_id: str, kind: Kind) -> Known:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self._together.wait(10)
        with self._lock:
            self.inside -= 1
        return replace(self.listed[0], problem_id=problem_id)

    def problem_url(self, problem_id: str) -> str:
        return f"https://t.example.com/{problem_id}"


def test_details_are_read_several_at_once_and_never_more(ledger: Ledger) -> None:
    """
    A storm must not be a storm at the tenant.
    """
    crowded = Crowded(5 * PARALLEL_READS)
    seen = ProblemReader("dynatrace", ledger, crowded).look(NOW, poll=True)  # type: ignore[arg-type]
    assert len(seen.problems) == 5 * PARALLEL_READS
    assert crowded.most == PARALLEL_READS


def test_a_slow_tenant_keeps_a_look_only_for_a_while(
    tenant: Tenant, ledger: Ledger, client: Client
) -> None:
    """
    A thousand answers of half a minute each would take hours; the rest is read in the next look, which begins with it.
    """
    ids = {one.problem_id for one in opened(tenant, 12)}
    now = [0.0]
    intake = ProblemReader("dynatrace", ledger, client, ReadBudget(lambda: now[0]))
    real = client.problem

    def slowly(problem_id: str, kind: Kind) -> Known:
        now[0] += LOOK_S / 4
        return real(problem_id, kind)

    client.problem = slowly  # type: ignore[method-assign]
    read: set[str | None] = set()
    for _ in range(4):
        seen = intake.look(NOW, poll=True)
        for one in seen.problems:
            remember(ledger, one)
        assert len(seen.problems) <= 5 + PARALLEL_READS
        assert (seen.error is None) == (read | {one.problem_id for one in seen.problems} == ids)
        assert seen.error is None or "answers so slowly" in str(seen.error)
        read |= {one.problem_id for one in seen.problems}
    assert read == ids


def test_notified_problems_of_a_slow_tenant_leave_the_time_of_a_poll(
    tenant: Tenant, ledger: Ledger, client: Client
) -> None:
    """
    Half of a minute each, of which the list knows nothing: what it shows is read in the same look.
    """
    (one,) = opened(tenant)
    now = [0.0]
    intake = ProblemReader("dynatrace", ledger, client, ReadBudget(lambda: now[0]))
    real = client.problem

    def slowly(problem_id: str, kind: Kind = Kind.READING) -> Known:
        now[0] += NOTIFIED_S if kind is Kind.NOTIFIED else 0.0
        return real(problem_id, kind)

    client.problem = slowly  # type: ignore[method-assign]
    ledger.notifications.add([(NOW, Notification(f"{number}_1V2")) for number in range(100)])
    seen = intake.look(NOW, poll=True)
    assert [item.problem_id for item in seen.problems] == [one.problem_id]
    assert seen.poll_error is None
    assert len(detail_reads(tenant)) <= 2 + PARALLEL_READS


def test_one_look_reads_so_many_names_and_the_next_the_others(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    Those first that were never tried: what fails again and again keeps nobody waiting.
    """
    tenant.fault("server_error", times=NAMES_A_LOOK, path="/problems/")
    wanted = [one.problem_id for one in opened(tenant, NAMES_A_LOOK + 3)]
    ledger.notifications.add([(NOW, Notification(one)) for one in wanted])
    assert intake.look(NOW, poll=False).problems == []
    ledger.notifications.add([(NOW, Notification("1_1V2"))])
    seen = intake.look(NOW + 60, poll=False)
    assert [one.problem_id for one in seen.problems][:3] == wanted[-3:]
    assert len(seen.problems) == NAMES_A_LOOK - 1


def test_what_is_notified_waits_untried_when_the_calls_are_spent(
    tenant: Tenant, ledger: Ledger
) -> None:
    """
    A hundred of them are one line of the log and no hundred tries.
    """
    client = Client(tenant.url, tenant.add_token(), rate_limiter=RateLimiter(10, lambda: 0.0))
    intake = ProblemReader("dynatrace", ledger, client)
    ledger.notifications.add([(NOW, Notification(f"{number}_1V2")) for number in range(100)])
    seen = intake.look(NOW, poll=False)
    assert isinstance(seen.error, RateLimited)
    assert len(detail_reads(tenant)) == 3
    assert ledger.notifications.next_due() == pytest.approx(NOW + 1)
    assert ledger.notifications.waiting(NOW) == []
    tries = [tries for _, _, tries, _ in ledger.notifications.waiting(NOW + 60)]
    assert sorted(tries) == [0] * 97 + [1] * 3


def test_old_pids_share_one_walk_over_the_list(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader
) -> None:
    """
    And none where the poll has just made one.
    """
    opened(tenant)
    ledger.notifications.add(
        [(NOW, Notification(old_pid=f"-17{number:016d}")) for number in range(20)]
    )
    for now, poll in ((NOW, False), (NOW + 60, True)):
        before = len(tenant.requests)
        intake.look(now, poll)
        paths = [call.path for call in tenant.requests[before:]]
        assert len([path for path in paths if path.endswith("/problems")]) == 1
    assert {tries for _, _, tries, _ in ledger.notifications.waiting(NOW + 120)} == {2}


def test_entities_of_a_slow_tenant_are_not_asked_for_when_the_time_is_over(
    tenant: Tenant, client: Client
) -> None:
    """
    What is known already costs no time.
    """
    host, other = tenant.add_host(), tenant.add_host()
    now = [NOW]
    patience = ReadBudget(lambda: now[0])
    entities = Entities(client, lambda: now[0], patience)
    patience.begin()
    assert entities(host) is not None
    now[0] += LOOK_S + 1
    assert entities(host) is not None
    with pytest.raises(Unavailable, match="answers so slowly"):
        entities(other)
    patience.begin()
    assert entities(other) is not None

"""
What one look brings, from the API or from notifications alone.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from dataclasses import replace

import pytest
from _dynatrace.api import classic_problems
from _dynatrace.api.classic_problems import DETAILS, FEWER_DETAILS
from _dynatrace.api.client import Client
from _dynatrace.api.rate_limiter import Kind, RateLimiter
from _dynatrace.api.sources import Listing, OnPage, ignored
from _dynatrace.core.errors import (
    AuthError,
    BadRequest,
    NotFound,
    RateLimited,
    Unavailable,
    UnexpectedResponse,
)
from _dynatrace.core.notification import Notification
from _dynatrace.core.problem import Problem as Known
from _dynatrace.core.problem import summary
from _dynatrace.core.records import Episode
from _dynatrace.core.resolution import Resolution
from _dynatrace.remediation.backlog import FIRST_S
from _dynatrace.remediation.entities import ABSENT_S, FAILED_S, KNOWN_S, Entities
from _dynatrace.remediation.notified import ENDING_TRIES, JOIN_S, NAMES, NOTICE_TRIES
from _dynatrace.remediation.problem_reader import MOST, ProblemReader, Seen
from _dynatrace.remediation.readings import PARALLEL, Readings
from _dynatrace.store.ledger import Ledger

from tests.tenant import Problem, Tenant
from tests.unit.engine.bodies import PID, PROCESS, evidence, problem

NOW = 1721545260.0


_MADE: list[Readings] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _MADE:
        _MADE.pop().close()


def reader(ledger: Ledger, client: Client, wait_s: float = 60.0) -> ProblemReader:
    """
    Return a reader whose look waits for what it has read.
    """
    entities = Entities(client, lambda: NOW)
    readings = Readings("dynatrace", client, entities, clock=lambda: NOW, wait_s=wait_s)
    _MADE.append(readings)
    return ProblemReader("dynatrace", ledger, client, readings)


@pytest.fixture
def intake(ledger: Ledger, client: Client) -> ProblemReader:
    """
    A reader with an API behind it.
    """
    return reader(ledger, client)


def recorded(intake: ProblemReader, seen: Seen, now: float = NOW) -> Seen:
    """
    Settle a look as the loop does when all of it is recorded.
    """
    intake.settle(seen, {}, now)
    return seen


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
    ledger.episodes.save(
        Episode(seen.key, 1, seen, Resolution(), summary(seen), 0, NOW, NOW, state=state)
    )


def detail_reads(tenant: Tenant) -> list[str]:
    """
    Return the ids of the problems that were read with their evidence, by one request or by themselves.
    """
    found: list[str] = []
    for call in tenant.requests:
        selector = call.query.get("problemSelector", "")
        if call.path.endswith("/problems") and "problemId(" in selector:
            found += re.findall(r'"([^"]+)"', selector)
        elif "/problems/" in call.path:
            found.append(call.path.rpartition("/")[2])
    return found


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
    for one in recorded(intake, intake.look(NOW, poll=True)).problems:
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
    for one in recorded(intake, intake.look(NOW, poll=True)).problems:
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
    for one in recorded(intake, intake.look(NOW, poll=True)).problems:
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
    for one in recorded(intake, intake.look(NOW, poll=True)).problems:
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
    assert isinstance(intake.look(NOW, poll=True).error, Unavailable)
    # What failed together is read one by one, since one of them may be at fault.
    seen = recorded(intake, intake.look(NOW + FIRST_S, poll=False))
    assert [one.problem_id for one in seen.problems] == [second.problem_id]
    assert isinstance(seen.error, Unavailable)
    assert isinstance(intake.trouble, Unavailable)
    tenant.clear_faults()
    seen = recorded(intake, intake.look(NOW + 4 * FIRST_S, poll=False))
    assert [one.problem_id for one in seen.problems] == [first.problem_id]
    assert (intake.trouble, intake.caught_up) == (None, True)


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
    assert len(seen.named[one.problem_id].ids) == 100
    assert ledger.queue_length() == 100
    recorded(intake, seen)
    assert ledger.queue_length() == 0


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
    assert len(seen.named[second.problem_id].ids) == 1
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
    recorded(intake, seen)
    assert (ledger.queue_length() == 0) is is_over


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
        recorded(intake, intake.look(now, poll=False), now)
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
    assert len(seen.named[one.problem_id].ids) == 1


def test_a_wrong_token_keeps_the_notifications(tenant: Tenant, ledger: Ledger) -> None:
    """
    They wait for the right one.
    """
    intake = reader(ledger, Client(tenant.url, tenant.add_token(expired=True)))
    ledger.notifications.add([(NOW, Notification(PID, state="OPEN"))])
    assert isinstance(intake.look(NOW, poll=True).error, AuthError)
    assert ledger.queue_length() == 1


def test_without_an_api_the_notification_is_all_there_is(ledger: Ledger) -> None:
    """
    What it tells is taken, and what tells nothing is answered all the same.
    """
    intake = ProblemReader("dynatrace", ledger, None, None)
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


def test_the_summary_is_of_what_the_list_shows() -> None:
    """
    A read with evidence has the summary of the entry in the list, and of the list of what is under maintenance.
    """
    whole = problem()
    listed = problem(evidence=())
    assert summary(whole) == summary(listed)
    assert summary(problem(evidence=(evidence(is_open=False),), url="x")) == summary(whole)
    held = problem(under_maintenance=True)
    assert summary(held) == summary(listed, held=True) != summary(listed)
    for change in (
        {"title": "x"},
        {"status": "CLOSED"},
        {"severity": "ERROR"},
        {"affected": ()},
        {"root_cause": None},
    ):
        assert summary(problem(**change)) != summary(whole)


def test_the_key_of_a_problem_is_its_id_or_its_number() -> None:
    """
    Both kinds differ, whatever the number.
    """
    assert problem(problem_id=PID).key == PID
    assert problem(problem_id=None, display_id="P-1").key == "display:P-1"


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
    now[0] += KNOWN_S
    entities(process)
    assert len(tenant.requests) == 2
    for _ in range(2):
        assert entities(PROCESS) is None
    assert len(tenant.requests) == 3
    now[0] += ABSENT_S
    tenant.fault("server_error")
    for _ in range(2):
        with pytest.raises(Unavailable):
            entities(PROCESS)
    assert len(tenant.requests) == 4
    now[0] += FAILED_S
    assert entities(PROCESS) is None


def test_the_entities_of_many_problems_are_few_requests(tenant: Tenant, client: Client) -> None:
    """
    Processes and hosts, as many at a time as a selector may name; nothing is left to be asked for afterwards.
    """
    hosts = [tenant.add_host() for _ in range(120)]
    for number, host in enumerate(hosts):
        tenant.open_problem(tenant.add_process(host, name=f"p{number}"))
    ids = [one.problem_id for one in tenant.problems]
    problems = [
        one for at in range(0, 120, 40) for one in client.problems(ids[at : at + 40]).values()
    ]
    entities = Entities(client, lambda: NOW)
    before = len(tenant.requests)
    entities.prefetch(problems)
    made = [call.query.get("entitySelector", call.path) for call in tenant.requests[before:]]
    # Three of processes, three of their hosts beside them, and one of their groups.
    assert len(made) <= 7, made
    for one in problems:
        process = entities(one.affected[0].id)
        assert process is not None
        assert entities(process.relations["from.isProcessOf"][0]) is not None
    assert len(tenant.requests) - before == len(made)


def test_the_host_of_a_process_is_read_beside_it(tenant: Tenant, client: Client) -> None:
    """
    Both are one wait, since a selector names the host by its process.
    """
    process = tenant.add_process(tenant.add_host())
    one = client.problem(tenant.open_problem(process).problem_id)
    tenant.fault("slow", times=None, path="/entities", delay=2.0)
    began = time.monotonic()
    Entities(client, lambda: NOW).prefetch([one])
    assert time.monotonic() - began < 4.0
    asked = [call.query.get("entitySelector", "") for call in tenant.requests]
    assert sum("toRelationships.isProcessOf" in selector for selector in asked) == 1


def test_a_tenant_that_refuses_such_a_selector_is_asked_by_id(
    tenant: Tenant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    From then on: the host comes with the process.
    """
    refused: list[object] = []

    def refuse(processes: object) -> None:
        refused.append(processes)
        raise BadRequest("the selector")

    monkeypatch.setattr(client, "hosts_of", refuse)
    entities = Entities(client, lambda: NOW)
    for _ in range(2):
        host = tenant.add_host()
        process = tenant.add_process(host)
        entities.prefetch([client.problem(tenant.open_problem(process).problem_id)])
        before = len(tenant.requests)
        assert entities(process) is not None
        assert entities(host) is not None
        assert len(tenant.requests) == before
    assert len(refused) == 1


def test_one_entity_that_breaks_the_list_costs_no_other(tenant: Tenant, client: Client) -> None:
    """
    Each is read by itself then.
    """
    host = tenant.add_host()
    for name in ("a", "b"):
        tenant.open_problem(tenant.add_process(host, name=name))
    problems = client.problems(one.problem_id for one in tenant.problems).values()
    tenant.fault("html_200", path="/entities")
    entities = Entities(client, lambda: NOW)
    entities.prefetch(problems)
    assert all(entities(one.affected[0].id) for one in problems)


class Crowded:
    """
    A client whose details come only when so many requests are made at once; it counts them.
    """

    batch = DETAILS

    def __init__(self, count: int) -> None:
        self.listed = [problem(problem_id=f"{number}_1V2", affected=()) for number in range(count)]
        self.inside = self.most = 0
        self._lock = threading.Lock()
        self._together = threading.Barrier(PARALLEL)

    def list_open(self, on_page: OnPage) -> Listing:
        return Listing(tuple(self.listed))

    def problems(self, ids: list[str], kind: Kind) -> dict[str, Known]:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self._together.wait(10)
        with self._lock:
            self.inside -= 1
        return {one: replace(self.listed[0], problem_id=one, evidence=()) for one in ids}

    def entity(self, entity_id: str) -> Known:
        raise NotFound(entity_id)

    def close(self) -> None: ...


def test_details_are_read_several_at_once_and_never_more(ledger: Ledger) -> None:
    """
    A storm must not be a storm at the tenant.
    """
    crowded = Crowded(2 * PARALLEL * DETAILS)
    seen = reader(ledger, crowded).look(NOW, poll=True)  # type: ignore[arg-type]
    assert len(seen.problems) == 2 * PARALLEL * DETAILS
    assert crowded.most == PARALLEL


def look_until(intake: ProblemReader, wanted: int, now: float = NOW) -> list[Seen]:
    """
    Look until so many problems were seen, as a loop that waits for nothing.
    """
    looks: list[Seen] = []
    ends = time.monotonic() + 60
    while sum(len(one.problems) for one in looks) < wanted:
        assert time.monotonic() < ends
        looks.append(recorded(intake, intake.look(now, poll=not looks), now))
        time.sleep(0.005)
    return looks


def test_a_look_waits_for_no_answer_and_takes_a_part_of_many(
    tenant: Tenant, ledger: Ledger, client: Client
) -> None:
    """
    Commands, returns and orders have their turn in between; all are seen in the end, each once.
    """
    ids = [one.problem_id for one in opened(tenant, 3 * MOST)]
    tenant.fault("slow", times=None, delay=1.0)
    intake = reader(ledger, client, wait_s=0.0)
    began = time.monotonic()
    first = intake.look(NOW, poll=True)
    # An answer takes a second, and there are far more.
    assert time.monotonic() - began < 10.0
    assert (first.problems, first.listed) == ([], False)
    looks = look_until(intake, len(ids))
    assert all(len(one.problems) <= MOST + DETAILS for one in looks)
    assert len([one for one in looks if one.problems]) > 2
    assert sorted(str(item.problem_id) for one in looks for item in one.problems) == sorted(ids)
    assert sorted(detail_reads(tenant)) == sorted(ids)
    assert intake.caught_up


def test_what_is_notified_is_read_beside_a_crowd(
    tenant: Tenant, ledger: Ledger, client: Client
) -> None:
    """
    It waits for nothing that the list shows.
    """
    ids = [one.problem_id for one in opened(tenant, 12 * DETAILS)]
    tenant.fault("slow", times=None, delay=0.1)
    intake = reader(ledger, client, wait_s=0.0)
    look_until(intake, 1)
    late = opened(tenant)[0].problem_id
    ledger.notifications.add([(NOW, Notification(late, state="OPEN"))])
    seen: list[str | None] = []
    while late not in seen:
        seen += [one.problem_id for one in recorded(intake, intake.look(NOW, poll=False)).problems]
        time.sleep(0.005)
    assert len(seen) < len(ids) - 2 * DETAILS


def test_the_most_severe_are_read_first(tenant: Tenant, ledger: Ledger, client: Client) -> None:
    """
    And of those the ones that began first.
    """
    host = tenant.add_host()
    for number in range(2 * PARALLEL * DETAILS):
        process = tenant.add_process(host, name=f"p{number}")
        tenant.open_problem(process, severity="PERFORMANCE", title="slow")
    process = tenant.add_process(host, name="dead")
    dead = tenant.open_problem(process).problem_id
    intake = reader(ledger, client, wait_s=0.0)
    read: list[str | None] = []
    while dead not in read:
        seen = recorded(intake, intake.look(NOW, poll=not read))
        read += [one.problem_id for one in seen.problems]
    assert len(read) <= PARALLEL * DETAILS


def paged(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> tuple[threading.Event, threading.Event]:
    """
    Have the list come three problems at a time, and wait after each page; return what tells of a page, and what it waits for.
    """
    told, go_on = threading.Event(), threading.Event()
    whole = client.list_open

    def slowly(kind: Kind = Kind.LISTING, on_page: OnPage = ignored) -> Listing:
        def tell(page: Sequence[Known]) -> None:
            on_page(page)
            told.set()
            assert go_on.wait(60)

        return whole(kind, tell)

    monkeypatch.setattr(classic_problems, "PAGE_SIZE", 3)
    monkeypatch.setattr(client, "list_open", slowly)
    return told, go_on


def test_the_worst_of_a_crowd_is_read_before_its_first_list_is_whole(
    tenant: Tenant, ledger: Ledger, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is less severe waits for the list, in which worse may come; and what is known already is no news.
    """
    host, now = tenant.add_host(), time.time()
    ids = []
    for age, severity in enumerate([None, "PERFORMANCE", None, "PERFORMANCE", None]):
        process = tenant.add_process(host, name=f"p{age}")
        # The newest are listed first.
        ids.append(tenant.open_problem(process, severity=severity, start=now - age).problem_id)
    known, _, worst, *_ = ids
    remember(ledger, client.problem(known))
    told, go_on = paged(client, monkeypatch)
    intake = reader(ledger, client, wait_s=0.0)
    looks = [intake.look(NOW, poll=True)]
    assert told.wait(60)
    looks += look_until(intake, 1)
    for one in looks[-1].problems:
        remember(ledger, one)
    assert not any(one.listed for one in looks)
    assert detail_reads(tenant) == [known, worst]
    go_on.set()
    look_until(intake, 3)
    assert sorted(detail_reads(tenant)) == sorted(ids)


def test_a_later_list_is_taken_whole(
    tenant: Tenant, ledger: Ledger, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Most of it is known, and what is new was notified.
    """
    intake = reader(ledger, client, wait_s=0.0)
    while not intake.look(NOW, poll=not tenant.requests).listed:
        time.sleep(0.005)
    opened(tenant, 3)
    told, go_on = paged(client, monkeypatch)
    intake.look(NOW, poll=True)
    assert told.wait(60)
    intake.look(NOW, poll=False)
    assert not intake.next_due(NOW)
    assert detail_reads(tenant) == []
    go_on.set()
    look_until(intake, 3)


def test_a_tenant_that_allows_fewer_details_is_asked_for_fewer(
    tenant: Tenant, ledger: Ledger, intake: ProblemReader, caplog: pytest.LogCaptureFixture
) -> None:
    """
    As Managed is said to; nothing is missed.
    """
    tenant.switches.fields_page_limit = FEWER_DETAILS
    ids = {one.problem_id for one in opened(tenant, DETAILS)}
    seen = intake.look(NOW, poll=True)
    assert {one.problem_id for one in seen.problems} == ids
    assert seen.error is None
    opened(tenant, FEWER_DETAILS)
    before = len(tenant.requests)
    assert len(recorded(intake, intake.look(NOW, poll=True)).problems) >= FEWER_DETAILS
    single = [call.path for call in tenant.requests[before:] if "/problems/" in call.path]
    assert single == []


def test_one_reading_is_of_so_many_names(tenant: Tenant, ledger: Ledger, client: Client) -> None:
    """
    Those first that were tried least: what fails again and again keeps nobody waiting.
    """
    ledger.notifications.add([(NOW, Notification(f"{number}_1V2")) for number in range(NAMES)])
    reader(ledger, client).look(NOW, poll=False)
    (late,) = opened(tenant)
    ledger.notifications.add([(NOW, Notification(late.problem_id))])
    tenant.fault("slow", times=None, delay=0.05, path="/problems/1")
    (first,) = [one for one in look_until(reader(ledger, client, 0.0), 1, NOW + 60) if one.problems]
    assert [one.problem_id for one in first.problems] == [late.problem_id]


def test_repeats_are_one_reading(tenant: Tenant, ledger: Ledger, intake: ProblemReader) -> None:
    """
    Within some seconds; what is notified anew, such as the end, is read at once.
    """
    (one,) = opened(tenant)
    now = NOW
    for _ in range(20):
        ledger.notifications.add([(now, Notification(one.problem_id, state="OPEN"))])
        recorded(intake, intake.look(now, poll=False), now)
        now += JOIN_S / 10
    assert len(detail_reads(tenant)) == 2
    tenant.close_problem(one)
    ledger.notifications.add([(now, Notification(one.problem_id, state="RESOLVED"))])
    (read,) = recorded(intake, intake.look(now, poll=False), now).problems
    assert not read.is_open
    due = ledger.notifications.next_due()
    assert due is None or due <= now + JOIN_S
    recorded(intake, intake.look(now + JOIN_S, poll=False), now + JOIN_S)
    assert ledger.queue_length() == 0


def test_what_is_notified_waits_untried_when_the_calls_are_spent(
    tenant: Tenant, ledger: Ledger
) -> None:
    """
    A hundred of them are one line of the log and no hundred tries.
    """
    client = Client(tenant.url, tenant.add_token(), rate_limiter=RateLimiter(10, lambda: 0.0))
    intake = reader(ledger, client)
    ledger.notifications.add([(NOW, Notification(f"{number}_1V2")) for number in range(100)])
    seen = intake.look(NOW, poll=False)
    assert isinstance(seen.error, RateLimited)
    assert len(tenant.requests) == 3
    assert ledger.notifications.next_due() == pytest.approx(NOW + 60)
    assert ledger.notifications.waiting(NOW) == []
    tries = [tries for _, _, tries, _ in ledger.notifications.waiting(NOW + 60)]
    # A name that the common answer lacked may have got one of the three calls.
    assert (len(tries), sum(tries)) in {(100, count) for count in range(4)}


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


def test_a_look_takes_what_is_notified_and_one_reading_more(
    tenant: Tenant, ledger: Ledger, client: Client
) -> None:
    """
    What was notified waits for no crowd that was read meanwhile, and the rest of that is looked at at once.
    """
    opened(tenant, PARALLEL * DETAILS)
    intake = reader(ledger, client, wait_s=0.0)
    readings = intake._readings
    assert readings is not None
    intake.look(NOW, poll=True)
    wait([one.future for one in readings._under_way], 60)
    tenant.fault("slow", times=None, delay=1.0)
    assert intake.look(NOW, poll=False).listed
    late = opened(tenant)[0].problem_id
    ledger.notifications.add([(NOW, Notification(late, state="OPEN"))])
    assert intake.look(NOW, poll=False).problems == []
    wait([one.future for one in readings._under_way], 60)
    first = recorded(intake, intake.look(NOW, poll=False))
    assert len(first.problems) == DETAILS + 1
    assert late in {one.problem_id for one in first.problems}
    assert intake.next_due(NOW) == NOW
    looks = look_until(intake, (PARALLEL - 1) * DETAILS)
    assert {len(one.problems) for one in looks if one.problems} == {DETAILS}
    assert intake.caught_up

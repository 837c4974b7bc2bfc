"""
The budget of calls: no minute has more, whoever asks, and nobody starves.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from _dynatrace.api.client import Client
from _dynatrace.api.rate_limiter import MAX_WAIT_S, WINDOW_S, Kind, RateLimiter
from _dynatrace.core.errors import RateLimited
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tenant import Tenant
from tests.unit.engine.bodies import PID, PROCESS

KINDS = st.sampled_from(list(Kind))


@dataclass
class Time:
    """
    A clock that only sleeping moves.
    """

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def budget(per_minute: int | None) -> tuple[RateLimiter, Time]:
    """
    Return a budget at a time of the test's own.
    """
    time = Time()
    return RateLimiter(per_minute, time.clock, time.sleep), time


def spend(one: RateLimiter, kind: Kind, times: int = 1) -> int:
    """
    Return how many of so many calls got a token.
    """
    got = 0
    for _ in range(times):
        try:
            one.acquire("GET /x", kind)
        except RateLimited:
            continue
        got += 1
    return got


@settings(max_examples=200, deadline=None)
@given(
    st.integers(10, 60),
    st.lists(st.tuples(KINDS, st.sampled_from([0.0, 0.1, 1.0, 7.0, 31.0])), max_size=200),
)
def test_no_minute_has_more_calls_than_the_budget(
    per_minute: int, calls: list[tuple[Kind, float]]
) -> None:
    """
    Wherever the minute begins, whatever asks, and though some calls wait.
    """
    one, time = budget(per_minute)
    made: list[float] = []
    for kind, pause in calls:
        time.now += pause
        if spend(one, kind):
            made.append(time.now)
    for begin in made:
        assert sum(begin <= at < begin + WINDOW_S for at in made) <= per_minute


def test_the_poll_finds_its_calls_whatever_else_is_asked() -> None:
    """
    A storm of details and comments leaves a quarter to the list of problems.
    """
    one, _ = budget(40)
    spend(one, Kind.FEEDBACK, 100)
    spend(one, Kind.READING, 100)
    assert spend(one, Kind.LISTING, 100) == 10


def test_details_find_their_calls_though_the_poll_is_greedy() -> None:
    """
    A poll every second takes half and no more: who only lists heals nobody.
    """
    one, _ = budget(40)
    assert spend(one, Kind.LISTING, 100) == 20
    assert spend(one, Kind.READING, 100) == 20


def test_comments_leave_room_for_details() -> None:
    """
    They may come late; what is to be healed may not.
    """
    one, time = budget(40)
    assert spend(one, Kind.FEEDBACK, 100) == 10
    assert spend(one, Kind.READING, 100) == 20
    assert time.slept == []


@pytest.mark.parametrize("first", [Kind.LISTING, Kind.FEEDBACK])
def test_notifications_leave_a_quarter_to_the_list_and_one_to_details(first: Kind) -> None:
    """
    Whatever else is greedy: what is notified may be invented.
    """
    one, time = budget(40)
    spend(one, first, 100)
    spend(one, Kind.NOTIFIED, 100)
    if first is not Kind.LISTING:
        assert spend(one, Kind.LISTING, 100) >= 10
    time.now += WINDOW_S
    spend(one, first, 100)
    spend(one, Kind.NOTIFIED, 100)
    assert spend(one, Kind.READING, 100) >= 10
    assert time.slept == []


def test_what_is_notified_takes_three_eighths_at_most() -> None:
    """
    Of an otherwise idle minute.
    """
    one, _ = budget(40)
    assert spend(one, Kind.NOTIFIED, 100) == 15


@pytest.mark.parametrize("kind", Kind)
def test_who_waits_only_a_little_gets_the_token(kind: Kind) -> None:
    """
    It sleeps for just as long as the oldest call of the minute still counts.
    """
    one, time = budget(10)
    spend(one, kind, 10)
    time.now += WINDOW_S - MAX_WAIT_S[kind] + 0.25
    assert spend(one, kind) == 1
    assert time.slept == [pytest.approx(MAX_WAIT_S[kind] - 0.25)]


def test_who_would_wait_long_is_told_how_long() -> None:
    """
    The loop has other things to do; nothing is slept and nothing is spent.
    """
    one, time = budget(40)
    spend(one, Kind.READING, 30)
    time.now += 20
    for _ in range(2):
        with pytest.raises(RateLimited, match=r"40 calls a minute are spent; waiting 40 s") as told:
            one.acquire("GET /problems/{id}", Kind.READING)
        assert told.value.retry_after == pytest.approx(40)
    assert time.slept == []
    time.now += 40.001
    assert spend(one, Kind.READING, 100) == 30


def test_without_a_number_the_tenants_limit_counts() -> None:
    """
    Three quarters of it, since others use the API too; before it is told there is no limit.
    """
    one, _ = budget(None)
    assert one.limit("GET /x") is None
    assert spend(one, Kind.READING, 100) == 100
    one.observe("GET /x", {"X-RateLimit-Limit": "200"})
    assert one.limit("GET /x") == 150
    assert spend(one, Kind.READING, 100) == 12
    one.observe("GET /x", {"X-RateLimit-Limit": "1000"})
    assert one.limit("GET /x") == 750


def test_the_limit_of_one_endpoint_is_none_of_another() -> None:
    """
    Details that are spent leave the entities all of theirs, as the tenant counts them.
    """
    one, _ = budget(None)
    for endpoint in ("GET /problems/{id}", "GET /entities"):
        one.observe(endpoint, {"X-RateLimit-Limit": "40"})
    for _ in range(22):
        one.acquire("GET /problems/{id}", Kind.READING)
    with pytest.raises(RateLimited, match="30 calls a minute are spent"):
        one.acquire("GET /problems/{id}", Kind.READING)
    for _ in range(22):
        one.acquire("GET /entities", Kind.READING)


def test_the_lower_of_both_limits_counts() -> None:
    """
    A number in the configuration cannot lift the tenant's.
    """
    one, _ = budget(100)
    one.observe("GET /x", {"X-RateLimit-Limit": "1000"})
    assert spend(one, Kind.READING, 100) == 75
    one.observe("GET /x", {"X-RateLimit-Limit": "50"})
    assert spend(one, Kind.LISTING, 100) == 0


@pytest.mark.parametrize("value", ["", "-1", "many", "1e9", "9" * 10, "\u0665\u0660", "50.0"])
def test_a_limit_that_is_none_is_not_taken(value: str) -> None:
    """
    It comes from outside.
    """
    one, _ = budget(None)
    one.observe("GET /x", {"X-RateLimit-Limit": value})
    assert one.limit("GET /x") is None


@pytest.mark.parametrize("told", ["0", "1", "999999999"])
def test_a_limit_has_bounds(told: str) -> None:
    """
    A limit of nothing would be the end of healing.
    """
    one, _ = budget(None)
    one.observe("GET /x", {"X-RateLimit-Limit": told})
    assert one.limit("GET /x") in (4, 6000)
    assert spend(one, Kind.LISTING) == spend(one, Kind.READING) == spend(one, Kind.FEEDBACK) == 1


def test_a_limit_is_waited_for_at_its_endpoint_only() -> None:
    """
    Comments that are limited do not keep problems from being read.
    """
    one, time = budget(None)
    one.hold("POST /problems/{id}/comments", 60.0)
    one.acquire("GET /problems", Kind.LISTING)
    with pytest.raises(RateLimited, match="the tenant asked to wait; waiting 60 s"):
        one.acquire("POST /problems/{id}/comments", Kind.FEEDBACK)
    time.now += 45
    one.acquire("POST /problems/{id}/comments", Kind.FEEDBACK)
    assert time.slept == [pytest.approx(15.0)]


def test_threads_together_keep_the_budget() -> None:
    """
    Sixteen at once, with the real clock.
    """
    one = RateLimiter(40)
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda: got.append(spend(one, Kind.READING, 20))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(got) == 30


# -- the client spends -------------------------------------------------------------------------------------------------


def test_each_call_of_the_client_is_spent(tenant: Tenant) -> None:
    """
    Pages, details, entities and comments; what is not allowed is not sent.
    """
    time = Time()
    client = Client(
        tenant.url, tenant.add_token(), rate_limiter=RateLimiter(40, time.clock, time.sleep)
    )
    process = tenant.add_process(tenant.add_host())
    opened = tenant.open_problem(process)
    for _ in range(10):
        client.comment(opened.problem_id, "x", "y")
    for _ in range(10):
        client.problem(opened.problem_id)
        client.entity(process)
    for call in (lambda: client.problem(PID), lambda: client.entity(PROCESS)):
        with pytest.raises(RateLimited):
            call()
    for _ in range(10):
        client.list_open()
    with pytest.raises(RateLimited, match="GET /problems: not asked: 40 calls a minute are spent"):
        client.list_open()
    assert len(tenant.requests) == 40


def test_the_tenants_limit_is_learned_and_never_met() -> None:
    """
    A tenant with 20 calls a minute to each endpoint never has to say so.
    """
    with Tenant(calls_per_minute=20) as tenant:
        process = tenant.add_process(tenant.add_host())
        opened = tenant.open_problem(process)
        client = Client(tenant.url, tenant.add_token(), rate_limiter=RateLimiter())
        refused = 0
        for _ in range(30):
            for call in (client.list_open, lambda: client.problem(opened.problem_id)):
                try:
                    call()
                except RateLimited as err:
                    assert "not asked" in str(err)
                    refused += 1
        assert refused
        assert {call.status for call in tenant.requests} == {200}
        # Of 15 calls to each endpoint, half are for lists and three quarters for details.
        assert len(tenant.requests) == 7 + 11


def test_a_429_is_waited_for_by_every_thread(tenant: Tenant) -> None:
    """
    The second who asks does not add to the tenant's queue.
    """
    opened = tenant.open_problem(tenant.add_process(tenant.add_host()))
    client = Client(tenant.url, tenant.add_token(), rate_limiter=RateLimiter())
    tenant.fault("rate_limited", wait=30.0)
    for said in ("the tenant limits requests", "not asked: the tenant asked to wait"):
        with pytest.raises(RateLimited, match=said):
            client.problem(opened.problem_id)
    assert len(tenant.requests) == 1
    client.list_open()


def test_who_calls_an_endpoint_alone_has_all_of_its_limit() -> None:
    """
    Entities are read and nothing else; where others call too, a quarter is theirs.
    """
    for endpoint, expected in (("GET /entities", 300), ("GET /problems", 225)):
        one, _ = budget(None)
        one.observe(endpoint, {"X-RateLimit-Limit": "400"})
        got = 0
        with pytest.raises(RateLimited):
            while True:
                one.acquire(endpoint, Kind.READING)
                got += 1
        assert got == expected

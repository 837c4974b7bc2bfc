"""
Queries of Grail against the simulated tenant: run, polled, cancelled, refused, and cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from _dynatrace.api import grail as grail_module
from _dynatrace.api.credentials import TokenCredentials
from _dynatrace.api.environment import query_base
from _dynatrace.api.grail import Grail, Result, quoted
from _dynatrace.api.rate_limiter import Kind
from _dynatrace.api.transport import Transport
from _dynatrace.core.errors import (
    ApiError,
    AuthError,
    BadRequest,
    RateLimited,
    Unavailable,
    UnexpectedResponse,
)

from tests.tenant import Tenant

QUERY = "fetch dt.davis.problems, from:now()-2h | fields event.id"


class Time:
    """
    A clock that moves when somebody sleeps, and a little whenever it is looked at.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        self.now += 0.01
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def grail(tenant: Tenant, time: Time) -> Iterator[Grail]:
    """
    Queries with a platform token that may read all tables.
    """
    token = tenant.add_platform_token()
    credentials = TokenCredentials(tenant.platform_url, token)
    transport = Transport(query_base(tenant.platform_url), credentials, None, None, None)
    yield Grail(transport, time.clock, time.sleep)
    transport.close()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    # The simulated tenant holds a request as long as it is told.
    monkeypatch.setattr(grail_module, "WAIT_MS", 10)


def ask(grail: Grail, query: str = QUERY) -> Result:
    """
    Return the result of a query.
    """
    return grail.query(query, Kind.LISTING)


def paths(tenant: Tenant) -> list[str]:
    """
    Return what was asked for, without the base.
    """
    return [one.path.partition("?")[0].rpartition("/")[2] for one in tenant.requests]


def opened(tenant: Tenant, count: int = 1) -> list[str]:
    """
    Open problems; return their ids.
    """
    host = tenant.add_host()
    return [
        tenant.open_problem(tenant.add_process(host, name=f"p{number}")).problem_id
        for number in range(count)
    ]


def test_a_result_may_come_at_once(tenant: Tenant, grail: Grail) -> None:
    """
    One request, in UTC whatever the user's settings are.
    """
    [own_id] = opened(tenant)
    assert ask(grail) == Result([{"event.id": own_id}])
    assert paths(tenant) == ["query:execute"]


@pytest.mark.parametrize("state", ["RUNNING", "NOT_STARTED"])
def test_a_query_that_runs_is_polled(tenant: Tenant, grail: Grail, time: Time, state: str) -> None:
    """
    Its token has characters that must be encoded; between two polls that are answered at once there is a pause.
    """
    [own_id] = opened(tenant)
    tenant.fault("poll_running", seconds=0.1, state=state)
    assert ask(grail) == Result([{"event.id": own_id}])
    polls = paths(tenant)[1:]
    assert set(polls) == {"query:poll"}
    assert len(time.slept) == len(polls) - 1
    assert all(0 < pause <= grail_module.PAUSE_S for pause in time.slept)


def test_a_query_that_runs_for_ever_is_cancelled(tenant: Tenant, grail: Grail, time: Time) -> None:
    """
    Nobody waits for it longer than a minute, and the tenant does not work in vain.
    """
    tenant.fault("poll_running")
    with pytest.raises(Unavailable, match="did not end within 60 s and is cancelled"):
        ask(grail)
    assert time.now > grail_module.QUERY_S
    assert paths(tenant)[-1] == "query:cancel"
    assert "query cancelled" in [one.what for one in tenant.journal]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "RESULT_GONE"])
def test_a_query_that_ends_without_a_result_is_tried_again_later(
    tenant: Tenant, grail: Grail, state: str
) -> None:
    """
    The next cycle asks anew.
    """
    tenant.fault("query_ends", state=state)
    with pytest.raises(Unavailable, match=state):
        ask(grail)
    assert ask(grail).records == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("grail_429", RateLimited),
        ("grail_503", RateLimited),
        ("grail_429_html", RateLimited),
        ("grail_500", Unavailable),
        ("grail_500_html", Unavailable),
        ("grail_503_html", Unavailable),
        ("html_200", UnexpectedResponse),
    ],
)
def test_trouble_is_told_apart(
    tenant: Tenant, grail: Grail, fault: str, error: type[ApiError]
) -> None:
    """
    With JSON or with a page for people.
    """
    tenant.fault(fault)
    with pytest.raises(error) as caught:
        ask(grail)
    assert type(caught.value) is error


def test_the_wait_that_is_asked_for_is_kept(tenant: Tenant, grail: Grail) -> None:
    """
    Nothing is sent meanwhile.
    """
    tenant.fault("grail_429", retry_after=30)
    for said in ("the tenant limits requests", "the tenant asked to wait"):
        with pytest.raises(RateLimited, match=said) as caught:
            ask(grail)
        assert 25 < caught.value.retry_after <= 30
    assert paths(tenant) == ["query:execute"]


@pytest.mark.parametrize("fault", ["poll_gone", "poll_503_html"])
def test_a_poll_that_fails_ends_the_query(tenant: Tenant, grail: Grail, fault: str) -> None:
    """
    A token that was used up gives nothing any more.
    """
    tenant.fault("poll_running", seconds=0.1)
    tenant.fault(fault)
    with pytest.raises(Unavailable):
        ask(grail)
    assert paths(tenant) == ["query:execute", "query:poll", "query:cancel"]


def test_a_connection_that_dies_is_made_anew(tenant: Tenant, grail: Grail) -> None:
    """
    A query changes nothing, so it may be sent twice.
    """
    tenant.fault("dropped_connection")
    assert ask(grail).records == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("fetch dt.entity.nothing", "UNKNOWN_DATA_OBJECT"),
        ("fetch dt.entity.host | fields nothing", "FIELD_DOES_NOT_EXIST"),
    ],
)
def test_a_refused_query_tells_the_reason(
    tenant: Tenant, grail: Grail, query: str, reason: str
) -> None:
    """
    Of a table or field that the tenant does not have one can do without.
    """
    with pytest.raises(BadRequest) as caught:
        ask(grail, query)
    assert caught.value.reason == reason


def test_a_table_that_may_not_be_read_is_named(tenant: Tenant, grail: Grail) -> None:
    """
    Whoever reads it knows what is missing.
    """
    token = grail._transport._credentials.authorization().removeprefix("Bearer ")
    tenant.lose_scope(token, "storage:events:read")
    with pytest.raises(AuthError, match="NOT_AUTHORIZED_FOR_TABLE"):
        ask(grail)


@pytest.mark.parametrize("kind", ["API_RECORDS_LIMIT_ADDED", "RESULT_LIMIT_BYTES", "SOMETHING_NEW"])
def test_a_cut_result_says_so(tenant: Tenant, grail: Grail, kind: str) -> None:
    """
    What is missing in it may be there all the same.
    """
    opened(tenant, 3)
    tenant.fault("grail_truncated", keep=2, kind=kind)
    found = ask(grail)
    assert len(found.records) == 2
    assert found.cut == (f"the result is not whole: {kind}",)


def result(**grail: Any) -> dict[str, Any]:
    """
    Return an answer with metadata.
    """
    return {"state": "SUCCEEDED", "result": {"records": [{}], "metadata": {"grail": grail}}}


@pytest.mark.parametrize(
    ("metadata", "whole"),
    [
        ({}, True),
        ({"notifications": None}, True),
        (
            {
                "notifications": [
                    {"severity": "INFO", "notificationType": "DEPRECATED_ENTITY_DATAOBJECT"}
                ]
            },
            True,
        ),
        ({"notifications": [{"severity": "INFO", "notificationType": "FETCH_TIMEOUT"}]}, False),
        ({"notifications": [{"severity": "WARN", "notificationType": "X"}]}, False),
        ({"notifications": [{}]}, False),
        ({"sampled": True}, False),
    ],
)
def test_only_harmless_notes_leave_a_result_whole(metadata: dict[str, Any], whole: bool) -> None:
    """
    What is not known is no reason to believe that all came.
    """
    assert bool(grail_module._result(result(**metadata)).cut) is not whole


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"state": "SUCCEEDED"},
        {"state": "SUCCEEDED", "result": {}},
        {"state": "SUCCEEDED", "result": {"records": {}}},
        {"state": "NEW", "result": {"records": []}},
        {"state": ["RUNNING"]},
    ],
)
def test_an_odd_answer_is_no_empty_result(body: dict[str, Any]) -> None:
    """
    Nothing would be open.
    """
    with pytest.raises(UnexpectedResponse):
        grail_module._result(body)


def test_ids_are_quoted() -> None:
    """
    They are checked before, and quoted all the same.
    """
    assert quoted(["a", 'b"c']) == 'array("a", "b\\"c")'

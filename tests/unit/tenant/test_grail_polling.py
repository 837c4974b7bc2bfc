"""
Queries that take their time: 202, poll, cancel, and request tokens that are used up.
"""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest
import requests

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client, on_platform

QUERY = "/platform/storage/query/v1/query:"


@pytest.fixture
def grail(tenant: Tenant) -> Client:
    """A client with a platform token."""
    return on_platform(tenant)


def begin(client: Client, wait: int = 0) -> dict[str, Any]:
    """Give the answer of a query that does not end at once."""
    body = {"query": "fetch dt.davis.problems", "requestTimeoutMilliseconds": wait}
    answer = client.call("POST", f"{QUERY}execute", body)
    assert answer.status_code == 202
    found: dict[str, Any] = answer.json()
    return found


def poll(client: Client, token: str, wait: int = 1) -> requests.Response:
    """Ask for the result."""
    query = {"request-token": token, "request-timeout-milliseconds": wait}
    return client.get(f"{QUERY}poll", **query)


def test_a_query_that_takes_longer_is_polled(tenant: Tenant, grail: Client, process: str) -> None:
    """The result comes once, then the token is used up."""
    tenant.open_problem(process)
    tenant.fault("query_runs", seconds=0.3)
    body = begin(grail)
    assert (body["state"], body["ttlSeconds"]) == ("RUNNING", 398)
    assert set("+/=") & set(body["requestToken"])
    answer = poll(grail, body["requestToken"], 5000)
    assert answer.status_code == 200
    assert answer.json()["state"] == "SUCCEEDED"
    assert len(answer.json()["result"]["records"]) == 1
    gone = poll(grail, body["requestToken"])
    assert gone.status_code == 410
    assert gone.json()["error"]["details"]["errorType"] == "QUERY_GONE"
    tenant.check()


def test_execute_waits_as_long_as_it_is_told(tenant: Tenant, grail: Client) -> None:
    """A query that ends within that is a 200."""
    tenant.switches.grail_seconds = 0.3
    body = {"query": "fetch dt.davis.problems", "requestTimeoutMilliseconds": 10_000}
    assert grail.call("POST", f"{QUERY}execute", body).status_code == 200
    tenant.switches.grail_seconds = 600
    before = time.monotonic()
    begin(grail, 300)
    assert time.monotonic() - before >= 0.3


def test_a_tenant_may_answer_earlier_than_it_is_asked_to(tenant: Tenant, grail: Client) -> None:
    """So that a test need not wait as long as its client would."""
    tenant.switches.grail_patience = 0.0
    tenant.fault("poll_running")
    before = time.monotonic()
    token = begin(grail, 20_000)["requestToken"]
    assert poll(grail, token, 20_000).json()["state"] == "RUNNING"
    assert time.monotonic() - before < 10


@pytest.mark.parametrize("state", ["RUNNING", "NOT_STARTED"])
def test_a_query_may_run_for_ever(tenant: Tenant, grail: Client, state: str) -> None:
    """Every poll is a 200; a cancelled one is gone."""
    tenant.fault("poll_running", state=state)
    token = begin(grail)["requestToken"]
    for _ in range(2):
        answer = poll(grail, token)
        assert answer.status_code == 200
        assert answer.json()["state"] == state
        assert "result" not in answer.json()
    answer = grail.call("POST", f"{QUERY}cancel", None, **{"request-token": token})
    assert (answer.status_code, answer.content) == (202, b"")
    assert poll(grail, token).status_code == 410


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "RESULT_GONE"])
def test_a_query_may_end_without_a_result(tenant: Tenant, grail: Client, state: str) -> None:
    """With a 200, at once or after a poll."""
    tenant.fault("query_ends", state=state)
    answer = grail.call("POST", f"{QUERY}execute", {"query": "fetch dt.davis.problems"})
    assert (answer.status_code, answer.json()) == (200, {"state": state, "progress": 100})


def test_a_query_that_has_ended_is_cancelled_with_its_result(tenant: Tenant, grail: Client) -> None:
    """As documented: 200."""
    tenant.fault("query_runs", seconds=0.1)
    token = begin(grail)["requestToken"]
    time.sleep(0.2)
    answer = grail.call("POST", f"{QUERY}cancel", None, **{"request-token": token})
    assert answer.status_code == 200
    assert answer.json()["result"]["records"] == []


def test_a_request_token_ends_and_must_be_encoded(tenant: Tenant, grail: Client) -> None:
    """A token without its plus is noted, none at all is a 400."""
    tenant.switches.grail_token_lifetime = 0.0
    tenant.fault("query_runs")
    assert poll(grail, begin(grail)["requestToken"]).status_code == 410
    assert grail.get(f"{QUERY}poll").status_code == 400
    headers = {"Authorization": f"Bearer {grail.token}"}
    url = f"{tenant.platform_url}{QUERY}poll?request-token=a+b"
    assert requests.get(url, headers=headers, timeout=5).status_code == 410
    with pytest.raises(AssertionError, match="percent-encoded"):
        tenant.check()


def test_a_waiting_query_keeps_nobody_else_waiting(tenant: Tenant, grail: Client) -> None:
    """The tenant answers while an execute blocks."""
    tenant.fault("query_runs", seconds=None)
    body = {"query": "fetch dt.davis.problems", "requestTimeoutMilliseconds": 20_000}
    other = on_platform(tenant)

    def ask() -> None:
        with pytest.raises(requests.exceptions.ReadTimeout):
            grail.call("POST", f"{QUERY}execute", body)

    before = time.monotonic()
    thread = threading.Thread(target=ask)
    thread.start()
    tenant.wait_for("query")
    assert other.get("/platform/management/v1/environment").status_code == 200
    assert time.monotonic() - before < 4
    thread.join()


def test_the_queries_are_in_the_journal_in_one_line(tenant: Tenant, grail: Client) -> None:
    """So that a test may count them."""
    grail.call("POST", f"{QUERY}execute", {"query": "fetch dt.davis.problems\n  | limit 1"})
    assert tenant.dql == ["fetch dt.davis.problems | limit 1"]
    assert re.search("fetch", repr(tenant.journal))

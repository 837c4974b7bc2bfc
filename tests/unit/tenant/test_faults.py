"""
Every named fault, as a client meets it.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.tenant import FAULTS, Tenant
from tests.unit.tenant.conftest import Client


def test_a_server_error_strikes_as_often_as_asked(tenant: Tenant, client: Client) -> None:
    """Then the tenant answers again, and the record names the fault."""
    tenant.fault("server_error", times=2)
    assert [client.problems().status_code for _ in range(3)] == [500, 500, 200]
    assert [call.fault for call in tenant.requests] == ["server_error", "server_error", None]
    assert [call.status for call in tenant.requests] == [500, 500, 200]


def test_a_fault_strikes_only_the_path_and_method_it_is_for(tenant: Tenant, client: Client) -> None:
    """Other calls go through and do not use it up."""
    tenant.fault("server_error", path="/entities", method="GET")
    assert client.problems().status_code == 200
    assert client.get("/api/v2/entities", entitySelector='type("HOST")').status_code == 500


def test_faults_are_taken_away(tenant: Tenant, client: Client) -> None:
    """Without a number of times a fault lasts until it is cleared."""
    tenant.fault("server_error", times=None)
    assert [client.problems().status_code for _ in range(3)] == [500] * 3
    tenant.clear_faults()
    assert client.problems().status_code == 200


@pytest.mark.parametrize(("name", "options"), [("sever_error", {}), ("server_error", {"delay": 1})])
def test_a_misspelt_fault_is_said_at_once(
    tenant: Tenant, name: str, options: dict[str, Any]
) -> None:
    """Neither a wrong name nor a wrong option is taken silently."""
    with pytest.raises(ValueError, match=name):
        tenant.fault(name, **options)


def test_a_proxy_answers_with_html(tenant: Tenant, client: Client) -> None:
    """Once as 502, once as a login page with 200."""
    for name, status in (("bad_gateway_html", 502), ("html_200", 200)):
        tenant.fault(name)
        answer = client.problems()
        assert answer.status_code == status
        assert answer.headers["Content-Type"].startswith("text/html")
        with pytest.raises(ValueError):
            answer.json()


@pytest.mark.parametrize(
    ("unit", "factor"), [("seconds", 1), ("milliseconds", 1e3), ("microseconds", 1e6)]
)
def test_a_429_tells_when_to_come_back_in_several_units(
    tenant: Tenant, client: Client, unit: str, factor: float
) -> None:
    """The reset is a point in time, Retry-After a number of seconds."""
    tenant.fault("rate_limited", unit=unit, wait=10, retry_after=7)
    answer = client.problems()
    assert answer.status_code == 429
    assert 1 < int(answer.headers["X-RateLimit-Reset"]) / factor - time.time() <= 10
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert answer.headers["Retry-After"] == "7"


def test_a_429_can_come_without_any_header(tenant: Tenant, client: Client) -> None:
    """As when the thread pool is full."""
    tenant.fault("rate_limited", headers=False)
    answer = client.problems()
    assert answer.status_code == 429
    assert not [name for name in answer.headers if name.lower().startswith("x-ratelimit")]
    assert "Retry-After" not in answer.headers


def test_an_answer_ends_early(tenant: Tenant, client: Client) -> None:
    """The length that was promised does not come."""
    tenant.fault("truncated_body")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.problems()
    assert client.problems().status_code == 200


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_dropped_connection_may_or_may_not_have_carried_the_call_out(
    tenant: Tenant, client: Client, process: str, carried_out: bool
) -> None:
    """The client sees the same; the record says that no answer went out."""
    problem = tenant.open_problem(process)
    tenant.fault("dropped_connection", carried_out=carried_out)
    with pytest.raises(requests.ConnectionError):
        client.call("POST", f"/api/v2/problems/{problem.problem_id}/comments", {"message": "x"})
    assert len(tenant.comments(problem)) == int(carried_out)
    assert tenant.requests[-1].status == 0


def test_an_answer_comes_late(tenant: Tenant, client: Client) -> None:
    """After the delay it is the real one."""
    tenant.fault("slow", delay=0.2)
    begin = time.monotonic()
    assert client.problems().status_code == 200
    assert time.monotonic() - begin >= 0.2


def test_a_body_that_never_ends_ends_after_all(tenant: Tenant, client: Client) -> None:
    """It has no length, grows all the time, and is no JSON when it is over."""
    tenant.fault("endless_body", seconds=0.3)
    begin = time.monotonic()
    answer = client.problems()
    assert 0.3 <= time.monotonic() - begin < 30
    assert "Content-Length" not in answer.headers
    assert len(answer.content) > 64
    with pytest.raises(ValueError):
        answer.json()


def test_a_redirect_leads_elsewhere(tenant: Tenant, client: Client) -> None:
    """A client that follows it would carry its token there."""
    tenant.fault("redirect_elsewhere", url="http://127.0.0.1:9/steal")
    answer = client.problems()
    assert answer.status_code == 302
    assert answer.headers["Location"] == "http://127.0.0.1:9/steal"


def test_a_200_can_be_empty_or_of_another_shape(tenant: Tenant, client: Client) -> None:
    """Neither is what the API documents."""
    tenant.fault("empty_body")
    empty = client.problems()
    assert (empty.status_code, empty.content) == (200, b"")
    tenant.fault("wrong_type", body={"problems": "none"})
    assert client.problems().json() == {"problems": "none"}


def test_every_fault_is_tested() -> None:
    """The named faults are these, and each stands in a test of this directory."""
    elsewhere = {"null_cursor", "notification_before_list", "comment_accepted_then_500"}
    elsewhere |= {"comment_delayed_visibility", "duplicate_notification", "lost_notification"}
    elsewhere |= {"installer_bad_signature", "installer_truncated", "installer_html"}
    elsewhere |= {"installer_altered"}
    here = {"server_error", "bad_gateway_html", "html_200", "rate_limited", "truncated_body"}
    here |= {"dropped_connection", "slow", "endless_body", "redirect_elsewhere", "empty_body"}
    elsewhere |= {"sso_error", "grail_error", "query_gone"}
    elsewhere |= {"query_runs", "query_ends", "query_cut"}
    assert set(FAULTS) == elsewhere | here | {"wrong_type"}

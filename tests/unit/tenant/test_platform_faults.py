"""
The named faults of each leg of the platform, as a client meets them.
"""

from __future__ import annotations

import pytest

from tests.tenant import FAULTS, Tenant
from tests.tenant.platform.legs import LEGS
from tests.unit.tenant.conftest import on_platform

QUERY = "/platform/storage/query/v1/query:"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_query_fails_with_json_and_with_html(tenant: Tenant, status: int) -> None:
    """Retry-After is said in the header and in the body, or not at all."""
    client = on_platform(tenant)
    tenant.fault(f"grail_{status}", retry_after=7)
    answer = client.call("POST", f"{QUERY}execute", {"query": "fetch logs"})
    assert answer.status_code == answer.json()["error"]["code"] == status
    assert answer.headers["Retry-After"] == "7"
    assert answer.json()["error"]["retryAfterSeconds"] == 7
    tenant.fault(f"grail_{status}_html")
    answer = client.call("POST", f"{QUERY}execute", {"query": "fetch logs"})
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Retry-After" not in answer.headers
    assert [one.fault for one in tenant.requests] == [f"grail_{status}", f"grail_{status}_html"]


def test_a_poll_is_gone_or_fails(tenant: Tenant) -> None:
    """The 410 is the captured one."""
    client = on_platform(tenant)
    tenant.fault("poll_gone")
    answer = client.get(f"{QUERY}poll", request_token="x")
    assert answer.status_code == 410
    assert answer.json()["error"] == {
        "code": 410,
        "message": "QUERY_GONE",
        "details": {
            "exceptionType": "GONE",
            "errorType": "QUERY_GONE",
            "errorMessage": "The query for this query ID is not available anymore.",
        },
    }
    tenant.fault("poll_503_html")
    assert client.get(f"{QUERY}poll").headers["Content-Type"].startswith("text/html")


def test_a_leg_is_named_or_refused(tenant: Tenant) -> None:
    """As for every other fault."""
    with pytest.raises(ValueError, match="sso_dwon"):
        tenant.fault("sso_dwon")
    with pytest.raises(ValueError, match="delay"):
        tenant.fault("sso_400", delay=1)


def test_every_leg_is_tested() -> None:
    """The legs are these, and each stands in a test of this directory."""
    sso = {"sso_down", "sso_400", "sso_401", "sso_html", "sso_slow"}
    execute = {f"grail_{status}{form}" for status in (429, 500, 503) for form in ("", "_html")}
    polls = {"poll_running", "poll_gone", "poll_503_html"}
    assert set(LEGS) == sso | execute | polls | {"grail_truncated"}
    assert {leg.name for leg in LEGS.values()} <= set(FAULTS)

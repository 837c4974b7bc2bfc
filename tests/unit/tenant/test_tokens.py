"""
Tokens, scopes, schemes and limits.
"""

from __future__ import annotations

import re
import time

import pytest
import requests

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client

_SHAPE = re.compile(r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}")


def test_tokens_have_the_documented_shape(tenant: Tenant) -> None:
    """Both kinds match the redaction pattern and tell their kind by the prefix."""
    classic, platform = tenant.add_token(), tenant.add_token(kind="platform")
    assert _SHAPE.fullmatch(classic) and classic.startswith("dt0c01.")
    assert _SHAPE.fullmatch(platform) and platform.startswith("dt0s16.")


def test_an_expired_token_is_a_401_until_it_is_revived(tenant: Tenant, client: Client) -> None:
    """The envelope has no violations, and `check` does not blame the client."""
    tenant.expire_token(client.token)
    answer = client.problems()
    assert answer.status_code == 401
    assert answer.json() == {"error": {"code": 401, "message": "Token Authentication failed"}}
    tenant.revive_token(client.token)
    assert client.problems().status_code == 200
    assert Client(tenant, tenant.add_token(expired=True)).problems().status_code == 401
    tenant.check()


@pytest.mark.parametrize(
    ("method", "path", "scope", "title"),
    [
        ("GET", "/api/v2/problems", "problems.read", "Read problems"),
        ("GET", "/api/v2/problems/{id}", "problems.read", "Read problems"),
        ("GET", "/api/v2/problems/{id}/comments", "problems.read", "Read problems"),
        ("POST", "/api/v2/problems/{id}/comments", "problems.write", "Write problems"),
        ("POST", "/api/v2/problems/{id}/close", "problems.write", "Write problems"),
        ("GET", "/api/v2/entities", "entities.read", "Read entities"),
        ("GET", "/api/v2/entities/HOST-0000000000000001", "entities.read", "Read entities"),
        ("POST", "/api/v2/events/ingest", "events.ingest", "Ingest events"),
    ],
)
def test_a_missing_scope_is_a_403_that_names_it(
    tenant: Tenant, process: str, method: str, path: str, scope: str, title: str
) -> None:
    """The text is the captured one, and the call is not carried out."""
    scopes = {"problems.read", "problems.write", "entities.read", "events.ingest"} - {scope}
    client = Client(tenant, tenant.add_token(scopes=scopes))
    problem = tenant.open_problem(process)
    answer = client.call(method, path.replace("{id}", problem.problem_id), {"message": "x"})
    assert answer.json() == {
        "error": {
            "code": 403,
            "message": f"Token is missing required scope. Use one of: {scope} ({title})",
        }
    }
    assert answer.status_code == 403
    assert (tenant.comments(problem), problem.status) == ([], "OPEN")
    assert tenant.requests[-1].token_ok


@pytest.mark.parametrize(("kind", "scheme"), [("classic", "Bearer"), ("platform", "Api-Token")])
def test_a_token_in_the_wrong_scheme_is_refused(tenant: Tenant, kind: str, scheme: str) -> None:
    """A classic token goes as Api-Token, a platform token as Bearer."""
    client = Client(tenant, tenant.add_token(kind=kind), scheme)
    assert client.problems().status_code == 401
    with pytest.raises(AssertionError, match=kind):
        tenant.check()


def test_a_platform_token_on_the_classic_url_is_a_matter_of_the_tenant(tenant: Tenant) -> None:
    """A switch says whether it is taken there."""
    token = tenant.add_token(scopes=["environment-api:problems:read"], kind="platform")
    platform = Client(tenant, token, "Bearer")
    assert platform.problems().status_code == 200
    tenant.switches.platform_tokens_on_classic = False
    assert platform.problems().status_code == 401


def test_a_token_in_the_query_works_and_is_noted_but_never_kept(tenant: Tenant) -> None:
    """The record of the call holds no part of the token."""
    token = tenant.add_token()
    url = f"{tenant.url}/api/v2/problems?api-token={token}"
    assert requests.get(url, timeout=5).status_code == 200
    with pytest.raises(AssertionError, match="query"):
        tenant.check()
    assert token.split(".")[2] not in repr(tenant.requests) + repr(tenant.journal)


def test_the_limit_of_calls_gives_real_429s(tenant: Tenant, client: Client) -> None:
    """The headers count down; a refused call does not prolong the window."""
    tenant.switches.calls_per_minute = 2
    tenant.switches.rate_window = 2.0
    answers = [client.problems() for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert [one.headers["X-RateLimit-Remaining"] for one in answers] == ["1", "0", "0"]
    assert answers[2].json()["error"]["code"] == 429
    reset = int(answers[2].headers["X-RateLimit-Reset"]) / 1e6
    assert 0 < reset - time.time() <= 2.0
    entities = client.get("/api/v2/entities", entitySelector='type("HOST")')
    assert entities.status_code == 200
    tenant.wait_for(lambda: time.time() > reset - 1.0)
    assert [client.problems().status_code for _ in range(3)] == [429] * 3
    tenant.wait_for(lambda: time.time() > reset)
    assert client.problems().status_code == 200
    tenant.check()

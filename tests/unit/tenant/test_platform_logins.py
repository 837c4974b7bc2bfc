"""
What opens the platform, and how it refuses: SSO, access tokens, platform tokens, gateway.
"""

from __future__ import annotations

import re

import pytest
import requests

from tests.tenant import Tenant
from tests.tenant.platform.scopes import CLIENT_SCOPES
from tests.unit.tenant.conftest import Client, ask_sso, on_platform

GATEWAY = "/platform/classic/environment-api/v2"
ENVIRONMENT = "/platform/management/v1/environment"


def login(tenant: Tenant, client: tuple[str, str]) -> Client:
    """Give a client with an access token."""
    token = ask_sso(tenant, *client).json()["access_token"]
    return Client(tenant, token, "Bearer", platform=True)


def test_the_sso_gives_an_access_token_for_five_minutes(tenant: Tenant) -> None:
    """Scope and resource may be left out; then it has all that the client has."""
    client_id, secret = tenant.add_oauth_client()
    assert re.fullmatch(r"dt0s02\.[A-Z2-7]{8}", client_id)
    assert secret.startswith(client_id + ".")
    body = ask_sso(tenant, client_id, secret).json()
    assert body.keys() == {"scope", "token_type", "expires_in", "access_token", "resource"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert set(body["scope"].split()) == set(CLIENT_SCOPES)
    named = ask_sso(
        tenant, client_id, secret, scope="storage:events:read", resource=tenant.account_urn
    )
    assert named.json()["scope"] == "storage:events:read"
    assert named.json()["resource"] == tenant.account_urn
    tenant.check()


def test_the_sso_refuses_with_a_400(tenant: Tenant) -> None:
    """An unknown client, a wrong secret, another grant, a foreign resource, a scope too many."""
    client_id, secret = tenant.add_oauth_client(["storage:events:read"])
    answers = [
        ask_sso(tenant, "dt0s02.UNKNOWN", secret),
        ask_sso(tenant, client_id, "wrong"),
        ask_sso(tenant, client_id, secret, grant_type="password"),
        ask_sso(tenant, client_id, secret, resource="urn:dtaccount:another"),
        ask_sso(tenant, client_id, secret, scope="storage:events:read storage:logs:read"),
        requests.post(tenant.sso_url, json={}, timeout=5),
    ]
    assert [one.status_code for one in answers] == [400] * 6
    keys = {"error", "error_description", "errorCode", "message", "issueId"}
    assert all(one.json().keys() == keys for one in answers)
    assert [one.json()["error"] for one in answers[:3]] == [
        "invalid_client",
        "invalid_client",
        "unsupported_grant_type",
    ]


def test_the_sso_of_another_tenant_refuses_otherwise(tenant: Tenant) -> None:
    """A switch makes the status 401, another leaves out the scope that the client lacks."""
    tenant.switches.sso_refusal, tenant.switches.sso_missing_scope = 401, "left_out"
    client_id, secret = tenant.add_oauth_client(["storage:events:read"])
    assert ask_sso(tenant, client_id, "wrong").status_code == 401
    granted = ask_sso(tenant, client_id, secret, scope="storage:events:read storage:logs:read")
    assert granted.json()["scope"] == "storage:events:read"


def test_the_platform_leads_to_the_sso(tenant: Tenant) -> None:
    """The redirect names the host; a host that is no SSO answers HTML."""
    where = requests.head(
        f"{tenant.platform_url}/platform/oauth2/authorization/dynatrace-sso",
        timeout=5,
        allow_redirects=False,
    )
    assert where.headers["Location"].startswith(tenant.sso_url.partition("/sso/")[0])
    wrong = requests.post(tenant.platform_url + "/sso/oauth2/token", timeout=5)
    assert wrong.headers["Content-Type"].startswith("text/html")


def test_one_problem_is_read_by_every_login(tenant: Tenant, client: Client, process: str) -> None:
    """The classic URL and the gateway give the same body."""
    tenant.open_problem(process)
    classic = client.problems().json()
    access = login(tenant, tenant.add_oauth_client())
    platform = on_platform(tenant, "environment-api:problems:read")
    assert access.get(f"{GATEWAY}/problems").json() == classic
    assert platform.get(f"{GATEWAY}/problems").json() == classic
    assert access.get(ENVIRONMENT).json() == {
        "environmentId": "abc12345",
        "createTime": "2023-01-01T00:10:57.123Z",
        "blockTime": "2031-12-07T00:00:00Z",
        "state": "ACTIVE",
    }
    tenant.check()


def test_a_page_key_is_sent_alone_through_the_gateway(tenant: Tenant, process: str) -> None:
    """Settings as well as problems: anything beside it is a 400."""
    tenant.maintenance(process)
    tenant.maintenance(process)
    client = on_platform(tenant, "settings:objects:read")
    path, schema = f"{GATEWAY}/settings/objects", "builtin:alerting.maintenance-window"
    first = client.get(path, schemaIds=schema, pageSize=1).json()
    assert len(first["items"]) == 1
    key = first["nextPageKey"]
    assert len(client.get(path, nextPageKey=key).json()["items"]) == 1
    refused = client.get(path, nextPageKey=key, schemaIds=schema)
    assert refused.status_code == 400
    assert "must not be used in combination with nextPageKey" in refused.text


def test_a_comment_and_a_close_need_their_scopes(tenant: Tenant, process: str) -> None:
    """One of two scopes closes; neither of the other opens the comments."""
    problem = tenant.open_problem(process)
    one = f"{GATEWAY}/problems/{problem.problem_id}"
    closing = on_platform(tenant, "openpipeline:events.davis:ingest")
    assert closing.call("POST", f"{one}/comments", {"message": "x"}).status_code == 403
    assert closing.call("POST", f"{one}/close", {"message": "x"}).status_code == 200
    writing = on_platform(tenant, "environment-api:problems:write")
    assert writing.call("POST", f"{one}/comments", {"message": "x"}).status_code == 201


def test_a_missing_scope_is_named_as_captured(tenant: Tenant) -> None:
    """The gateway says that it was itself."""
    answer = on_platform(tenant, "storage:events:read").get(ENVIRONMENT)
    assert answer.status_code == 403
    assert answer.json() == {
        "error": {
            "code": 403,
            "details": {"missingScopes": ["platform-management:environments:read"]},
            "message": "The authorization token does not provide the necessary permissions.",
        }
    }
    assert answer.headers["dynatrace-response-source"] == "API Gateway"
    assert tenant.requests[-1].token_ok


@pytest.mark.parametrize(
    ("scheme", "token", "says"),
    [
        ("Api-Token", "", "Unsupported authorization scheme 'Api-Token'."),
        ("Bearer", "dt0s16.short", "Platform token has invalid format."),
        ("Bearer", f"dt0s16.{'A' * 24}.{'B' * 64}", "Platform token is not valid."),
        ("Bearer", "a.b.c", "Could not parse JWT"),
    ],
)
def test_a_token_that_is_none_is_a_401(tenant: Tenant, scheme: str, token: str, says: str) -> None:
    """A classic token as well, in whichever scheme."""
    answer = Client(tenant, token or tenant.add_token(), scheme, platform=True).get(ENVIRONMENT)
    assert answer.status_code == 401
    error = answer.json()["error"]
    assert error["code"] == 401
    assert error["message"].startswith(says)
    assert error["details"].keys() == {"traceId"}
    assert not tenant.requests[-1].token_ok


def test_an_expired_platform_token_is_a_403_and_a_revoked_one_a_401(tenant: Tenant) -> None:
    """The former names no missing scope."""
    expired = Client(tenant, tenant.add_platform_token(expired=True), "Bearer", platform=True)
    answer = expired.get(ENVIRONMENT)
    assert answer.status_code == 403
    assert "details" not in answer.json()["error"]
    assert not tenant.requests[-1].token_ok
    platform = on_platform(tenant)
    assert platform.get(ENVIRONMENT).status_code == 200
    tenant.revoke(platform.token)
    assert platform.get(ENVIRONMENT).status_code == 401


def test_an_access_token_ends_and_another_is_given(tenant: Tenant) -> None:
    """What ended it is a matter of the token, not of the client."""
    client = tenant.add_oauth_client()
    access = login(tenant, client)
    tenant.end_access_tokens()
    answer = access.get(ENVIRONMENT)
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "jwt expired")
    assert login(tenant, client).get(ENVIRONMENT).status_code == 200
    tenant.switches.access_token_seconds = 0.0
    assert login(tenant, client).get(ENVIRONMENT).status_code == 401


def test_a_scope_is_lost_midway_and_comes_back(tenant: Tenant) -> None:
    """An access token that was given before feels both; a platform token as well."""
    client = tenant.add_oauth_client()
    access, platform = login(tenant, client), on_platform(tenant)
    scope = "platform-management:environments:read"
    for credential, asking in ((client[0], access), (platform.token, platform)):
        tenant.lose_scope(credential, scope)
        assert asking.get(ENVIRONMENT).status_code == 403
        tenant.gain_scope(credential, scope)
        assert asking.get(ENVIRONMENT).status_code == 200


def test_a_secret_is_rotated_and_a_client_revoked(tenant: Tenant) -> None:
    """Access tokens outlive the secret, not the client."""
    client_id, secret = tenant.add_oauth_client()
    access = login(tenant, (client_id, secret))
    new = tenant.rotate_secret(client_id)
    assert ask_sso(tenant, client_id, secret).status_code == 400
    assert ask_sso(tenant, client_id, new).status_code == 200
    assert access.get(ENVIRONMENT).status_code == 200
    tenant.revoke(client_id)
    assert ask_sso(tenant, client_id, new).status_code == 400
    assert access.get(ENVIRONMENT).status_code == 401


def test_no_secret_is_kept(tenant: Tenant) -> None:
    """Neither in the record of calls nor in the journal."""
    client_id, secret = tenant.add_oauth_client()
    access = login(tenant, (client_id, secret))
    access.get(ENVIRONMENT)
    kept = repr(tenant.requests) + repr(tenant.journal)
    assert client_id in kept
    assert secret not in kept
    assert access.token not in kept


def test_the_platform_is_not_on_the_classic_host_nor_the_other_way_round(tenant: Tenant) -> None:
    """A 403 and a 404, both HTML; a host with .apps. in its name is the platform."""
    platform = on_platform(tenant)
    answer = requests.get(tenant.url + ENVIRONMENT, timeout=5)
    assert answer.status_code == 403
    assert "Request forbidden by administrative rules" in answer.text
    assert platform.get("/api/v2/problems").status_code == 404
    headers = {"Host": "abc12345.apps.localhost", "Authorization": f"Bearer {platform.token}"}
    assert requests.get(tenant.url + ENVIRONMENT, headers=headers, timeout=5).status_code == 200
    with pytest.raises(AssertionError, match="not on this host"):
        tenant.check()


def test_the_sso_has_faults(tenant: Tenant) -> None:
    """Each is over after it struck, and no secret is kept by it."""
    client = tenant.add_oauth_client()
    tenant.fault("sso_down")
    with pytest.raises(requests.ConnectionError):
        ask_sso(tenant, *client)
    for status in (400, 401):
        tenant.fault(f"sso_{status}")
        answer = ask_sso(tenant, *client)
        assert (answer.status_code, answer.json()["error"]) == (status, "invalid_client")
    tenant.fault("sso_html")
    assert ask_sso(tenant, *client).headers["Content-Type"].startswith("text/html")
    tenant.fault("sso_slow", delay=0.0)
    assert login(tenant, client).get(ENVIRONMENT).status_code == 200
    assert [one.fault for one in tenant.requests[:4]] == [
        "sso_down",
        "sso_400",
        "sso_401",
        "sso_html",
    ]
    assert client[1] not in repr(tenant.requests)

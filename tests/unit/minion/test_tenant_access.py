"""
Where a call of the tenant's states goes on classic environments and on the platform, and by what credentials.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.test_tenant_http import TOKEN, answering, tenant

CLASSIC = "https://abc12345.live.dynatrace.com"
PLATFORM = "https://abc12345.apps.dynatrace.com"
SECRET = "dt0s02.SYNTHETI." + "MADEUPMADEUP" * 4
CLIENT = {"client_id": "dt0s02.SYNTHETI", "client_secret": SECRET}
#: Not of the form that is hidden wherever it stands: only what we hold can be known to be ours.
ISSUED = {"access_token": "made-up-access-token", "expires_in": 300, "token_type": "Bearer"}
FINE: tuple[int, dict[str, str], Any] = (200, {}, {"items": []})
REJECTED: tuple[int, dict[str, str], Any] = (401, {}, {"error": {"message": "jwt expired"}})


def client(**more: Any) -> dict[str, Any]:
    """
    Return the configuration of an OAuth client in place of the token.
    """
    oauth = {**CLIENT, **more}
    each = {f"oauth:{key}": value for key, value in oauth.items()}
    return {"environment_url": PLATFORM, "settings_token": None, "oauth": oauth, **each}


def call(module: Any) -> Any:
    return module.call("GET", "/api/v2/settings/objects", "settings.read", pause_s=0)


@pytest.mark.parametrize(
    ("url", "platform"),
    [
        (CLASSIC, False),
        ("https://managed.example.com/e/0000-1111", False),
        ("https://apps.example.com/e/0000-1111", False),
        ("https://dynatrace.apps.example.com/e/0000-1111", False),
        ("http://127.0.0.1:8080", False),
        ("https://127.0.0.1.example.com/apps/x", False),
        (PLATFORM, True),
        ("https://abc12345.sprint.apps.dynatracelabs.com", True),
        ("http://127.0.0.1:8080/apps/abc12345", True),
    ],
)
def test_the_url_tells_which_one_it_is(url: str, platform: bool) -> None:
    """The simulated tenant has both on one port."""
    assert tenant(environment_url=url).access.is_platform() is platform


@pytest.mark.parametrize(
    ("url", "called"),
    [
        (CLASSIC, CLASSIC),
        (PLATFORM, CLASSIC),
        ("https://x.sprint.apps.dynatracelabs.com", "https://x.sprint.dynatracelabs.com"),
        ("http://127.0.0.1:8080/apps/abc12345", "http://127.0.0.1:8080"),
        ("https://managed.example.com/e/0000-1111", "https://managed.example.com/e/0000-1111"),
    ],
)
def test_a_tenant_is_one_by_both_of_its_urls(url: str, called: str) -> None:
    """What was remembered before it moved to the platform is its own afterwards."""
    assert tenant(environment_url=url).access.tenant() == called


def test_classic_apis_are_reached_through_the_gateway_of_the_platform() -> None:
    """And what only the platform has, is not asked for elsewhere."""
    access = tenant(environment_url=PLATFORM).access
    objects = access.address("/api/v2/settings/objects")
    assert objects == f"{PLATFORM}/platform/classic/environment-api/v2/settings/objects"
    workflows = "/platform/automation/v1/workflows"
    assert access.address(workflows) == f"{PLATFORM}{workflows}"
    access = tenant(environment_url=CLASSIC).access
    assert access.address("/api/v2/settings/objects") == f"{CLASSIC}/api/v2/settings/objects"
    with pytest.raises(CommandExecutionError, match=r"https://abc12345\.apps\.dynatrace\.com"):
        access.address(workflows)


def test_a_missing_scope_is_named_as_it_is_where_the_tenant_is() -> None:
    """As the gateway says, where it does."""
    refused = (403, {}, {"error": {"message": "no"}})
    said = {"message": "no", "details": {"missingScopes": ["settings:schemas:read"]}}
    for more, answer, scope in (
        ({}, refused, "dynatrace:settings_token needs the scope settings.read"),
        (
            {"environment_url": PLATFORM},
            refused,
            "settings_token needs the scope settings:objects:",
        ),
        ({"environment_url": PLATFORM}, (403, {}, {"error": said}), "scope settings:schemas:read."),
    ):
        with pytest.raises(CommandExecutionError, match=scope):
            call(answering(answer, **more))


def test_a_client_asks_for_one_token_and_uses_it() -> None:
    """Its form goes to the SSO of Dynatrace, and nothing of it anywhere else."""
    module = answering((200, {}, ISSUED), FINE, FINE, **client(scope="a b", resource="urn:x"))
    assert call(module) == call(module) == {"items": []}
    (asked, *calls) = module.requests
    assert asked[1] == "https://sso.dynatrace.com/sso/oauth2/token"
    form = {"grant_type": "client_credentials", **CLIENT, "scope": "a b", "resource": "urn:x"}
    assert asked[2:] == (None, form)
    assert [one[2] for one in calls] == ["Bearer made-up-access-token"] * 2


@pytest.mark.parametrize("seconds", [20, 0, None, "soon"])
def test_a_token_that_is_about_to_end_is_not_used(seconds: Any) -> None:
    """Nor one of which nobody says how long it counts."""
    issued = (200, {}, {**ISSUED, "expires_in": seconds})
    module = answering(issued, FINE, issued, FINE, **client())
    call(module)
    call(module)
    assert len(module.requests) == 4


def test_a_token_that_is_rejected_is_replaced_once() -> None:
    """Whoever rejects the second one too, rejects the client."""
    issued = (200, {}, ISSUED)
    module = answering(issued, REJECTED, issued, FINE, **client())
    assert call(module) == {"items": []}
    module = answering(issued, REJECTED, issued, REJECTED, **client())
    with pytest.raises(CommandExecutionError, match=r"rejected dynatrace:oauth \(401\)"):
        call(module)
    module = answering(REJECTED)
    with pytest.raises(CommandExecutionError, match=r"rejected dynatrace:settings_token \(401\)"):
        call(module)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (400, {}, {"error": "invalid_request", "error_description": f"no {SECRET}"}),
            r"refused the client of dynatrace:oauth \(400\): .*invalid_request; no \(a token\)",
        ),
        ((401, {}, {"message": "nobody", "errorCode": 7}), r"\(401\): .*nobody; 7"),
        ((200, {}, b"<html>"), "answered 200 and no JSON: it is no token URL"),
        ((404, {}, b"<html>"), "answered 404 and no JSON"),
        ((200, {}, {"expires_in": 300}), "the answer has no access_token"),
        ((200, {}, {**ISSUED, "access_token": "a\nb"}), "the answer has no access_token"),
    ],
)
def test_a_refusal_of_the_sso_says_what_to_check(answer: Any, message: str) -> None:
    """And no secret."""
    with pytest.raises(CommandExecutionError, match=message) as raised:
        call(answering(answer, **client()))
    assert SECRET not in str(raised.value)


def test_a_secret_of_any_form_is_hidden() -> None:
    """Of the client, since another vendor's form could not be known."""
    given = client(client_secret="n0-dynatrace-form")
    with pytest.raises(CommandExecutionError, match=r"says: no \(a secret\)"):
        call(answering((400, {}, {"error": "no n0-dynatrace-form"}), **given))


def test_an_sso_that_is_busy_is_asked_again() -> None:
    """Asking for a token changes nothing."""
    module = answering((503, {}, b""), (429, {}, b""), (200, {}, ISSUED), FINE, **client())
    assert call(module) == {"items": []}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("abc12345.apps.dynatrace.com", "https://sso.dynatrace.com/sso/oauth2/token"),
        (
            "abc12345.sprint.apps.dynatracelabs.com",
            "https://sso-sprint.dynatracelabs.com/sso/oauth2/token",
        ),
        (
            "abc12345.dev.apps.dynatracelabs.com",
            "https://sso-dev.dynatracelabs.com/sso/oauth2/token",
        ),
    ],
)
def test_the_environment_tells_the_sso(host: str, url: str) -> None:
    """Unless it is named."""
    assert tenant(**client()).oauth._token_url(host) == url
    own = "https://sso.example.com/token"
    assert tenant(**client(token_url=own)).oauth._token_url(host) == own


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"token_url": "http://sso.example.com/"}, "token_url is no https:// URL"),
        ({"token_url": 7}, "token_url is no https:// URL"),
        ({"client_secret": None}, "`client_secret` is not set"),
        ({"client_secret": "a b"}, "`client_secret` is not set, or is none"),
        ({"client_secret": "sdb://x/y"}, "`client_secret`: its sdb profile is not known here"),
        ({"scope": ["a"]}, "`scope` is not set, or is none"),
        ({"clientid": "x"}, "`clientid` is no key of it, `client_id` is"),
    ],
)
def test_a_client_that_is_none_is_said_before_anything_is_sent(more: Any, message: str) -> None:
    """The secret goes to no doubtful URL."""
    module = answering(**client(**more))
    with pytest.raises(CommandExecutionError, match=message):
        call(module)
    assert module.requests == []


def test_one_of_two_credentials_would_be_a_guess() -> None:
    """The token of the OneAgent's download is another matter."""
    both = {**client(), "settings_token": TOKEN, "installer_token": TOKEN}
    access = tenant(**both).access
    with pytest.raises(CommandExecutionError, match="and not both"):
        access.headers("settings_token")
    assert access.headers("installer_token") == {"Authorization": f"Api-Token {TOKEN}"}


def test_a_token_ends_by_a_clock_that_nobody_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its time less a margin."""
    module = answering((200, {}, ISSUED), FINE, (200, {}, ISSUED), FINE, **client())
    call(module)
    later = time.monotonic() + 271
    monkeypatch.setattr(time, "monotonic", lambda: later)
    call(module)
    assert len(module.requests) == 4

"""
Access tokens of an OAuth client, against the simulated SSO: when it is asked, with what, and what its refusals tell.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psutil
import pytest
from _dynatrace.api import connection, oauth, secret
from _dynatrace.api.oauth import OAuthClient, OAuthCredentials, token_url
from _dynatrace.api.rate_limiter import Kind
from _dynatrace.api.secret import Secret, Source
from _dynatrace.api.transport import Transport
from _dynatrace.core.errors import (
    ApiError,
    AuthError,
    RateLimited,
    Refusal,
    Unavailable,
    UnexpectedResponse,
)

from tests.functional.client.servers import Authority, says, serving, tunnels
from tests.tenant import Tenant

GATEWAY = "/platform/classic/environment-api/v2"
CLIENT = "dt0s02.SYNTHETI"
SECRET = f"{CLIENT}.VERYSECRETVERYSECRET"
SSO = "/sso/oauth2/token"


class Clock:
    """A clock that stands until it is set on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    with Tenant() as one:
        yield one
        one.faults.clear()
        one.check()


class Login:
    """An engine's credentials at the simulated tenant, and what it asks with them."""

    def __init__(self, tenant: Tenant, clock: Clock, source: Source | None = None, **more: Any):
        self.tenant = tenant
        self.client_id, text = tenant.add_oauth_client()
        own = Secret(text, source, clock)
        client = OAuthClient(self.client_id, own, tenant.sso_url, **more)
        self.credentials = OAuthCredentials(tenant.platform_url, client, clock=clock)
        base = tenant.platform_url + GATEWAY
        self.transport = Transport(base, self.credentials, None, None, None)

    def ask(self) -> Any:
        return self.transport.get("/problems", Kind.LISTING, {})

    @property
    def logins(self) -> int:
        """How often the SSO was asked."""
        return sum(call.path == SSO for call in self.tenant.requests)


@pytest.fixture
def login(tenant: Tenant, clock: Clock) -> Login:
    return Login(tenant, clock)


def sso(answer: bytes, status: bytes = b"200 OK", head: bytes = b"") -> ApiError | str:
    """Return what asking an SSO comes to that gives one answer."""
    with serving(says(answer, status, head)) as server:
        url = f"http://127.0.0.1:{server.port}{SSO}"
        try:
            return credentials(url).authorization()
        except ApiError as err:
            return err


def credentials(url: str, **more: Any) -> OAuthCredentials:
    """Return those of a client of an SSO."""
    own = Secret(more.pop("secret", SECRET))
    client = OAuthClient(CLIENT, own, url, more.pop("scope", None), more.pop("resource", None))
    return OAuthCredentials("https://abc12345.apps.dynatrace.com", client, **more)


# -- when the SSO is asked ---------------------------------------------------------------------------------------------


def test_one_access_token_serves_many_requests(login: Login) -> None:
    """The tenant takes it, and the SSO is asked once."""
    for _ in range(3):
        assert login.ask()["problems"] == []
    assert login.logins == 1


def test_threads_that_begin_at_once_ask_once(login: Login) -> None:
    """All others wait for what one gets."""
    login.tenant.fault("sso_slow", delay=0.5)
    threads = [threading.Thread(target=login.ask) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert login.logins == 1
    assert sum(call.path.endswith("/problems") for call in login.tenant.requests) == 9


def test_no_thread_keeps_a_connection_to_the_sso(tenant: Tenant, clock: Clock) -> None:
    """The SSO ends it long before the next token is asked for, and it would stay half open."""

    def ask() -> None:
        Login(tenant, clock).credentials.authorization()

    port = urlsplit(tenant.sso_url).port
    for _ in range(3):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    kept = psutil.Process().net_connections("tcp")
    assert [one for one in kept if one.raddr and one.raddr.port == port] == []


def test_a_token_is_replaced_before_its_end(login: Login, clock: Clock) -> None:
    """At nine tenths of the five minutes that it lives."""
    first = login.credentials.authorization()
    clock.now += 269
    assert login.credentials.authorization() == first
    clock.now += 2
    assert login.credentials.authorization() != first
    assert login.logins == 2


def test_who_renews_early_keeps_nobody_waiting(login: Login, clock: Clock) -> None:
    """The old token is good for another half minute, and the others use it."""
    first = login.credentials.authorization()
    clock.now += 280
    login.tenant.fault("sso_slow", delay=2.0)
    renewing = threading.Thread(target=login.credentials.authorization)
    renewing.start()
    login.tenant.wait_for(lambda: login.credentials._asking.locked())
    assert login.credentials.authorization() == first
    assert renewing.is_alive()
    renewing.join(30)
    assert login.credentials.authorization() != first


def test_a_token_is_used_to_its_end_while_the_sso_is_away(login: Login, clock: Clock) -> None:
    """Then the requests fail by what the SSO fails by, and go on by themselves when it is back."""
    first = login.credentials.authorization()
    login.tenant.fault("sso_down", times=None)
    clock.now += 280
    assert login.credentials.authorization() == first
    clock.now += 21
    with pytest.raises(Unavailable, match=f"POST {login.tenant.sso_url}: no connection to the SSO"):
        login.ask()
    login.tenant.faults.clear()
    clock.now += 11
    assert login.ask()["problems"] == []


def test_an_sso_that_fails_is_left_alone_for_a_while(login: Login, clock: Clock) -> None:
    """Nine readers would ask it for each of their problems."""
    login.tenant.fault("sso_400", times=None)
    said = set()
    for _ in range(5):
        with pytest.raises(AuthError) as caught:
            login.ask()
        said.add(str(caught.value))
    assert (login.logins, len(said)) == (1, 1)
    clock.now += oauth.RETRY_S + 0.1
    with pytest.raises(AuthError):
        login.ask()
    assert login.logins == 2


def test_a_rejected_token_is_replaced_at_once(login: Login, clock: Clock) -> None:
    """The tenant may end it before its time; nobody notices."""
    login.ask()
    clock.now += 60
    login.tenant.end_access_tokens()
    assert login.ask()["problems"] == []
    assert login.logins == 2


def test_a_tenant_that_takes_no_token_does_not_cost_a_login_each(login: Login) -> None:
    """A new one would be no better, and the SSO is not the tenant's to be worn out."""
    login.ask()
    login.tenant.end_access_tokens()
    for _ in range(4):
        with pytest.raises(AuthError, match=r"rejected the OAuth client \(401\)") as caught:
            login.ask()
        assert caught.value.refusal is Refusal.REJECTED
    assert login.logins == 1


@pytest.mark.parametrize(
    ("given", "life"),
    [(300, 300), ("120", 120), (0, 10), (-5, 10), (1e12, 86400), (None, 300), ("x", 300)],
)
def test_the_life_of_a_token_is_kept_within_bounds(given: Any, life: float, clock: Clock) -> None:
    """One of no time would be asked for at each request, one of a year would never be."""
    answer = json.dumps({"access_token": "abc", "expires_in": given}).encode()
    with serving(says(answer)) as server:
        own = credentials(f"http://127.0.0.1:{server.port}{SSO}", clock=clock)
        own.authorization()
        clock.now += life * 0.9 - 0.1
        own.authorization()
        assert len(server.heads) == 1
        clock.now += 0.2
        own.authorization()
        assert len(server.heads) == 2


# -- with what -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"scope": "storage:events:read storage:buckets:read"},
        {"resource": "urn:dtaccount:00000000-0000-4000-8000-000000000000"},
    ],
)
def test_what_is_not_configured_is_not_sent(more: dict[str, str]) -> None:
    """Some clients of Dynatrace send neither, and an empty one is refused."""
    with serving(says(b'{"access_token": "abc"}')) as server:
        own = credentials(f"http://127.0.0.1:{server.port}{SSO}", secret="a+b&c=d", **more)
        assert own.authorization() == "Bearer abc"
    form = server.heads[0].partition("\r\n\r\n")[2]
    assert dict(parse_qsl(form, strict_parsing=True)) == {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": "a+b&c=d",
        **more,
    }
    assert server.header("Content-Type") == "application/x-www-form-urlencoded"
    assert server.header("Authorization") is None


def test_the_sso_is_asked_as_the_tenant_is(authority: Authority) -> None:
    """Through the proxy, by TLS with the CA that is configured; another CA is not trusted."""
    name = "sso.dynatrace.com"
    with (
        serving(says(b'{"access_token": "abc"}'), authority.server(name)) as server,
        serving(tunnels({name: server.port})) as proxy,
    ):
        more = {"proxy": f"http://127.0.0.1:{proxy.port}"}
        own = credentials(f"https://{name}{SSO}", ca_bundle=str(authority.path), **more)
        assert own.authorization() == "Bearer abc"
        with pytest.raises(Unavailable, match="the SSO's certificate cannot be verified"):
            credentials(f"https://{name}{SSO}", **more).authorization()
    assert proxy.target() == f"CONNECT {name}:443"
    assert "VERYSECRET" not in "".join(proxy.heads)


@pytest.mark.parametrize(
    ("host", "sso_host"),
    [
        ("abc12345.apps.dynatrace.com", "sso.dynatrace.com"),
        ("abc12345.live.dynatrace.com", "sso.dynatrace.com"),
        ("abc12345.sprint.apps.dynatracelabs.com", "sso-sprint.dynatracelabs.com"),
        ("abc12345.dev.apps.dynatracelabs.com", "sso-dev.dynatracelabs.com"),
        ("dev.example.com", "sso.dynatrace.com"),
        ("dev.apps.dynatrace.com", "sso.dynatrace.com"),
    ],
)
def test_the_sso_goes_by_the_environment(host: str, sso_host: str) -> None:
    """Dynatrace's own stages have others than customers."""
    assert token_url(f"https://{host}") == f"https://{sso_host}{SSO}"


# -- what its refusals tell --------------------------------------------------------------------------------------------


def refusal(error: str, text: str = "") -> bytes:
    """Return the body of a refusal: its keys are those that clients read, its values synthetic."""
    body = {"errorCode": 400, "message": text, "issueId": "X", "error": error}
    return json.dumps({**body, "error_description": text}).encode()


PAGE = b"<html>Sign in</html>"
FIX_CLIENT = "correct `oauth:client_id` and `oauth:client_secret`"
FIX_SCOPE = "give the client the scopes that `oauth:scope` names, or correct that"
FIX_URL = "correct `oauth:token_url`, and see what lies between"
REFUSALS = [
    (b"400 Bad", refusal("invalid_client", "Unknown client"), b"", AuthError, FIX_CLIENT),
    (b"400 Bad", refusal("invalid_scope"), b"", AuthError, FIX_SCOPE),
    (b"400 Bad", refusal("invalid_request", "No such scope."), b"", AuthError, FIX_SCOPE),
    (b"400 Bad", refusal("invalid_target"), b"", AuthError, "correct `oauth:resource`"),
    (b"400 Bad", b"", b"", AuthError, FIX_CLIENT),
    (b"401 No", refusal("invalid_client"), b"", AuthError, FIX_CLIENT),
    (b"403 No", refusal("access_denied"), b"", AuthError, FIX_CLIENT),
    (b"403 No", PAGE, b"", UnexpectedResponse, FIX_URL),
    (b"400 Bad", PAGE, b"", UnexpectedResponse, FIX_URL),
    (b"404 No", PAGE, b"", UnexpectedResponse, FIX_URL),
    (b"302 Found", b"", b"Location: https://e.example/x?y\r\n", UnexpectedResponse, FIX_URL),
    (b"200 OK", PAGE, b"", UnexpectedResponse, "see `oauth:token_url`, and what lies between"),
    (b"200 OK", b"{}", b"", UnexpectedResponse, "has no `access_token`"),
    (b"200 OK", b'{"access_token": "a\\nb"}', b"", UnexpectedResponse, "has no `access_token`"),
    (b"200 OK", b"[7]", b"", UnexpectedResponse, "has no `access_token`"),
    (b"500 No", PAGE, b"", Unavailable, "the SSO answered 500"),
    (b"503 No", b"", b"", Unavailable, "the SSO answered 503"),
    (b"503 No", b"", b"Retry-After: 7\r\n", RateLimited, "waiting 7 s"),
    (b"429 No", b"", b"", RateLimited, "waiting 5 s"),
]


@pytest.mark.parametrize(("status", "body", "head", "kind", "said"), REFUSALS)
def test_a_refusal_of_the_sso_names_the_fix(
    status: bytes, body: bytes, head: bytes, kind: type[ApiError], said: str
) -> None:
    """And the SSO that was asked."""
    error = sso(body, status, head)
    assert type(error) is kind, error
    assert said in str(error)
    assert f"{SSO}: " in str(error)


def test_a_redirect_of_the_sso_is_not_followed() -> None:
    """The secret would go where it leads."""
    with serving(says(b'{"access_token": "abc"}')) as other:
        head = b"Location: http://127.0.0.1:%d/\r\n" % other.port
        assert "a redirect, which is not followed" in str(sso(b"", b"307 Moved", head))
    assert other.heads == []


def test_an_sso_that_is_slow_has_a_bound(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of every request; here it is short."""
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 0.3)
    login.tenant.fault("sso_slow", delay=20.0)
    with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
        login.ask()


@pytest.mark.parametrize("fault", ["sso_down", "sso_html", "server_error"])
def test_without_a_login_a_request_was_surely_not_made(login: Login, fault: str) -> None:
    """Who comments need not look whether it is there, and an event that cannot be looked for may be sent later."""
    login.tenant.fault(fault, path=SSO, times=None)
    with pytest.raises(connection.NotSent, match=SSO):
        login.transport.call("POST", "/events/ingest", Kind.FEEDBACK, payload={})
    assert {call.path for call in login.tenant.requests} <= {SSO}


def test_a_missing_scope_is_named_by_what_was_granted(login: Login) -> None:
    """Scopes and policies are two things, and either may lack."""
    granted = login.credentials
    call = "POST /problems/1/comments"
    assert granted.lacking(call, ()).startswith("give the OAuth client that scope (environment")
    granted.authorization()
    assert "has the scope environment-api:problems:write: give the user" in granted.lacking(
        call, ()
    )
    ingest = granted.lacking("POST /bizevents/ingest", ())
    assert ingest == (
        "its access token has not got storage:events:write or openpipeline:bizevents:ingest: give the client that scope"
    )
    two = ["storage:events:read", "settings:objects:read"]
    assert granted.lacking("GET /x", two) == (
        "its access token has not got settings:objects:read: give the client that scope"
    )


def test_a_scope_that_is_lost_is_said_and_comes_back(login: Login, clock: Clock) -> None:
    """The next access token has what the client has then."""
    login.ask()
    login.tenant.lose_scope(login.client_id, "environment-api:problems:read")
    with pytest.raises(AuthError, match=r"\(403\).*environment-api:problems:read"):
        login.ask()
    assert login.logins == 1
    login.tenant.gain_scope(login.client_id, "environment-api:problems:read")
    assert login.ask()["problems"] == []


# -- its secret ----------------------------------------------------------------------------------------------------------


def test_a_secret_that_was_replaced_is_read_where_it_is_kept(tenant: Tenant, clock: Clock) -> None:
    """The SSO refuses the old one, and the request goes on with the new one."""
    kept: list[str] = []
    login = Login(tenant, clock, lambda: kept[-1])
    login.ask()
    kept.append(tenant.rotate_secret(login.client_id))
    clock.now += 301
    assert login.ask()["problems"] == []


def test_the_old_secret_is_tried_while_its_source_gives_nothing(
    tenant: Tenant, clock: Clock
) -> None:
    """What cannot be read may be good all the same; the refusal tells of both."""

    def broken() -> object:
        raise LookupError("dt0s02.ABC.NOTSHOWN")

    login = Login(tenant, clock, broken)
    clock.now += secret.EVERY_S
    login.ask()
    tenant.rotate_secret(login.client_id)
    clock.now += 301
    with pytest.raises(AuthError, match="its source cannot be read again: LookupError") as caught:
        login.ask()
    assert "NOTSHOWN" not in str(caught.value)


def test_an_access_token_that_ended_is_hidden_a_while_longer(clock: Clock) -> None:
    """A request that was under way may come back with it; this one has no form by which it would be known."""
    given = iter(["opaque-one", "opaque-two"])

    def answer(client: Any, head: str) -> None:
        says(json.dumps({"access_token": next(given)}).encode())(client, head)

    with serving(answer) as server:
        own = credentials(f"http://127.0.0.1:{server.port}{SSO}", clock=clock)
        assert own.authorization() == "Bearer opaque-one"
        clock.now += 60
        assert own.renew("Bearer opaque-one")
        assert own.authorization() == "Bearer opaque-two"
    assert own.redact("opaque-one and opaque-two") == "<token> and <token>"


def test_nothing_secret_is_shown(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever an SSO says back, with every log of every library at its lowest level; nor an old access token."""
    logging.getLogger("urllib3").setLevel(1)
    access = "eyJhbGciOiJFUzI1NiJ9.QUNDRVNT.VE9LRU4"
    opaque = "an-opaque-access-token"
    form = f"client_secret={SECRET}&access_token={opaque} {SECRET} {SECRET.rpartition('.')[2]}"
    shown: list[str] = []
    with caplog.at_level(1):
        for token in (opaque, access):
            answer = json.dumps({"access_token": token}).encode()
            with serving(says(answer), authority.server()) as server:
                url = f"https://127.0.0.1:{server.port}{SSO}"
                own = credentials(url, ca_bundle=str(authority.path))
                own.authorization()
            shown += [own.redact(f"{form} {token}"), repr(own), repr(own._token), repr(own._client)]
        for status in (b"200", b"302", b"400", b"401", b"403", b"404", b"429", b"500", b"503"):
            said = sso(f"{form} {access}".encode(), status + b" " + form.encode())
            shown += [str(said), repr(said)]
    assert caplog.records
    for text in (*shown, caplog.text):
        for hidden in (SECRET, SECRET.rpartition(".")[2], access, access[:30]):
            assert hidden not in text
    assert opaque not in shown[0]

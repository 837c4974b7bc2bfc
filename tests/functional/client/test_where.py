"""
Where requests go, and the token with them: the environment's URL, through the proxy that is configured, nowhere else.
"""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.api import (
    classic_entities,
    classic_problems,
    client,
    connection,
    feedback,
    first_entities,
    first_problems,
    grail,
    transport,
)
from _dynatrace.api.client import Client
from _dynatrace.api.environment import classic_base
from _dynatrace.core.errors import ApiError, AuthError, Unavailable, UnexpectedResponse

from tests.functional.client.servers import Authority, says, serving, tunnels
from tests.tenant import Tenant

TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
PLATFORM_TOKEN = "dt0s16.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
PROBLEM = "7_1700000000000V2"
HOST = "HOST-00000000000000A1"
CREDENTIALS = base64.b64encode(b"me:PROXY/WORD").decode()


# -- through a proxy ---------------------------------------------------------------------------------------------------


def test_https_goes_through_the_proxy(authority: Authority) -> None:
    """
    The proxy learns the name and its own password; the token stays inside the tunnel.
    """
    with (
        serving(says(), authority.server("abc12345.live.dynatrace.com")) as tenant,
        serving(tunnels({"abc12345.live.dynatrace.com": tenant.port})) as proxy,
    ):
        url = f"http://me:PROXY%2FWORD@127.0.0.1:{proxy.port}"
        client = Client(
            "https://abc12345.live.dynatrace.com", TOKEN, str(authority.path), proxy=url
        )
        assert client.list_open().problems == ()
    assert proxy.target() == "CONNECT abc12345.live.dynatrace.com:443"
    assert proxy.header("Proxy-Authorization") == f"Basic {CREDENTIALS}"
    assert "VERYSECRET" not in "".join(proxy.heads)
    assert tenant.header("Authorization") == f"Api-Token {TOKEN}"
    assert tenant.header("Proxy-Authorization") is None


def test_a_proxy_that_is_away_is_not_gone_around(authority: Authority) -> None:
    """
    Who configures a proxy may have no other way that is allowed.
    """
    with serving(says(), authority.server()) as tenant:
        url = f"https://127.0.0.1:{tenant.port}"
        client = Client(url, TOKEN, str(authority.path), proxy="http://127.0.0.1:1")
        with pytest.raises(Unavailable):
            client.list_open()
    assert tenant.heads == []


@pytest.mark.parametrize(
    "answer",
    [
        says(b"", b"407 Basic " + CREDENTIALS.encode()),
        says(b"", b"407 me:PROXY/WORD PROXY%2FWORD is wrong"),
        says(b"PROXY/WORD", b"503 No"),
        says(b"", b"200 OK"),
    ],
    ids=["echoes what it got", "echoes the password", "body", "no tunnel"],
)
def test_the_password_of_the_proxy_is_shown_nowhere(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Not in an error, nor in a log of any library at the lowest level.
    """
    with serving(answer) as proxy:
        url = f"http://me:PROXY%2FWORD@127.0.0.1:{proxy.port}"
        client = Client("https://abc12345.live.dynatrace.com", TOKEN, proxy=url)
        with caplog.at_level(1), pytest.raises(Unavailable) as caught:
            client.list_open()
    assert proxy.heads
    assert caplog.records
    for shown in (str(caught.value), repr(caught.value), repr(client), caplog.text):
        for secret in ("PROXY/WORD", "PROXY%2FWORD", CREDENTIALS, "VERYSECRET"):
            assert secret not in shown


# -- not elsewhere -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Again", b"308 Moved"])
@pytest.mark.parametrize("to", ["another host", "plain http"])
def test_no_redirect_is_followed(status: bytes, to: str, authority: Authority) -> None:
    """
    Neither a GET nor a POST; the error says where it led, without the path and query that may hold a secret.
    """
    other_tls = authority.server() if to == "another host" else None
    with serving(says(), other_tls) as elsewhere:
        scheme = "https" if other_tls else "http"
        place = f"{scheme}://127.0.0.1:{elsewhere.port}/login?state={TOKEN}"
        head = b"Location: %s\r\n" % place.encode()
        with serving(says(b"", status, head), authority.server()) as tenant:
            client = Client(f"https://127.0.0.1:{tenant.port}", TOKEN, str(authority.path))
            for call in (client.list_open, lambda: client.comment(PROBLEM, "text", "salt")):
                with pytest.raises(UnexpectedResponse) as caught:
                    call()
                said = str(caught.value)
                assert (
                    f"a redirect, which is not followed, to {scheme}://127.0.0.1; correct" in said
                )
                assert "`environment_url`" in said
                assert "login" not in said
    assert len(tenant.heads) == 2
    assert elsewhere.heads == []


def test_a_redirect_to_nowhere_is_an_error_too() -> None:
    """
    Its Location may be missing, or no URL at all.
    """
    for head in (b"", b"Location: https://[::1\r\n", b"Location: \xff\r\n", b"Location: /x\r\n"):
        with (
            serving(says(b"", b"302 Found", head)) as tenant,
            pytest.raises(UnexpectedResponse, match="which is not followed; correct"),
        ):
            Client(f"http://127.0.0.1:{tenant.port}", TOKEN).list_open()


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy"])
def test_proxies_of_the_surroundings_are_not_used(
    name: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The master's environment is not its configuration.
    """
    with serving(tunnels()) as proxy:
        for spelled in (name, name.upper()):
            monkeypatch.setenv(spelled, f"http://127.0.0.1:{proxy.port}")
        for tls, scheme in ((authority.server(), "https"), (None, "http")):
            with serving(says(), tls) as tenant:
                url = f"{scheme}://127.0.0.1:{tenant.port}"
                Client(url, TOKEN, str(authority.path)).list_open()
            assert len(tenant.heads) == 1
    assert proxy.heads == []


def test_no_proxy_of_the_surroundings_does_not_go_around_the_proxy(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The configured proxy is meant for the tenant, whatever a variable says of its name.
    """
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(says(), authority.server()) as tenant, serving(tunnels()) as proxy:
        url = f"https://127.0.0.1:{tenant.port}"
        address = f"http://127.0.0.1:{proxy.port}"
        Client(url, TOKEN, str(authority.path), proxy=address).list_open()
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("where", ["HOME", "NETRC"])
def test_a_netrc_does_not_replace_the_token(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The HTTP library would send its password in the place of the token.
    """
    netrc = tmp_path / (".netrc" if where == "HOME" else "elsewhere")
    netrc.write_text("machine 127.0.0.1 login me password word\n")
    netrc.chmod(0o600)
    if where == "NETRC":
        monkeypatch.setenv("NETRC", str(netrc))
    with serving(says()) as tenant:
        Client(f"http://127.0.0.1:{tenant.port}", TOKEN).list_open()
    assert tenant.header("Authorization") == f"Api-Token {TOKEN}"


def test_cookies_are_not_kept() -> None:
    """
    A request is the same whatever came before.
    """
    with serving(says(head=b"Set-Cookie: session=1; Path=/\r\n")) as tenant:
        client = Client(f"http://127.0.0.1:{tenant.port}", TOKEN)
        client.list_open()
        client.list_open()
    assert [tenant.header("Cookie", number) for number in (0, 1)] == [None, None]


def test_no_request_is_conditional() -> None:
    """
    An entity tag is documented for other parts of the API only; a 304 would be no list of problems.
    """
    with serving(
        says(head=b'ETag: "1"\r\nLast-Modified: Sun, 21 Jul 2024 07:00:00 GMT\r\n')
    ) as tenant:
        client = Client(f"http://127.0.0.1:{tenant.port}", TOKEN)
        client.list_open()
        client.list_open()
    for name in ("If-None-Match", "If-Modified-Since"):
        assert tenant.header(name) is None
    with serving(says(b"", b"304 Not Modified")) as tenant, pytest.raises(UnexpectedResponse):
        Client(f"http://127.0.0.1:{tenant.port}", TOKEN).list_open()


# -- the forms of an environment's URL ---------------------------------------------------------------------------------

#: Name and port of the URL, its path, and what requests begin with.
DEPLOYMENTS = {
    "SaaS": ("abc12345.live.dynatrace.com", "", "/api/v2", TOKEN),
    "Managed": ("managed.example.com", "/e/abc-1", "/e/abc-1/api/v2", TOKEN),
    "ActiveGate": ("gate.example.com:9999", "/e/abc-1/", "/e/abc-1/api/v2", TOKEN),
    "platform": (
        "abc12345.apps.dynatrace.com",
        "",
        "/platform/classic/environment-api/v2",
        PLATFORM_TOKEN,
    ),
}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_requests_have_the_paths_of_their_deployment(name: str, authority: Authority) -> None:
    """
    Name, port, path and scheme of authorization, as they reach a server.
    """
    host, path, base, token = DEPLOYMENTS[name]
    plain = host.partition(":")[0]
    with (
        serving(says(status=b"404 Not Found"), authority.server(plain)) as tenant,
        serving(tunnels({plain: tenant.port})) as proxy,
    ):
        client = Client(
            f"https://{host}{path}",
            token,
            str(authority.path),
            proxy=f"http://127.0.0.1:{proxy.port}",
            source="problems",
        )
        calls = (
            client.list_open,
            lambda: client.problem(f"-{PROBLEM}"),
            lambda: client.entity(HOST),
            lambda: client.comment(PROBLEM, "text", "salt"),
            lambda: client.close_problem(PROBLEM, "text"),
            lambda: client.ingest_event(HOST, "title", {}),
        )
        for call in calls:
            with pytest.raises(ApiError):
                call()
    assert [tenant.target(number).partition("?")[0] for number in range(len(calls))] == [
        f"GET {base}/problems",
        f"GET {base}/problems/-{PROBLEM}",
        f"GET {base}/entities/{HOST}",
        f"POST {base}/problems/{PROBLEM}/comments",
        f"POST {base}/problems/{PROBLEM}/close",
        f"POST {base}/events/ingest",
    ]
    assert tenant.header("Host") == host
    scheme = "Bearer" if token == PLATFORM_TOKEN else "Api-Token"
    assert tenant.header("Authorization") == f"{scheme} {token}"
    assert proxy.target() == f"CONNECT {plain}:{host.partition(':')[2] or '443'}"
    assert classic_base(f"https://{host}{path}") == f"https://{host}{base}"


def test_queries_go_to_the_platform_itself(authority: Authority) -> None:
    """
    Beside its gateway, with the same credentials.
    """
    host = "abc12345.apps.dynatrace.com"
    with (
        serving(says(status=b"404 Not Found"), authority.server(host)) as tenant,
        serving(tunnels({host: tenant.port})) as proxy,
    ):
        way = f"http://127.0.0.1:{proxy.port}"
        client = Client(f"https://{host}", PLATFORM_TOKEN, str(authority.path), proxy=way)
        with pytest.raises(ApiError):
            client.list_open()
    assert tenant.target() == "POST /platform/storage/query/v1/query:execute"
    assert tenant.header("Authorization") == f"Bearer {PLATFORM_TOKEN}"


@pytest.mark.parametrize("path", ["", "/e/abc"])
def test_a_tenant_behind_tls_is_read_and_written(
    path: str, authority: Authority, tmp_path: Path
) -> None:
    """
    The whole life of a problem's comment, on SaaS and on Managed, over TLS.
    """
    with Tenant(environment_path=path) as tenant:
        opened = tenant.open_problem(tenant.add_process(tenant.add_host()))
        port = int(tenant.url.split(":")[2].partition("/")[0])
        # TLS ends before the tenant, as it does on an ActiveGate.
        with serving(_forwards(port), authority.server()) as gate:
            url = f"https://127.0.0.1:{gate.port}{path}"
            client = Client(url, tenant.add_token(), str(authority.path))
            assert client.list_open().problems[0].problem_id == opened.problem_id
            client.comment(opened.problem_id, "text", "salt")
            assert list(client.comments(opened.problem_id)) == ["text"]
            client.close_problem(opened.problem_id, "over")
            assert client.list_open().problems == ()
        tenant.check()


def _forwards(port: int) -> Any:
    opened = tunnels({"forward": port})

    def behaviour(connection: Any, head: str) -> None:
        opened(_Sent(connection, head), "CONNECT forward:1 HTTP/1.1")

    return behaviour


class _Sent:
    """
    A connection of which the head of a request was read already; it keeps the proxy's own answer to itself.
    """

    def __init__(self, connection: Any, head: str) -> None:
        self._connection, self._head, self._established = connection, head, False

    def recv(self, size: int) -> bytes:
        head, self._head = self._head, ""
        return head.encode("latin-1") or self._connection.recv(size)

    def sendall(self, data: bytes) -> None:
        if self._established:
            self._connection.sendall(data)
        self._established = True

    def shutdown(self, how: int) -> None:
        self._connection.shutdown(how)


# -- the token ---------------------------------------------------------------------------------------------------------


def _errors(client: Client) -> list[str]:
    """
    Return what the errors of some calls show.
    """
    shown = []
    for call in (client.list_open, lambda: client.comment(PROBLEM, "x", "y")):
        try:
            call()
        except ApiError as err:
            shown += [str(err), repr(err)]
    return shown


@pytest.mark.parametrize(
    ("domain", "token", "belongs"),
    [
        ("apps", TOKEN, "a dt0c01 token belongs to https://abc12345.live.dynatrace.com"),
        ("live", PLATFORM_TOKEN, None),
        ("live", TOKEN, None),
        ("apps", PLATFORM_TOKEN, None),
    ],
)
def test_a_rejected_token_of_the_other_kind_is_told_where_it_belongs(
    domain: str, token: str, belongs: str | None, authority: Authority
) -> None:
    """
    The tenant says no more than that it rejects it, and a valid token would be looked at for hours. Of platform tokens
    nothing is said: some APIs of ``live.`` take them.
    """
    host = f"abc12345.{domain}.dynatrace.com"
    with (
        serving(says(status=b"401 Unauthorized"), authority.server(host)) as tenant,
        serving(tunnels({host: tenant.port})) as proxy,
        pytest.raises(AuthError) as caught,
    ):
        address = f"http://127.0.0.1:{proxy.port}"
        Client(f"https://{host}", token, str(authority.path), proxy=address).list_open()
    assert (belongs or "set a valid `api_token`") in str(caught.value)
    assert ("belongs to" in str(caught.value)) is bool(belongs)


@pytest.mark.parametrize(
    "token", [TOKEN, PLATFORM_TOKEN, "an-old-token-of-21-ch", "a.b.c'quoted\\secret"]
)
def test_the_token_is_shown_nowhere(
    token: str, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Whatever a server says back, in any kind of answer, with every log of every library at its lowest level.
    """
    statuses = (b"200", b"302", b"400", b"401", b"403", b"404", b"429", b"500", b"503")
    logging.getLogger("urllib3").setLevel(1)
    echo = f"Api-Token {token} or {token.rpartition('.')[2]} ?api-token={token}".encode()
    shown: list[str] = []
    with caplog.at_level(1):
        for status in statuses:
            head = b"Location: https://%s/\r\nRetry-After: %s\r\n" % (token.encode(), echo)
            with serving(says(echo, status + b" " + echo, head), authority.server()) as tenant:
                client = Client(f"https://127.0.0.1:{tenant.port}", token, str(authority.path))
                shown += [*_errors(client), repr(client), str(client)]
    assert len(shown) > 2 * len(statuses)
    assert caplog.records
    for text in (*shown, caplog.text):
        assert token not in text
        assert token.rpartition(".")[2] not in text


MODULES = (
    *(classic_entities, classic_problems, client, connection, feedback),
    *(first_entities, first_problems, grail, transport),
)


def test_modules_of_the_client_do_not_log() -> None:
    """
    Who raises does not log: the loop says it once, and there is no other place to watch for secrets.
    """
    for module in MODULES:
        assert not hasattr(module, "log")
        assert not hasattr(module, "logging")

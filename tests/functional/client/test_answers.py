"""
Answers of every kind: late, endless, broken, compressed, and none of them ends anything but the request.
"""

from __future__ import annotations

import gzip
import importlib
import itertools
import json
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import requests.adapters
from _dynatrace.api import connection, decompression, response, transport
from _dynatrace.api.client import Client
from _dynatrace.core.errors import ApiError, RateLimited, Unavailable, UnexpectedResponse

from tests.functional.client.servers import EMPTY_LIST, Authority, Behaviour, says, serving, tunnels

TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
PROBLEM = "7_1700000000000V2"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(EMPTY_LIST)


def client_of(port: int, authority: Authority | None = None, path: str = "") -> Client:
    """
    Return a client of a server on loopback, over TLS if its CA is given.
    """
    scheme, bundle = ("https", str(authority.path)) if authority else ("http", None)
    return Client(f"{scheme}://127.0.0.1:{port}{path}", TOKEN, bundle)


# -- time --------------------------------------------------------------------------------------------------------------


def trickles(data: bytes, endless: bytes = b"") -> Behaviour:
    """
    Return a behaviour: byte by byte, and then a piece again and again.
    """

    def answer(connection: socket.socket, _: str) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.01)
        while endless:
            connection.sendall(endless)
            time.sleep(0.01)

    return answer


TRICKLES = {
    "status line": trickles(b"HTTP/1.1 200 " + b"O" * 10_000),
    "one header": trickles(HEAD + b"X: " + b"x" * 10_000),
    "informational answers": trickles(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": trickles(HEAD.replace(b"Length: ", b"Length: 9999") + b"\r\n" + b" " * 10_000),
    "chunks": trickles(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 20 + b"\r\n \r\n"
    ),
    "one chunk's size": trickles(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 10_000
    ),
    "body of an error": trickles(b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 10_000),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("where", TRICKLES)
def test_the_whole_answer_has_a_time(
    where: str, tls: bool, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each byte comes in time and the whole does not, in whatever part of the answer.
    """
    monkeypatch.setattr(connection, "RESPONSE_DEADLINE_S", 0.4)
    with serving(TRICKLES[where], authority.server() if tls else None) as tenant:
        client = client_of(tenant.port, authority if tls else None)
        begin = time.monotonic()
        with pytest.raises(Unavailable, match=r"the answer was not complete after 0\.4 s"):
            client.list_open()
        assert time.monotonic() - begin < 20
    assert len(tenant.heads) == 1


def test_an_answer_of_a_proxy_has_a_time(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The tunnel is part of the request.
    """
    monkeypatch.setattr(connection, "RESPONSE_DEADLINE_S", 0.4)
    with serving(trickles(b"HTTP/1.1 200 " + b"O" * 10_000)) as proxy:
        client = Client("https://t.example.com", TOKEN, proxy=f"http://127.0.0.1:{proxy.port}")
        begin = time.monotonic()
        with pytest.raises(Unavailable, match=r"not complete after 0\.4 s"):
            client.list_open()
        assert time.monotonic() - begin < 20


@pytest.fixture
def socks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """
    What urllib3 uses of PySocks, which is no dependency; the proxy's own words are left out, so it leads to itself.
    """
    stand_in = ModuleType("socks")
    stand_in.ProxyError = OSError  # type: ignore[attr-defined]
    stand_in.PROXY_TYPE_SOCKS5 = 2  # type: ignore[attr-defined]
    stand_in.create_connection = (  # type: ignore[attr-defined]
        lambda _, timeout, proxy_addr, proxy_port, **__: socket.create_connection(
            (proxy_addr, proxy_port), timeout
        )
    )
    monkeypatch.setitem(sys.modules, "socks", stand_in)
    name = "urllib3.contrib.socks"
    module = importlib.import_module(name)
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", module.SOCKSProxyManager)
    yield
    sys.modules.pop(name)


def test_an_answer_through_socks_has_a_time(socks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Its connections are of other classes.
    """
    monkeypatch.setattr(connection, "RESPONSE_DEADLINE_S", 0.4)
    with serving(TRICKLES["body"]) as proxy:
        client = Client("http://127.0.0.1:9", TOKEN, proxy=f"socks5://127.0.0.1:{proxy.port}")
        begin = time.monotonic()
        with pytest.raises(Unavailable, match=r"not complete after 0\.4 s"):
            client.list_open()
        assert time.monotonic() - begin < 20


def test_a_tenant_that_says_nothing_is_given_up(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The read timeout holds in every request on a connection, through a proxy too.
    """
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 0.3)
    silence = serving(lambda *_: time.sleep(3), authority.server())
    with silence as tenant, serving(tunnels()) as proxy:
        url, address = f"https://127.0.0.1:{tenant.port}", f"http://127.0.0.1:{proxy.port}"
        for way in (None, address):
            client = Client(url, TOKEN, str(authority.path), proxy=way)
            with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
                client.list_open()


def test_a_handshake_that_does_not_come_is_given_up(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Who listens and says nothing has no connection with us.
    """
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = client_of(silent.getsockname()[1], authority)
        begin = time.monotonic()
        with pytest.raises(Unavailable):
            client.list_open()
        assert time.monotonic() - begin < 20


def test_a_slow_answer_in_time_is_taken(authority: Authority) -> None:
    """
    The limits are for answers that do not end, not for slow ones.
    """
    slow = trickles(HEAD + b"Connection: close\r\n\r\n" + EMPTY_LIST)
    with serving(slow, authority.server()) as tenant:
        assert client_of(tenant.port, authority).list_open().problems == ()


# -- size --------------------------------------------------------------------------------------------------------------


def gzipped(body: bytes) -> Behaviour:
    """
    Return a behaviour: a body as a server that compresses sends it.
    """
    return says(gzip.compress(body), head=b"Content-Encoding: gzip\r\n")


def test_a_compressed_list_is_read() -> None:
    """
    It is asked for: a list of 500 problems is twenty times as long without.
    """
    with serving(gzipped(EMPTY_LIST)) as tenant:
        assert client_of(tenant.port).list_open().problems == ()
    assert tenant.header("Accept-Encoding") == "gzip"


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A gigabyte in a megabyte: no more is unpacked than an answer may have.
    """
    unpacked: list[int] = []

    class Counting:
        def __init__(self, real: Any) -> None:
            self._real = real

        def decompress(self, data: bytes, most: int) -> bytes:
            piece: bytes = self._real.decompress(data, most)
            unpacked.append(len(piece))
            return piece

        @property
        def eof(self) -> bool:
            return bool(self._real.eof)

        @property
        def unused_data(self) -> bytes:
            return bytes(self._real.unused_data)

    real = zlib.decompressobj
    monkeypatch.setattr(decompression.zlib, "decompressobj", lambda bits: Counting(real(bits)))
    monkeypatch.setattr(response, "MAX_RESPONSE_BYTES", 2**20)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b"\0" * 2**20
    bomb = b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()
    with (
        serving(says(bomb, head=b"Content-Encoding: gzip\r\n")) as tenant,
        pytest.raises(UnexpectedResponse, match="larger than 1 MiB"),
    ):
        client_of(tenant.port).list_open()
    assert sum(unpacked) <= 2**20 + 1


@pytest.mark.parametrize("encoding", [b"deflate", b"br", b"zstd", b"gzip, gzip", b"gzip" * 99])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: bytes) -> None:
    """
    Several layers of gzip would multiply.
    """
    body = gzip.compress(gzip.compress(EMPTY_LIST))
    with (
        serving(says(body, head=b"Content-Encoding: " + encoding + b"\r\n")) as tenant,
        pytest.raises(UnexpectedResponse, match="an encoding that was not asked for"),
    ):
        client_of(tenant.port).list_open()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (EMPTY_LIST, "is broken gzip"),
        (gzip.compress(EMPTY_LIST)[:-12], "ends in the middle of its gzip"),
    ],
    ids=["not gzip", "half"],
)
def test_broken_gzip_is_unexpected(body: bytes, said: str) -> None:
    """
    Half a list would make the other half look closed.
    """
    with (
        serving(says(body, head=b"Content-Encoding: gzip\r\n")) as tenant,
        pytest.raises(UnexpectedResponse, match=said),
    ):
        client_of(tenant.port).list_open()


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    As fast as the wire is: the size ends it long before the time.
    """
    monkeypatch.setattr(response, "MAX_RESPONSE_BYTES", 2**20)

    def endless(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)

    with (
        serving(endless) as tenant,
        pytest.raises(UnexpectedResponse, match="larger than 1 MiB"),
    ):
        client_of(tenant.port).list_open()


def test_a_flood_of_headers_is_an_error() -> None:
    """
    The library's own bound, seen from outside.
    """
    for head in (b"X: y\r\n" * 1000, b"X: " + b"y" * 100_000 + b"\r\n"):
        with serving(says(head=head)) as tenant, pytest.raises(Unavailable):
            client_of(tenant.port).list_open()


# -- content -----------------------------------------------------------------------------------------------------------

LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
WRONG = {
    "a login page": (LOGIN, "is not JSON but '<!DOCTYPE html>"),
    "a list": (b"[]", "has no list `problems`"),
    "null": (b"null", "has no list `problems`"),
    "text for the list": (b'{"problems": "many"}', "has no list `problems`"),
    "a mapping for the list": (b'{"problems": {"problemId": "1"}}', "has no list `problems`"),
    "a number for the cursor": (b'{"problems": [], "nextPageKey": 1}', "leads nowhere"),
    "deep": (b'{"problems": ' + b"[" * 200_000, "too many values|not JSON"),
    "another charset": ('{"problems": "ä"}'.encode("utf-16"), "has no list|not JSON"),
    "nothing": (b"", "is not JSON but an empty body"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_never_an_empty_list(case: str, authority: Authority) -> None:
    """
    What is not a list of problems closes none of them.
    """
    body, said = WRONG[case]
    with (
        serving(says(body), authority.server()) as tenant,
        pytest.raises(UnexpectedResponse, match=said),
    ):
        client_of(tenant.port, authority).list_open()


@pytest.mark.parametrize(
    "value", [None, 5, "x", True, [], {}, [None], {"a": []}, 10**400, "\ud800"]
)
def test_fields_of_wrong_types_raise_nothing_else(value: Any) -> None:
    """
    In every field of a problem, one after the other.
    """
    good = {
        "problemId": PROBLEM,
        "displayId": "P-1",
        "title": "t",
        "impactLevel": "SERVICES",
        "severityLevel": "ERROR",
        "status": "OPEN",
        "affectedEntities": [],
        "rootCauseEntity": None,
        "managementZones": [],
        "entityTags": [],
        "startTime": 1,
        "endTime": -1,
        "evidenceDetails": {"details": []},
    }
    bodies = [json.dumps({**good, name: value}).encode() for name in good]
    answers = iter(bodies)
    with serving(lambda one, head: says(next(answers))(one, head)) as tenant:
        client = client_of(tenant.port)
        for _ in bodies:
            try:
                client.problem(PROBLEM)
            except UnexpectedResponse:
                continue


def endless_pages(pause: float = 0.0) -> Behaviour:
    """
    Return a behaviour: page after page, each of which says that there is another.
    """
    numbers = itertools.count()

    def answer(connection: socket.socket, head: str) -> None:
        time.sleep(pause)
        body = json.dumps({"problems": [], "nextPageKey": f"page{next(numbers)}"})
        says(body.encode())(connection, head)

    return answer


def test_a_walk_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    By the number of its pages; what came until then is no list.
    """
    monkeypatch.setattr(transport, "MAX_PAGES", 5)
    with (
        serving(endless_pages()) as tenant,
        pytest.raises(UnexpectedResponse, match="more than 5 pages"),
    ):
        client_of(tenant.port).list_open()
    assert len(tenant.heads) == 5


def test_a_walk_has_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each page comes in time, and the whole does not: the loop has more to do.
    """
    monkeypatch.setattr(transport, "WALK_DEADLINE_S", 0.3)
    with (
        serving(endless_pages(0.1)) as tenant,
        pytest.raises(Unavailable, match=r"not all pages came within 0\.3 s"),
    ):
        client_of(tenant.port).list_open()
    assert len(tenant.heads) < 10


# -- limits ------------------------------------------------------------------------------------------------------------

LIMITS: dict[str, tuple[bytes, bytes, float | None]] = {
    "429 without headers": (b"429 Too Many Requests", b"", 5.0),
    "429 with seconds": (b"429 Too Many Requests", b"Retry-After: 7\r\n", 7.0),
    "429 with a day": (b"429 Too Many Requests", b"Retry-After: 86400\r\n", 60.0),
    "429 with a year that no calendar has": (
        b"429 Too Many Requests",
        b"Retry-After: Tue, 14 Nov 99999999999999999999 22:13:50 GMT\r\n",
        5.0,
    ),
    "429 with a month that no calendar has": (
        b"429 Too Many Requests",
        b"Retry-After: Tue, 99 Nov 2023 99:99:99 GMT\r\n",
        1.0,
    ),
    "429 with foreign digits": (
        b"429 Too Many Requests",
        "Retry-After: \u0661\u0662\r\n".encode(),
        5.0,
    ),
    "503 with seconds": (b"503 Busy", b"Retry-After: 9\r\n", 9.0),
    "503 with a spent limit": (b"503 Busy", b"X-RateLimit-Remaining: 0\r\n", 5.0),
    "503 without headers": (b"503 Busy", b"", None),
    "503 with a limit that is not spent": (b"503 Busy", b"X-RateLimit-Remaining: 9\r\n", None),
}


@pytest.mark.parametrize("case", LIMITS)
def test_a_limit_is_told_from_an_outage(case: str) -> None:
    """
    A limit says how long to wait; an outage is looked at again at the next cycle.
    """
    status, head, wait = LIMITS[case]
    with serving(says(b"", status, head)) as tenant, pytest.raises(ApiError) as caught:
        client_of(tenant.port).list_open()
    if wait is None:
        assert type(caught.value) is Unavailable
    else:
        assert isinstance(caught.value, RateLimited)
        assert caught.value.retry_after == wait


@pytest.mark.parametrize(
    ("power", "expected"), [(0, (28, 30)), (3, (28, 30)), (6, (28, 30)), (9, (5, 5))]
)
def test_the_unit_of_the_reset_is_seen_by_its_magnitude(
    power: int, expected: tuple[float, float]
) -> None:
    """
    Seconds, milli- and microseconds, as clients have met them; nanoseconds are no time that anybody sends.
    """

    def answer(connection: socket.socket, head: str) -> None:
        stamp = int((time.time() + 30) * 10**power)
        reset: Callable[..., None] = says(
            b"", b"429 Too Many Requests", b"X-RateLimit-Reset: %d\r\n" % stamp
        )
        reset(connection, head)

    with serving(answer) as tenant, pytest.raises(RateLimited) as caught:
        client_of(tenant.port).list_open()
    assert expected[0] <= caught.value.retry_after <= expected[1]

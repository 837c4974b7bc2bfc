"""
How the status page is served: to whom, with which headers, and what its streams cost whoever does not read them.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from _dynatrace.store.ledger import Ledger
from _dynatrace.webhook import page as page_
from _dynatrace.webhook.page import Part

from tests.unit.engine.test_listener import BEARER, TOKEN, Running

PATHS = ("/", "/events")


def basic(user: str, password: str) -> dict[str, str]:
    """
    Return the header of HTTP Basic.
    """
    given = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


class Shown:
    """
    A page that a test changes; it counts how often it was made.
    """

    def __init__(self) -> None:
        self.made = 0
        self._parts = [Part("head", "1", "<p id=head>1</p>"), Part("open", "1", "<p id=open>1</p>")]

    def change(self, name: str, html: str) -> None:
        self._parts = [Part(name, html, html) if one.name == name else one for one in self._parts]

    def document(self) -> tuple[str, Mapping[str, str]]:
        return "<h1>the page</h1>", {"Content-Security-Policy": "default-src 'none'"}

    def parts(self) -> list[Part]:
        self.made += 1
        return self._parts


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What takes seconds takes a fraction of one.
    """
    monkeypatch.setattr(page_, "LOOK_S", 0.02)
    monkeypatch.setattr(page_, "BEAT_S", 0.2)


@contextmanager
def running_with(ledger: Ledger, page: Any, **webhook: Any) -> Iterator[Running]:
    running = Running(ledger, page, **webhook)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def running(ledger: Ledger, shown: Shown) -> Iterator[Running]:
    with running_with(ledger, shown) as one:
        yield one


class Reading:
    """
    A stream as a browser reads it.
    """

    def __init__(self, running: Running, size: int | None = None) -> None:
        self.socket = socket.socket()
        if size is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", running.port))
        head = f"GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        self.socket.sendall(head.encode())
        self.read = b""

    def until(self, pattern: str) -> str:
        """
        Read until a pattern has come; return all from then on.
        """
        while not (found := re.search(pattern.encode(), self.read)):
            got = self.socket.recv(65536)
            assert got, "the stream ended"
            self.read += got
        begun = self.read[found.start() :].decode()
        self.read = self.read[found.end() :]
        return begun

    def ended(self) -> bool:
        """
        Read to the end; tell whether it came.
        """
        try:
            while got := self.socket.recv(65536):
                self.read += got
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True


@contextmanager
def reading(running: Running, **options: Any) -> Iterator[Reading]:
    one = Reading(running, **options)
    try:
        yield one
    finally:
        one.socket.close()


def until(condition: Callable[[], Any]) -> None:
    """
    Wait for a condition.
    """
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_there_is_no_page_unless_it_is_asked_for(ledger: Ledger) -> None:
    """
    404, as for any other path, also with the credentials.
    """
    with running_with(ledger, None) as running:
        for path in PATHS:
            assert running.ask("GET", path)[0] == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        basic("admin", "wrong"),
        basic("", ""),
        basic(TOKEN, ""),
        {"Authorization": "Basic !"},
    ],
)
def test_nobody_looks_without_credentials(
    running: Running, path: str, headers: dict[str, str]
) -> None:
    """
    A browser is asked for a user and a password; it knows no other scheme.
    """
    status, _, given = running.ask("GET", path, headers=headers)
    assert status == 401
    assert given["www-authenticate"] == 'Basic realm="dynatrace", charset="UTF-8"'


@pytest.mark.parametrize("headers", [BEARER, basic("admin", TOKEN), basic("", TOKEN)])
def test_the_token_is_the_password_of_any_user(running: Running, headers: dict[str, str]) -> None:
    """
    For whoever looks; a sender shows it as a bearer, as before.
    """
    assert running.ask("GET", "/", headers=headers)[0] == 200
    sender = running.ask("POST", "/dynatrace", "{}", headers)
    assert sender[0] == (400 if headers is BEARER else 401)


def test_the_user_of_the_webhook_may_look(ledger: Ledger, shown: Shown) -> None:
    """
    Without a token no other user may, whatever the password.
    """
    with running_with(ledger, shown, token=None, username="dt", password="a:secret") as running:
        for user, password, status in (
            ("dt", "a:secret", 200),
            ("admin", "a:secret", 401),
            ("dt", "", 401),
            ("", "", 401),
        ):
            assert running.ask("GET", "/", headers=basic(user, password))[0] == status


def test_the_page_is_served_with_its_headers(running: Running) -> None:
    """
    Not to be kept, and as the page itself wants it.
    """
    connection = running.connect()
    connection.request("GET", "/", headers=BEARER)
    answer = connection.getresponse()
    assert answer.read() == b"<h1>the page</h1>"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Server" not in answer.headers
    connection.close()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_nothing_can_be_changed_by_it(running: Running, path: str, method: str) -> None:
    """
    It is read only.
    """
    status, _, given = running.ask(method, path)
    assert (status, given["allow"]) == (405, "GET")


def test_a_stream_tells_all_at_first_and_then_what_changes(running: Running, shown: Shown) -> None:
    """
    And that it is alive while nothing does.
    """
    with reading(running) as stream:
        head = stream.until(r"HTTP/1.1 200 OK\r\n(.+\r\n)+\r\n")
        assert "Content-Type: text/event-stream" in head
        stream.until(r"event: part\ndata: .*\"head\".*\n\n")
        stream.until(r"event: part\ndata: .*\"open\".*\n\n")
        stream.until(r"event: beat\ndata:\n\n")
        shown.change("open", '<p id="open">\n2</p>')
        told = stream.until(r"event: part\ndata: (.*)\n\n").splitlines()[1]
        assert json.loads(told.removeprefix("data: "))["html"] == '<p id="open">\n2</p>'
        assert b"head" not in stream.read


def test_a_second_stream_is_told_at_once(running: Running) -> None:
    """
    It does not wait for a change.
    """
    page_.BEAT_S = 1000.0  # Nothing else would wake it.
    with reading(running) as first:
        first.until('"head"')
        with reading(running) as second:
            second.until('"head"')


def test_nothing_is_made_while_nobody_looks(running: Running, shown: Shown) -> None:
    """
    The last stream that ends takes the work with it, and the next begins anew.
    """
    with reading(running) as stream:
        stream.until('"open"')
    before = -1
    while shown.made != before:
        before = shown.made
        time.sleep(0.3)
    with reading(running) as stream:
        stream.until('"open"')
    assert shown.made > before


def test_many_streams_make_the_page_once(running: Running, shown: Shown) -> None:
    """
    At most once in each interval for all of them together.
    """
    streams = [Reading(running) for _ in range(10)]
    for stream in streams:
        stream.until('"open"')
    page_.LOOK_S = 0.5
    time.sleep(0.6)
    before, begun = shown.made, time.monotonic()
    time.sleep(2)
    assert shown.made - before <= (time.monotonic() - begun) / 0.5 + 1
    for stream in streams:
        stream.socket.close()


def test_the_number_of_streams_is_bounded(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One more is told so, and gets its place when another ends.
    """
    monkeypatch.setattr(page_, "MAX_STREAMS", 2)
    first, second = Reading(running), Reading(running)
    first.until('"open"')
    second.until('"open"')
    status, told, given = running.ask("GET", "/events")
    assert (status, given["retry-after"]) == (503, "30")
    assert told["reason"] == "2 pages are open already"
    first.socket.close()

    def has_a_place() -> bool:
        with reading(running) as third:
            return "200" in third.until(r"HTTP/1.1 (\d+)").splitlines()[0]

    until(has_a_place)
    second.socket.close()


def test_a_stream_that_is_not_read_is_dropped_and_holds_nothing_up(
    running: Running,
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    No more than one message waits for it, however often the page changes; others are told meanwhile.
    """
    monkeypatch.setattr(page_, "PATIENCE_S", 1.0)
    with reading(running, size=4096) as lazy, reading(running) as other:
        for number in range(30):
            shown.change("open", f"{number:06d}" + "x" * 200_000)
            other.until(f'"{number:06d}')
            assert running.ask("GET", "/healthz")[0] == 200
        until(lambda: len(running.listener.connections) <= 1)
        assert lazy.ended()
        # What the kernel kept, and one message.
        assert len(lazy.read) < 1_000_000
        other.until("event: beat")
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_a_silent_stream_is_no_idle_connection(
    ledger: Ledger, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The limit for connections that say nothing is not for it.
    """
    from _dynatrace.webhook import listener

    monkeypatch.setattr(listener, "IDLE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(listener, "BODY_TIMEOUT_S", 0.3)
    with running_with(ledger, shown) as running, reading(running) as stream:
        stream.until('"open"')
        time.sleep(1)
        shown.change("open", "later")
        stream.until("later")


def test_a_page_that_fails_ends_no_listener(running: Running, shown: Shown) -> None:
    """
    A fault of ours is 500 for whoever looks, without a traceback, and notifications are taken.
    """

    def fails() -> Any:
        raise RuntimeError("INTERNALDETAIL")

    shown.document = fails  # type: ignore[method-assign]
    status, told, _ = running.ask("GET", "/")
    assert (status, "INTERNALDETAIL" in str(told)) == (500, False)
    assert running.ask("GET", "/healthz")[0] == 200

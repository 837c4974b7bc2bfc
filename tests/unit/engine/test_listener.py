"""
A real listener on a free port: every documented answer, and what it does when many or bad senders come.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tornado.web
from _dynatrace.config.config import load
from _dynatrace.core.errors import LedgerError
from _dynatrace.core.measures import Measures
from _dynatrace.core.notification import Notification
from _dynatrace.engine.health import Probe, Status
from _dynatrace.engine.metrics import Exposition
from _dynatrace.store.ledger import Ledger
from _dynatrace.webhook.authentication import Authentication
from _dynatrace.webhook.endpoints import Health
from _dynatrace.webhook.listener import (
    BODY_TIMEOUT_S,
    MAX_SCRAPERS,
    metrics_listener,
    webhook_listener,
)
from _dynatrace.webhook.recorder import Recorder
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.ports import free_ports
from tests.unit.engine.bodies import DISPLAY_ID, PID, probe, recommended

TOKEN = "WEBHOOKSECRET"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
MAX_BODY = 65536


class Running:
    """
    A listener with its recorder and ledger, and a client for it.
    """

    def __init__(self, ledger: Any, page: Any = None, **webhook: Any) -> None:
        [self.port] = free_ports(1)
        options = {"port": self.port, "token": TOKEN, "max_body": MAX_BODY, **webhook}
        config = load(
            {"webhook": {key: value for key, value in options.items() if value is not None}}
        )
        self.looked = threading.Event()
        self.tests: list[Notification] = []
        self.fails_test: Exception | None = None
        self.recorder = Recorder("dynatrace", ledger.notifications, self._look)
        status = Status("dynatrace", 30.0, time.time(), last_poll=time.time())
        self.probe = Probe(status, ledger, lambda: True)
        metrics = Exposition(status, ledger, Measures(), lambda: True, lambda: 3, dict)
        health = Health(lambda: self.probe.health(), metrics.text)
        self.listener = webhook_listener(
            "dynatrace", config, self.recorder, self._test, health, page
        )
        self.trust: ssl.SSLContext | None = None
        threading.Thread(target=self.recorder.run, daemon=True).start()
        self.thread = threading.Thread(target=self.listener.run, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        self.looked.set()

    def _test(self, notice: Notification) -> None:
        if self.fails_test:
            raise self.fails_test
        self.tests.append(notice)

    def stop(self) -> None:
        """
        End the loop; the recorder's thread ends with the process, as in the engine.
        """
        end = time.monotonic() + 5
        while (loop := self.listener.loop) is None:  # Its thread may only just begin.
            assert time.monotonic() < end
            time.sleep(0.005)
        loop.add_callback(loop.stop)
        self.thread.join(5)
        for listening in self.listener._sockets:
            listening.close()

    def connect(self) -> http.client.HTTPConnection:
        """
        Return a connection of a well-behaved client.
        """
        if self.trust:
            return http.client.HTTPSConnection(
                "localhost", self.port, timeout=10, context=self.trust
            )
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = BEARER
    ) -> tuple[int, Any, Mapping[str, str]]:
        """
        Send one request; return status, decoded body and headers.
        """
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            text = answer.read().decode()
            given = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, _decoded(text, given), given
        finally:
            connection.close()

    def post(self, body: Any = None, **options: Any) -> tuple[int, Any]:
        """
        Send a notification; return status and body.
        """
        return self.ask(
            "POST", "/dynatrace", json.dumps(recommended() if body is None else body), **options
        )[:2]

    def raw(self, request: bytes, until: bytes = b"\n\r\n") -> bytes:
        """
        Send bytes as they are; return what came until there is a head, or nothing more.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(request)
            return head_of(connection)


def _decoded(text: str, headers: Mapping[str, str]) -> Any:
    return json.loads(text) if text and headers.get("content-type") == "application/json" else text


def head_of(connection: socket.socket) -> bytes:
    """
    Read until an answer's head is there.
    """
    came = b""
    while b"\r\n\r\n" not in came:
        piece = connection.recv(65536)
        if not piece:
            break
        came += piece
    return came


@pytest.fixture
def running(ledger: Ledger) -> Iterator[Running]:
    """
    A listener without TLS that takes a bearer token.
    """
    served = Running(ledger)
    yield served
    served.stop()


def kept(ledger: Ledger) -> list[Notification]:
    """
    Return the notifications in the ledger.
    """
    return [notice for _, notice, *_ in ledger.notifications.waiting(1e12, 1_000_000)]


# -- the table of answers ----------------------------------------------------------------------------------------------


def test_a_good_notification_is_on_disk_when_it_is_accepted(
    running: Running, ledger: Ledger
) -> None:
    """
    202 means recorded, and the engine is told to look.
    """
    assert running.post() == (202, {"accepted": True})
    (notice,) = kept(ledger)
    assert (notice.problem_id, notice.display_id, notice.state) == (PID, DISPLAY_ID, "OPEN")
    assert ledger.settings.counters() == {("notifications_accepted",): 1}
    assert running.looked.wait(5)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_the_record_of_a_workflow_needs_no_content_type(
    running: Running, ledger: Ledger, kind: str | None
) -> None:
    """
    An action sends none unless somebody sets one, and the body tells what it is.
    """
    record = {"event.id": PID, "display_id": DISPLAY_ID, "event.status": "ACTIVE"}
    headers = BEARER if kind is None else {**BEARER, "Content-Type": kind}
    for body in (record, {"eventData": {**record, "event.status": "CLOSED"}}):
        assert running.post(body, headers=headers) == (202, {"accepted": True})
    assert [notice.problem_id for notice in kept(ledger)] == [PID, PID]
    assert [notice.state for notice in kept(ledger)] == ["OPEN", "RESOLVED"]


def test_a_test_notification_is_answered_and_nothing_else(running: Running, ledger: Ledger) -> None:
    """
    Whoever fires its event is told; no problem is recorded.
    """
    assert running.post(probe()) == (202, {"accepted": True, "test": True})
    assert [notice.test for notice in running.tests] == [True]
    assert kept(ledger) == []


WRONG = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer wrong"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Authorization": "Basic " + base64.b64encode(b"me:" + TOKEN.encode()).decode()},
    {"X-Token": TOKEN},
]


@pytest.mark.parametrize("headers", WRONG)
def test_wrong_credentials_are_refused(
    running: Running, ledger: Ledger, headers: dict[str, str]
) -> None:
    """
    Whatever is wrong with them, the answer is the same.
    """
    answer = running.ask("POST", "/dynatrace", json.dumps(recommended()), headers)
    assert answer[:2] == (401, {"accepted": False, "reason": "no or wrong credentials"})
    assert answer[2]["www-authenticate"] == 'Bearer realm="dynatrace", Basic realm="dynatrace"'
    assert kept(ledger) == []


def test_the_token_is_no_parameter(running: Running) -> None:
    """
    Addresses get into logs.
    """
    assert running.ask("POST", f"/dynatrace?token={TOKEN}", "{}", {})[0] == 401
    assert running.ask("POST", "/dynatrace?x=1", json.dumps(recommended()))[0] == 202


def test_credentials_are_checked_before_the_body_is_read(running: Running) -> None:
    """
    The answer comes though not one byte of the announced body was sent.
    """
    request = b"POST /dynatrace HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    assert running.raw(request).startswith(b"HTTP/1.1 401 ")
    chunked = b"POST /dynatrace HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert running.raw(chunked).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"State: OPEN", "the body is not JSON"),
        (b"", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b"{}", "no problem can be recognised"),
        (b'{"a": "\xe4"}', "the body is not UTF-8"),
        (b"[" * 50_000, "the body is nested deeper than 64 levels"),
    ],
)
def test_what_is_no_notification_is_told_why(
    running: Running, ledger: Ledger, body: bytes, reason: str
) -> None:
    """
    The body is kept nowhere.
    """
    status, told, _ = running.ask("POST", "/dynatrace", body)
    assert (status, told["accepted"]) == (400, False)
    assert told["reason"].startswith(reason)
    assert kept(ledger) == []
    assert running.post()[0] == 202


def test_the_limit_of_the_body_is_exact(running: Running) -> None:
    """
    As many bytes as configured are taken, one more is not.
    """
    body = json.dumps(recommended())
    assert running.ask("POST", "/dynatrace", body + " " * (MAX_BODY - len(body)))[0] == 202
    status, told, _ = running.ask("POST", "/dynatrace", body + " " * (MAX_BODY + 1 - len(body)))
    assert (status, told["accepted"]) == (413, False)
    assert told["reason"].startswith(f"the body is larger than {MAX_BODY} bytes")


def test_a_body_that_is_announced_too_large_is_refused_at_once(running: Running) -> None:
    """
    Nothing of it has to be sent.
    """
    head = b"POST /dynatrace HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % TOKEN.encode()
    assert running.raw(head + b"Content-Length: 9999999999\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_over_the_limit_is_refused(running: Running, ledger: Ledger) -> None:
    """
    Its size is known only while it comes; the sender still sees the answer.
    """
    chunks = [b" " * 1000] * 200
    assert running.ask("POST", "/dynatrace", iter(chunks))[0] == 413
    body = json.dumps(recommended()).encode()
    assert running.ask("POST", "/dynatrace", iter([body[:100], body[100:]]))[0] == 202
    assert len(kept(ledger)) == 1


@pytest.mark.parametrize(
    "path", ["/", "/dynatrace/", "/Dynatrace", "/dynatrace2", "/hook/dynatrace", "//dynatrace"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_other_path_is_not_found(running: Running, method: str, path: str) -> None:
    """
    With or without credentials.
    """
    assert running.ask(method, path, None, {})[:2] == (
        404,
        {"accepted": False, "reason": "no such path"},
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/dynatrace", "POST"),
        ("PUT", "/dynatrace", "POST"),
        ("DELETE", "/dynatrace", "POST"),
        ("OPTIONS", "/dynatrace", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/metrics", "GET"),
    ],
)
def test_any_other_method_is_refused(
    running: Running, method: str, path: str, allowed: str
) -> None:
    """
    The answer says which one is right.
    """
    status, told, headers = running.ask(method, path)
    assert (status, headers["allow"]) == (405, allowed)
    assert told["reason"] == f"method not allowed: use {allowed.replace(', ', ' or ')}"


def test_a_method_that_nobody_knows_is_refused(running: Running) -> None:
    """
    Also with a 405.
    """
    assert running.ask("BREW", "/dynatrace")[0] == 405


class BrokenLedger:
    """
    A ledger on a full disk.
    """

    def __init__(self) -> None:
        self.notifications = self

    def add(self, notices: Any) -> None:
        """
        Fail as the real one does.
        """
        raise LedgerError("cannot write the ledger: database or disk is full")

    def queue_length(self) -> int:
        """
        Fail as the real one does.
        """
        raise LedgerError("cannot read the ledger: disk I/O error")


def test_a_ledger_that_cannot_be_written_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """
    The sender may send again; the log says why.
    """
    served = Running(BrokenLedger())
    try:
        told = {
            "accepted": False,
            "reason": "the notification could not be recorded; send it again later",
        }
        with caplog.at_level(logging.ERROR):
            assert served.post() == (503, told)
            assert served.post() == (503, told)
        said = "dynatrace: notifications are refused with 503; repeats are not logged: cannot write the ledger"
        assert caplog.text.count(said) == 1
        served.fails_test = LedgerError("cannot write the ledger: database or disk is full")
        assert served.post(probe()) == (503, told)
        status, facts, _ = served.ask("GET", "/healthz", None, {})
        assert (status, facts["healthy"], facts["ledger"]) == (503, False, "failing")
        assert not served.looked.is_set()
    finally:
        served.stop()


# -- health and metrics ------------------------------------------------------------------------------------------------


def test_health_needs_no_credentials_and_tells_no_secret(running: Running, ledger: Ledger) -> None:
    """
    Plain facts; nothing of a problem.
    """
    running.post(recommended(ProblemTitle="SECRETTITLE"))
    status, facts, headers = running.ask("GET", "/healthz", None, {})
    assert (status, facts["healthy"], facts["queue"]) == (200, True, 1)
    assert {"instance", "version", "last_poll", "queue", "ledger", "bus", "paused"} <= set(facts)
    told = json.dumps(facts)
    for secret in (TOKEN, "SECRETTITLE", PID, DISPLAY_ID):
        assert secret not in told
    assert "server" not in headers
    assert headers["cache-control"] == "no-store"
    assert running.ask("HEAD", "/healthz", None, {})[:2] == (200, "")


def test_health_says_when_polls_fail(running: Running) -> None:
    """
    Three intervals and a minute without one.
    """
    running.probe.status.last_poll = time.time() - 200
    status, facts, _ = running.ask("GET", "/healthz", None, {})
    assert (status, facts["healthy"]) == (503, False)


def test_metrics_need_credentials(running: Running) -> None:
    """
    They are Prometheus' text format, each series with the engine's name.
    """
    running.post()
    assert running.ask("GET", "/metrics", None, {})[0] == 401
    status, text, headers = running.ask("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            assert '{engine="dynatrace"' in series
            samples[series] = float(value)
    own = '{engine="dynatrace"}'
    assert samples[f"salt_dynatrace_notifications_accepted_total{own}"] == 1
    assert samples[f"salt_dynatrace_minions_known{own}"] == 3
    assert TOKEN not in text


def test_metrics_are_what_prometheus_reads(running: Running) -> None:
    """
    By its own parser.
    """
    running.post()
    families = {
        family.name: family
        for family in text_string_to_metric_families(running.ask("GET", "/metrics")[1])
    }
    assert families["salt_dynatrace_queue_length"].type == "gauge"
    (sample,) = families["salt_dynatrace_queue_length"].samples
    assert (sample.labels, sample.value) == ({"engine": "dynatrace"}, 1.0)


# -- credentials and TLS -----------------------------------------------------------------------------------------------


def basic(text: str) -> dict[str, str]:
    """
    Return the header of HTTP basic.
    """
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_basic_is_accepted_when_it_is_configured(ledger: Ledger) -> None:
    """
    Then a bearer token is not, unless both are.
    """
    served = Running(ledger, token=None, username="m\u00fcller", password="a:b")
    try:
        assert served.post(headers=basic("m\u00fcller:a:b"))[0] == 202
        assert (
            served.post(
                headers={
                    "Authorization": basic("m\u00fcller:a:b")["Authorization"].replace(
                        "Basic", "bASIC"
                    )
                }
            )[0]
            == 202
        )
        for wrong in ("m\u00fcller:a", "me:a:b", ":a:b", "m\u00fcller:a:b:", ""):
            assert served.post(headers=basic(wrong))[0] == 401
        assert served.post(headers={"Authorization": "Basic !!!"})[0] == 401
        assert served.post(headers=BEARER)[0] == 401
        assert served.post(headers={"Authorization": "Bearer None"})[0] == 401
    finally:
        served.stop()


def test_nothing_is_accepted_that_is_not_configured() -> None:
    """
    An empty secret is no secret.
    """
    only = Authentication(load({"webhook": {"token": TOKEN}}))
    assert only.accepts(f"Bearer {TOKEN}")
    assert only.accepts(f"bearer   {TOKEN} ")
    for wrong in (
        "",
        " ",
        "Bearer ",
        "Basic ",
        "Basic Og==",
        "Basic Tm9uZTpOb25l",
        "Bearer \u00ff\ud800",
    ):
        assert not only.accepts(wrong)


def test_it_serves_tls(ledger: Ledger, tmp_path: Path) -> None:
    """
    With a certificate made here; plain HTTP on that port gets no answer, and harms nobody.
    """
    crt, key = tmp_path / "crt.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(crt)],
        check=True,
        capture_output=True,
        timeout=20,
    )
    served = Running(ledger, ssl_crt=str(crt), ssl_key=str(key), address="localhost")
    try:
        served.trust = ssl.create_default_context(cafile=str(crt))
        assert served.post() == (202, {"accepted": True})
        with socket.create_connection(("localhost", served.port), timeout=5) as plain:
            plain.sendall(b"POST /dynatrace HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP" not in plain.recv(100)
        with socket.create_connection(("localhost", served.port), timeout=5):
            # A sender that connects and says nothing; the others are served.
            assert served.post()[0] == 202
    finally:
        served.stop()


def test_a_port_that_is_taken_is_an_error_of_the_start(running: Running, ledger: Ledger) -> None:
    """
    And not of a thread that nobody looks at.
    """
    config = load({"webhook": {"port": running.port, "token": TOKEN}})
    with pytest.raises(OSError, match="Address already in use"):
        webhook_listener("dynatrace", config, running.recorder, print, Health())
    config = load({"webhook": {"token": TOKEN}, "metrics": {"port": running.port}})
    with pytest.raises(OSError, match="Address already in use"):
        metrics_listener("dynatrace", config, Health())


class Exporting(Running):
    """
    The listener that serves the metrics alone, without a webhook.
    """

    def __init__(self, ledger: Any) -> None:
        [self.port], self.trust = free_ports(1), None
        config = load({"webhook": {"token": TOKEN}, "metrics": {"port": self.port}})
        status = Status("dynatrace", 30.0, time.time())
        metrics = Exposition(status, ledger, Measures(), lambda: True, lambda: 3, dict)
        self.listener = metrics_listener("dynatrace", config, Health(metrics=metrics.text))
        self.thread = threading.Thread(target=self.listener.run, daemon=True)
        self.thread.start()


@pytest.fixture
def exporting(ledger: Ledger) -> Iterator[Exporting]:
    served = Exporting(ledger)
    yield served
    served.stop()


def test_a_port_of_their_own_serves_the_metrics_to_everybody(exporting: Exporting) -> None:
    """
    And nothing else: what takes notifications or tells of health is the webhook's.
    """
    for headers in ({}, BEARER, {"Authorization": "Bearer wrong"}):
        status, text, given = exporting.ask("GET", "/metrics", None, headers)
        assert (status, given["content-type"][:10]) == (200, "text/plain")
        assert 'salt_dynatrace_minions_known{engine="dynatrace"} 3' in text
    for path in ("/", "/dynatrace", "/healthz"):
        assert exporting.ask("GET", path, None, {})[0] == 404
    assert exporting.post()[0] == 404
    assert exporting.ask("POST", "/metrics", "x", {})[0] == 405


def test_scrapers_that_hang_keep_no_other_from_the_metrics(exporting: Exporting) -> None:
    """
    The oldest connection gives way to a new one.
    """
    hanging = [
        socket.create_connection(("127.0.0.1", exporting.port), timeout=5)
        for _ in range(2 * MAX_SCRAPERS)
    ]
    try:
        assert exporting.ask("GET", "/metrics", None, {})[0] == 200
        assert len(exporting.listener.connections) <= MAX_SCRAPERS
    finally:
        for one in hanging:
            one.close()


def test_metrics_of_a_ledger_that_cannot_be_read_are_503(
    exporting: Exporting, ledger: Ledger
) -> None:
    """
    Half of them would be taken for all.
    """

    def broken(*_: Any) -> Any:
        raise LedgerError("cannot read the ledger: disk I/O error")

    ledger.database.rows = broken  # type: ignore[method-assign]
    assert exporting.ask("GET", "/metrics", None, {})[:2] == (
        503,
        {"accepted": False, "reason": "the ledger cannot be read"},
    )


# -- many and bad senders ----------------------------------------------------------------------------------------------


def test_nothing_accepted_is_lost_with_64_senders(running: Running, ledger: Ledger) -> None:
    """
    Each keeps its connection and sends twenty, all at the same time.
    """

    def send(sender: int) -> list[str]:
        accepted = []
        connection = running.connect()
        for n in range(20):
            pid = f"{sender}_{n}V2"
            connection.request(
                "POST", "/dynatrace", json.dumps({"PID": pid, "State": "OPEN"}), BEARER
            )
            answer = connection.getresponse()
            answer.read()
            if answer.status == 202:
                accepted.append(pid)
        connection.close()
        return accepted

    with ThreadPoolExecutor(64) as pool:
        accepted = [pid for one in pool.map(send, range(64)) for pid in one]
    assert len(accepted) == 1280
    assert sorted(notice.problem_id or "" for notice in kept(ledger)) == sorted(accepted)
    assert running.ask("GET", "/healthz", None, {})[0] == 200


def test_slow_senders_do_not_block_the_others(running: Running) -> None:
    """
    Fifty that stop in the middle: of the head, of the body, of a chunk.
    """
    head = b"POST /dynatrace HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % TOKEN.encode()
    unfinished = [
        b"POST /dyna",
        head,
        head + b"Content-Length: 500\r\n\r\n" + b'{"PID"',
        head + b"Transfer-Encoding: chunked\r\n\r\n1f4\r\n{",
        b"",
    ]
    slow = []
    try:
        for n in range(50):
            slow.append(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            slow[-1].sendall(unfinished[n % len(unfinished)])
        begin = time.monotonic()
        assert running.post()[0] == 202
        assert time.monotonic() - begin < 0.9 * BODY_TIMEOUT_S
    finally:
        for one in slow:
            one.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\xff\xfe\r\n\r\n",
        b"POST /dynatrace HTTP/9.9\r\n\r\n",
        b"POST /dynatrace HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /dynatrace HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /dynatrace HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"POST /dynatrace HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://elsewhere.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["bytes", "version", "negative", "two lengths", "long head", "bad chunk", "proxy"],
)
def test_broken_requests_are_survived(running: Running, request_: bytes) -> None:
    """
    An error or a closed connection, never an accepted notification, and the next sender is served.
    """
    try:
        came = running.raw(request_)
    except ConnectionError:
        came = b""
    assert came == b"" or came.split()[1][:1] == b"4"
    assert running.post()[0] == 202


def test_a_sender_that_goes_away_is_no_fault(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Its notification may be recorded; nothing is logged as an error.
    """
    body = json.dumps(recommended()).encode()
    head = b"POST /dynatrace HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % TOKEN.encode()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as gone:
            gone.sendall(head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert running.post()[0] == 202
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_connection_is_kept_after_a_refusal(running: Running) -> None:
    """
    The rest of the refused body is taken off the wire, and the next request is read from where it begins.
    """
    connection = running.connect()
    for headers, size, expected in (
        ({}, 30_000, 401),
        (BEARER, MAX_BODY + 5, 413),
        (BEARER, 2, 400),
    ):
        connection.request("POST", "/dynatrace", b"{}" + b" " * (size - 2), headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == expected
    connection.request("POST", "/dynatrace", json.dumps(recommended()), BEARER)
    assert connection.getresponse().status == 202
    connection.close()


def test_a_fault_of_ours_is_no_traceback_for_the_sender(running: Running) -> None:
    """
    It goes into the log.
    """
    running.fails_test = RuntimeError("INTERNALDETAIL")
    status, told = running.post(probe())
    assert (status, told) == (500, {"accepted": False, "reason": "the request was not understood"})
    assert running.post()[0] == 202


def test_no_secret_is_logged(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """
    Nor the query, where people put tokens, nor a body.
    """
    with caplog.at_level(logging.DEBUG):
        running.ask(
            "POST", "/dynatrace?token=QUERYSECRET", json.dumps(recommended(ProblemTitle="BODYTEXT"))
        )
        running.ask(
            "POST", "/dynatrace?token=QUERYSECRET", "{}", {"Authorization": "Bearer WRONGSECRET"}
        )
        running.ask("POST", "/dynatrace?token=QUERYSECRET", "BODYTEXT")
    for secret in (TOKEN, "QUERYSECRET", "WRONGSECRET", "BODYTEXT"):
        assert secret not in caplog.text


def test_the_library_is_one_that_salt_brings() -> None:
    """
    Only what tornado 4.5 and 6 both have is used; Salt 3006 has the older one vendored.
    """
    assert hasattr(tornado.web, "stream_request_body")

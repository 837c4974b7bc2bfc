"""
A real listener with a real recorder and ledger, on a free port of the loopback.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.config import config as configuration
from _dynatrace.core.measures import Measures
from _dynatrace.core.notification import Notification
from _dynatrace.engine.health import Probe, Status
from _dynatrace.engine.metrics import Exposition
from _dynatrace.store.ledger import Ledger
from _dynatrace.webhook.endpoints import Health
from _dynatrace.webhook.listener import webhook_listener
from _dynatrace.webhook.recorder import Recorder

from tests.harness.ports import free_ports
from tests.unit.engine.bodies import recommended

TOKEN = "a-token-for-tests"
USER, PASSWORD = "dynatrace", "a:password-for-tests"


class Served:
    """
    The listener and what stands behind it; `send` gives the raw answers to raw bytes.
    """

    def __init__(self, directory: Path, page: Any = None, **more: Any) -> None:
        self.port = free_ports(1)[0]
        webhook = {"port": self.port, "token": TOKEN, "username": USER, "password": PASSWORD}
        webhook.update(more)
        config = configuration.load({"environment_url": "http://127.0.0.1:1", "webhook": webhook})
        self.ledger = Ledger(directory / "ledger.db")
        self.looks = 0
        self.tests: list[Notification] = []
        self._lock = threading.Lock()
        recorder = Recorder("test", self.ledger.notifications, self._look)
        status = Status("test", 0.0, time.time())
        probe = Probe(status, self.ledger, lambda: True)
        metrics = Exposition(status, self.ledger, Measures(), lambda: True, lambda: 1, dict)
        health = Health(probe.health, metrics.text)
        threading.Thread(target=recorder.run, daemon=True).start()
        self._listener = webhook_listener("test", config, recorder, self.tests.append, health, page)
        threading.Thread(target=self._listener.run, daemon=True).start()

    def _look(self) -> None:
        with self._lock:
            self.looks += 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connected(self) -> int:
        """
        Return how many connections the listener has open.
        """
        return len(self._listener.connections)

    def connect(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def send(self, data: bytes, timeout: float = 10) -> bytes:
        """
        Send, say that nothing more comes, and return all that is answered.

        The listener may hang up before all is sent, or answer and hang up; what it said is returned.
        """
        with self.connect(timeout) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
            with contextlib.suppress(OSError):  # Not connected any more.
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def post(self, body: bytes, *headers: str, timeout: float = 10) -> tuple[int, dict[str, Any]]:
        """
        Send one notification; return status and body of the answer.
        """
        with self.connect(timeout) as connection:
            connection.sendall(request(body, *headers, "Connection: close"))
            return parsed(read_all(connection))

    def accepted_ids(self) -> list[str]:
        """
        Return the problem ids that stand in the ledger, in order.
        """
        return [
            str(notice.problem_id)
            for _, notice, *_ in self.ledger.notifications.waiting(time.time() + 1, 1_000_000)
        ]


def request(body: bytes, *headers: str, length: int | None = None, version: str = "1.1") -> bytes:
    """
    Return a request with the right token.
    """
    lines = [
        f"POST /dynatrace HTTP/{version}",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {TOKEN}",
        *([] if length == -1 else [f"Content-Length: {len(body) if length is None else length}"]),
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def notification(number: int, **changes: Any) -> bytes:
    """
    Return the notification of a problem with a number of its own.
    """
    return json.dumps(
        recommended(PID=f"{number}_1721545199999V2", ProblemID=f"P-{number}", **changes)
    ).encode()


def read_all(connection: socket.socket) -> bytes:
    """
    Read until the other side closes, or breaks off.
    """
    read = b""
    try:
        while chunk := connection.recv(65536):
            read += chunk
    except ConnectionError:
        pass
    return read


def parsed(answer: bytes) -> tuple[int, dict[str, Any]]:
    """
    Return status and JSON body of one answer.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def until(condition: Callable[[], bool], timeout: float = 20) -> None:
    """
    Wait for a condition.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """
    A listener that answers.
    """
    one = Served(tmp_path)
    until(lambda: one.post(notification(1))[0] == 202)
    one.ledger.notifications.settle(
        [item[0] for item in one.ledger.notifications.waiting(time.time() + 1)], time.time()
    )
    yield one

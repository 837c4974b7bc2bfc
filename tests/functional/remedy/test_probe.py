"""
What a process that listens is found to do, asked over real sockets.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.minion.loading import load

TIMEOUT_S = 0.6
HTTP = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def served() -> Iterator[Callable[[bytes | None], list[Any]]]:
    """
    Listen on the loopback and answer each connection with these bytes; None: say nothing.
    """
    with contextlib.ExitStack() as closed:

        def listen(answer: bytes | None) -> list[Any]:
            door = closed.enter_context(socket.create_server(("127.0.0.1", 0)))
            threading.Thread(target=answering, args=(door, answer, closed), daemon=True).start()
            return [door.getsockname()]

        yield listen


def answering(door: socket.socket, answer: bytes | None, closed: contextlib.ExitStack) -> None:
    with contextlib.suppress(OSError):
        while True:
            guest, _ = door.accept()
            if answer is None:
                closed.callback(guest.close)
                continue
            with guest, contextlib.suppress(OSError):
                guest.sendall(answer)
                guest.recv(65536)


def judged(listens: list[Any]) -> dict[str, str]:
    probe = load("_utils/_dynatrace_utils/remedy/probe.py")
    found: dict[str, str] = probe.judged(probe.ask(listens, TIMEOUT_S))
    return found


def test_an_answer_counts_whatever_its_status(served: Callable[..., list[Any]]) -> None:
    """A 503 is said by somebody who serves."""
    told = judged(served(HTTP))
    assert told["verdict"] == "serves" and "answered 503" in told["said"]


def test_one_address_that_answers_is_enough(served: Callable[..., list[Any]]) -> None:
    """Another one may be for something else."""
    assert judged([*served(None), *served(HTTP)])["verdict"] == "serves"


def test_silence_everywhere_is_stuck(served: Callable[..., list[Any]]) -> None:
    """The connection is taken, and not a byte comes."""
    told = judged([*served(None), *served(None)])
    assert told["verdict"] == "silent" and "sent nothing" in told["said"]


@pytest.mark.parametrize("answer", [b"220 mail ESMTP\r\n", b"HTTP", b""])
def test_what_is_no_http_proves_nothing(served: Callable[..., list[Any]], answer: bytes) -> None:
    """Another protocol, the beginning of an answer, a closed connection: it does something."""
    assert judged(served(answer))["verdict"] == "unclear"
    assert judged([*served(None), *served(answer)])["verdict"] == "unclear"


def test_a_port_that_refuses_proves_nothing() -> None:
    """It has just gone, or is not for us."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        place = door.getsockname()
    told = judged([place])
    assert told["verdict"] == "unclear" and "cannot be reached (Connection refused)" in told["said"]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_queue_that_nobody_takes_from_is_stuck(family: socket.AddressFamily) -> None:
    """With visitors around, a server that hangs has soon no room for one more connection."""
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((host, 0), family=family, backlog=0) as door:
        place = door.getsockname()[:2]
        visitors = [socket.socket(family) for _ in range(8)]
        for visitor in visitors:
            visitor.setblocking(False)
            visitor.connect_ex(place)
        told = judged([place])
        for visitor in visitors:
            visitor.close()
    assert told["verdict"] == "silent" and "takes no connection" in told["said"]

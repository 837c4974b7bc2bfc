"""
Who looks for a bus that is not there waits, and comes to the same end.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest
from salt.transport import tcp

from tests.harness.bus_wait import wait_for_socket


class Waiting(tcp._TCPPubServerPublisher):  # type: ignore[misc]
    """
    Salt's class, so that the one of this process stays as it is.
    """


wait_for_socket(Waiting)


def connect(path: Path, timeout: float) -> None:
    async def connecting() -> None:
        publisher = Waiting(None, None, str(path), io_loop=asyncio.get_running_loop())
        try:
            await publisher.connect(timeout=timeout)
        finally:
            publisher.close()

    asyncio.run(connecting())


def test_where_no_bus_comes_it_fails_in_the_same_time_and_computes_nothing(tmp_path: Path) -> None:
    """Salt itself computes for all of the time."""
    began, computed = time.monotonic(), time.thread_time()
    with pytest.raises(Exception, match=r"Stream is closed|No such file"):
        connect(tmp_path / "bus", timeout=2)
    assert time.monotonic() - began >= 2
    assert time.thread_time() - computed < 1


def test_a_bus_that_comes_meanwhile_is_connected_to(tmp_path: Path) -> None:
    """As soon as its socket is there."""
    with socket.socket(socket.AF_UNIX) as bus:

        def come() -> None:
            bus.bind(str(tmp_path / "bus"))
            bus.listen()

        timer = threading.Timer(0.2, come)
        timer.start()
        connect(tmp_path / "bus", timeout=60)
        timer.join()

"""
A real event publisher of a real master takes what the engine fires, at less cost than Salt's own way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import salt.config
from _dynatrace.master import publisher
from _dynatrace.master.bus_connection import BusConnection
from salt.utils.event import get_event

from tests.harness.daemon import is_alive, title
from tests.harness.scratch import ScratchSalt
from tests.integration.bus_stage import RESPAWNS


@pytest.fixture(scope="module")
def master() -> Iterator[ScratchSalt]:
    with ScratchSalt(minions={}, shipped=(), with_api=False) as running:
        yield running


def connect(master: ScratchSalt) -> Any:
    opts = salt.config.master_config(str(master.config_dir / "master"))
    return publisher.direct(get_event("master", opts=opts, listen=False))


def test_each_event_comes_whole_and_none_takes_a_thread(
    master: ScratchSalt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A short one, and one that no socket takes at once.
    """
    started: list[threading.Thread] = []
    this, start = threading.current_thread(), threading.Thread.start

    def starts(thread: threading.Thread) -> None:
        if threading.current_thread() is this:
            started.append(thread)
        start(thread)

    bus = connect(master)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", starts)
        for number in range(20):
            text = "é" * (500_000 if number % 5 == 0 else 3)
            assert bus.fire_event({"number": number, "text": text}, f"test/{number}", timeout=5000)
    assert RESPAWNS or not started  # On 3006 it is Salt's own way.
    for number in range(20):
        data = master.events.wait_for(f"test/{number}", 20).data
        assert data["number"] == number and set(data["text"]) == {"é"} and data["_stamp"]
    bus.destroy()


def test_connections_that_are_closed_leave_nothing(master: ScratchSalt) -> None:
    """
    The engine throws one away after each failure.
    """
    this = psutil.Process()
    connect(master).destroy()
    before = this.num_fds()
    for number in range(20):
        bus = connect(master)
        assert bus.fire_event({}, f"test/closed/{number}", timeout=5000)
        bus.destroy()
    assert this.num_fds() <= before + 2


def test_a_publisher_that_is_gone_is_an_error_each_time(master: ScratchSalt) -> None:
    """
    Before it is connected, and after; the last test of this master.
    """
    connection = BusConnection("dynatrace", lambda: connect(master))
    assert connection.fire({}, "test/there") is None
    publishers = [one for one in master.master.processes() if "EventPublisher" in title(one)]
    for one in publishers:
        one.kill()
    deadline = time.monotonic() + 30
    # It closes its sockets one after the other, and what is a zombie has none.
    while any(map(is_alive, publishers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while (why := connection.fire({}, "test/gone")) is None:
        assert time.monotonic() < deadline
    connection.close()
    assert why
    if not RESPAWNS:
        assert connection.fire({}, "test/gone") == (
            "ConnectionError: the event publisher cannot be reached"
        )
        connection.close()

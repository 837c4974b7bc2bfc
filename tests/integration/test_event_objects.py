"""
A real event publisher of a real master takes what the engine fires and gives what it hears, at less cost than Salt's own way.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import salt.config
import salt.version
from _dynatrace.master import event_objects
from _dynatrace.master.bus_connection import BusConnection
from salt.utils.event import get_event

from tests.harness.daemon import is_alive, title
from tests.harness.scratch import ScratchSalt
from tests.integration.bus_stage import RESPAWNS

#: Before 3007 Salt's event objects stay as they are.
WRAPPED = salt.version.__saltstack_version__.major >= 3007


@pytest.fixture(scope="module")
def master() -> Iterator[ScratchSalt]:
    with ScratchSalt(minions={}, shipped=(), with_api=False) as running:
        hears(running)
        yield running


def hears(master: ScratchSalt) -> None:
    """
    Wait until the listener is served: it has a connection before the publisher takes it.
    """
    bus = connect(master)

    def heard() -> Any:
        time.sleep(0.1)
        return master.events.events("test/served")

    fire_until(heard, bus)
    bus.destroy()


def fire_until(heard: Callable[[], Any], bus: Any) -> None:
    until = time.monotonic() + 60
    assert bus.fire_event({}, "test/served", timeout=5000)
    while not heard():
        assert time.monotonic() < until
        assert bus.fire_event({}, "test/served", timeout=5000)


def connect(master: ScratchSalt) -> Any:
    return event_objects.that_fires(event_object(master, listen=False))


def event_object(master: ScratchSalt, listen: bool) -> Any:
    opts = salt.config.master_config(str(master.config_dir / "master"))
    return get_event("master", opts=opts, listen=listen)


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
    assert not (started and WRAPPED)
    for number in range(20):
        data = master.events.wait_for(f"test/{number}", 20).data
        assert data["number"] == number and set(data["text"]) == {"é"} and data["_stamp"]
    bus.destroy()


def test_what_comes_together_is_heard_whole_by_few_turns_of_a_loop(
    master: ScratchSalt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A crowd of minions fires faster than events are heard one by one; on 3007 each took a thread.
    """
    bus = connect(master)
    ear = ear_of(master, bus)
    for number in range(300):
        assert bus.fire_event({"number": number}, f"test/crowd/{number}", timeout=5000)
    assert bus.fire_event({"text": "é" * 100_000}, "test/crowd/long", timeout=5000)
    master.events.wait_for("test/crowd/long", 20)
    turns: list[object] = []
    run_forever = asyncio.BaseEventLoop.run_forever
    this, others = threading.current_thread(), set(threading.enumerate())

    def run(loop: asyncio.BaseEventLoop) -> None:
        if threading.current_thread() is this or threading.current_thread() not in others:
            turns.append(loop)
        run_forever(loop)

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "run_forever", run)
        heard = [hear(ear, "test/crowd/") for _ in range(301)]
    assert [one["tag"] for one in heard[:-1]] == [f"test/crowd/{number}" for number in range(300)]
    assert [one["data"]["number"] for one in heard[:-1]] == list(range(300))
    assert set(heard[-1]["data"]["text"]) == {"é"}
    assert not WRAPPED or len(turns) < 100
    assert ear.get_event(wait=0.1, tag="test/crowd/", full=True) is None
    assert bus.fire_event({"number": 0}, "test/crowd/after", timeout=5000)
    assert hear(ear, "test/crowd/")["tag"] == "test/crowd/after"
    for one in (ear, bus):
        one.destroy()


def ear_of(master: ScratchSalt, bus: Any) -> Any:
    """
    Return an event object that hears what is fired.
    """
    ear = event_objects.that_receives(event_object(master, listen=True))
    fire_until(
        lambda: ear.get_event(wait=0.2, tag="test/served", full=True, auto_reconnect=True), bus
    )
    return ear


def hear(ear: Any, prefix: str) -> Any:
    """
    Return the next event of this prefix, as the engine's subscriber reads it.
    """
    until = time.monotonic() + 20
    while (event := ear.get_event(wait=5, tag=prefix, full=True, auto_reconnect=True)) is None:
        assert time.monotonic() < until
    return event


def test_connections_that_are_closed_leave_nothing(master: ScratchSalt) -> None:
    """
    The engine throws one away after each failure.
    """
    this = psutil.Process()
    connect(master).destroy()
    before = this.num_fds()
    for _ in range(20):
        bus = connect(master)
        ear = ear_of(master, bus)
        for one in (bus, ear):
            one.destroy()
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
    deadline = time.monotonic() + 120
    # It closes its sockets one after the other, and what is a zombie has none.
    while any(map(is_alive, publishers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while (why := connection.fire({}, "test/gone")) is None:
        assert time.monotonic() < deadline
    connection.close()
    assert why
    # One whose main thread is a zombie may have others, which hold its sockets for a moment more.
    while not RESPAWNS and why != "ConnectionError: the event publisher cannot be reached":
        assert time.monotonic() < deadline
        why = connection.fire({}, "test/gone")
        connection.close()

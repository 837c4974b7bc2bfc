"""
The threads of the engine: what ends is started again, what stands still is named, and nothing ends unnoticed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from _dynatrace.core.heartbeat import Heartbeat
from _dynatrace.engine import threads as threads_
from _dynatrace.engine.threads import Threads


def until(condition: Callable[[], bool]) -> None:
    """
    Wait for at most 5 s.
    """
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


class Scripted:
    """
    A loop that does one thing in each of its runs, and then works until the test ends.
    """

    def __init__(self, *script: BaseException | None) -> None:
        self.heartbeat = Heartbeat()
        self.script = list(script)
        self.ran_in: list[int] = []
        self.works = threading.Event()
        self.stop = threading.Event()

    def run(self) -> None:
        self.ran_in.append(threading.get_ident())
        if self.script:
            end = self.script.pop(0)
            if end is None:
                return
            raise end
        self.works.set()
        self.stop.wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Pauses of milliseconds.
    """
    monkeypatch.setattr(threads_, "PAUSE_S", 0.002)
    monkeypatch.setattr(threads_, "CHECK_S", 0.01)


@pytest.fixture
def supervised() -> Iterator[Callable[..., tuple[Threads, threading.Thread]]]:
    """
    Return a function that starts loops and supervises them in a thread, which ends when the engine would.
    """
    begun: list[Scripted] = []

    def begin(**loops: Scripted) -> tuple[Threads, threading.Thread]:
        begun.extend(loops.values())
        threads = Threads("test")
        threads.start(loops)
        main = threading.Thread(target=threads.supervise, daemon=True)
        main.start()
        return threads, main

    yield begin
    for loop in begun:
        loop.script[:] = [None]
        loop.stop.set()


def levels(caplog: pytest.LogCaptureFixture, level: int) -> Sequence[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == level]


@pytest.mark.parametrize(
    "end", [KeyError("x"), SystemExit(1), MemoryError(), KeyboardInterrupt(), GeneratorExit()]
)
def test_a_loop_that_fails_runs_again_in_a_new_thread(
    end: BaseException, supervised: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    """
    Whatever ended it; the log has the traceback, and what is done about it.
    """
    loop, other = Scripted(end), Scripted()
    supervised(relay=loop, recorder=other)
    assert loop.works.wait(5)
    assert len(loop.ran_in) == 2
    assert len(other.ran_in) == 1
    (failed,) = levels(caplog, logging.ERROR)
    assert failed == "test: the thread relay failed"
    assert levels(caplog, logging.CRITICAL) == [
        "test: the thread relay ended, and starts again in 0 s"
    ]
    assert any(one.exc_info and one.exc_info[1] is end for one in caplog.records)


def test_the_pause_grows_and_then_the_engine_ends(
    supervised: Callable[..., tuple[Threads, threading.Thread]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Salt starts it anew: what fails again and again may need a new process.
    """
    monkeypatch.setattr(threads_, "CHECK_S", 0.001)
    loop = Scripted(*[SystemExit(1)] * 10)
    begun = time.monotonic()
    _, main = supervised(relay=loop)
    main.join(5)
    assert not main.is_alive()
    assert len(loop.ran_in) == threads_.ENDS
    assert time.monotonic() - begun >= 0.002 * (1 + 2 + 4 + 8 + 16)
    assert levels(caplog, logging.CRITICAL)[-1] == (
        "test: the thread relay ended 6 times in a row; the engine ends, and Salt starts it again"
    )


def test_what_failed_long_ago_does_not_count(
    supervised: Callable[..., tuple[Threads, threading.Thread]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A thread that ends once a day is started again for ever.
    """
    monkeypatch.setattr(threads_, "CALM_S", 0.0)
    loop = Scripted(*[SystemExit(1)] * (2 * threads_.ENDS))
    _, main = supervised(relay=loop)
    assert loop.works.wait(5)
    assert main.is_alive()


def test_a_loop_that_returns_ends_the_engine(
    supervised: Callable[..., tuple[Threads, threading.Thread]],
) -> None:
    """
    As the reconciler does when the ledger is damaged.
    """
    _, main = supervised(reconciler=Scripted(None), relay=Scripted())
    main.join(5)
    assert not main.is_alive()


def test_a_thread_that_cannot_be_started_is_tried_again(
    supervised: Callable[..., tuple[Threads, threading.Thread]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    A machine at its limit of threads counts as an end, not as the end of the supervision.
    """
    loop, start = Scripted(SystemExit(1)), threading.Thread.start
    refused: list[str] = []

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "test-relay" and loop.ran_in and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    supervised(relay=loop)
    assert loop.works.wait(5)
    assert refused
    assert "test: the thread relay cannot be started: can't start new thread" in caplog.text


def test_a_thread_that_ended_is_named_until_it_runs_again(
    supervised: Callable[..., tuple[Threads, threading.Thread]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    From the moment of its end, with the seconds since its last turn.
    """
    monkeypatch.setattr(threads_, "PAUSE_S", 0.5)
    loop = Scripted(SystemExit(1))
    threads, _ = supervised(relay=loop, recorder=Scripted())
    until(lambda: threads.standing_still() == {"relay": 0})
    assert loop.works.wait(5)
    assert threads.standing_still() == {}


def test_a_thread_that_stands_still_is_named_and_logged(
    supervised: Callable[..., tuple[Threads, threading.Thread]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    It is logged when it is found, with what it waits for, and when it goes on; not at each look.
    """
    loop = Scripted()
    threads, _ = supervised(relay=loop)
    now = time.monotonic()
    monkeypatch.setattr(loop.heartbeat, "_at", now - threads_.STALL_S - 30)
    assert threads.standing_still() == {"relay": round(threads_.STALL_S + 30)}
    until(lambda: levels(caplog, logging.ERROR))
    (said,) = levels(caplog, logging.ERROR)
    assert said.startswith("test: the thread relay stands still: it took no turn for 230 s")
    assert "self.stop.wait()" in said
    time.sleep(0.05)
    loop.heartbeat.beat()
    assert threads.standing_still() == {}
    until(lambda: "test: the thread relay goes on" in levels(caplog, logging.WARNING))
    assert len(levels(caplog, logging.ERROR)) == 1


class Stopped(threading.Event):
    """
    What the supervision waits for, in a process that is stopped during the first wait.
    """

    def __init__(self, loop: Scripted) -> None:
        super().__init__()
        self.loop = loop
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        if self.waits == 1:
            time.sleep(0.2)
            self.loop.heartbeat._at -= 1000
        if self.waits == 3:
            self.loop.stop.set()
        return super().wait(timeout)


def test_a_process_that_was_stopped_has_no_thread_that_stands_still(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    No thread took a turn meanwhile, and the supervision did not either.
    """
    loop, threads = Scripted(), Threads("test")
    threads.start({"relay": loop})
    threads._changed = Stopped(loop)
    threads.supervise()
    assert levels(caplog, logging.ERROR) == []

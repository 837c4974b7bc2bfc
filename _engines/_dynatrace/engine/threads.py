"""
The engine's threads: each runs one loop, and one that ends is started again, or the engine ends.

A loop catches what it expects to fail. What ends its thread all the same (a SystemExit out of a library, a MemoryError
while an error is logged) is unforeseen: it is logged, and the loop runs again in a new thread after a pause that grows.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..core.heartbeat import Heartbeat

log = logging.getLogger(__name__)

#: A thread that took no turn for so long stands still; a walk over all pages of a list may take 180 s.
STALL_S = 200.0
#: Between an end and the new start; doubled each time.
PAUSE_S = 1.0
#: After so many ends in a row the engine ends.
ENDS = 6
#: Who ran for so long before it ended has not ended in a row.
CALM_S = 600.0
CHECK_S = 1.0
#: A thread that computes lets another go on after this time. With Python's 5 ms a notification, which passes through four
#: threads, waits several times as long for the reconciler of a crowded night.
SWITCH_S = 0.001


class Loop(Protocol):
    """
    What runs in a thread of its own. ``run`` never returns, unless the whole engine must end; it may raise anything, and
    may be called again after it did.
    """

    @property
    def heartbeat(self) -> Heartbeat: ...

    def run(self) -> None: ...


@dataclass(eq=False)
class Worker:
    """
    A loop and the thread that runs it. ``on_end`` is called in that thread, as the last thing.
    """

    instance: str
    name: str
    loop: Loop
    on_end: Callable[[], None]

    def __post_init__(self) -> None:
        self._ends = 0
        self._returned = self._stalled = False
        self._start_at: float | None = None
        self.start()

    def start(self) -> None:
        self._start_at, self._started = None, time.monotonic()
        self.loop.heartbeat.beat()
        name = f"{self.instance}-{self.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as err:
            log.error("%s: the thread %s cannot be started: %s", self.instance, self.name, err)

    def _run(self) -> None:
        try:
            self.loop.run()
            self._returned = True
        except BaseException:
            log.exception("%s: the thread %s failed", self.instance, self.name)
        finally:
            self.on_end()

    @property
    def works(self) -> bool:
        return self._thread.is_alive() and self.loop.heartbeat.age() <= STALL_S

    def keep(self) -> bool:
        """
        Start the thread again when it ended and its pause is over; False when the engine must end.
        """
        if self._thread.is_alive():
            self._check_pace()
        elif self._returned:
            return False
        elif self._start_at is None:
            return self._plan()
        elif time.monotonic() >= self._start_at:
            self.start()
        return True

    def _check_pace(self) -> None:
        stalled = not self.works
        if stalled and not self._stalled:
            since, where = self.loop.heartbeat.age(), self._stack()
            text = "%s: the thread %s stands still: it took no turn for %.0f s, and is here:\n%s"
            log.error(text, self.instance, self.name, since, where)
        elif self._stalled and not stalled:
            log.warning("%s: the thread %s goes on", self.instance, self.name)
        self._stalled = stalled

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame else "unknown"

    def _plan(self) -> bool:
        now = time.monotonic()
        self._ends = 1 if now - self._started >= CALM_S else self._ends + 1
        if self._ends >= ENDS:
            again = "%s: the thread %s ended %d times in a row; the engine ends, and Salt starts it again"
            log.critical(again, self.instance, self.name, self._ends)
            return False
        pause = PAUSE_S * 2 ** (self._ends - 1)
        self._start_at = now + pause
        again = "%s: the thread %s ended, and starts again in %.0f s"
        log.critical(again, self.instance, self.name, pause)
        return True


class Threads:
    """
    All threads of an engine but the main thread, which supervises them.
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._changed = threading.Event()
        self._workers: list[Worker] = []

    def start(self, loops: Mapping[str, Loop]) -> None:
        """
        Start a thread for each loop, in this order.
        """
        sys.setswitchinterval(SWITCH_S)
        for name, loop in loops.items():
            self._workers.append(Worker(self._instance, name, loop, self._changed.set))

    def supervise(self) -> None:
        """
        Keep all threads running; returns when the engine must end.
        """
        before = time.monotonic()
        while all(worker.keep() for worker in self._workers):
            self._changed.wait(CHECK_S)
            self._changed.clear()
            before, gap = time.monotonic(), time.monotonic() - before
            if gap > 10 * CHECK_S:
                # The whole process was stopped, and not one of its threads.
                self._forgive()

    def _forgive(self) -> None:
        for worker in self._workers:
            worker.loop.heartbeat.beat()

    def working(self) -> dict[str, bool]:
        """
        Return by name whether each thread works, or ended or took no turn for long.
        """
        return {worker.name: worker.works for worker in self._workers}

    def standing_still(self) -> dict[str, int]:
        """
        Return the threads that ended or took no turn for long, with the seconds since their last turn.
        """
        gone: Iterable[Worker] = (worker for worker in self._workers if not worker.works)
        return {worker.name: round(worker.loop.heartbeat.age()) for worker in gone}

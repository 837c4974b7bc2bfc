"""
The outbox of one webhook: a thread that sends each notification when it is due, in order.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True)
class Waiting:
    """
    A notification that waits; `due` is a `time.monotonic()`.
    """

    due: float
    number: int
    problem_id: str = field(compare=False)
    state: str = field(compare=False)
    send: Callable[[], None] = field(compare=False)


class Outbox:
    """
    Sends what is due; one that is delayed keeps no other waiting.
    """

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._run, daemon=True).start()

    def put(self, delay: float, problem_id: str, state: str, send: Callable[[], None]) -> None:
        """
        Send after `delay` seconds.

        A problem that ends while its beginning still waits for its delay is told neither way.
        """
        now = time.monotonic()
        with self._changed:
            if state != "OPEN":
                kept = [
                    one
                    for one in self._waiting
                    if not (one.problem_id == problem_id and one.state == "OPEN" and one.due > now)
                ]
                if len(kept) < len(self._waiting):
                    heapq.heapify(kept)
                    self._waiting = kept
                    return
            one = Waiting(now + delay, next(self._numbers), problem_id, state, send)
            heapq.heappush(self._waiting, one)
            self._changed.notify()

    def close(self) -> None:
        """
        End the thread, after what is due at this moment.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while (one := self._next()) is not None:
            one.send()

    def _next(self) -> Waiting | None:
        with self._changed:
            while True:
                left = self._waiting[0].due - time.monotonic() if self._waiting else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._waiting)
                if self._closed:
                    return None
                self._changed.wait(left)

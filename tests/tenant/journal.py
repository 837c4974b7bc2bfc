"""
What happened in the tenant, in order, and ways to wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """
    One thing that happened; `at` is `time.time()`.
    """

    at: float
    what: str
    detail: dict[str, Any]


class Journal:
    """
    An append-only list that others can follow.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._subscribers: list[Callable[[Entry], None]] = []
        self._changed = threading.Condition()

    def add(self, what: str, **detail: Any) -> Entry:
        """
        Keep an entry and tell the subscribers, in the caller's thread.
        """
        with self._changed:
            entry = Entry(time.time(), what, detail)
            self._entries.append(entry)
            subscribers = list(self._subscribers)
            self._changed.notify_all()
        for tell in subscribers:
            try:
                tell(entry)
            except Exception as err:  # noqa: BLE001
                # A reader's mistake must not become an answer of the API.
                failed = Entry(time.time(), "subscriber failed", {"on": what, "error": repr(err)})
                with self._changed:
                    self._entries.append(failed)
        return entry

    def entries(self) -> list[Entry]:
        """
        Give a copy of all entries.
        """
        with self._changed:
            return list(self._entries)

    def subscribe(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """
        Call `callback` with each new entry; the answer ends that. It must return quickly.
        """
        with self._changed:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._changed:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def wait_for(self, condition: Callable[[], Any], timeout: float) -> Any:
        """
        Give the first truthy value of `condition`; `TimeoutError` tells the latest entries.
        """
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            left = deadline - time.monotonic()
            if left <= 0:
                latest = [f"{entry.what} {entry.detail}" for entry in self.entries()[-10:]]
                raise TimeoutError(f"not within {timeout} s; the latest of the journal: {latest}")
            with self._changed:
                # Not all that a condition may look at is in the journal, so look again soon.
                self._changed.wait(min(left, 0.02))
        return value

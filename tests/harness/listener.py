"""
Records what passes on a master's event bus, with the time of arrival.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import salt.config
import salt.utils.event


@dataclass(frozen=True)
class Event:
    """
    One event; `at` is when it arrived here, by `time.time()`.
    """

    at: float
    tag: str
    data: dict[str, Any]


class Listener:
    """
    A thread with an event object of its own: Salt's must not be used by two threads.
    """

    def __init__(self, config_dir: Path) -> None:
        self._opts = salt.config.client_config(str(config_dir / "master"))
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._connected = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, timeout: float = 30) -> None:
        """
        Listen; returns once connected, so that nothing later is missed. After a `stop` it may be started again.
        """
        self._stopping.clear()
        self._connected.clear()
        self._thread = threading.Thread(target=self._run, name="bus listener", daemon=True)
        self._thread.start()
        if not self._connected.wait(timeout):
            raise TimeoutError(f"no event bus of the master within {timeout} s")

    def stop(self) -> None:
        """
        Listen no more; what was heard is kept.
        """
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(10)

    def events(self, pattern: str = "*", since: float = 0) -> list[Event]:
        """
        Return the events heard so far whose tag fits the glob and that came at `since` or later.
        """
        with self._changed:
            return [
                one for one in self._events if one.at >= since and fnmatchcase(one.tag, pattern)
            ]

    def wait_for(
        self,
        pattern: str,
        timeout: float = 30,
        since: float = 0,
        condition: Callable[[Event], Any] = lambda event: True,
    ) -> Event:
        """
        Return the first event that fits; `TimeoutError` tells the latest tags.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                for event in self.events(pattern, since):
                    if condition(event):
                        return event
                left = deadline - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
            latest = ", ".join(event.tag for event in self.events()[-8:])
            raise TimeoutError(
                f"no event {pattern} within {timeout:g} s; the latest: {latest or 'none'}"
            )

    def _run(self) -> None:
        while not self._stopping.is_set():
            bus = salt.utils.event.get_event("master", opts=self._opts, listen=False)
            try:
                if bus.connect_pub(timeout=1):
                    self._connected.set()
                    self._hear(bus)
            finally:
                bus.destroy()
            # The master restarts, or is not there yet.
            self._stopping.wait(0.05)

    def _hear(self, bus: Any) -> None:
        socket = Path(self._opts["sock_dir"]) / "master_event_pub.ipc"
        inode = _inode(socket)
        while not self._stopping.is_set() and _inode(socket) == inode:
            try:
                heard = bus.get_event(wait=0.3, full=True, auto_reconnect=False)
            except Exception:  # noqa: BLE001 - Salt raises what its transport raises; connect anew.
                return
            if heard is not None:
                self._keep(Event(time.time(), str(heard["tag"]), dict(heard["data"])))

    def _keep(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()


def _inode(socket: Path) -> int:
    """
    Tell sockets apart: a new master makes a new one, and Salt does not always notice.
    """
    try:
        return socket.stat().st_ino
    except OSError:
        return 0

"""
Takes problem ids from events of salt-api's hook, which any accepted minion can fire.

Nothing but the id is taken, each once, and of those only so many; the poll finds the others. The bus thread only parses
the body; another thread does what waits for the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import NotificationError
from ..core.heartbeat import IDLE_S, Heartbeat
from ..core.log_once import LogOnce, Seldom
from ..core.notification import Notification
from ..store.notifications import Notifications
from .payload import parse_data

log = logging.getLogger(__name__)

#: Names that wait, here and in the ledger each: a new one takes the place of the oldest.
WAITING = 32
#: Between two writes; the bodies that are parsed, and the names that are written, in that time.
PAUSE_S = 1.0
BODIES = 32
NAMES = 8


@dataclass(eq=False)
class Hook:
    """
    Records the problems that events of the hook name. ``receive`` is for the bus thread, all else for the hook's own.
    """

    instance: str
    keys: Mapping[str, str]
    notifications: Notifications
    look_now: Callable[[], None]
    clock: Callable[[], float] = time.time
    heartbeat: Heartbeat = field(default_factory=Heartbeat, init=False)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._names: dict[str, Notification] = {}
        self._bodies = self._left_out = 0
        self._refused: NotificationError | None = None
        #: By name, what is in the ledger and not finished; the oldest first.
        self._recorded: dict[str, int] = {}
        self._outage = LogOnce(
            log,
            self.instance,
            "problems named by salt-api's hook are not recorded",
            "problems named by salt-api's hook are recorded again",
        )
        self._odd, self._many = Seldom(log, self.instance), Seldom(log, self.instance)

    def receive(self, data: Mapping[str, Any]) -> None:
        """
        Take an event, ``{"body": raw text, "post": decoded, "headers": …}``; waits for nothing.
        """
        with self._changed:
            if self._bodies >= BODIES:
                self._left_out += 1
                return
            self._bodies += 1
        refused = notification = None
        try:
            notification = parse_data(data.get("post") or data, self.keys, whole=False)
        except NotificationError as err:
            refused = err
        with self._changed:
            self._refused = refused or self._refused
            if notification is not None and not notification.test:
                self._names[notification.name] = _bare(notification)
                if len(self._names) > WAITING:
                    del self._names[next(iter(self._names))]
                    self._left_out += 1
            self._changed.notify()

    def run(self) -> None:
        while True:
            with self._changed:
                while not self._bodies and not self._names:
                    self.heartbeat.beat()
                    self._changed.wait(IDLE_S)
            self.heartbeat.beat()
            try:
                self.process()
                self._outage.works()
            except Exception as err:  # noqa: BLE001 - Without this thread the hook would do nothing any more.
                self._outage.fails(err)
            time.sleep(PAUSE_S)

    def process(self) -> None:
        """
        Record the names that were received, or the first of them; raises LedgerError.
        """
        with self._changed:
            taken = {name: self._names.pop(name) for name in list(self._names)[:NAMES]}
            refused, self._refused = self._refused, None
            left_out, self._left_out, self._bodies = self._left_out, 0, 0
        if refused is not None:
            self._odd.say("a body from salt-api's hook is refused: %s", refused)
        if taken:
            left_out += self._record(taken)
        if left_out:
            self._many.say(
                "salt-api's hook brings more than is looked at; the poll sees what is left out. Any accepted minion "
                "can fire its tag"
            )

    def _record(self, taken: Mapping[str, Notification]) -> int:
        # Each once; returns how many others they took the place of.
        waiting = self.notifications.unsettled(self._recorded.values())
        recorded = {name: one for name, one in self._recorded.items() if one in waiting}
        new = [name for name in taken if name not in recorded]
        gone = list(recorded)[: max(len(recorded) + len(new) - WAITING, 0)]
        ids = self.notifications.replace(
            self.clock(), [taken[name] for name in new], [recorded.pop(name) for name in gone]
        )
        self._recorded = {**recorded, **dict(zip(new, ids, strict=True))}
        if new:
            self.look_now()
        return len(gone)


def _bare(notification: Notification) -> Notification:
    # A minion may have made up the rest.
    if notification.problem_id:
        return Notification(problem_id=notification.problem_id)
    return Notification(display_id=notification.display_id, old_pid=notification.old_pid)

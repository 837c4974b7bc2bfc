"""
Writes notifications to the ledger in groups: one commit, and one sync of the disk, for all that came during the last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from ..core.errors import LedgerError
from ..core.heartbeat import IDLE_S, Heartbeat
from ..core.log_once import LogOnce
from ..core.notification import Notification
from ..store.notifications import Notifications

log = logging.getLogger(__name__)

_Waiting = tuple[float, Notification, "Future[None]"]


@dataclass(eq=False)
class Recorder:
    """
    Commits group after group; ``record`` is for the listener's thread, ``run`` for the recorder's own.

    While ``run`` does not run, whatever ended it, all is refused: nobody is told that a notification is on disk.
    """

    instance: str
    notifications: Notifications
    look_now: Callable[[], None]
    heartbeat: Heartbeat = field(default_factory=Heartbeat, init=False)

    def __post_init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._group: list[_Waiting] = []
        self._ended = False
        self._changed = threading.Condition()
        again = "the ledger works again: notifications are taken"
        self._outage = LogOnce(log, self.instance, "notifications are refused with 503", again)

    def record(self, notification: Notification) -> Future[None]:
        """
        Return a future that is done when the notification is on disk, or fails with LedgerError.
        """
        future: Future[None] = Future()
        with self._changed:
            if self._ended:
                future.set_exception(_not_recorded())
            else:
                self._waiting.append((time.time(), notification, future))
                self._changed.notify()
        return future

    def run(self) -> None:
        self._ended = False
        try:
            while True:
                self._take_group()
                self._record_group()
        finally:
            self._refuse_all()

    def _take_group(self) -> None:
        with self._changed:
            while not self._waiting:
                self.heartbeat.beat()
                self._changed.wait(IDLE_S)
            self._group, self._waiting = self._waiting, []
        self.heartbeat.beat()

    def _record_group(self) -> None:
        error = self._commit(self._group)
        for *_, future in self._group:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        if error is None:
            self.look_now()

    def _refuse_all(self) -> None:
        with self._changed:
            self._ended = True
            refused = [*self._group, *self._waiting]
            self._group, self._waiting = [], []
        for *_, future in refused:
            if not future.done():
                future.set_exception(_not_recorded())

    def _commit(self, group: list[_Waiting]) -> LedgerError | None:
        try:
            self.notifications.add([(at, notification) for at, notification, _ in group])
        except LedgerError as err:
            self._outage.fails(err)
            return err
        except Exception as err:
            log.exception("%s: notifications could not be recorded", self.instance)
            return LedgerError(str(err))
        self._outage.works()
        return None


def _not_recorded() -> LedgerError:
    return LedgerError("the thread that records notifications ended")

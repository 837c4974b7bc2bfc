"""
Writes notifications to the ledger in groups: one commit, and one sync of the disk, for all that came during the last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from ..core.errors import LedgerError
from ..core.log_once import LogOnce
from ..core.notification import Notification
from ..store.notifications import Notifications

log = logging.getLogger(__name__)

_Waiting = tuple[float, Notification, "Future[None]"]


@dataclass(eq=False)
class Recorder:
    """
    Commits group after group; ``record`` is for the listener's thread, ``run`` for the recorder's own.
    """

    instance: str
    notifications: Notifications
    look_now: Callable[[], None]

    def __post_init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        again = "the ledger works again: notifications are taken"
        self._outage = LogOnce(log, self.instance, "notifications are refused with 503", again)

    def record(self, notification: Notification) -> Future[None]:
        """
        Return a future that is done when the notification is on disk, or fails with LedgerError.
        """
        future: Future[None] = Future()
        with self._changed:
            self._waiting.append((time.time(), notification, future))
            self._changed.notify()
        return future

    def run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                group, self._waiting = self._waiting, []
            error = self._commit(group)
            for *_, future in group:
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
            if error is None:
                self.look_now()

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

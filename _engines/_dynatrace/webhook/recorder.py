"""
Writes notifications to the ledger, and tells the listener when they are on disk.

Commits are grouped: all notifications that arrive while one commit runs share the next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import tornado.concurrent
import tornado.ioloop

from ..api.notification import Notice
from ..core.errors import LedgerError
from ..core.log_once import LogOnce
from ..store.ledger import Ledger

log = logging.getLogger(__name__)

Future = tornado.concurrent.Future


class Recorder(threading.Thread):
    """
    Writes notifications to the ledger in groups: one commit, and one sync of the disk, for all that came meanwhile.
    """

    def __init__(self, name: str, ledger: Ledger, look_now: Callable[[], None]) -> None:
        super().__init__(name=f"{name}-recorder", daemon=True)
        self._prefix = name
        self._ledger = ledger
        self._look_now = look_now
        self._waiting: list[tuple[float, Notice, Future[Any]]] = []
        self.loop: tornado.ioloop.IOLoop | None = None
        self._changed = threading.Condition()
        again = "the ledger works again: notifications are taken"
        self._outage = LogOnce(log, name, "notifications are refused with 503", again)

    def record(self, notice: Notice) -> Future[Any]:
        """
        Return a future that is done when the notification is on disk, or fails with LedgerError.

        Called in the listener's thread only, whose loop the future belongs to.
        """
        future: Future[Any] = Future()
        with self._changed:
            self._waiting.append((time.time(), notice, future))
            self._changed.notify()
        return future

    def run(self) -> None:
        """
        Commit group after group; the thread ends with the process.
        """
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                group, self._waiting = self._waiting, []
            self._commit(group)

    def _commit(self, group: list[tuple[float, Notice, Future[Any]]]) -> None:
        error: Exception | None = None
        try:
            self._ledger.add_notices([(at, notice) for at, notice, _ in group])
            self._outage.works()
        except LedgerError as err:
            error = err
            self._outage.fails(err)
        except Exception as err:
            error = LedgerError(str(err))
            log.exception("%s: notifications could not be recorded", self._prefix)
        if self.loop is not None:
            self.loop.add_callback(_settle, [future for *_, future in group], error)
        if error is None:
            self._look_now()


def _settle(futures: list[Future[Any]], error: Exception | None) -> None:
    for future in futures:
        if not future.done():  # The sender may have gone.
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

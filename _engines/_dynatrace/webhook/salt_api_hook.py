"""
What salt-api's hook received: names of problems to look at, under a tag that any accepted minion can fire.

Nothing but the name is taken, each once, and of those only so many. The thread that hears the bus only reads the body;
what waits for the disk does so in a thread of its own. What is left out, the poll sees.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import NotificationError
from ..core.log_once import LogOnce, Seldom
from ..core.notification import Notification
from ..remediation.notified import name_of
from ..store.ledger import Ledger
from .payload import parse_data

log = logging.getLogger(__name__)

#: Names that wait, here and in the ledger each: a new one takes the place of the oldest.
WAITING = 32
#: Between two writings; the bodies that are read, and the names that are written, in that time.
PAUSE_S = 1.0
BODIES = 32
NAMES = 8


class Hook(threading.Thread):
    """
    Takes what the hook's tag brings. ``hear`` is for the thread that hears the bus, all else for this one.
    """

    def __init__(
        self,
        name: str,
        keys: Mapping[str, str],
        ledger: Ledger,
        look_now: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name=f"{name}-hook", daemon=True)
        self._keys = keys
        self._ledger = ledger
        self._look_now = look_now
        self._clock = clock
        self._changed = threading.Condition()
        self._names: dict[str, Notification] = {}
        self._bodies = self._left_out = 0
        self._refused: NotificationError | None = None
        #: By name, what stands in the ledger and may still be looked at; the oldest first.
        self._recorded: dict[str, int] = {}
        self._outage = LogOnce(
            log,
            name,
            "what salt-api's hook names is not recorded",
            "salt-api's hook is heard again",
        )
        self._odd, self._many = Seldom(log, name), Seldom(log, name)

    def hear(self, data: Mapping[str, Any]) -> None:
        """
        Take an event, ``{"body": raw text, "post": decoded, "headers": …}``; waits for nothing.
        """
        with self._changed:
            if self._bodies >= BODIES:
                self._left_out += 1
                return
            self._bodies += 1
        try:
            notice = parse_data(data.get("post") or data, self._keys, whole=False)
        except NotificationError as err:
            self._take(None, err)
        else:
            self._take(None if notice.test else notice, None)

    def _take(self, notice: Notification | None, refused: NotificationError | None) -> None:
        with self._changed:
            self._refused = refused or self._refused
            if notice is not None:
                self._names[name_of(notice)] = _bare(notice)
                if len(self._names) > WAITING:
                    del self._names[next(iter(self._names))]
                    self._left_out += 1
            self._changed.notify()

    def run(self) -> None:
        """
        Record for ever; the thread ends with the process.
        """
        while True:
            with self._changed:
                while not self._bodies and not self._names:
                    self._changed.wait()
            try:
                self.take_in()
                self._outage.works()
            except Exception as err:  # noqa: BLE001 - Without this thread the hook is never heard again.
                self._outage.fails(err)
            time.sleep(PAUSE_S)

    def take_in(self) -> None:
        """
        Record what was heard, or the first of it; raises LedgerError.
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
        """
        Record names, each once; return how many others they took the place of.
        """
        waiting = self._ledger.unsettled(self._recorded.values())
        recorded = {name: one for name, one in self._recorded.items() if one in waiting}
        new = [name for name in taken if name not in recorded]
        gone = list(recorded)[: max(len(recorded) + len(new) - WAITING, 0)]
        ids = self._ledger.replace_notices(
            self._clock(), [taken[name] for name in new], [recorded.pop(name) for name in gone]
        )
        self._recorded = {**recorded, **dict(zip(new, ids, strict=True))}
        if new:
            self._look_now()
        return len(gone)


def _bare(notice: Notification) -> Notification:
    """
    Return what only names the problem: what else the body says of it is anybody's.
    """
    if notice.problem_id:
        return Notification(problem_id=notice.problem_id)
    return Notification(display_id=notice.display_id, old_pid=notice.old_pid)

"""
The lock of the ledger, which is given in turn.

With Python's own lock the thread that has just let go of it mostly gets it again, before one that waits is awake. The
reconciler asks for it all the time, and each order would wait for a whole group of decisions.
"""

from __future__ import annotations

import threading


class FairLock:
    """
    A lock that its owner may take again, and that whoever waits gets before who had it last.
    """

    def __init__(self) -> None:
        #: Held by the one that gets it next.
        self._next = threading.Lock()
        self._taken = threading.Lock()
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        own = threading.get_ident()
        if self._owner != own:
            with self._next:
                self._taken.acquire()
            self._owner = own
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._taken.release()

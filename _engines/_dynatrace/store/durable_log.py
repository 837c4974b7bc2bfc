"""
Brings the ledger's log to disk: one sync for all commits before it, while others read and write the ledger.
"""

from __future__ import annotations

import os
import threading

#: Not every system has it; where it is missing, a sync writes the file's times too.
_sync = getattr(os, "fdatasync", os.fsync)


class DurableLog:
    """
    The log beside sqlite's file, into which each commit goes; sqlite itself syncs it only before it begins anew.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        #: The number of commits; of the last one that was promised to be on disk; and of the last one that surely is.
        self._commits = self._promised = self._synced = 0

    def committed(self, soon: bool) -> None:
        """
        Note a commit, under the lock of the ledger; ``soon``: it may wait for the sync of a later one.
        """
        self._commits += 1
        if not soon:
            self._promised = self._commits

    def sync(self) -> None:
        """
        Return when all that was promised until now is on disk; raises OSError. Who waits meanwhile shares the next sync.
        """
        promised = self._promised
        if self._synced >= promised:
            return
        with self._lock:
            if self._synced >= promised:
                return
            commits = self._commits
            # Opened anew: whatever is closed of this file, no lock of sqlite's is on it.
            handle = os.open(self._path, os.O_RDONLY)
            try:
                _sync(handle)
            finally:
                os.close(handle)
            self._synced = commits

"""
The ledger's settings: what is remembered by name, and the counters of the metrics.
"""

from __future__ import annotations

from typing import Any

from .database import Database
from .table import SEPARATOR, Records

_UNREAD: Any = object()


class Settings(Records):
    """
    What is remembered by name: texts, and counters that only grow.
    """

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        #: What was read, without what a transaction may still take back: whether all is paused is asked for each process
        #: that is decided, and who asks the file waits for its lock.
        self._known: dict[str, str | None] = {}

    def get(self, key: str) -> str | None:
        known: str | None = self._known.get(key, _UNREAD)
        if known is not _UNREAD:
            return known
        with self.reading() as committed:
            value: str | None = self._db.value("SELECT value FROM settings WHERE key = ?", key)
            if committed:
                self._known[key] = value
        return value

    def put(self, key: str, value: str | None) -> None:
        """
        Remember a value; None forgets it.
        """
        with self.transaction():
            self._known.pop(key, None)
            if value is None:
                self._db.write("DELETE FROM settings WHERE key = ?", key)
            else:
                self._db.write("INSERT OR REPLACE INTO settings VALUES (?, ?)", key, value)

    def counters(self) -> dict[tuple[str, ...], int]:
        """
        Return the counters by their names with their labels, such as ``("attempts", "apache2", "good")``.
        """
        rows = self._db.rows("SELECT name, value FROM counters ORDER BY name")
        return {tuple(row["name"].split(SEPARATOR)): row["value"] for row in rows}

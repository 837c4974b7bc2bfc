"""
What all kinds of records have in common.
"""

from __future__ import annotations

from .database import Database


class Records:
    """
    Records of one kind, in the database that all of them share.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        #: All changes inside are one, also with those of other records.
        self.transaction = db.transaction
        self.reading = db.reading
        self.sync = db.sync

    def count(self, name: str, by: int = 1) -> None:
        """
        Add to a counter that survives restarts, as the metrics need.
        """
        self._db.write(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            name,
            by,
        )

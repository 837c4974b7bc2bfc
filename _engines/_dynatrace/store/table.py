"""
What all kinds of records have in common.
"""

from __future__ import annotations

from .database import Database

#: Between the name of a counter and its labels; none of these has it.
SEPARATOR = "/"


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

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """
        Add to a counter that survives restarts, as the metrics need; one with labels counts for each set of them.
        """
        self._db.write(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            SEPARATOR.join((name, *labels)),
            by,
        )

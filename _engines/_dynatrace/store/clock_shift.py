"""
The ledger's times when the clock is set: all of them are moved, so that what lay between them stays.
"""

from __future__ import annotations

from .database import LedgerFile

#: Problems are read again, and orders that wait are decided anew, whatever the clock says of their age.
_SHIFTS = (
    "UPDATE notices SET due = due + :by WHERE settled IS NULL",
    "UPDATE episodes SET opened = opened + :by, due = due + :by, closed = closed + :by, read = 0",
    "UPDATE episodes SET counted_from = counted_from + :by WHERE counted_from > 0",
    "UPDATE attempts SET created = created + :by, fired = fired + :by, first_fired = first_fired + :by",
    "UPDATE attempts SET started = started + :by, ended = ended + :by",
    "UPDATE actions SET started = started + :by, ended = ended + :by",
    "UPDATE outbox SET fresh_until = 0 WHERE fired IS NULL AND fresh_until IS NOT NULL",
    "UPDATE outbox SET created = created + :by, fired = fired + :by",
    "UPDATE comments SET created = created + :by, due = due + :by, sent = sent + :by",
)


class Times(LedgerFile):
    """
    All times of the ledger at once.
    """

    def latest_time(self) -> float:
        """
        Return the latest time at which anything is known to have happened; 0.0 in a new ledger.
        """
        rows = self._rows(
            "SELECT max((SELECT coalesce(max(read), 0) FROM episodes),"
            " (SELECT coalesce(max(opened), 0) FROM episodes),"
            " (SELECT coalesce(max(max(created, coalesce(fired, 0), coalesce(ended, 0))), 0) FROM attempts)) AS at"
        )
        return float(rows[0]["at"])

    def shift(self, by: float) -> None:
        """
        Move all times by so many seconds.
        """
        with self.transaction():
            for statement in _SHIFTS:
                self._db.execute(statement, {"by": by})

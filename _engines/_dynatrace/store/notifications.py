"""
The ledger's notifications: recorded before they are answered, kept until nothing more is to be done for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain

from ..core.notification import Notification
from ..core.plain import plain, restored
from .table import Records

#: Of one statement; older sqlite takes 999 values.
_ROWS = 300
_LISTED = "id IN (SELECT value FROM json_each(?))"


def _listed(ids: Iterable[int]) -> str:
    return json.dumps(list(ids))


class Notifications(Records):
    """
    Notifications that wait to be looked at.
    """

    def add(self, notices: Sequence[tuple[float, Notification]]) -> None:
        """
        Record notifications with the time they came; on return they are on disk.
        """
        rows = [(at, plain(notice), at) for at, notice in notices]
        with self.transaction():
            # Not executemany: sqlite3 gives up the interpreter's lock at each row, and a busy listener has it.
            for part in (rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS)):
                self._db.connection.execute(
                    "INSERT INTO notifications (received, notification, due) VALUES "
                    + ", ".join(["(?, ?, ?)"] * len(part)),
                    list(chain.from_iterable(part)),
                )
            self.count("notifications_accepted", by=len(rows))

    def replace(self, at: float, notices: Sequence[Notification], gone: Sequence[int]) -> list[int]:
        """
        Record what nobody was promised, in the place of others; return their ids. It is durable with the next commit.
        """
        if not notices and not gone:
            return []
        with self.transaction(soon=True):
            self.settle(gone, at)
            self.count("notifications_accepted", by=len(notices))
            rows = [self._insert(at, plain(notice)) for notice in notices]
        return rows

    def unsettled(self, ids: Iterable[int]) -> set[int]:
        rows = self._db.rows(
            f"SELECT id FROM notifications WHERE settled IS NULL AND {_LISTED}", _listed(ids)
        )
        return {row["id"] for row in rows}

    def waiting(
        self, now: float, limit: int = 1000, without: Iterable[int] = ()
    ) -> list[tuple[int, Notification, int, float]]:
        """
        Return (id, notification, tries, received) of notifications that are due and not settled, those first that were tried
        least, and of these the oldest; ``without`` the ones of some ids.
        """
        rows = self._db.rows(
            # Sorted by an expression, or sqlite would read the whole table in the order of ids.
            "SELECT id, notification, tries, received FROM notifications WHERE settled IS NULL AND due <= ?"
            f" AND NOT {_LISTED} ORDER BY tries, +id LIMIT ?",
            *(now, _listed(without), limit),
        )
        return [
            (row["id"], restored(Notification, row["notification"]), row["tries"], row["received"])
            for row in rows
        ]

    def settle(self, ids: Iterable[int], now: float) -> None:
        """
        Note that nothing more is to be done for these notifications; if that is lost, they are looked at again.
        """
        with self.transaction(soon=True):
            query = f"UPDATE notifications SET settled = ? WHERE {_LISTED}"
            self._db.write(query, now, _listed(ids))

    def postpone(self, ids: Iterable[int], due: float, tried: bool = True) -> None:
        """
        Have notifications wait until ``due``; ``tried``: they were looked at, and this counts.
        """
        query = f"UPDATE notifications SET due = ?, tries = tries + ? WHERE {_LISTED}"
        self._db.write(query, due, int(tried), _listed(ids))

    def hold(self, now: float, until: float) -> None:
        """
        Have all notifications that are due wait, untried.
        """
        with self.transaction(soon=True):
            self._db.write(
                "UPDATE notifications SET due = ? WHERE settled IS NULL AND due <= ?", until, now
            )

    def next_due(self, after: float | None = None) -> float | None:
        """
        Return when the first notification is due, of those that are due after a time.
        """
        due: float | None = self._db.value(
            "SELECT min(due) FROM notifications WHERE settled IS NULL AND due > ?", after or 0.0
        )
        return due

    def _insert(self, at: float, text: str) -> int:
        query = "INSERT INTO notifications (received, notification, due) VALUES (?1, ?2, ?1)"
        return self._db.write(query, at, text).lastrowid or 0

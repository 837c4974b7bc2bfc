"""
The ledger's comments and other reports to the tenant, from their recording until they are sent or given up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..core.records import Comment, CommentRecord
from .table import Records

_WAITING = "sent IS NULL AND given_up IS NULL"


class Comments(Records):
    """
    Comments by their markers.
    """

    def add(self, marker: str, problem_id: str, message: str, now: float) -> None:
        """
        Record a comment to be sent; one marker is sent once.
        """
        comment = Comment(marker, problem_id, message)
        self._db.insert("comments", comment, created=now, due=now)

    def waiting(self, now: float) -> list[Comment]:
        query = f"SELECT * FROM comments WHERE {_WAITING} AND due <= ? ORDER BY created LIMIT 100"
        found = self._db.all(Comment, query, now)
        self.sync()
        return found

    def of(self, markers: Iterable[str]) -> list[CommentRecord]:
        """
        Return the comments with any of these markers, sent or not, oldest first.
        """
        return self._db.all(
            CommentRecord,
            "SELECT * FROM comments WHERE marker IN (SELECT value FROM json_each(?)) ORDER BY created",
            json.dumps(list(markers)),
        )

    def trying(self, marker: str, due: float | None = None) -> None:
        """
        Note before sending that the comment may be stored from now on, whatever we learn of it.

        If nothing is learned, because the engine is killed now, it is looked for at ``due``.
        """
        self._db.write(
            "UPDATE comments SET doubtful = 1, tries = tries + 1, due = coalesce(?, due) WHERE marker = ?",
            due,
            marker,
        )

    def sent(self, marker: str, now: float) -> None:
        self._db.write("UPDATE comments SET sent = ? WHERE marker = ?", now, marker)

    def later(self, marker: str, due: float, doubtful: bool) -> None:
        """
        Try a comment again at ``due``; ``doubtful`` is False when the tenant surely did not store it.
        """
        self._db.write(
            "UPDATE comments SET due = ?, doubtful = ? WHERE marker = ?", due, doubtful, marker
        )

    def given_up(self, marker: str, why: str) -> None:
        self._db.write("UPDATE comments SET given_up = ? WHERE marker = ?", why[:200], marker)

    def next_due(self) -> float | None:
        due: float | None = self._db.value(f"SELECT min(due) FROM comments WHERE {_WAITING}")
        return due

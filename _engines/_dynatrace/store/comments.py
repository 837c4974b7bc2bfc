"""
The ledger's comments and other reports to the tenant, from their recording until they are sent or given up.
"""

from __future__ import annotations

from ..core.records import Comment
from .database import LedgerFile


class CommentRecords(LedgerFile):
    """
    Comments by their markers.
    """

    def add_comment(self, marker: str, problem_id: str, message: str, now: float) -> None:
        """
        Record a comment to be sent; one marker is sent once.
        """
        self._write(
            "INSERT OR IGNORE INTO comments (marker, problem_id, message, created, due) VALUES (?, ?, ?, ?, ?)",
            marker,
            problem_id,
            message,
            now,
            now,
        )

    def waiting_comments(self, now: float) -> list[Comment]:
        """
        Return comments that are due, oldest first.
        """
        rows = self._rows(
            "SELECT * FROM comments WHERE sent IS NULL AND given_up IS NULL AND due <= ? ORDER BY created LIMIT 100",
            now,
        )
        return [
            Comment(
                row["marker"],
                row["problem_id"],
                row["message"],
                row["tries"],
                bool(row["doubtful"]),
            )
            for row in rows
        ]

    def comment_trying(self, marker: str, due: float | None = None) -> None:
        """
        Note before sending that the comment may be stored from now on, whatever we learn of it.

        If nothing is learned, because the engine is killed now, it is looked for at ``due``.
        """
        self._write(
            "UPDATE comments SET doubtful = 1, tries = tries + 1, due = coalesce(?, due) WHERE marker = ?",
            due,
            marker,
        )

    def comment_sent(self, marker: str, now: float) -> None:
        """
        Note that a comment is stored at the tenant.
        """
        self._write("UPDATE comments SET sent = ? WHERE marker = ?", now, marker)

    def comment_later(self, marker: str, due: float, doubtful: bool) -> None:
        """
        Try a comment again at ``due``; ``doubtful`` is False when the tenant surely did not store it.
        """
        self._write(
            "UPDATE comments SET due = ?, doubtful = ? WHERE marker = ?", due, int(doubtful), marker
        )

    def comment_given_up(self, marker: str, why: str) -> None:
        """
        Note that a comment will not be sent, and why.
        """
        self._write("UPDATE comments SET given_up = ? WHERE marker = ?", why[:200], marker)

    def next_comment(self) -> float | None:
        """
        Return when the next comment is due, or None.
        """
        value = self._rows(
            "SELECT min(due) AS due FROM comments WHERE sent IS NULL AND given_up IS NULL"
        )[0]["due"]
        return None if value is None else float(value)

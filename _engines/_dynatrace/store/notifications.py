"""
The ledger's notifications: recorded before they are answered, kept until nothing more is to be done for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain

from ..core.notification import Notification as Notice
from ..core.problem import Problem
from .database import LedgerFile

#: Of one statement; older sqlite takes 999 values.
_ROWS = 300


class Notices(LedgerFile):
    """
    Notifications that wait to be looked at.
    """

    def add_notices(self, notices: Sequence[tuple[float, Notice]]) -> None:
        """
        Record notifications with the time they came; on return they are on disk.
        """
        rows = [(at, _notice_text(notice), at) for at, notice in notices]
        with self.transaction():
            # Not executemany: sqlite3 gives up the interpreter's lock at each row, and a busy listener has it.
            for part in (rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS)):
                self._db.execute(
                    "INSERT INTO notices (received, notice, due) VALUES "
                    + ", ".join(["(?, ?, ?)"] * len(part)),
                    list(chain.from_iterable(part)),
                )
            self.count("notifications_accepted", len(rows))

    def remind(self, problem_id: str, due: float) -> None:
        """
        Have a problem looked at again at ``due``, as if it were notified then; one reminder of it waits at most.
        """
        text = _notice_text(Notice(problem_id))
        with self.transaction():
            self._write("DELETE FROM notices WHERE settled IS NULL AND notice = ?", text)
            self._write(
                "INSERT INTO notices (received, notice, due) VALUES (?, ?, ?)", due, text, due
            )

    def replace_notices(
        self, at: float, notices: Sequence[Notice], gone: Sequence[int]
    ) -> list[int]:
        """
        Record what nobody was promised, in the place of others; return their ids. It is durable with the next commit.
        """
        if not notices and not gone:
            return []
        with self.transaction(soon=True):
            self.settle_notices(gone, at)
            self.count("notifications_accepted", len(notices))
            rows = [
                self._write(
                    "INSERT INTO notices (received, notice, due) VALUES (?, ?, ?)",
                    at,
                    _notice_text(notice),
                    at,
                )
                for notice in notices
            ]
        return [row.lastrowid or 0 for row in rows]

    def unsettled(self, ids: Iterable[int]) -> set[int]:
        """
        Return which of these notifications may still be looked at.
        """
        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        rows = self._rows(
            f"SELECT id FROM notices WHERE settled IS NULL AND id IN ({marks})", *wanted
        )
        return {row["id"] for row in rows}

    def waiting_notices(
        self, now: float, limit: int = 10_000
    ) -> list[tuple[int, Notice, int, float]]:
        """
        Return (id, notice, tries, received) of notifications that are due and not settled, oldest first.
        """
        rows = self._rows(
            "SELECT id, notice, tries, received FROM notices WHERE settled IS NULL AND due <= ? ORDER BY id LIMIT ?",
            now,
            limit,
        )
        return [
            (row["id"], _notice_from(row["notice"]), row["tries"], row["received"]) for row in rows
        ]

    def settle_notices(self, ids: Iterable[int], now: float) -> None:
        """
        Note that nothing more is to be done for these notifications; if that is lost, they are looked at again.
        """
        with self.transaction(soon=True):
            self._db.executemany(
                "UPDATE notices SET settled = ? WHERE id = ?", [(now, item) for item in ids]
            )

    def postpone_notices(self, ids: Iterable[int], due: float) -> None:
        """
        Look at these notifications again later.
        """
        rows = [(due, item) for item in ids]
        with self.transaction():
            self._db.executemany("UPDATE notices SET due = ?, tries = tries + 1 WHERE id = ?", rows)

    def hold_notices(self, now: float, until: float) -> None:
        """
        Have all notifications that are due wait, untried.
        """
        with self.transaction(soon=True):
            self._write("UPDATE notices SET due = ? WHERE settled IS NULL AND due <= ?", until, now)

    def next_notice(self) -> float | None:
        """
        Return when the next notification is due, or None.
        """
        value = self._rows("SELECT min(due) AS due FROM notices WHERE settled IS NULL")[0]["due"]
        return None if value is None else float(value)


def _notice_text(notice: Notice) -> str:
    # As asdict would give it, in a fifth of the time.
    return json.dumps(notice, default=vars)


def _notice_from(text: str) -> Notice:
    data = json.loads(text)
    problem = data.pop("problem")
    return Notice(**data, problem=None if problem is None else Problem.from_dict(problem))

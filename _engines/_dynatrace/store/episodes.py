"""
The ledger's episodes: each span in which a problem is open, and when it is to be decided.
"""

from __future__ import annotations

import json
import sqlite3

from ..core.problem import Problem
from ..core.records import Episode, Place
from ..core.resolution import Resolution
from ..core.states import EpisodeState, Waiting, sql
from .database import LedgerFile

#: Those that the tenant shows as open.
_SHOWN = sql(EpisodeState.OPEN, EpisodeState.IGNORED)


class EpisodeRecords(LedgerFile):
    """
    Episodes by problem key and number.
    """

    def latest_episode(self, problem_key: str) -> Episode | None:
        """
        Return the newest episode of a problem, or None.
        """
        rows = self._rows(
            "SELECT * FROM episodes WHERE problem_key = ? ORDER BY episode DESC LIMIT 1",
            problem_key,
        )
        return _episode(rows[0]) if rows else None

    def episode(self, problem_key: str, number: int) -> Episode | None:
        """
        Return one episode of a problem, or None.
        """
        rows = self._rows(
            "SELECT * FROM episodes WHERE problem_key = ? AND episode = ?", problem_key, number
        )
        return _episode(rows[0]) if rows else None

    def find_episode(self, display_id: str) -> Episode | None:
        """
        Return the newest episode with a display id, or None.
        """
        rows = self._rows(
            "SELECT * FROM episodes WHERE display_id = ? ORDER BY opened DESC LIMIT 1", display_id
        )
        return _episode(rows[0]) if rows else None

    def open_keys(self) -> dict[str, str]:
        """
        Return the summary of each open episode (also of those that are ignored) by problem key.
        """
        rows = self._rows(f"SELECT problem_key, summary FROM episodes WHERE state IN {_SHOWN}")
        return {row["problem_key"]: row["summary"] for row in rows}

    def open_episodes(self, limit: int) -> list[Episode]:
        """
        Return open and ignored episodes, the most severe first, then the oldest.
        """
        rows = self._rows(
            f"SELECT * FROM episodes WHERE state IN {_SHOWN} ORDER BY rank, opened LIMIT ?",
            limit,
        )
        return [_episode(row) for row in rows]

    def places(self, now: float, waiting: bool) -> list[Place]:
        """
        Return in which order open episodes are decided: those that are due, and if so told those that wait for capacity.

        The most severe come first, then those whose problem began first: in a storm all are seen at the same moment.
        """
        rows = self._rows(
            "SELECT problem_key, episode, due IS NOT NULL AS due,"
            f" announced AND waiting IS '{Waiting.CAPACITY}' AS only_capacity FROM episodes"
            f" WHERE state = '{EpisodeState.OPEN}' AND (due <= ? OR (? AND waiting = '{Waiting.CAPACITY}'))"
            " ORDER BY rank, min(opened, coalesce(json_extract(problem, '$.start') / 1000.0, opened)), problem_key",
            now,
            waiting,
        )
        return [
            Place(row["problem_key"], row["episode"], bool(row["only_capacity"]), bool(row["due"]))
            for row in rows
        ]

    def next_due(self) -> float | None:
        """
        Return when the next open episode is to be decided, or None.
        """
        value = self._rows(
            f"SELECT min(due) AS due FROM episodes WHERE state = '{EpisodeState.OPEN}'"
        )[0]["due"]
        return None if value is None else float(value)

    def save_episode(self, episode: Episode) -> None:
        """
        Write an episode, new or known.
        """
        self._write(
            "INSERT OR REPLACE INTO episodes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            episode.problem_key,
            episode.episode,
            episode.problem.display_id,
            episode.state,
            json.dumps(episode.problem.to_dict()),
            json.dumps(episode.resolution.to_dict()),
            episode.summary,
            episode.rank,
            episode.opened,
            episode.read,
            episode.due,
            episode.waiting,
            episode.attempts,
            int(episode.announced),
            episode.escalated,
            episode.counted_from,
            episode.closed,
        )

    def wake_episodes(self, now: float, waiting: Waiting) -> None:
        """
        Have the episodes decided again that wait for something.
        """
        self._write(
            f"UPDATE episodes SET due = ? WHERE state = '{EpisodeState.OPEN}' AND waiting = ?",
            now,
            waiting,
        )

    def wake_episode(self, problem_key: str, episode: int, now: float | None) -> None:
        """
        Have one episode decided again at a time, or by None not before something happens.
        """
        self._write(
            "UPDATE episodes SET due = ? WHERE problem_key = ? AND episode = ?"
            f" AND state = '{EpisodeState.OPEN}'",
            now,
            problem_key,
            episode,
        )


def _episode(row: sqlite3.Row) -> Episode:
    return Episode(
        problem_key=row["problem_key"],
        episode=row["episode"],
        problem=Problem.from_dict(json.loads(row["problem"])),
        resolution=Resolution.from_dict(json.loads(row["resolution"])),
        summary=row["summary"],
        rank=row["rank"],
        opened=row["opened"],
        read=row["read"],
        state=EpisodeState(row["state"]),
        due=row["due"],
        waiting=Waiting(row["waiting"]) if row["waiting"] else None,
        attempts=row["attempts"],
        announced=bool(row["announced"]),
        escalated=row["escalated"],
        counted_from=row["counted_from"],
        closed=row["closed"],
    )

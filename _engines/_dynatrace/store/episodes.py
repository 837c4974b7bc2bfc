"""
The ledger's episodes: each span in which a problem is open, and when it is to be decided.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..core.records import Episode, EpisodeBrief, Place
from ..core.states import SHOWN, EpisodeState, Waiting, sql
from .table import Records

_OPEN = f"state = '{EpisodeState.OPEN}'"
_SHOWN = f"state IN {sql(*SHOWN)}"
_FOR_CAPACITY = f"waiting = '{Waiting.CAPACITY}'"
_BRIEF = (
    "problem_key, episode, display_id, state, began, opened, closed, attempts, escalated, held,"
    " json_extract(problem, '$.end') AS ended, json_extract(problem, '$.merged') AS merged"
)


class Episodes(Records):
    """
    Episodes by problem key and number.
    """

    def latest(self, problem_key: str) -> Episode | None:
        return self._db.first(
            Episode,
            "SELECT * FROM episodes WHERE problem_key = ? ORDER BY episode DESC LIMIT 1",
            problem_key,
        )

    def get(self, problem_key: str, number: int) -> Episode | None:
        query = "SELECT * FROM episodes WHERE problem_key = ? AND episode = ?"
        return self._db.first(Episode, query, problem_key, number)

    def any_known(self, problem_keys: Iterable[str]) -> bool:
        """
        Tell whether there is an episode of any of the problems, perhaps a closed one.
        """
        query = "SELECT EXISTS (SELECT 1 FROM json_each(?) JOIN episodes ON problem_key = value)"
        return bool(self._db.value(query, json.dumps(list(problem_keys))))

    def open(self, problem_keys: Iterable[str]) -> dict[str, Episode]:
        """
        Return those of the problems' episodes that are open, by problem key.
        """
        found = self._db.all(
            Episode,
            f"SELECT * FROM episodes WHERE {_OPEN} AND problem_key IN (SELECT value FROM json_each(?))",
            json.dumps(list(problem_keys)),
        )
        return {one.problem_key: one for one in found}

    def find(self, display_id: str) -> Episode | None:
        query = "SELECT * FROM episodes WHERE display_id = ? ORDER BY opened DESC LIMIT 1"
        return self._db.first(Episode, query, display_id)

    def summaries(self) -> dict[str, str]:
        rows = self._db.rows(f"SELECT problem_key, summary FROM episodes WHERE {_SHOWN}")
        return {row["problem_key"]: row["summary"] for row in rows}

    def shown_count(self) -> int:
        """
        Return how many problems the tenant shows as open.
        """
        return int(self._db.value(f"SELECT count(*) FROM episodes WHERE {_SHOWN}"))

    def closed_since(self, since: float) -> list[Episode]:
        """
        Return the episodes that closed since a time and were not too old at first, in the order in which they opened.
        """
        found = self._db.all(
            Episode,
            f"SELECT * FROM episodes WHERE state = '{EpisodeState.CLOSED}' AND closed >= ?",
            since,
        )
        return sorted(found, key=lambda one: (one.opened, one.problem_key))

    def first_closed(self) -> float | None:
        """
        Return when the first closed of those that are still known; None: none is.
        """
        query = f"SELECT min(closed) FROM episodes WHERE state = '{EpisodeState.CLOSED}'"
        first: float | None = self._db.value(query)
        return first

    def shown(self, limit: int) -> list[Episode]:
        query = f"SELECT * FROM episodes WHERE {_SHOWN} ORDER BY rank, opened LIMIT ?"
        return self._db.all(Episode, query, limit)

    def seen_between(self, since: float, until: float) -> list[EpisodeBrief]:
        """
        Return in brief the episodes that were seen first within a span of time, oldest first.
        """
        return self._db.all(
            EpisodeBrief,
            f"SELECT {_BRIEF} FROM episodes WHERE state = '{EpisodeState.CLOSED}' AND closed >= ?1"
            f" AND opened >= ?1 AND opened < ?2 UNION ALL SELECT {_BRIEF} FROM episodes"
            f" WHERE {_SHOWN} AND opened >= ?1 AND opened < ?2 ORDER BY opened",
            *(since, until),
        )

    def closed_after(
        self, last: EpisodeBrief | None, since: float, limit: int
    ) -> list[EpisodeBrief]:
        """
        Return in brief the episodes that closed since a time and after the last of these that is known, in their order.
        """
        place = (last.closed, *last.key) if last is not None else (since, "", 0)
        return self._db.all(
            EpisodeBrief,
            f"SELECT {_BRIEF} FROM episodes WHERE state = '{EpisodeState.CLOSED}' AND closed >= ?"
            " AND (closed, problem_key, episode) > (?, ?, ?) ORDER BY closed, problem_key, episode LIMIT ?",
            *(place[0], *place, limit),
        )

    def opened_since(self, since: float) -> list[float]:
        """
        Return when those that the tenant shows as open were seen first, of these from a time on.
        """
        query = f"SELECT opened FROM episodes WHERE {_SHOWN} AND opened >= ?"
        return [row["opened"] for row in self._db.rows(query, since)]

    def by_need(self, limit: int) -> list[Episode]:
        """
        Return problems that the tenant shows as open: those for a person first, then the most severe, then the oldest.
        """
        need = "ORDER BY escalated IS NULL, rank, opened, problem_key"
        return self._db.all(
            Episode,
            # The index alone tells which they are: of the others no problem is read.
            "SELECT * FROM episodes WHERE rowid IN"
            f" (SELECT rowid FROM episodes WHERE {_SHOWN} {need} LIMIT ?) {need}",
            limit,
        )

    def standing(self) -> list[tuple[bool, str | None, int]]:
        """
        Return how many problems the tenant shows as open, by whether they are for a person, and why they are held.
        """
        query = (
            "SELECT escalated IS NOT NULL AS person, held, count(*) AS n FROM episodes"
            f" WHERE {_SHOWN} GROUP BY person, held ORDER BY n DESC"
        )
        return [(bool(row["person"]), row["held"], row["n"]) for row in self._db.rows(query)]

    def held_counts(self) -> dict[str, int]:
        """
        Return how many open episodes are held, by the reason.
        """
        query = f"SELECT held, count(*) AS n FROM episodes WHERE {_OPEN} AND held IS NOT NULL GROUP BY held"
        return {row["held"]: row["n"] for row in self._db.rows(query)}

    def places(self, now: float, waiting: bool, limit: int = -1) -> list[Place]:
        """
        Return in which order open episodes are decided: those that are due, and if so told those that wait for capacity.

        The most severe come first, then those whose problem began first: in a storm all are seen at the same moment.
        """
        return self._db.all(
            Place,
            "SELECT problem_key, episode, rank, began, due IS NOT NULL AS due,"
            f" announced AND waiting IS '{Waiting.CAPACITY}' AS only_capacity"
            # The state in both parts: each is found by an index of its own.
            f" FROM episodes WHERE ({_OPEN} AND due <= ?) OR ({_OPEN} AND {_FOR_CAPACITY} AND ?)"
            " ORDER BY rank, began, problem_key LIMIT ?",
            *(now, waiting, limit),
        )

    def due_places(self, problem_keys: Iterable[str], now: float) -> list[Place]:
        """
        Return the places of those of the problems' episodes that are due.
        """
        return self._db.all(
            Place,
            "SELECT problem_key, episode, rank, began, 1 AS due, 0 AS only_capacity FROM episodes"
            f" WHERE {_OPEN} AND due <= ? AND problem_key IN (SELECT value FROM json_each(?))",
            *(now, json.dumps(list(problem_keys))),
        )

    def next_due(self) -> float | None:
        query = f"SELECT min(due) FROM episodes WHERE {_OPEN} AND due IS NOT NULL"
        due: float | None = self._db.value(query)
        return due

    def save(self, episode: Episode) -> None:
        problem = episode.problem
        began = problem.start / 1000 if problem.start is not None else episode.opened
        self._db.replace(
            "episodes",
            ("problem_key", "episode"),
            episode,
            display_id=problem.display_id,
            began=min(began, episode.opened),
        )

    def decided(self, episode: Episode) -> None:
        """
        Record what a decision changes of an episode; its problem is as it was read.
        """
        self._db.write(
            "UPDATE episodes SET due = ?, waiting = ?, attempts = ?, announced = ?, escalated = ?, held = ?"
            " WHERE problem_key = ? AND episode = ?",
            *(episode.due, episode.waiting, episode.attempts, episode.announced, episode.escalated),
            *(episode.held, episode.problem_key, episode.episode),
        )

    def read_again(self, now: float) -> None:
        """
        Have all open episodes read and decided again, since they would be decided otherwise than before.
        """
        self._db.write(
            f"UPDATE episodes SET due = ?, read = 0 WHERE {_SHOWN} AND {_OPEN}",
            now,
        )

    def wake_waiting(self, now: float, waiting: Waiting) -> None:
        self._db.write(f"UPDATE episodes SET due = ? WHERE {_OPEN} AND waiting = ?", now, waiting)

    def wake(self, problem_key: str, episode: int, now: float | None) -> None:
        """
        Have one episode decided again at a time, or by None not before something happens.
        """
        self._db.write(
            f"UPDATE episodes SET due = ? WHERE problem_key = ? AND episode = ? AND {_OPEN}",
            now,
            problem_key,
            episode,
        )

"""
The ledger's journal: what was decided and ordered by whom and when, for whoever asks later. Nothing is decided by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.plain import plain
from ..core.records import Entry, Episode
from ..core.states import EpisodeState
from .table import Records


class Journal(Records):
    """
    Entries in the order in which they were written; none is ever changed.
    """

    def add(
        self, kind: str, at: float, told: Mapping[str, Any], episode: Episode | None = None
    ) -> None:
        """
        Write an entry; with ``episode`` it is about a problem.
        """
        of = (episode.problem_key, episode.episode) if episode is not None else (None, None)
        query = "INSERT INTO journal (at, kind, problem_key, episode, told) VALUES (?, ?, ?, ?, ?)"
        self._db.write(query, at, kind, *of, plain(told))

    def of(self, episode: Episode) -> list[Entry]:
        """
        Return the entries about an episode, oldest first.
        """
        query = "SELECT * FROM journal WHERE problem_key = ? AND episode = ? ORDER BY seq"
        return self._db.all(Entry, query, episode.problem_key, episode.episode)

    def latest(self, episode: Episode, kind: str) -> Entry | None:
        return self._db.first(
            Entry,
            "SELECT * FROM journal WHERE problem_key = ? AND episode = ? AND kind = ?"
            " ORDER BY seq DESC LIMIT 1",
            *(episode.problem_key, episode.episode, kind),
        )

    def add_first(self, kind: str, times: Mapping[str, float]) -> None:
        """
        Write an entry, by problem key its time, about each of the problems' open episodes that has none of this kind.
        """
        self._db.write(
            "INSERT INTO journal (at, kind, problem_key, episode, told)"
            " SELECT given.value, ?1, problem_key, episode, '{}' FROM json_each(?2) AS given"
            f" JOIN episodes ON problem_key = given.key AND state = '{EpisodeState.OPEN}' WHERE NOT EXISTS"
            " (SELECT 1 FROM journal WHERE problem_key = episodes.problem_key"
            " AND episode = episodes.episode AND kind = ?1)",
            *(kind, json.dumps(dict(times))),
        )

    def firsts(
        self, kind: str, episodes: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], float]:
        """
        Return when the first entry of a kind about each of some episodes was made, by their keys and numbers.
        """
        rows = self._db.rows(
            "SELECT problem_key, episode, min(at) AS at FROM json_each(?1) AS given JOIN journal"
            " ON problem_key = json_extract(given.value, '$[0]')"
            " AND episode = json_extract(given.value, '$[1]') AND kind = ?2"
            " GROUP BY problem_key, episode",
            *(json.dumps(list(episodes)), kind),
        )
        return {(row["problem_key"], row["episode"]): row["at"] for row in rows}

    def last_decisions(self) -> list[Entry]:
        """
        Return the last decision about each episode.
        """
        return self._db.all(
            Entry,
            "SELECT * FROM journal WHERE seq IN (SELECT max(seq) FROM journal"
            " WHERE problem_key IS NOT NULL AND kind = 'decision' GROUP BY problem_key, episode)",
        )

    def between(self, since: float, until: float, *kinds: str) -> list[Entry]:
        """
        Return the entries of some kinds over a span of time, oldest first.
        """
        marks = ", ".join("?" * len(kinds))
        query = (
            f"SELECT * FROM journal WHERE at >= ? AND at < ? AND kind IN ({marks}) ORDER BY at, seq"
        )
        return self._db.all(Entry, query, since, until, *kinds)

    def orders(self, until: float) -> list[Entry]:
        """
        Return what is about no problem, which is pauses and their ends, up to a time, oldest first.
        """
        query = "SELECT * FROM journal WHERE problem_key IS NULL AND at < ? ORDER BY at, seq"
        return self._db.all(Entry, query, until)

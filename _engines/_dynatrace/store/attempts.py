"""
The ledger's attempts, and what each does to which process on which minion.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from ..core.errors import IllegalMove
from ..core.policy import Past
from ..core.records import Action, Attempt, Episode, Memory
from ..core.states import (
    BUSY_ATTEMPTS,
    OPEN_ATTEMPTS,
    SERVING,
    ActionState,
    AttemptState,
    move,
    sql,
)
from .database import LedgerFile

log = logging.getLogger(__name__)

#: How far the clocks of tenant and master are thought to differ at most.
CLOCKS_S = 60.0


class AttemptRecords(LedgerFile):
    """
    Attempts by their ids, and their actions by minion and process.
    """

    def add_attempt(
        self,
        attempt: Attempt,
        targets: Iterable[tuple[str, str]],
        seen: Mapping[str, int | None] | None = None,
    ) -> None:
        """
        Record an attempt on (minion, process) pairs before anything of it is fired.

        ``seen`` tells by process when the latest failure that is known began, in UTC milliseconds.
        """
        with self.transaction():
            self._write(
                "INSERT OR IGNORE INTO attempts VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                *asdict(attempt).values(),
            )
            for minion, process in targets:
                self._write(
                    "INSERT OR IGNORE INTO actions VALUES (?, ?, ?, ?, '', ?, NULL, ?)",
                    attempt.attempt_id,
                    minion,
                    process,
                    ActionState.WAITING,
                    attempt.created,
                    (seen or {}).get(process),
                )

    def attempt(self, attempt_id: str) -> Attempt | None:
        """
        Return an attempt by its id, or None.
        """
        rows = self._rows("SELECT * FROM attempts WHERE attempt_id = ?", attempt_id)
        return _attempt(rows[0]) if rows else None

    def attempts_by_jid(self, jid: str) -> list[Attempt]:
        """
        Return the attempts with a job id that are not over; more than one only by a collision of derived ids.
        """
        rows = self._rows(
            f"SELECT * FROM attempts WHERE jid = ? AND state IN {sql(*OPEN_ATTEMPTS)}", jid
        )
        return [_attempt(row) for row in rows]

    def attempts_of(self, episode: Episode) -> list[Attempt]:
        """
        Return the attempts of an episode in their order.
        """
        rows = self._rows(
            "SELECT * FROM attempts WHERE problem_key = ? AND episode = ? ORDER BY number",
            episode.problem_key,
            episode.episode,
        )
        return [_attempt(row) for row in rows]

    def open_attempts(self) -> list[Attempt]:
        """
        Return the attempts that are not over, oldest first.
        """
        rows = self._rows(
            f"SELECT * FROM attempts WHERE state IN {sql(*OPEN_ATTEMPTS)} ORDER BY created"
        )
        return [_attempt(row) for row in rows]

    def move_attempt(
        self, attempt_id: str, state: AttemptState, ended: float | None = None
    ) -> None:
        """
        Move an attempt to a state. What must not follow is logged and changes nothing: the loop goes on.
        """
        with self.transaction():
            known = self.attempt(attempt_id)
            if known is None:
                return
            try:
                move(known.state, state)
            except IllegalMove as err:
                log.error("%s: attempt %s: %s", self._owner, attempt_id[:12], err)
                return
            self._write(
                "UPDATE attempts SET state = ?, ended = ? WHERE attempt_id = ?",
                state,
                ended,
                attempt_id,
            )

    def actions(self, attempt_id: str) -> list[Action]:
        """
        Return what an attempt does, by minion.
        """
        rows = self._rows(
            "SELECT * FROM actions WHERE attempt_id = ? ORDER BY minion, process", attempt_id
        )
        return [_action(row) for row in rows]

    def end_action(
        self, attempt_id: str, minion: str, state: ActionState, comment: str, now: float
    ) -> bool:
        """
        Record how an attempt ended on a minion; False when that was known already (the first answer counts).
        """
        cursor = self._write(
            "UPDATE actions SET state = ?, comment = ?, ended = ?"
            f" WHERE attempt_id = ? AND minion = ? AND state = '{ActionState.WAITING}'",
            state,
            comment,
            now,
            attempt_id,
            minion,
        )
        return cursor.rowcount > 0

    def recall_action(
        self, attempt_id: str, minion: str, comment: str, memory: Memory, now: float
    ) -> bool:
        """
        Record the end that a minion remembers, at the time that it tells; False when an end was known already.

        Another master may have ordered it, before this one did: a failure that began well after its end is not what it
        was made for. The clocks of tenant and master may differ, and one failure must not be taken for two.
        """
        cursor = self._write(
            "UPDATE actions SET state = ?, comment = ?, ended = ?,"
            " seen = CASE WHEN seen > ? THEN ? ELSE seen END"
            f" WHERE attempt_id = ? AND minion = ? AND state = '{ActionState.WAITING}'",
            memory.state,
            comment,
            min(memory.finished, now),
            int((memory.finished + CLOCKS_S) * 1000),
            int(memory.taken * 1000),
            attempt_id,
            minion,
        )
        return cursor.rowcount > 0

    def past(self, minion: str, process: str, since: float) -> list[Past]:
        """
        Return the attempts on one process of one minion since a time, oldest first; without those that never happened.
        """
        rows = self._rows(
            "SELECT state, started, ended FROM actions"
            " WHERE minion = ? AND process = ? AND started >= ?"
            f" AND state != '{ActionState.NOT_EXECUTED}' ORDER BY started",
            minion,
            process,
            since,
        )
        return [Past(ActionState(row["state"]), row["started"], row["ended"]) for row in rows]

    def lost_at(self, minion: str) -> float | None:
        """
        Return when the last job that was sent to a minion was given up as lost; None: it returned, or there was none.
        """
        rows = self._rows(
            "SELECT state, ended FROM actions WHERE minion = ?"
            f" AND state NOT IN {sql(ActionState.WAITING, ActionState.NOT_EXECUTED)}"
            " ORDER BY started DESC LIMIT 1",
            minion,
        )
        return rows[0]["ended"] if rows and rows[0]["state"] == ActionState.LOST else None

    def last_heal(self, episode: Episode, minion: str, process: str) -> Action | None:
        """
        Return the latest action of this episode that found or made a process serve and still counts, or None.
        """
        rows = self._rows(
            "SELECT actions.* FROM actions JOIN attempts USING (attempt_id)"
            " WHERE problem_key = ? AND episode = ? AND minion = ? AND process = ?"
            f" AND actions.state IN {sql(*SERVING)} AND actions.started >= ?"
            " ORDER BY actions.started DESC LIMIT 1",
            episode.problem_key,
            episode.episode,
            minion,
            process,
            episode.counted_from,
        )
        return _action(rows[0]) if rows else None

    def last_heal_by_others(self, episode: Episode, minion: str, process: str) -> Action | None:
        """
        Return the latest such action that was made for another problem, or None.
        """
        rows = self._rows(
            "SELECT actions.* FROM actions JOIN attempts USING (attempt_id)"
            " WHERE problem_key != ? AND minion = ? AND process = ?"
            f" AND actions.state IN {sql(*SERVING)} AND actions.started >= ? ORDER BY actions.started DESC LIMIT 1",
            episode.problem_key,
            minion,
            process,
            episode.counted_from,
        )
        return _action(rows[0]) if rows else None

    def busy_minions(self) -> set[str]:
        """
        Return the minions on which something is being healed.
        """
        rows = self._rows(
            "SELECT DISTINCT minion FROM actions JOIN attempts USING (attempt_id)"
            f" WHERE actions.state = '{ActionState.WAITING}' AND attempts.state IN {sql(*BUSY_ATTEMPTS)}"
        )
        return {row["minion"] for row in rows}

    def waiting_actions(self) -> frozenset[tuple[str, str, str, bool]]:
        """
        Return (attempt id, minion, process, busy) of all that is in progress: when one is gone there may be capacity.
        """
        rows = self._rows(
            f"SELECT attempt_id, minion, process, attempts.state IN {sql(*BUSY_ATTEMPTS)} AS busy"
            " FROM actions JOIN attempts USING (attempt_id)"
            f" WHERE actions.state = '{ActionState.WAITING}'"
        )
        return frozenset(
            (row["attempt_id"], row["minion"], row["process"], bool(row["busy"])) for row in rows
        )


def _attempt(row: sqlite3.Row) -> Attempt:
    return Attempt(**{**dict(row), "state": AttemptState(row["state"])})


def _action(row: sqlite3.Row) -> Action:
    return Action(**{**dict(row), "state": ActionState(row["state"])})

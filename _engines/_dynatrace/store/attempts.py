"""
The ledger's attempts, and what each does to which process on which minion.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping

from ..core.errors import IllegalMove
from ..core.plain import restored
from ..core.policy import Past
from ..core.records import Action, Attempt, Episode, Executed, Memory
from ..core.states import (
    OPEN_ATTEMPTS,
    SERVING,
    ActionState,
    AttemptState,
    move,
    sources,
    sql,
)
from .database import Database
from .in_progress import InProgress
from .table import Records

log = logging.getLogger(__name__)

#: How far the clocks of tenant and master are thought to differ at most.
CLOCKS_S = 60.0
_OPEN = f"state IN {sql(*OPEN_ATTEMPTS)}"
_WAITING = f"actions.state = '{ActionState.WAITING}'"
_LOST = f"actions.state = '{ActionState.LOST}'"
_UNTAKEN = f"attempts.state IN {sql(AttemptState.PLANNED, AttemptState.EXPIRED)}"


class Attempts(Records):
    """
    Attempts by their ids, and their actions by minion and process.
    """

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.in_progress = InProgress(db)

    def add(
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
            self._db.insert("attempts", attempt)
            for minion, process in targets:
                action = Action(
                    *(attempt.attempt_id, minion, process, ActionState.WAITING, ""),
                    started=attempt.created,
                    ended=None,
                    seen=(seen or {}).get(process),
                )
                self._db.insert("actions", action)

    def get(self, attempt_id: str) -> Attempt | None:
        return self._db.first(Attempt, "SELECT * FROM attempts WHERE attempt_id = ?", attempt_id)

    def by_jid(self, jid: str) -> list[Attempt]:
        """
        Return the attempts with a job id of which a return counts; more than one only by a collision of derived ids.
        """
        return self._db.all(
            Attempt,
            f"SELECT * FROM attempts WHERE jid = ? AND ({_OPEN} OR EXISTS (SELECT 1 FROM actions"
            f" WHERE actions.attempt_id = attempts.attempt_id AND {_LOST}))",
            jid,
        )

    def of(self, episode: Episode) -> list[Attempt]:
        return self._db.all(
            Attempt,
            "SELECT * FROM attempts WHERE problem_key = ? AND episode = ? ORDER BY number",
            *(episode.problem_key, episode.episode),
        )

    def done(self, episode: Episode) -> list[tuple[Attempt, list[Action]]]:
        """
        Return the attempts on an episode, oldest first, each with what it does or did.
        """
        return [(one, self.actions(one.attempt_id)) for one in self.of(episode)]

    def open(self) -> list[Attempt]:
        return self._db.all(Attempt, f"SELECT * FROM attempts WHERE {_OPEN} ORDER BY created")

    def lost(self, since: float) -> list[Attempt]:
        """
        Return the attempts that were given up on a minion since a time: a return may come late.
        """
        return self._db.all(
            Attempt,
            "SELECT * FROM attempts WHERE attempt_id IN"
            f" (SELECT attempt_id FROM actions WHERE {_LOST} AND ended >= ?)",
            since,
        )

    def untaken_on(self, minion: str, process: str) -> list[Attempt]:
        """
        Return the attempts on a process of a minion whose order is not on the bus, or too old there to be taken.
        """
        return self._db.all(
            Attempt,
            "SELECT attempts.* FROM actions JOIN attempts USING (attempt_id)"
            f" WHERE minion = ? AND process = ? AND {_WAITING} AND {_UNTAKEN}",
            *(minion, process),
        )

    def ended(self, limit: int) -> list[Attempt]:
        """
        Return the attempts that ended last, the latest first.
        """
        query = "SELECT * FROM attempts WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT ?"
        return self._db.all(Attempt, query, limit)

    def history(self, limit: int) -> list[tuple[Attempt, str, list[str]]]:
        """
        Return the latest attempts, newest first, each with the problem's display id and its minions.
        """
        rows = self._db.rows(
            "SELECT *, coalesce((SELECT display_id FROM episodes WHERE problem_key = attempts.problem_key"
            " ORDER BY episode DESC LIMIT 1), problem_key) AS name"
            " FROM attempts ORDER BY created DESC LIMIT ?",
            limit,
        )
        found = []
        for row in rows:
            minions = dict.fromkeys(one.minion for one in self.actions(row["attempt_id"]))
            found.append((restored(Attempt, dict(row)), row["name"], list(minions)))
        return found

    def move(self, attempt_id: str, state: AttemptState, ended: float | None = None) -> None:
        """
        Move an attempt to a state. What must not follow is logged and changes nothing: the loop goes on.
        """
        with self.transaction():
            known = self.get(attempt_id)
            if known is None:
                return
            try:
                move(known.state, state)
            except IllegalMove as err:
                log.error("%s: attempt %s: %s", self._db.owner, attempt_id[:12], err)
                return
            query = "UPDATE attempts SET state = ?, ended = ? WHERE attempt_id = ?"
            self._db.write(query, state, ended, attempt_id)

    def actions(self, attempt_id: str) -> list[Action]:
        query = "SELECT * FROM actions WHERE attempt_id = ? ORDER BY minion, process"
        return self._db.all(Action, query, attempt_id)

    def end_action(
        self, attempt_id: str, minion: str, state: ActionState, comment: str, now: float
    ) -> bool:
        """
        Record how an attempt ended on a minion; False when that was known already: the first answer counts, and one that
        comes when it was given up.
        """
        cursor = self._db.write(
            "UPDATE actions SET state = ?, comment = ?, ended = ?"
            f" WHERE attempt_id = ? AND minion = ? AND state IN {sql(*sources(state))}",
            *(state, comment, now, attempt_id, minion),
        )
        return cursor.rowcount > 0

    def executed_between(self, since: float, until: float) -> list[Executed]:
        """
        Return all that attempts of a span of time did, oldest first, without what was never executed.
        """
        return self._db.all(
            Executed,
            "SELECT actions.*, problem_key, episode, remedy FROM attempts JOIN actions USING (attempt_id)"
            " WHERE attempts.created >= ? AND attempts.created < ?"
            f" AND actions.state != '{ActionState.NOT_EXECUTED}' ORDER BY attempts.created, minion, process",
            *(since, until),
        )

    def recall_action(
        self, attempt_id: str, minion: str, comment: str, memory: Memory, now: float
    ) -> bool:
        """
        Record the end that a minion remembers, at the time that it tells; False when an end was known already.

        Another master may have ordered it, before this one did: a failure that began well after its end is not what it
        was made for. The clocks of tenant and master may differ, and one failure must not be taken for two.
        """
        with self.transaction():
            ended, after_ms = min(memory.finished, now), int((memory.finished + CLOCKS_S) * 1000)
            known = not self.end_action(attempt_id, minion, memory.state, comment, ended)
            if not known:
                self._db.write(
                    "UPDATE actions SET seen = ? WHERE attempt_id = ? AND minion = ? AND seen > ?",
                    *(int(memory.taken * 1000), attempt_id, minion, after_ms),
                )
            return not known

    def tried(self, minions: Iterable[str]) -> set[str]:
        """
        Return those of the minions on which anything was ever ordered that the ledger knows.
        """
        rows = self._db.rows(
            "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM actions WHERE minion = value)",
            json.dumps(list(minions)),
        )
        return {row["value"] for row in rows}

    def past(self, minion: str, process: str, since: float) -> list[Past]:
        """
        Return the attempts on one process of one minion since a time, oldest first; without those that never happened.
        """
        return self._db.all(
            Past,
            "SELECT state, started, ended FROM actions WHERE minion = ? AND process = ? AND started >= ?"
            f" AND state != '{ActionState.NOT_EXECUTED}' ORDER BY started",
            *(minion, process, since),
        )

    def last_end(self, minion: str, process: str) -> Action | None:
        """
        Return the latest action on a process that has an end and was executed.
        """
        return self._db.first(
            Action,
            "SELECT * FROM actions WHERE minion = ? AND process = ?"
            f" AND state NOT IN {sql(ActionState.WAITING, ActionState.NOT_EXECUTED)}"
            " ORDER BY started DESC LIMIT 1",
            *(minion, process),
        )

    def lost_at(self, minion: str) -> float | None:
        """
        Return when the last job that was sent to a minion was given up as lost; None: it returned, or there was none.
        """
        last = self._db.first(
            Past,
            "SELECT state, started, ended FROM actions WHERE minion = ?"
            f" AND state NOT IN {sql(ActionState.WAITING, ActionState.NOT_EXECUTED)}"
            " ORDER BY started DESC LIMIT 1",
            minion,
        )
        return last.ended if last and last.state == ActionState.LOST else None

    def last_heal(
        self, episode: Episode, minion: str, process: str, by_others: bool = False
    ) -> Action | None:
        """
        Return the latest action that found or made a process serve and still counts, of this episode or another problem.
        """
        whose = "problem_key != ?1" if by_others else "problem_key = ?1 AND episode = ?2"
        return self._db.first(
            Action,
            f"SELECT actions.* FROM actions JOIN attempts USING (attempt_id) WHERE {whose}"
            f" AND minion = ?3 AND process = ?4 AND actions.state IN {sql(*SERVING)}"
            " AND actions.started >= ?5 ORDER BY actions.started DESC LIMIT 1",
            *(episode.problem_key, episode.episode, minion, process, episode.counted_from),
        )

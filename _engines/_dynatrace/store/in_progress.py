"""
What is in progress, kept in memory: each cycle asks for it, and reading it from the tables takes longer with each order
that is out.

The tables are what counts. A trigger notes each attempt that a statement writes, whichever module wrote it, and what is
noted is read again before the next answer. A note is kept until its transaction is over: of what a rollback or a savepoint
takes back nothing stays here.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..core.records import Action, Attempt
from ..core.states import BUSY_ATTEMPTS, OPEN_ATTEMPTS, ActionState, AttemptState, sql
from .database import Database

_COUNT = f"state IN {sql(ActionState.WAITING, ActionState.LOST)}"
_NOTED = "attempt_id IN (SELECT value FROM json_each(?))"
#: How long after an attempt was given up a return of it still counts: Salt keeps jobs for a day.
LATE_S = 86400.0
_LOST = f"FROM actions WHERE state = '{ActionState.LOST}'"
#: What may be in progress when the ledger is opened.
AT_FIRST = (
    f"SELECT attempt_id FROM attempts WHERE state IN {sql(*OPEN_ATTEMPTS)} UNION"
    f" SELECT attempt_id {_LOST} AND ended >= (SELECT max(ended) {_LOST}) - {LATE_S}"
)


@dataclass
class _Entry:
    """
    An attempt, its (minion, process) pairs that have no end yet, and when it was last given up on a minion.
    """

    attempt: Attempt
    waiting: set[tuple[str, str]] = field(default_factory=set)
    lost: float | None = None

    def take(self, action: Action) -> None:
        if action.state is ActionState.WAITING:
            self.waiting.add((action.minion, action.process))
        else:
            self.lost = max(self.lost or 0.0, action.ended or 0.0)

    @property
    def minions(self) -> set[str]:
        """
        The minions on which it may be at work.
        """
        busy = self.attempt.state in BUSY_ATTEMPTS
        return {minion for minion, _ in self.waiting} if busy else set()


class InProgress:
    """
    The open attempts, and those of which a return may come late. Every method may be called in any thread.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._open: dict[str, _Entry] = {}
        self._lost: dict[str, _Entry] = {}
        #: By state, since when each open attempt is in it.
        self._since: dict[AttemptState, dict[str, float]] = {one: {} for one in OPEN_ATTEMPTS}
        #: By minion, how many attempts may be at work there.
        self._busy: Counter[str] = Counter()
        #: The job ids of the open attempts: each cycle asks for all of them.
        self._jids: set[str] = set()
        self._freed = 0
        self._noted: set[str] = {row["attempt_id"] for row in db.rows(AT_FIRST)}
        db.connection.create_function("note_attempt", 1, self._noted.add)
        for table in ("attempts", "actions"):
            for change, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                # A temporary one is this connection's alone, and changes nothing in the file.
                db.rows(
                    f"CREATE TEMP TRIGGER {table}_{change.lower()} AFTER {change} ON main.{table}"
                    f" BEGIN SELECT note_attempt({row}.attempt_id); END"
                )

    def freed(self) -> int:
        """
        Return a number that grows whenever something ends or expires: then there may be capacity.
        """
        with self._current():
            return self._freed

    def busy_minions(self) -> set[str]:
        """
        Return the minions on which a job runs, or may begin.
        """
        with self._current():
            return set(self._busy)

    def busy_with(self, remedy: str) -> set[str]:
        """
        Return the minions on which a job of a remedy runs, or may begin.
        """
        with self._current():
            own = (one for one in self._open.values() if one.attempt.remedy == remedy)
            return {minion for one in own for minion in one.minions}

    def without_job(self) -> dict[str, set[str]]:
        """
        Return by attempt id the minions of the orders that no job took yet and a reactor may take.
        """
        with self._current():
            out = [*self._since[AttemptState.PLANNED], *self._since[AttemptState.FIRED]]
            return {attempt_id: self._open[attempt_id].minions for attempt_id in out}

    def watched(self, since: float) -> set[str]:
        """
        Return the job ids of which a return counts: of open attempts, and of those that were given up since a time.
        """
        with self._current():
            late = {one.attempt.jid for one in self._lost.values() if (one.lost or 0.0) >= since}
            return late | self._jids

    def overdue(self, started: float, fired: float, created: float) -> list[Attempt]:
        """
        Return the open attempts that something is to be done about, oldest first: jobs that run since before a time,
        orders that were fired before another or wait since a third, and those that no job took.
        """
        limits = {
            AttemptState.RUNNING: started,
            AttemptState.FIRED: fired,
            AttemptState.PLANNED: created,
            AttemptState.EXPIRED: math.inf,
        }
        with self._current():
            found = [
                self._open[attempt_id].attempt
                for state, limit in limits.items()
                for attempt_id, since in self._since[state].items()
                if since < limit
            ]
        return sorted(found, key=lambda one: one.created)

    @contextlib.contextmanager
    def _current(self) -> Iterator[None]:
        with self._db.reading() as settled:
            if self._noted:
                self._read(list(self._noted))
            if settled:
                self._noted.clear()
            yield

    def _read(self, noted: list[str]) -> None:
        given = json.dumps(noted)
        attempts = self._db.all(Attempt, f"SELECT * FROM attempts WHERE {_NOTED}", given)
        entries = {one.attempt_id: _Entry(one) for one in attempts}
        query = f"SELECT * FROM actions WHERE {_NOTED} AND {_COUNT}"
        for action in self._db.all(Action, query, given):
            entries[action.attempt_id].take(action)
        for attempt_id in noted:
            self._replace(attempt_id, entries.get(attempt_id))

    def _replace(self, attempt_id: str, new: _Entry | None) -> None:
        old = self._open.pop(attempt_id, None)
        self._lost.pop(attempt_id, None)
        if old is not None:
            del self._since[old.attempt.state][attempt_id]
            self._jids.discard(old.attempt.jid)
        if new is not None and new.lost is not None:
            self._lost[attempt_id] = new
        if new is not None and new.attempt.state in OPEN_ATTEMPTS:
            self._open[attempt_id] = new
            self._since[new.attempt.state][attempt_id] = _since(new.attempt)
            self._jids.add(new.attempt.jid)
        self._compare(old, self._open.get(attempt_id))

    def _compare(self, old: _Entry | None, new: _Entry | None) -> None:
        before = old.minions if old is not None else set()
        after = new.minions if new is not None else set()
        self._busy.update(after - before)
        for minion in before - after:
            self._busy[minion] -= 1
            if not self._busy[minion]:
                del self._busy[minion]
        ended = old is not None and (new is None or old.waiting - new.waiting)
        if ended or before - after:
            self._freed += 1


def _since(attempt: Attempt) -> float:
    if attempt.state is AttemptState.RUNNING:
        return attempt.started or attempt.created
    if attempt.state is AttemptState.FIRED:
        return attempt.fired or attempt.created
    return attempt.created

"""
The ledger: the engine's only memory, one sqlite file that survives ``kill -9`` at any instant.

What is to be done is written before it is done: notifications before they are answered with 202, attempts and events
before they are fired, comments before they are sent. One process has the ledger (a file lock says so); its threads
share one connection under one lock, and no transaction spans a network call.

All times are epoch seconds. A *problem key* is the problem id, or ``display:<display id>`` where only that is known.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

from _dynatrace_errors import LedgerError
from _dynatrace_notifications import Notice
from _dynatrace_policy import Past
from _dynatrace_problems import Problem
from _dynatrace_targets import Resolution

SCHEMA_VERSION = 1
#: Of one statement; older sqlite takes 999 values.
_ROWS = 300
#: Settled records are kept this long, for history and for the counting of attempts (a window is 7 days at most).
KEEP_S = 30 * 86400.0
#: Attempts that nobody knows the end of.
OPEN_STATES = "('planned', 'fired', 'running', 'idle')"
#: Those that may be at work on a minion; an idle one surely is not: its order expired before a job took it.
BUSY_STATES = "('planned', 'fired', 'running')"

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received REAL NOT NULL,
    notice TEXT NOT NULL,
    due REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    settled REAL
);
CREATE INDEX notices_waiting ON notices (due) WHERE settled IS NULL;
CREATE TABLE episodes (
    problem_key TEXT NOT NULL,
    episode INTEGER NOT NULL,
    display_id TEXT,
    state TEXT NOT NULL,
    problem TEXT NOT NULL,
    resolution TEXT NOT NULL,
    summary TEXT NOT NULL,
    rank INTEGER NOT NULL,
    opened REAL NOT NULL,
    read REAL NOT NULL,
    due REAL,
    waiting TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    announced INTEGER NOT NULL DEFAULT 0,
    escalated TEXT,
    counted_from REAL NOT NULL DEFAULT 0,
    closed REAL,
    PRIMARY KEY (problem_key, episode)
) WITHOUT ROWID;
CREATE INDEX episodes_open ON episodes (due, rank, opened) WHERE state = 'open';
CREATE INDEX episodes_display ON episodes (display_id);
CREATE TABLE attempts (
    attempt_id TEXT PRIMARY KEY,
    problem_key TEXT NOT NULL,
    episode INTEGER NOT NULL,
    number INTEGER NOT NULL,
    jid TEXT NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    fired REAL,
    first_fired REAL,
    started REAL,
    ended REAL
) WITHOUT ROWID;
CREATE INDEX attempts_jid ON attempts (jid);
CREATE INDEX attempts_open ON attempts (state) WHERE state IN ('planned', 'fired', 'running', 'idle');
CREATE TABLE actions (
    attempt_id TEXT NOT NULL REFERENCES attempts,
    minion TEXT NOT NULL,
    process TEXT NOT NULL,
    state TEXT NOT NULL,
    comment TEXT NOT NULL DEFAULT '',
    started REAL NOT NULL,
    ended REAL,
    PRIMARY KEY (attempt_id, minion, process)
) WITHOUT ROWID;
CREATE INDEX actions_by_process ON actions (minion, process, started);
CREATE INDEX actions_waiting ON actions (minion) WHERE state = 'waiting';
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    problem_key TEXT NOT NULL,
    tag TEXT NOT NULL,
    data TEXT NOT NULL,
    attempt_id TEXT,
    fresh_until REAL,
    created REAL NOT NULL,
    fired REAL
);
CREATE INDEX outbox_waiting ON outbox (seq) WHERE fired IS NULL;
CREATE TABLE comments (
    marker TEXT PRIMARY KEY,
    problem_id TEXT NOT NULL,
    message TEXT NOT NULL,
    created REAL NOT NULL,
    due REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    doubtful INTEGER NOT NULL DEFAULT 0,
    sent REAL,
    given_up TEXT
) WITHOUT ROWID;
CREATE INDEX comments_waiting ON comments (due) WHERE sent IS NULL AND given_up IS NULL;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass
class Episode:
    """
    One span in which a problem is open; ``summary`` is what the list showed, to see changes cheaply.

    ``state`` is open, closed, or left (older than the lookback on the first start: never acted on, never announced).
    ``due`` is when a decision is worth making again; None: not before something happens. ``waiting`` names what an
    episode waits for that no time tells: ``room`` (for the storm guard) or ``paused``. Attempts before ``counted_from``,
    when a person ordered a retry, count no longer.
    """

    problem_key: str
    episode: int
    problem: Problem
    resolution: Resolution
    summary: str
    rank: int
    opened: float
    read: float
    state: str = "open"
    due: float | None = None
    waiting: str | None = None
    attempts: int = 0
    announced: bool = False
    escalated: str | None = None
    counted_from: float = 0.0
    closed: float | None = None


@dataclass(frozen=True)
class Attempt:
    """
    One order to heal, to one or several minions, with one job id.

    ``state`` is planned (in the outbox), fired (on the bus), running (its job exists) or idle (no job took it in time,
    it waits to be ordered again); in the end good, bad, lost, or void (never executed).
    """

    attempt_id: str
    problem_key: str
    episode: int
    number: int
    jid: str
    state: str
    created: float
    fired: float | None = None
    first_fired: float | None = None
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Action:
    """
    What an attempt does to one process on one minion: ``state`` is waiting, good, bad, lost or void.
    """

    attempt_id: str
    minion: str
    process: str
    state: str
    comment: str
    started: float
    ended: float | None


@dataclass(frozen=True)
class Outgoing:
    """
    An event that waits to be fired; with an attempt, only until ``fresh_until``: then it must be decided anew.
    """

    seq: int
    problem_key: str
    tag: str
    data: dict[str, Any]
    attempt_id: str | None
    fresh_until: float | None


@dataclass(frozen=True)
class Comment:
    """
    A comment that waits to be sent; ``doubtful`` means that an earlier try may have stored it.
    """

    marker: str
    problem_id: str
    message: str
    tries: int
    doubtful: bool


@dataclass(frozen=True)
class Place:
    """
    The place of an open episode in the order of decisions.

    ``only_room``: it is announced and waits for room; ``due``: its time has come, or else it is looked at for the room.
    """

    problem_key: str
    episode: int
    only_room: bool
    due: bool


class Ledger:
    """
    The open ledger. Every method raises LedgerError when the disk does not do what it should.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.moved_aside: Path | None = None
        self._lock = threading.RLock()
        self._depth = 0
        with _translated(f"cannot open the ledger {self.path}"):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._hold()
            self._db = self._open()

    def close(self) -> None:
        """
        Close the file and let go of the lock; only tests need it, the engine is ended without a shutdown step.
        """
        with self._lock:
            self._db.close()
            self._file.close()

    # -- the file --------------------------------------------------------------------------------------------------

    def _hold(self) -> IO[str]:
        holder = open(self.path.with_name(self.path.name + ".lock"), "a+", encoding="ascii")  # noqa: SIM115
        os.chmod(holder.name, 0o600)
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder.close()
            raise LedgerError(
                f"the ledger {self.path} is in use by another engine; give each a ledger"
            ) from err
        return holder

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as err:
            if isinstance(err, sqlite3.OperationalError):
                raise  # A full disk or a missing right is no corruption.
            self._move_aside()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        os.chmod(self.path, 0o600)
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on disk before 202 is answered or an event is fired.
            db.execute("PRAGMA synchronous = FULL")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("the quick check found damage")
            self._migrate(db)
        except BaseException:
            db.close()
            raise
        return db

    def _migrate(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == SCHEMA_VERSION:
            return
        if version > SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger {self.path} was written by a newer version; move it aside or upgrade"
            )
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def _move_aside(self) -> None:
        aside = self.path.with_name(
            f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        )
        os.replace(self.path, aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{self.path}{suffix}")
        self.moved_aside = aside

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """
        Make everything inside one commit, durable when the block is left; nested blocks join the outermost.
        """
        with self._lock, _translated("cannot write the ledger"):
            if self._depth:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def _write(self, statement: str, *values: Any) -> sqlite3.Cursor:
        with self.transaction():
            return self._db.execute(statement, values)

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, _translated("cannot read the ledger"):
            return self._db.execute(query, values).fetchall()

    # -- settings and counters -------------------------------------------------------------------------------------

    def get(self, key: str) -> str | None:
        """
        Return a remembered value, or None.
        """
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return rows[0]["value"] if rows else None

    def put(self, key: str, value: str | None) -> None:
        """
        Remember a value; None forgets it.
        """
        if value is None:
            self._write("DELETE FROM meta WHERE key = ?", key)
        else:
            self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    def count(self, name: str, by: int = 1) -> None:
        """
        Add to a counter that survives restarts, as the metrics need.
        """
        self._write(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            name,
            by,
        )

    def counters(self) -> dict[str, int]:
        """
        Return all counters by name.
        """
        return {
            row["name"]: row["value"]
            for row in self._rows("SELECT name, value FROM counters ORDER BY name")
        }

    # -- notifications ---------------------------------------------------------------------------------------------

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
        Note that nothing more is to be done for these notifications.
        """
        with self.transaction():
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

    def next_notice(self) -> float | None:
        """
        Return when the next notification is due, or None.
        """
        value = self._rows("SELECT min(due) AS due FROM notices WHERE settled IS NULL")[0]["due"]
        return None if value is None else float(value)

    def queue_length(self) -> int:
        """
        Return how many notifications are not settled and events not fired.
        """
        return int(
            self._rows(
                "SELECT (SELECT count(*) FROM notices WHERE settled IS NULL)"
                " + (SELECT count(*) FROM outbox WHERE fired IS NULL) AS n"
            )[0]["n"]
        )

    # -- episodes --------------------------------------------------------------------------------------------------

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
        Return the summary of each open episode (also of those left alone) by problem key.
        """
        rows = self._rows(
            "SELECT problem_key, summary FROM episodes WHERE state IN ('open', 'left')"
        )
        return {row["problem_key"]: row["summary"] for row in rows}

    def open_episodes(self, limit: int) -> list[Episode]:
        """
        Return open episodes and those left alone, the most severe first, then the oldest.
        """
        rows = self._rows(
            "SELECT * FROM episodes WHERE state IN ('open', 'left') ORDER BY rank, opened LIMIT ?",
            limit,
        )
        return [_episode(row) for row in rows]

    def places(self, now: float, waiting: bool) -> list[Place]:
        """
        Return in which order open episodes are decided: those that are due, and if so told those that wait for room.

        The most severe come first, then those whose problem began first: in a storm all are seen at the same moment.
        """
        rows = self._rows(
            "SELECT problem_key, episode, announced AND waiting IS 'room' AS only_room, due IS NOT NULL AS due"
            " FROM episodes"
            " WHERE state = 'open' AND (due <= ? OR (? AND waiting = 'room'))"
            " ORDER BY rank, min(opened, coalesce(json_extract(problem, '$.start') / 1000.0, opened)), problem_key",
            now,
            waiting,
        )
        return [
            Place(row["problem_key"], row["episode"], bool(row["only_room"]), bool(row["due"]))
            for row in rows
        ]

    def next_due(self) -> float | None:
        """
        Return when the next open episode is to be decided, or None.
        """
        value = self._rows("SELECT min(due) AS due FROM episodes WHERE state = 'open'")[0]["due"]
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

    def wake_episodes(self, now: float, waiting: str) -> None:
        """
        Have the episodes decided again that wait for ``room``, or for the end of the pause (``paused``).
        """
        self._write(
            "UPDATE episodes SET due = ? WHERE state = 'open' AND waiting = ?", now, waiting
        )

    def wake_episode(self, problem_key: str, episode: int, now: float | None) -> None:
        """
        Have one episode decided again at a time, or by None not before something happens.
        """
        self._write(
            "UPDATE episodes SET due = ? WHERE problem_key = ? AND episode = ? AND state = 'open'",
            now,
            problem_key,
            episode,
        )

    # -- attempts --------------------------------------------------------------------------------------------------

    def add_attempt(self, attempt: Attempt, targets: Iterable[tuple[str, str]]) -> None:
        """
        Record an attempt on (minion, process) pairs before anything of it is fired.
        """
        with self.transaction():
            self._write(
                "INSERT OR IGNORE INTO attempts VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                *asdict(attempt).values(),
            )
            for minion, process in targets:
                self._write(
                    "INSERT OR IGNORE INTO actions VALUES (?, ?, ?, 'waiting', '', ?, NULL)",
                    attempt.attempt_id,
                    minion,
                    process,
                    attempt.created,
                )

    def attempt(self, attempt_id: str) -> Attempt | None:
        """
        Return an attempt by its id, or None.
        """
        rows = self._rows("SELECT * FROM attempts WHERE attempt_id = ?", attempt_id)
        return Attempt(**dict(rows[0])) if rows else None

    def attempts_by_jid(self, jid: str) -> list[Attempt]:
        """
        Return the attempts with a job id that are not over; more than one only by a collision of derived ids.
        """
        rows = self._rows(f"SELECT * FROM attempts WHERE jid = ? AND state IN {OPEN_STATES}", jid)
        return [Attempt(**dict(row)) for row in rows]

    def attempts_of(self, episode: Episode) -> list[Attempt]:
        """
        Return the attempts of an episode in their order.
        """
        rows = self._rows(
            "SELECT * FROM attempts WHERE problem_key = ? AND episode = ? ORDER BY number",
            episode.problem_key,
            episode.episode,
        )
        return [Attempt(**dict(row)) for row in rows]

    def history(self, limit: int) -> list[tuple[Attempt, str, list[str]]]:
        """
        Return the latest attempts, newest first, each with the problem's display id and its minions.
        """
        rows = self._rows("SELECT * FROM attempts ORDER BY created DESC LIMIT ?", limit)
        found = []
        for row in rows:
            attempt = Attempt(**dict(row))
            episode = self.latest_episode(attempt.problem_key)
            name = episode.problem.display_id if episode else None
            minions = dict.fromkeys(action.minion for action in self.actions(attempt.attempt_id))
            found.append((attempt, name or attempt.problem_key, list(minions)))
        return found

    def open_attempts(self) -> list[Attempt]:
        """
        Return the attempts that are not over, oldest first.
        """
        rows = self._rows(f"SELECT * FROM attempts WHERE state IN {OPEN_STATES} ORDER BY created")
        return [Attempt(**dict(row)) for row in rows]

    def move_attempt(self, attempt_id: str, state: str, **times: float | None) -> None:
        """
        Set the state of an attempt, and any of its times by name.
        """
        names = ("fired", "first_fired", "started", "ended")
        changes = "".join(f", {name} = ?" for name in names if name in times)
        values = [times[name] for name in names if name in times]
        self._write(
            f"UPDATE attempts SET state = ?{changes} WHERE attempt_id = ?",
            state,
            *values,
            attempt_id,
        )

    def actions(self, attempt_id: str) -> list[Action]:
        """
        Return what an attempt does, by minion.
        """
        rows = self._rows(
            "SELECT * FROM actions WHERE attempt_id = ? ORDER BY minion, process", attempt_id
        )
        return [Action(**dict(row)) for row in rows]

    def end_action(
        self, attempt_id: str, minion: str, state: str, comment: str, now: float
    ) -> bool:
        """
        Record how an attempt ended on a minion; False when that was known already (the first answer counts).
        """
        cursor = self._write(
            "UPDATE actions SET state = ?, comment = ?, ended = ?"
            " WHERE attempt_id = ? AND minion = ? AND state = 'waiting'",
            state,
            comment,
            now,
            attempt_id,
            minion,
        )
        return cursor.rowcount > 0

    def past(self, minion: str, process: str, since: float) -> list[Past]:
        """
        Return the attempts on one process of one minion since a time, oldest first; void ones never happened.
        """
        rows = self._rows(
            "SELECT state, started, ended FROM actions"
            " WHERE minion = ? AND process = ? AND started >= ? AND state != 'void' ORDER BY started",
            minion,
            process,
            since,
        )
        return [Past(row["state"], row["started"], row["ended"]) for row in rows]

    def healed_here(self, episode: Episode, minion: str, process: str) -> bool:
        """
        Tell whether an attempt of this episode came back good from this process, and still counts.
        """
        rows = self._rows(
            "SELECT 1 FROM actions JOIN attempts USING (attempt_id)"
            " WHERE problem_key = ? AND episode = ? AND minion = ? AND process = ?"
            " AND actions.state = 'good' AND actions.started >= ? LIMIT 1",
            episode.problem_key,
            episode.episode,
            minion,
            process,
            episode.counted_from,
        )
        return bool(rows)

    def busy_minions(self) -> set[str]:
        """
        Return the minions on which something is being healed.
        """
        rows = self._rows(
            "SELECT DISTINCT minion FROM actions JOIN attempts USING (attempt_id)"
            f" WHERE actions.state = 'waiting' AND attempts.state IN {BUSY_STATES}"
        )
        return {row["minion"] for row in rows}

    def waiting_actions(self) -> frozenset[tuple[str, str, str, bool]]:
        """
        Return (attempt id, minion, process, busy) of all that is in progress: when one is gone there may be room.
        """
        rows = self._rows(
            f"SELECT attempt_id, minion, process, attempts.state IN {BUSY_STATES} AS busy"
            " FROM actions JOIN attempts USING (attempt_id) WHERE actions.state = 'waiting'"
        )
        return frozenset(
            (row["attempt_id"], row["minion"], row["process"], bool(row["busy"])) for row in rows
        )

    # -- events ----------------------------------------------------------------------------------------------------

    def add_event(
        self,
        problem_key: str,
        tag: str,
        data: dict[str, Any],
        now: float,
        fresh_until: float | None = None,
    ) -> None:
        """
        Put an event at the end of the outbox; with ``fresh_until`` it orders an attempt and must not be fired later.
        """
        self._write(
            "INSERT INTO outbox (problem_key, tag, data, attempt_id, fresh_until, created) VALUES (?, ?, ?, ?, ?, ?)",
            problem_key,
            tag,
            json.dumps(data),
            data.get("attempt_id") if fresh_until is not None else None,
            fresh_until,
            now,
        )

    def waiting_events(self, limit: int = 500) -> list[Outgoing]:
        """
        Return events that are not fired, in their order.
        """
        rows = self._rows("SELECT * FROM outbox WHERE fired IS NULL ORDER BY seq LIMIT ?", limit)
        return [_outgoing(row) for row in rows]

    def waiting_event(self, seq: int) -> Outgoing | None:
        """
        Return one event as it is now, or None if it has been fired: it may have been disarmed since it was listed.
        """
        rows = self._rows("SELECT * FROM outbox WHERE seq = ? AND fired IS NULL", seq)
        return _outgoing(rows[0]) if rows else None

    def event_fired(self, event: Outgoing, now: float) -> None:
        """
        Note that an event is on the bus, and with it the attempt that it orders.
        """
        with self.transaction():
            self._write("UPDATE outbox SET fired = ? WHERE seq = ?", now, event.seq)
            self.count(f"events_{event.data.get('what', 'other')}")
            if event.attempt_id:
                self._write(
                    "UPDATE attempts SET fired = ?, first_fired = coalesce(first_fired, ?),"
                    " state = CASE WHEN state IN ('planned', 'idle') THEN 'fired' ELSE state END WHERE attempt_id = ?",
                    now,
                    now,
                    event.attempt_id,
                )

    def order_taken(self, attempt_id: str, now: float) -> None:
        """
        Note that a job took an order: it was fired, even if the engine was killed before it could write that down.
        """
        with self.transaction():
            self._write(
                "UPDATE outbox SET fired = ? WHERE attempt_id = ? AND fired IS NULL",
                now,
                attempt_id,
            )
            self._write(
                "UPDATE attempts SET state = 'running', started = ?, fired = coalesce(fired, ?),"
                " first_fired = coalesce(first_fired, ?) WHERE attempt_id = ?",
                now,
                now,
                now,
                attempt_id,
            )

    def refire(self, attempt_id: str, fresh_until: float) -> None:
        """
        Let the event that orders an attempt be fired (again), under the same ids.
        """
        self._write(
            "UPDATE outbox SET fired = NULL, fresh_until = ? WHERE attempt_id = ?",
            fresh_until,
            attempt_id,
        )

    def disarm(self, attempt_id: str, data: dict[str, Any]) -> None:
        """
        Make the event that ordered an attempt a mere report, where it waits to be fired; once fired it is not repeated.
        """
        self._write(
            "UPDATE outbox SET data = ?, attempt_id = NULL, fresh_until = NULL,"
            " fired = (SELECT first_fired FROM attempts WHERE attempts.attempt_id = outbox.attempt_id)"
            " WHERE attempt_id = ? AND fired IS NULL",
            json.dumps(data),
            attempt_id,
        )

    def event_of(self, attempt_id: str) -> dict[str, Any] | None:
        """
        Return the data of the event that orders an attempt, or None.
        """
        rows = self._rows(
            "SELECT data FROM outbox WHERE attempt_id = ? ORDER BY seq DESC LIMIT 1", attempt_id
        )
        return json.loads(rows[0]["data"]) if rows else None

    # -- comments --------------------------------------------------------------------------------------------------

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

    # -- expiry ----------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """
        Forget what was settled longer than ``KEEP_S`` ago.
        """
        old = now - KEEP_S
        with self.transaction():
            self._write("DELETE FROM notices WHERE settled < ?", old)
            self._write("DELETE FROM outbox WHERE fired < ?", old)
            self._write("DELETE FROM comments WHERE created < ?", old)
            self._write("DELETE FROM actions WHERE started < ? AND state != 'waiting'", old)
            self._write("DELETE FROM attempts WHERE ended < ?", old)
            self._write("DELETE FROM episodes WHERE state = 'closed' AND closed < ?", old)


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as err:
        raise LedgerError(f"{what}: {err}") from err


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
        state=row["state"],
        due=row["due"],
        waiting=row["waiting"],
        attempts=row["attempts"],
        announced=bool(row["announced"]),
        escalated=row["escalated"],
        counted_from=row["counted_from"],
        closed=row["closed"],
    )


def _outgoing(row: sqlite3.Row) -> Outgoing:
    return Outgoing(
        row["seq"],
        row["problem_key"],
        row["tag"],
        json.loads(row["data"]),
        row["attempt_id"],
        row["fresh_until"],
    )


def _notice_text(notice: Notice) -> str:
    # As asdict would give it, in a fifth of the time.
    return json.dumps(notice, default=vars)


def _notice_from(text: str) -> Notice:
    data = json.loads(text)
    problem = data.pop("problem")
    return Notice(**data, problem=None if problem is None else Problem.from_dict(problem))

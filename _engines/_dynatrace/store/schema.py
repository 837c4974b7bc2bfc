"""
The tables of the ledger. A ledger of another version is not changed.
"""

from __future__ import annotations

import sqlite3

from ..core.errors import LedgerNewer
from ..core.states import OPEN_ATTEMPTS, SHOWN, ActionState, EpisodeState, sql

SCHEMA_VERSION = 6

_SCHEMA = f"""
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received REAL NOT NULL,
    notification TEXT NOT NULL,
    due REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    settled REAL
);
CREATE INDEX notifications_waiting ON notifications (due) WHERE settled IS NULL;
CREATE INDEX notifications_settled ON notifications (settled) WHERE settled IS NOT NULL;
-- With row numbers, unlike tables of small rows: without them a row of more than a kilobyte takes a page of its own.
CREATE TABLE episodes (
    problem_key TEXT NOT NULL,
    episode INTEGER NOT NULL,
    display_id TEXT,
    state TEXT NOT NULL,
    problem TEXT NOT NULL,
    resolution TEXT NOT NULL,
    summary TEXT NOT NULL,
    rank INTEGER NOT NULL,
    began REAL NOT NULL,
    opened REAL NOT NULL,
    read REAL NOT NULL,
    due REAL,
    waiting TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    announced INTEGER NOT NULL DEFAULT 0,
    escalated TEXT,
    counted_from REAL NOT NULL DEFAULT 0,
    closed REAL,
    held TEXT,
    PRIMARY KEY (problem_key, episode)
);
CREATE INDEX episodes_due ON episodes (due) WHERE state = '{EpisodeState.OPEN}' AND due IS NOT NULL;
CREATE INDEX episodes_waiting ON episodes (waiting) WHERE state = '{EpisodeState.OPEN}' AND waiting IS NOT NULL;
CREATE INDEX episodes_held ON episodes (held) WHERE state = '{EpisodeState.OPEN}' AND held IS NOT NULL;
CREATE INDEX episodes_shown ON episodes (rank, opened, problem_key, summary, escalated, held) WHERE state IN {sql(*SHOWN)};
CREATE INDEX episodes_closed ON episodes (closed, problem_key, episode) WHERE state = '{EpisodeState.CLOSED}';
CREATE INDEX episodes_display ON episodes (display_id, opened);
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
    ended REAL,
    remedy TEXT
) WITHOUT ROWID;
CREATE INDEX attempts_jid ON attempts (jid);
CREATE INDEX attempts_of ON attempts (problem_key, episode, number);
CREATE INDEX attempts_created ON attempts (created);
CREATE INDEX attempts_ended ON attempts (ended) WHERE ended IS NOT NULL;
CREATE INDEX attempts_open ON attempts (state) WHERE state IN {sql(*OPEN_ATTEMPTS)};
CREATE TABLE actions (
    attempt_id TEXT NOT NULL REFERENCES attempts,
    minion TEXT NOT NULL,
    process TEXT NOT NULL,
    state TEXT NOT NULL,
    comment TEXT NOT NULL DEFAULT '',
    started REAL NOT NULL,
    ended REAL,
    seen INTEGER,
    PRIMARY KEY (attempt_id, minion, process)
) WITHOUT ROWID;
CREATE INDEX actions_by_minion ON actions (minion, started);
CREATE INDEX actions_by_process ON actions (minion, process, started);
CREATE INDEX actions_lost ON actions (ended) WHERE state = '{ActionState.LOST}';
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
CREATE INDEX outbox_problem ON outbox (problem_key, seq) WHERE fired IS NULL;
CREATE INDEX outbox_orders ON outbox (problem_key, seq) WHERE fired IS NULL AND fresh_until IS NOT NULL;
CREATE INDEX outbox_fresh ON outbox (fresh_until) WHERE fired IS NULL AND fresh_until IS NOT NULL;
CREATE INDEX outbox_attempt ON outbox (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE INDEX outbox_fired ON outbox (fired, attempt_id) WHERE fired IS NOT NULL;
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
CREATE INDEX comments_created ON comments (created);
CREATE INDEX comments_over ON comments (created) WHERE coalesce(sent, given_up) IS NOT NULL;
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    problem_key TEXT,
    episode INTEGER,
    told TEXT NOT NULL
);
CREATE INDEX journal_at ON journal (at);
CREATE INDEX journal_orders ON journal (at, seq) WHERE problem_key IS NULL;
CREATE INDEX journal_of ON journal (problem_key, episode, kind, seq) WHERE problem_key IS NOT NULL;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Outdated(Exception):
    """
    An earlier version wrote the ledger.
    """


def prepare(db: sqlite3.Connection, path: object) -> None:
    """
    Make the tables in a new ledger. Raises LedgerNewer or Outdated for one of another version.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise LedgerNewer(
            f"the ledger {path} was written by a newer version; move it aside or upgrade"
        )
    if 0 < version < SCHEMA_VERSION:
        raise Outdated
    if version == 0:
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

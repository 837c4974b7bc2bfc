"""
Forgets what is over, by age and by number, in parts so small that nobody waits for one; and gives the space back.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.states import EpisodeState
from .database import Database

#: What is over is forgotten after this time.
KEEP_S = 30 * 86400.0
#: Attempts are counted over a window of 7 days at most, and never forgotten within it.
COUNTED_S = 8 * 86400.0
#: Of one commit: they take some milliseconds.
ROWS = 500
#: A settled notification is only for a person to look at.
NOTIFICATIONS = 10_000
#: A fired event may be lost with a publisher that dies, and is fired again: a bus is trusted for 5 s, and takes no more
#: than some thousands in that time.
EVENTS = 10_000
#: Each is a few kilobytes. Until then a problem that opens again is known again.
EPISODES = 10_000
ATTEMPTS = COMMENTS = 20_000
#: Some for each attempt and each decision that differs from the one before.
ENTRIES = 50_000
#: Free pages of 4 kB that are kept for what comes next, and how many are given back at once.
SPARE_PAGES = 2_000
PAGES = 1_000

_EPISODE = "problem_key, episode"
_SENT = "coalesce(sent, given_up) IS NOT NULL"
_CLOSED = f"state = '{EpisodeState.CLOSED}'"
_UNTRIED = "NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.problem_key = episodes.problem_key)"
_UNORDERED = "NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.attempt_id = outbox.attempt_id)"


def statements() -> Iterator[str]:
    """
    Yield what deletes one part of each kind; ``:old`` is a month ago, ``:counted`` the begin of the longest window.
    """
    # Of each table its key, what is too much of it, and how much of that is kept.
    forgotten = (
        ("notifications", "id", "settled < :old ORDER BY settled", 0),
        ("notifications", "id", "settled IS NOT NULL ORDER BY settled DESC", NOTIFICATIONS),
        ("attempts", "attempt_id", "ended < :old ORDER BY ended", 0),
        ("attempts", "attempt_id", "ended < :counted ORDER BY ended DESC", ATTEMPTS),
        ("outbox", "seq", "fired < :old ORDER BY fired", 0),
        # An order stays as long as its attempt: what becomes of it is told with what was ordered.
        ("outbox", "seq", f"fired IS NOT NULL AND {_UNORDERED} ORDER BY fired DESC", EVENTS),
        ("comments", "marker", "created < :old ORDER BY created", 0),
        ("comments", "marker", f"{_SENT} ORDER BY created DESC", COMMENTS),
        ("journal", "seq", "at < :old ORDER BY at", 0),
        ("journal", "seq", "at IS NOT NULL ORDER BY at DESC", ENTRIES),
        ("episodes", _EPISODE, f"{_CLOSED} AND closed < :old ORDER BY closed", 0),
        # Else it would begin again with the ids of attempts that are known.
        ("episodes", _EPISODE, f"{_CLOSED} AND {_UNTRIED} ORDER BY closed DESC", EPISODES),
    )
    for table, key, which, kept in forgotten:
        chosen = f"SELECT {key} FROM {table} WHERE {which} LIMIT {ROWS} OFFSET {kept}"
        if table == "attempts":
            yield f"DELETE FROM actions WHERE attempt_id IN ({chosen})"
        yield f"DELETE FROM {table} WHERE ({key}) IN ({chosen})"


STATEMENTS = tuple(statements())


def forget(db: Database, now: float) -> bool:
    """
    Forget one part of what is over; True when there is more, and it should soon be called again.
    """
    times = {"old": now - KEEP_S, "counted": now - COUNTED_S}
    more = False
    for statement in STATEMENTS:
        # If it is lost, it is forgotten again.
        with db.transaction(soon=True):
            more |= db.connection.execute(statement, times).rowcount >= ROWS
    return _give_back(db) or more


def _give_back(db: Database) -> bool:
    free = int(db.value("PRAGMA freelist_count")) - SPARE_PAGES
    if free <= 0:
        return False
    with db.transaction(soon=True):
        db.rows(f"PRAGMA incremental_vacuum({min(free, PAGES)})")
    return free > PAGES

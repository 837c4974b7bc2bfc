"""
The ledger: the engine's only memory, one sqlite file that survives ``kill -9`` at any instant.

What is to be done is written before it is done: notifications before they are answered with 202, attempts and events
before they are fired, comments before they are sent. One process has the ledger (a file lock says so); its threads
share one connection under one lock, and no transaction spans a network call.
"""

from __future__ import annotations

import os

from ..core.states import OPEN_ATTEMPTS, SHOWN, EpisodeState, sql
from .attempts import Attempts
from .comments import Comments
from .database import Database
from .episodes import Episodes
from .journal import Journal
from .notifications import Notifications
from .outbox import Outbox
from .retention import forget
from .schema import SCHEMA_VERSION as SCHEMA_VERSION
from .settings import Settings

#: When the clock is set. Problems are read again, and orders that wait are decided anew, whatever it says of their age.
_SHIFTED = (
    "notifications SET received = received + ?1, due = due + ?1 WHERE settled IS NULL",
    "episodes SET opened = opened + ?1, due = due + ?1, closed = closed + ?1, read = 0",
    "episodes SET counted_from = counted_from + ?1 WHERE counted_from > 0",
    "attempts SET created = created + ?1, fired = fired + ?1, first_fired = first_fired + ?1",
    "attempts SET started = started + ?1, ended = ended + ?1",
    "actions SET started = started + ?1, ended = ended + ?1",
    "outbox SET created = created + ?1, fired = fired + ?1, fresh_until = fresh_until * (fired IS NOT NULL)",
    "journal SET at = at + ?1",
    "comments SET created = created + ?1, due = due + ?1, sent = sent + ?1",
)


class Ledger:
    """
    The open ledger, by kind of record. Every method raises LedgerError when the disk does not do what it should.
    """

    def __init__(self, path: str | os.PathLike[str], owner: str = "") -> None:
        self.database = Database(path, owner)
        self.transaction = self.database.transaction
        self.savepoint = self.database.savepoint
        self.close = self.database.close
        self.settings = Settings(self.database)
        self.notifications = Notifications(self.database)
        self.episodes = Episodes(self.database)
        self.outbox = Outbox(self.database)
        self.comments = Comments(self.database)
        self.journal = Journal(self.database)
        try:
            self.attempts = Attempts(self.database)
        except BaseException:
            self.close()  # Or this process could not try again.
            raise

    @property
    def changes(self) -> int:
        """
        A number that grows with each change, also while its transaction goes on; to ask for it waits for nothing.
        """
        return self.database.connection.total_changes

    def queue_length(self) -> int:
        return int(
            self.database.value(
                "SELECT (SELECT count(*) FROM notifications WHERE settled IS NULL)"
                " + (SELECT count(*) FROM outbox WHERE fired IS NULL)"
            )
        )

    def expire(self, now: float) -> bool:
        """
        Forget a part of what is over; True when there is more, and it should soon be called again.
        """
        return forget(self.database, now)

    def latest_time(self) -> float:
        """
        Return the latest time at which anything is known to have happened; 0.0 in a new ledger.
        """
        return float(
            self.database.value(
                f"SELECT max((SELECT coalesce(max(read), 0) FROM episodes WHERE state IN {sql(*SHOWN)}),"
                f" (SELECT coalesce(max(closed), 0) FROM episodes WHERE state = '{EpisodeState.CLOSED}'),"
                " (SELECT coalesce(max(created), 0) FROM attempts),"
                " (SELECT coalesce(max(ended), 0) FROM attempts WHERE ended IS NOT NULL),"
                f" (SELECT coalesce(max(fired), 0) FROM attempts WHERE state IN {sql(*OPEN_ATTEMPTS)}))"
            )
        )

    def shift(self, by: float) -> None:
        """
        Move all times by so many seconds, when the clock was set: what lay between them stays.
        """
        with self.transaction():
            for change in _SHIFTED:
                self.database.write(f"UPDATE {change}", by)

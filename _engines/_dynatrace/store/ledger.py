"""
The ledger: the engine's only memory, one sqlite file that survives ``kill -9`` at any instant.

What is to be done is written before it is done: notifications before they are answered with 202, attempts and events
before they are fired, comments before they are sent. One process has the ledger (a file lock says so); its threads
share one connection under one lock, and no transaction spans a network call.

All times are epoch seconds. A *problem key* is the problem id, or ``display:<display id>`` where only that is known.
"""

from __future__ import annotations

from ..core.records import Action as Action
from ..core.records import Attempt as Attempt
from ..core.records import Comment as Comment
from ..core.records import Episode as Episode
from ..core.records import Memory as Memory
from ..core.records import Outgoing as Outgoing
from ..core.records import Place as Place
from ..core.states import ActionState, EpisodeState
from .attempts import AttemptRecords, _attempt
from .clock_shift import Times
from .comments import CommentRecords
from .episodes import EpisodeRecords
from .notifications import Notices
from .outbox import Outbox
from .schema import SCHEMA_VERSION as SCHEMA_VERSION

#: Settled records are kept this long, for history and for the counting of attempts (a window is 7 days at most).
KEEP_S = 30 * 86400.0


class Ledger(Notices, EpisodeRecords, AttemptRecords, Outbox, CommentRecords, Times):
    """
    The open ledger. Every method raises LedgerError when the disk does not do what it should.
    """

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

    def history(self, limit: int) -> list[tuple[Attempt, str, list[str]]]:
        """
        Return the latest attempts, newest first, each with the problem's display id and its minions.
        """
        rows = self._rows("SELECT * FROM attempts ORDER BY created DESC LIMIT ?", limit)
        found = []
        for row in rows:
            attempt = _attempt(row)
            episode = self.latest_episode(attempt.problem_key)
            name = episode.problem.display_id if episode else None
            minions = dict.fromkeys(action.minion for action in self.actions(attempt.attempt_id))
            found.append((attempt, name or attempt.problem_key, list(minions)))
        return found

    def expire(self, now: float) -> None:
        """
        Forget what was settled longer than ``KEEP_S`` ago.
        """
        old = now - KEEP_S
        with self.transaction():
            self._write("DELETE FROM notices WHERE settled < ?", old)
            self._write("DELETE FROM outbox WHERE fired < ?", old)
            self._write("DELETE FROM comments WHERE created < ?", old)
            self._write(
                f"DELETE FROM actions WHERE started < ? AND state != '{ActionState.WAITING}'", old
            )
            self._write("DELETE FROM attempts WHERE ended < ?", old)
            self._write(
                f"DELETE FROM episodes WHERE state = '{EpisodeState.CLOSED}' AND closed < ?", old
            )

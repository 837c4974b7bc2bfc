"""
Tells Dynatrace what was done: one comment for each attempt's outcome, sent once, late rather than never.

Comments are recorded with the outcome and sent by a thread of their own, so that a slow tenant delays no healing.
Adding a comment is not idempotent; after an unclear answer the comments are read back and searched for our marker.
The same thread sends what ``remediation.reports`` recorded, which is sent at most once or does no harm twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..api.client import Client
from ..api.transport import NotSent
from ..core.errors import (
    ApiError,
    AuthError,
    NotFound,
    RateLimited,
    UnexpectedAnswer,
)
from ..core.log_once import LogOnce
from ..core.states import EpisodeState
from ..store.ledger import Comment, Ledger
from .comments import CONTEXT
from .reports import AGAIN_S, GivenUp, NotYet, kind, send_close, send_event

log = logging.getLogger(__name__)

RETRY_CAP_S = 600.0
#: A comment that may have been stored can take a while to be listed.
DOUBT_WAIT_S = 20.0
TRIES = 100
#: What each kind of record is called in the log, and what counts it.
_CALLED = {"comment": "comments", "event": "events", "close": "closings"}
_COUNTED = {"comment": "comments_sent", "event": "tenant_events_sent", "close": "problems_closed"}


class Feedback(threading.Thread):
    """
    Sends the comments that wait in the ledger.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        client: Client,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name=f"{name}-feedback", daemon=True)
        self._prefix = name
        self._ledger = ledger
        self._client = client
        self._clock = clock
        self._wake = threading.Event()
        self._outage = LogOnce(
            log, name, "comments wait", "the ledger works again: comments are sent"
        )
        #: Of which kinds the failing was said.
        self._failing: set[str] = set()

    def wake(self) -> None:
        """
        Have the waiting comments looked at.
        """
        self._wake.set()

    def run(self) -> None:
        """
        Send for ever; the thread ends with the process.
        """
        while True:
            try:
                self.send_all(self._clock())
                due = self._ledger.next_comment()
                self._outage.works()
            except Exception as err:  # noqa: BLE001 - Without this thread nothing is ever told again.
                self._outage.fails(err)
                due = self._clock() + RETRY_CAP_S / 10
            self._wake.wait(None if due is None else max(due - self._clock(), 0.05))
            self._wake.clear()

    def send_all(self, now: float) -> None:
        """
        Send what is due; a failure keeps its record for later and does not stop the others.
        """
        for record in self._ledger.waiting_comments(now):
            what = kind(record)
            try:
                self._send(record, what)
            except GivenUp as why:
                self._ledger.comment_given_up(record.marker, str(why))
                level = logging.WARNING if what == "event" else logging.INFO
                log.log(level, "%s: no %s on %s: %s", self._prefix, what, record.problem_id, why)
            except NotYet as why:
                log.debug("%s: %s of %s waits: %s", self._prefix, what, record.problem_id, why)
                self._ledger.comment_later(record.marker, self._clock() + AGAIN_S, doubtful=False)
            except ApiError as err:
                self._failed(record, what, err)
            else:
                self._ledger.comment_sent(record.marker, self._clock())
                self._ledger.count(_COUNTED[what])
                log.debug("%s: %s sent for %s", self._prefix, what, record.problem_id)
                self._failing.discard(what)

    def _send(self, record: Comment, what: str) -> None:
        due = self._clock() + DOUBT_WAIT_S
        if what == "event":
            send_event(self._ledger, self._client, record, due)
            return
        if what == "close":
            send_close(self._ledger, self._client, record, due, self._clock())
            return
        if record.doubtful and any(
            record.marker in text for text in self._client.comments(record.problem_id)
        ):
            return
        self._ledger.comment_trying(record.marker, due)
        self._client.comment(record.problem_id, record.message, CONTEXT)

    def _is_over(self, record: Comment) -> bool:
        """
        Tell whether a problem that is not found is over; while the list shows it, it will be found.
        """
        episode = self._ledger.latest_episode(record.problem_id)
        return episode is None or episode.state != EpisodeState.OPEN

    def _failed(self, record: Comment, what: str, error: ApiError) -> None:
        surely_not = isinstance(error, (AuthError, RateLimited, NotSent)) and not record.doubtful
        hopeless = record.tries >= TRIES or (isinstance(error, NotFound) and self._is_over(record))
        if what == "event":  # It cannot be looked for: what may be there is not sent again.
            hopeless = hopeless or not surely_not
        if hopeless:
            self._ledger.comment_given_up(record.marker, str(error))
            said = "a comment could" if what == "comment" else f"the {what} of a problem could"
            may_be = what == "event" and not isinstance(error, (NotFound, UnexpectedAnswer))
            log.warning(
                "%s: %s not be sent and is given up%s: %s",
                self._prefix,
                said,
                " though it may be there" if may_be else "",
                error,
            )
            return
        wait = min(2.0 ** min(record.tries, 20), RETRY_CAP_S)
        if isinstance(error, RateLimited):
            wait = max(wait, error.retry_after)
        if not surely_not:
            wait = max(wait, DOUBT_WAIT_S)
        self._ledger.comment_later(record.marker, self._clock() + wait, doubtful=not surely_not)
        if what not in self._failing:
            log.warning("%s: %s are sent later: %s", self._prefix, _CALLED[what], error)
        self._failing.add(what)

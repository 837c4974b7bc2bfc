"""
Tells Dynatrace what was done: one comment for each attempt's outcome, sent once, late rather than never.

Comments are recorded with the outcome and sent by a thread of their own, so that a slow tenant delays no healing.
Adding a comment is not idempotent; after an unclear answer the comments are read back and searched for our marker.
The same thread sends what ``remediation.reports`` recorded.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable

from ..api.client import Client
from ..api.connection import NotSent
from ..core.backoff import backoff
from ..core.errors import (
    ApiError,
    AuthError,
    NotFound,
    RateLimited,
    Refusal,
    UnexpectedResponse,
)
from ..core.heartbeat import IDLE_S, Heartbeat
from ..core.log_once import LogOnce
from ..core.records import Comment
from ..core.remedies import Catalogue
from ..core.states import EpisodeState
from ..store.ledger import Ledger
from .comments import CONTEXT
from .refusals import BUSINESS_EVENT, Refusals, business_event
from .reports import AGAIN_S, GivenUp, NotYet, closing, kind

log = logging.getLogger(__name__)

RETRY_CAP_S = 600.0
#: A comment that may have been stored can take a while to be listed.
DOUBT_WAIT_S = 20.0
TRIES = 100
#: What the records of each kind are called in the log, and what counts them.
_NAMES = {
    "comment": ("comments", "comments_sent"),
    "event": ("events", "tenant_events_sent"),
    "close": ("closings", "closings_sent"),
    BUSINESS_EVENT: ("business events", "business_events_sent"),
}


class Dropped(GivenUp):
    """
    A report that the credentials may not send in any form.
    """


class Feedback:
    """
    Sends the comments that wait in the ledger.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        client: Client,
        clock: Callable[[], float] = time.time,
        catalogue: Catalogue | None = None,
    ) -> None:
        self._catalogue = catalogue or Catalogue()
        self._prefix = name
        self._ledger = ledger
        self._client = client
        self._clock = clock
        self._wake = threading.Event()
        self.heartbeat = Heartbeat()
        self._outage = LogOnce(
            log, name, "comments wait", "the ledger works again: comments are sent"
        )
        #: What cannot be sent, with the name of its error.
        self.failing: dict[str, str] = {}
        self._refusals = Refusals(name)

    def wake(self) -> None:
        self._wake.set()

    def run(self) -> None:
        while True:
            self.heartbeat.beat()
            try:
                self.send_all(self._clock())
                due = self._ledger.comments.next_due()
                self._outage.works()
            except Exception as err:  # noqa: BLE001 - Without this thread nothing is ever sent again.
                self._outage.fails(err)
                due = self._clock() + RETRY_CAP_S / 10
            if due is None:
                self.failing.clear()  # What could not be sent was given up.
            wait = IDLE_S if due is None else due - self._clock()
            self._wake.wait(min(max(wait, 0.05), IDLE_S))
            self._wake.clear()

    def send_all(self, now: float) -> None:
        for record in self._ledger.comments.waiting(now):
            self.heartbeat.beat()
            what = kind(record)
            try:
                told = self._send(record, what)
            except GivenUp as why:
                self._ledger.comments.given_up(record.marker, str(why))
                level = logging.WARNING if what == "event" else logging.INFO
                if isinstance(why, Dropped):
                    level = logging.DEBUG  # It is said once, for all of them.
                log.log(level, "%s: no %s on %s: %s", self._prefix, what, record.problem_id, why)
            except NotYet as why:
                log.debug("%s: %s of %s waits: %s", self._prefix, what, record.problem_id, why)
                self._ledger.comments.later(record.marker, self._clock() + AGAIN_S, doubtful=False)
            except ApiError as err:
                self._failed(record, what, err)
            else:
                self._ledger.comments.sent(record.marker, self._clock())
                self._ledger.settings.count(_NAMES[told][1])
                log.debug("%s: %s sent for %s", self._prefix, told, record.problem_id)
                self.failing.pop(_NAMES[what][0], None)

    def _send(self, record: Comment, what: str) -> str:
        """
        Return as what it was sent: as what it is, or as a business event where that is refused.
        """
        message = record.message
        if what == "close":
            message = closing(self._ledger, self._client, record, self._clock(), self._catalogue)
        elif record.doubtful and what == "event":
            raise GivenUp("it may have been sent before, and cannot be looked for")
        if not self._refusals.holds(what, self._clock()):
            try:
                self._tell(record, what, message)
            except AuthError as err:
                if err.refusal is not Refusal.FORBIDDEN:
                    raise
                self._refusals.note(what, err, self._clock())
            else:
                self._refusals.lifted(what)
                return what
        self._tell_otherwise(record, what, message)
        return BUSINESS_EVENT

    def _tell(self, record: Comment, what: str, message: str) -> None:
        if record.doubtful and what == "comment" and self._is_stored(record):
            return
        self._trying(record)
        if what == "close":
            self._client.close_problem(record.problem_id, message)
        elif what == "event":
            self._client.ingest_event(**json.loads(message))
        else:
            self._client.comment(record.problem_id, message, CONTEXT)

    def _tell_otherwise(self, record: Comment, what: str, message: str) -> None:
        now = self._clock()
        if self._refusals.holds(BUSINESS_EVENT, now):
            raise Dropped("the tenant takes neither it nor a business event")
        episode = self._ledger.episodes.latest(record.problem_id)
        display_id = episode.problem.display_id if episode else None
        self._trying(record)
        try:
            self._client.business_event(
                business_event(self._prefix, record, what, message, display_id)
            )
        except (AuthError, NotFound, UnexpectedResponse) as err:
            if isinstance(err, AuthError) and err.refusal is Refusal.REJECTED:
                raise
            self._refusals.note(BUSINESS_EVENT, err, now)
            raise Dropped(str(err)) from None
        self._refusals.lifted(BUSINESS_EVENT)

    def _trying(self, record: Comment) -> None:
        # If this process is killed now, it is looked at again then.
        self._ledger.comments.trying(record.marker, self._clock() + DOUBT_WAIT_S)

    def _is_stored(self, record: Comment) -> bool:
        return any(record.marker in text for text in self._client.comments(record.problem_id))

    def _is_over(self, record: Comment) -> bool:
        # A problem that is not found: while the list shows it, it will be found.
        episode = self._ledger.episodes.latest(record.problem_id)
        return episode is None or episode.state != EpisodeState.OPEN

    def _failed(self, record: Comment, what: str, error: ApiError) -> None:
        surely_not = isinstance(error, (AuthError, RateLimited, NotSent)) and not record.doubtful
        hopeless = record.tries >= TRIES or (isinstance(error, NotFound) and self._is_over(record))
        # An event cannot be looked for: what may be there is not sent again.
        if hopeless or (what == "event" and not surely_not):
            self._give_up(record, what, error)
            return
        wait = backoff(1.0, record.tries, RETRY_CAP_S)
        if isinstance(error, RateLimited):
            wait = max(wait, error.retry_after)
        if not surely_not:
            wait = max(wait, DOUBT_WAIT_S)
        self._ledger.comments.later(record.marker, self._clock() + wait, doubtful=not surely_not)
        name = _NAMES[what][0]
        if name not in self.failing:
            log.warning("%s: %s are sent later: %s", self._prefix, name, error)
        self.failing[name] = type(error).__name__

    def _give_up(self, record: Comment, what: str, error: ApiError) -> None:
        self._ledger.comments.given_up(record.marker, str(error))
        message = "a comment could" if what == "comment" else f"the {what} of a problem could"
        message += " not be sent and is given up"
        if what == "event" and not isinstance(error, (NotFound, UnexpectedResponse)):
            message += " though it may be there"
        log.warning("%s: %s: %s", self._prefix, message, error)

"""
Brings in what is to be known: the notified problems, the list of open ones, and those that vanished from it.

A notification with an API behind it only names a problem to look at; the problem is read from the API like any other.
A failed read decides nothing: the notification waits, and a problem that cannot be read is neither open nor closed.
The tenant is asked by ``remediation.readings``; a look takes what came since the last one, and starts what is next.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..api.client import Client
from ..api.rate_limiter import Kind
from ..api.sources import Listing, ignored
from ..core.errors import ApiError, NotFound
from ..core.problem import HELD, Problem, summary
from ..store.ledger import Ledger
from .backlog import Backlog, Unread
from .notified import Named, Notified, is_old_pid
from .readings import PARALLEL, Found, Readings

log = logging.getLogger(__name__)

#: One look takes about so many problems, so that commands, returns and orders have their turn before the next; and what was
#: notified all the same.
MOST = 40
#: After so long a listing tells nothing any more of what is under maintenance.
LISTED_S = 300.0


@dataclass
class Seen:
    """
    What one look brought: problems with their evidence, and the first error that kept some from being read.

    ``read_at`` tells by problem key since when what is told of a problem holds. ``poll_error`` is that of the list.
    ``named`` are by problem id the notifications that are settled as soon as the problem is recorded, ``answered`` those that
    are settled whatever becomes of it. ``notified`` tells by problem key when the first of its notifications came.
    """

    problems: list[Problem] = field(default_factory=list)
    read_at: dict[str, float] = field(default_factory=dict)
    error: ApiError | None = None
    poll_error: ApiError | None = None
    listed: bool = False
    open_count: int | None = None
    named: dict[str, Named] = field(default_factory=dict)
    notified: dict[str, float] = field(default_factory=dict)
    answered: list[int] = field(default_factory=list)


class ProblemReader:
    """
    Brings problems in, from the API or, without one, from the notifications themselves.
    """

    def __init__(
        self, name: str, ledger: Ledger, client: Client | None, readings: Readings | None
    ) -> None:
        self._prefix = name
        self._ledger = ledger
        self._client = client
        self._readings = readings
        self._notified = Notified(name, ledger.notifications)
        #: By name, the notifications whose problem is being read.
        self._being_read: dict[str, Named] = {}
        #: The same of those that were read, and are not settled yet.
        self._taken: dict[str, Named] = {}
        self._backlog = Backlog()
        #: What the last listing showed, and when; None before the first.
        self._listed: Mapping[str, Problem] | None = None
        self._listed_at = 0.0
        self._pages: deque[Sequence[Problem]] = deque()  # Of the first listing, until it is whole.
        #: Of the present look.
        self._now = 0.0
        self._unreadable = False
        #: Why, as it was said of the last listing.
        self._said: tuple[str, ...] = ()
        self._in_maintenance: frozenset[str] | None = None
        self._some_held = False
        #: What the list shows and the tenant says it does not know.
        self._missed: set[str] = set()
        self._list_error: ApiError | None = None

    @property
    def trouble(self) -> ApiError | None:
        """
        Why not all that Dynatrace shows as open can be read, if so.
        """
        return self._list_error or self._backlog.error

    @property
    def failing(self) -> dict[str, str]:
        """
        What cannot be read, with the name of its error: ``problems`` (their list), ``details``, ``entities``, ``notified``.
        """
        errors = {"problems": self._list_error, **self._backlog.errors}
        found = {what: type(error).__name__ for what, error in errors.items() if error}
        notified = self._notified.failing
        return {**found, "notified": notified} if notified else found

    @property
    def caught_up(self) -> bool:
        """
        Whether all is read that the last listing showed.
        """
        listed = self._listed is not None and self._list_error is None
        return listed and not self._backlog and not (self._readings and self._readings.busy)

    def look(self, now: float, poll: bool) -> Seen:
        """
        Take what was read, and have more read; never raises ApiError, returns it.
        """
        seen, self._now = Seen(), now
        if self._readings is None:
            self._believe(now, seen)
            return seen
        # What the last look read is settled, or its recording failed.
        self._backlog.unread()
        self._taken.clear()
        self._start(self._readings, now, poll)
        while done := self._readings.done(first=self._take_named):
            for take, result, began in done:
                take(result, began, seen)
            self._start(self._readings, now)
            if len(seen.problems) >= MOST and not self._readings.wait_s:
                break
        seen.error = seen.poll_error or seen.error
        return seen

    def read(self, problem_id: str, kind: Kind = Kind.READING) -> Problem:
        """
        Return a problem as it is now; raises ApiError, also when there is no API.
        """
        if self._client is None:
            raise NotFound("there is no API to read from")
        return self._client.problem(problem_id, kind)

    def is_held(self, problem_key: str, now: float) -> bool:
        """
        Tell whether the list of what is under maintenance, which is of late, shows a problem.
        """
        recent = 0 <= now - self._listed_at < LISTED_S
        return recent and problem_key in (self._in_maintenance or ())

    def settle(self, seen: Seen, failed: Mapping[str, ApiError], now: float) -> None:
        """
        Note what was recorded of a look; by problem id what could not be, which is read again later.
        """
        settled = list(seen.answered)
        for problem in seen.problems:
            key = problem.key
            named, error = seen.named.get(key), failed.get(key)
            if error is None:
                self._backlog.drop(key)
                settled += named.ids if named else ()
            elif named is not None:
                self._notified.fails(named, error, now)
            else:
                self._backlog.fails(key, error, now)
        if settled:
            self._ledger.notifications.settle(settled, now)

    def next_due(self, now: float) -> float | None:
        """
        Return when something is to be read that waits for a time. What is being read tells by itself when it is.
        """
        if self._readings is not None and self._readings.has_done:
            return now
        # What is due already is being read, or waits for a reading to end.
        reading = self._readings is not None and self._readings.count(self._take_named)
        notified = self._ledger.notifications.next_due(now if reading else None)
        times = [one for one in (notified, self._backlog.next_due(now)) if one is not None]
        return min(times, default=None)

    def shift(self, by: float) -> None:
        """
        Move the times after the clock was set.
        """
        self._listed_at += by
        self._backlog.shift(by)

    def _believe(self, now: float, seen: Seen) -> None:
        for notice_id, notice, _, received in self._ledger.notifications.waiting(now):
            if notice.problem is not None:
                seen.problems.append(notice.problem)
                seen.notified.setdefault(notice.problem.key, received)
            seen.answered.append(notice_id)

    def _start(self, readings: Readings, now: float, poll: bool = False) -> None:
        if poll and not readings.count(self._take_list):
            on_page = self._pages.append if self._listed is None else ignored
            readings.list_open(self._some_held, on_page, self._take_list)
        self._begin_with_the_worst()
        if (free := PARALLEL - readings.count(self._take_named)) > 0:
            self._start_named(readings, now, free)
        while readings.count(self._take_problems) < PARALLEL:
            unread = self._backlog.next(readings.size, now, readings.busy)
            if not unread:
                break
            self._start_problems(readings, unread, now)

    def _begin_with_the_worst(self) -> None:
        # The first list of a crowd takes seconds. What is not of the worst waits for it, or worse could come behind.
        known = self._ledger.episodes.summaries() if self._pages else {}
        while self._pages:
            page = self._pages.popleft()
            self._backlog.add(one.key for one in page if not one.rank and one.key not in known)

    def _start_named(self, readings: Readings, now: float, free: int) -> None:
        # An old PID is looked up in the list, which is perhaps on its way.
        listing, busy = readings.count(self._take_list), readings.busy

        def wanted(name: str) -> bool:
            return name not in busy and not (listing and is_old_pid(name))

        recent = self._listed is not None and 0 <= now - self._listed_at < 1.0
        open_ids = list(self._listed or ()) if recent else None
        for named in self._notified.next(now, free, {**self._being_read, **self._taken}, wanted):
            self._being_read.update(named)
            readings.named(named, open_ids, self._take_named)

    def _start_problems(self, readings: Readings, unread: Sequence[Unread], now: float) -> None:
        kept = {one.key: problem for one in unread if (problem := one.kept_problem(now))}
        readings.problems([one.key for one in unread], kept, self._take_problems)

    def _take_list(self, listing: Listing | ApiError, _: float, seen: Seen) -> None:
        failed_before, self._list_error = self._list_error is not None, None
        self._pages.clear()
        if isinstance(listing, ApiError):
            self._list_error = seen.poll_error = listing
            return
        for why in dict.fromkeys(one for one in listing.unreadable if one not in self._said):
            log.warning("%s: not all open problems could be read: %s", self._prefix, why)
        self._said = listing.unreadable
        seen.listed, seen.open_count = True, len(listing.problems)
        self._listed = {problem.key: problem for problem in listing.problems}
        self._listed_at, self._unreadable = self._now, bool(listing.unreadable)
        self._in_maintenance = listing.in_maintenance
        self._backlog.replace(self._wanted(self._listed), afresh=failed_before)

    def _wanted(self, listed: Mapping[str, Problem]) -> Iterator[str]:
        # What is new or changed, the most severe first; and what is no longer listed, which may be closed or have been missed
        # by the walk.
        known = self._ledger.episodes.summaries()
        self._some_held = any(summary.endswith(HELD) for summary in known.values())
        for key, problem in sorted(
            listed.items(), key=lambda one: (one[1].rank, one[1].start or 0)
        ):
            before = known.get(key)
            if before is None or before != self._summary(problem, before):
                yield key
        yield from (key for key in known if key not in listed and not key.startswith("display:"))

    def _summary(self, problem: Problem, before: str) -> str:
        if self._in_maintenance is None:
            return summary(problem, before.endswith(HELD))
        return summary(problem, problem.key in self._in_maintenance)

    def _take_problems(self, found: Found, began: float, seen: Seen) -> None:
        for key, one in found.items():
            if isinstance(one, Problem):
                self._missed.discard(key)
                seen.read_at[key] = self._backlog.read(key, one, began)
                seen.problems.append(one)
            elif not isinstance(one, NotFound):
                seen.error = seen.error or one
                self._backlog.fails(key, one, self._now)
            else:
                self._take_unknown(key, seen)

    def _take_unknown(self, key: str, seen: Seen) -> None:
        self._backlog.drop(key)
        if self._unreadable or key in (self._listed or ()):
            # One answer of two is wrong; the next poll asks again.
            if key not in self._missed:
                text = "%s: %s may be open and is not found; it stays as it was"
                log.warning(text, self._prefix, key)
            self._missed.add(key)
        else:
            log.warning("%s: the tenant no longer knows the problem %s", self._prefix, key)
            seen.problems.append(Problem(key, None, status="CLOSED"))

    def _take_named(self, found: Found, began: float, seen: Seen) -> None:
        for error in found.values():
            if isinstance(error, ApiError) and not isinstance(error, NotFound):
                seen.error = seen.error or error
        waiting = {name: self._being_read.pop(name) for name in found}
        self._taken.update(waiting)
        for key, (problem, named) in self._notified.take(waiting, found, self._now).items():
            seen.problems.append(problem)
            seen.read_at[key] = began
            seen.named[key] = named
            if named.ids:
                seen.notified[key] = named.received
            self._backlog.drop(key)

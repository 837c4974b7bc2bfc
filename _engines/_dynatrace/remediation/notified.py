"""
Reads the problems that notifications name: each once, however often it was notified.

Names may be invented, or of another tenant, or of what cannot be read. So they have a share of the calls and of a
cycle's time, and neither the list of open problems nor what it shows waits for them. A failed read decides nothing: the
notification waits, and is given up only when the tenant does not know its problem for minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..api.client import Client, Listing
from ..api.rate_limiter import Kind
from ..api.read_budget import ReadBudget
from ..core.errors import ApiError, NotFound, RateLimited
from ..core.log_once import LogOnce, Seldom
from ..core.problem import Problem
from ..store.notifications import Notifications

log = logging.getLogger(__name__)

#: Of one look, all requests together, and how many names; the others have the next cycle, which follows at once.
NOTIFIED_S = 15.0
NAMES_A_LOOK = 32
#: A notified problem may reach the API later than its notification; after so many looks it is given up.
NOTICE_TRIES = 12
NOTICE_WAIT_CAP_S = 60.0
#: An end may be notified before the API shows it; after so many looks the API is believed. It takes half a minute.
ENDS = {"RESOLVED", "MERGED"}
ENDING_TRIES = 6
#: A name this long is no problem number but a PID of an older tenant, without ``_<ms>V2``.
OLD_PID_DIGITS = 15
#: What fails once a minute and works in between has not recovered.
QUIET_S = 600.0

#: Reads several problems at once; an error stands in the place of what could not be read.
ReadAll = Callable[[Callable[[str], Problem], Iterable[str]], "list[Problem | ApiError]"]


@dataclass
class Seen:
    """
    What one look brought: problems with their evidence, and the first error that kept some from being read.

    ``poll_error`` is that of the list and of what it shows, whatever became of what was notified. ``answered`` are the
    notifications that are settled as soon as the problems are recorded, and no sooner.
    """

    problems: list[Problem] = field(default_factory=list)
    error: ApiError | None = None
    poll_error: ApiError | None = None
    listed: bool = False
    open_count: int | None = None
    answered: list[int] = field(default_factory=list)

    def fail(self, error: ApiError) -> None:
        self.error = self.error or error
        if self.listed:
            self.poll_error = self.poll_error or error


@dataclass
class Named:
    """
    All waiting notifications of one problem.
    """

    ids: list[int] = field(default_factory=list)
    states: set[str | None] = field(default_factory=set)
    tries: int = 0


class Notified:
    """
    The notifications of one engine that has an API.
    """

    def __init__(
        self,
        name: str,
        notifications: Notifications,
        client: Client,
        read_budget: ReadBudget,
        read: Callable[[str, Kind], Problem],
        read_all: ReadAll,
    ) -> None:
        self._notifications = notifications
        self._client = client
        self._read_budget = read_budget
        self._read = read
        self._read_all = read_all
        self._now = 0.0
        meanwhile = "not all that is notified can be read; it is looked at again"
        again = "all that is notified is read again"
        self._outage = LogOnce(
            log, name, meanwhile, again, QUIET_S, lambda: self._now, logging.WARNING
        )
        self._unknown = Seldom(log, name)

    def look(self, listing: Listing | None, now: float, seen: Seen) -> None:
        """
        Read what is due, those first that were tried least; ``listing`` is what this cycle's poll brought.
        """
        self._now = now
        self._read_budget.begin(NOTIFIED_S)
        waiting = self._waiting(now)
        names = sorted(waiting, key=lambda name: waiting[name].tries)[:NAMES_A_LOOK]
        open_ids = self._open_ids(listing) if any(map(_is_old_pid, names)) else ()
        found = self._read_all(lambda name: self._find(name, open_ids), names)
        later: list[tuple[Named, float]] = []
        for name, one in zip(names, found, strict=True):
            wait = self._take(name, waiting[name], one, seen)
            if wait is not None:
                later.append((waiting[name], now + wait))
        self._postpone(later, found, now)
        unread = [
            one for one in found if isinstance(one, ApiError) and not isinstance(one, NotFound)
        ]
        if unread:
            seen.error = seen.error or unread[0]
            self._outage.fails(unread[0])
        elif not later:
            self._outage.works()

    def _waiting(self, now: float) -> dict[str, Named]:
        waiting: dict[str, Named] = {}
        for notice_id, notice, tries, _ in self._notifications.waiting(now):
            named = waiting.setdefault(notice.name, Named())
            named.ids.append(notice_id)
            named.states.add(notice.state)
            named.tries = max(named.tries, tries)
        return waiting

    def _take(self, name: str, named: Named, found: Problem | ApiError, seen: Seen) -> float | None:
        if isinstance(found, Problem):
            # Over is what the API says is over; why, it does not say.
            merged = "MERGED" in named.states and not found.is_open
            seen.problems.append(replace(found, merged=merged))
            if found.is_open and named.states & ENDS and named.tries + 1 < ENDING_TRIES:
                return 2.0**named.tries
            seen.answered += named.ids
            return None
        if isinstance(found, RateLimited):
            return None
        if isinstance(found, NotFound) and named.tries + 1 >= NOTICE_TRIES:
            self._unknown.say("the notified problem %.60s is given up: %s", name, found)
            self._notifications.settle(named.ids, self._now)
            return None
        return min(2.0 ** min(named.tries, 10), NOTICE_WAIT_CAP_S)

    def _postpone(
        self,
        later: Sequence[tuple[Named, float]],
        found: Sequence[Problem | ApiError],
        now: float,
    ) -> None:
        wait_s = max((one.retry_after for one in found if isinstance(one, RateLimited)), default=0)
        if not later and not wait_s:
            return
        with self._notifications.transaction():
            for named, due in later:
                self._notifications.postpone(named.ids, due)
            if wait_s:
                # Whoever is next would hear the same: all of them wait, and none of them was tried.
                self._notifications.hold(now, now + wait_s)

    def _find(self, name: str, open_ids: Sequence[str] | ApiError) -> Problem:
        found: str | None = name
        if _is_old_pid(name):
            if isinstance(open_ids, ApiError):
                raise open_ids
            found = next((one for one in open_ids if one.startswith(f"{name}_")), None)
        elif "_" not in name:
            self._read_budget.check()
            listed = self._client.find_by_display_id(name, Kind.NOTIFIED) if name else None
            found = listed.problem_id if listed is not None else None
        if found is None:
            raise NotFound(f"no problem is called {name[:40]!r}")
        return self._read(found, Kind.NOTIFIED)

    def _open_ids(self, listing: Listing | None) -> Sequence[str] | ApiError:
        try:
            listing = listing or self._client.list_open(Kind.NOTIFIED)
        except ApiError as err:
            return err
        return [problem.problem_id or "" for problem in listing.problems]


def _is_old_pid(name: str) -> bool:
    return "_" not in name and len(name.lstrip("-")) >= OLD_PID_DIGITS

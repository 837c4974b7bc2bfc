"""
Follows the notifications that wait for their problem to be read: each problem once, however often it was notified.

Names may be invented, or of another tenant, or of what cannot be read. So they have a share of the calls, and neither
the list of open problems nor what it shows waits for them. A failed read decides nothing: the notification waits, and is
given up only when the tenant does not know its problem for minutes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..core.backoff import backoff
from ..core.errors import ApiError, NotFound, RateLimited
from ..core.log_once import LogOnce, Seldom
from ..core.problem import Problem
from ..core.records import Outgoing
from ..store.ledger import Ledger
from ..store.notifications import Notifications

log = logging.getLogger(__name__)

#: The kind of an entry in the journal.
NOTIFIED = "notified"
#: Names of one reading.
NAMES = 32
#: A notified problem may reach the API later than its notification; after so many looks it is given up.
NOTICE_TRIES = 12
NOTICE_WAIT_CAP_S = 60.0
#: An end may be notified before the API shows it; after so many looks the API is believed. It takes half a minute.
ENDS = {"RESOLVED", "MERGED"}
ENDING_TRIES = 6
#: Repeats that come sooner than this after a reading are joined: one reading serves all of them.
JOIN_S = 5.0
#: What fails once a minute and works in between has not recovered.
QUIET_S = 600.0
#: A name this long is no problem number but a PID of an older tenant, without ``_<ms>V2``.
OLD_PID_DIGITS = 15


@dataclass
class Named:
    """
    All waiting notifications of one problem, and when the first of them came.
    """

    ids: list[int] = field(default_factory=list)
    states: set[str | None] = field(default_factory=set)
    tries: int = 0
    received: float = math.inf


class Notified:
    """
    The notifications of one engine that has an API. It belongs to the reconciler's thread.
    """

    def __init__(self, name: str, notifications: Notifications) -> None:
        self._notifications = notifications
        self._now = 0.0
        #: By name and what was notified: when it was read last.
        self._read_at: dict[tuple[str, frozenset[str | None]], float] = {}
        meanwhile = "not all that is notified can be read; it is looked at again"
        again = "all that is notified is read again"
        self._outage = LogOnce(
            log, name, meanwhile, again, QUIET_S, lambda: self._now, logging.WARNING
        )
        self._unknown = Seldom(log, name)

    @property
    def failing(self) -> str | None:
        """
        The name of the error for which not all that is notified can be read, if so.
        """
        return self._outage.failing

    def next(
        self,
        now: float,
        count: int,
        busy: Mapping[str, Named],
        wanted: Callable[[str], bool],
    ) -> list[dict[str, Named]]:
        """
        Return what is due for so many readings, those first that were tried least: names that are ``wanted`` and not ``busy``,
        which is being read already.
        """
        self._now = now
        waiting: dict[str, Named] = {}
        known = [one for named in busy.values() for one in named.ids]
        for notice_id, notice, tries, received in self._notifications.waiting(now, without=known):
            if notice.name in busy or not wanted(notice.name):
                continue
            named = waiting.setdefault(notice.name, Named())
            named.ids.append(notice_id)
            named.states.add(notice.state)
            named.tries = max(named.tries, tries)
            named.received = min(named.received, received)
        waiting = self._without_repeats(waiting, now)
        names = sorted(waiting, key=lambda name: waiting[name].tries)[: count * NAMES]
        parts = (names[at : at + NAMES] for at in range(0, len(names), NAMES))
        return [{name: waiting[name] for name in part} for part in parts]

    def _without_repeats(self, waiting: Mapping[str, Named], now: float) -> dict[str, Named]:
        recent = {key: at for key, at in self._read_at.items() if 0 <= now - at < JOIN_S}
        self._read_at, new = recent, dict(waiting)
        for name, named in waiting.items():
            at = recent.get((name, frozenset(named.states)))
            if at is not None and not named.tries:
                self._notifications.postpone(named.ids, at + JOIN_S, tried=False)
                del new[name]
        return new

    def take(
        self,
        waiting: Mapping[str, Named],
        found: Mapping[str, Problem | ApiError],
        now: float,
    ) -> dict[str, tuple[Problem, Named]]:
        """
        Take what came of a reading, by name; return by problem id what is settled as soon as it is recorded.

        A problem that is open though its end was notified is looked at again, and nothing of it is settled.
        """
        self._now = now
        settled: dict[str, tuple[Problem, Named]] = {}
        later: list[tuple[Named, float]] = []
        for name, one in found.items():
            named = waiting[name]
            if isinstance(one, Problem):
                self._read_at[name, frozenset(named.states)] = now
                # Over is what the API says is over; why, it does not say.
                merged = "MERGED" in named.states and not one.is_open
                wait = _ending_wait(one, named)
                own = Named() if wait is not None else named
                settled[one.key] = replace(one, merged=merged), own
            else:
                wait = self._wait(name, named, one)
            if wait is not None:
                later.append((named, now + wait))
        self._postpone(later, found.values(), now)
        self._say(found.values(), bool(later))
        return settled

    def fails(self, named: Named, error: ApiError, now: float) -> None:
        """
        Have notifications wait whose problem was read and cannot be followed, since its entities cannot be read.
        """
        if named.ids:
            self._notifications.postpone(
                named.ids, now + backoff(1.0, named.tries, NOTICE_WAIT_CAP_S)
            )
            self._outage.fails(error)

    def _wait(self, name: str, named: Named, error: ApiError) -> float | None:
        if isinstance(error, RateLimited):
            return None
        if isinstance(error, NotFound) and named.tries + 1 >= NOTICE_TRIES:
            self._unknown.say("the notified problem %.60s is given up: %s", name, error)
            self._notifications.settle(named.ids, self._now)
            return None
        return backoff(1.0, named.tries, NOTICE_WAIT_CAP_S)

    def _postpone(
        self,
        later: Iterable[tuple[Named, float]],
        found: Iterable[Problem | ApiError],
        now: float,
    ) -> None:
        wait_s = max((one.retry_after for one in found if isinstance(one, RateLimited)), default=0)
        later = list(later)
        if not later and not wait_s:
            return
        with self._notifications.transaction():
            for named, due in later:
                self._notifications.postpone(named.ids, due)
            if wait_s:
                # Whoever is next would hear the same: all of them wait, and none of them was tried.
                self._notifications.hold(now, now + wait_s)

    def _say(self, found: Iterable[Problem | ApiError], later: bool) -> None:
        errors = [one for one in found if isinstance(one, ApiError)]
        unread = [one for one in errors if not isinstance(one, NotFound)]
        if unread:
            self._outage.fails(unread[0])
        elif not later:
            self._outage.works()


def note_notified(ledger: Ledger, notified: Mapping[str, float]) -> None:
    """
    Note in the journal when open episodes were notified first; ``notified`` tells that by problem key.
    """
    if notified:
        with ledger.transaction(soon=True):
            ledger.journal.add_first(NOTIFIED, notified)


def measure_openings(
    ledger: Ledger,
    observe: Callable[[float], None],
    events: Iterable[tuple[Outgoing, float]],
) -> None:
    """
    Measure how long the events that open a problem, each with when it was fired, took from its first notification; others
    were not waited for.
    """
    fired = {
        (event.problem_key, event.data["episode"]): at
        for event, at in events
        if event.data.get("what") == "open"
    }
    if fired:
        for own, notified in ledger.journal.firsts(NOTIFIED, fired).items():
            observe(fired[own] - notified)


def _ending_wait(problem: Problem, named: Named) -> float | None:
    if problem.is_open and named.states & ENDS and named.tries + 1 < ENDING_TRIES:
        return 2.0**named.tries
    return None


def is_old_pid(name: str) -> bool:
    """
    Tell whether a name is a PID without its suffix, which only the list of open problems can complete.
    """
    return "_" not in name and len(name.lstrip("-")) >= OLD_PID_DIGITS

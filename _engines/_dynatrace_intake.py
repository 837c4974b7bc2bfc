"""
Reads what is to be known: the notified problems, the list of open ones, and those that vanished from it.

A notification with an API behind it only names a problem to look at; the problem is read from the API like any other.
A failed read decides nothing: the notification waits, and a problem that cannot be read is neither open nor closed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from _dynatrace_client import Client
from _dynatrace_errors import ApiError, NotFound, UnexpectedAnswer
from _dynatrace_ledger import Ledger
from _dynatrace_notifications import Notice
from _dynatrace_patience import Patience
from _dynatrace_problems import EntityDetail, Problem

log = logging.getLogger(__name__)

#: Details read at the same time; more only fills the tenant's request queue.
PARALLEL_READS = 4
#: A process moves to another host only by being another process; names and tags of hosts change slowly.
ENTITY_CACHE_S = 600.0
ENTITY_CACHE_SIZE = 20_000
#: A notified problem may reach the API later than its notification; after so many looks it is given up.
NOTICE_TRIES = 12
NOTICE_WAIT_CAP_S = 60.0
#: An end may be notified before the API shows it; after so many looks the API is believed. It takes half a minute.
ENDS = ("RESOLVED", "MERGED")
ENDING_TRIES = 6
#: A name this long is no problem number but a PID of an older tenant, without ``_<ms>V2``.
OLD_PID_DIGITS = 15


@dataclass
class Seen:
    """
    What one look brought: problems with their evidence, and the first error that kept some from being read.

    ``answered`` are the notifications that are settled as soon as the problems are recorded, and no sooner.
    """

    problems: list[Problem] = field(default_factory=list)
    error: ApiError | None = None
    listed: bool = False
    open_count: int | None = None
    answered: list[int] = field(default_factory=list)


def problem_key(problem_id: str | None, display_id: str | None) -> str:
    """
    Return the key of a problem in the ledger.
    """
    return problem_id or f"display:{display_id}"


def _called(notice: Notice) -> str:
    return notice.problem_id or notice.display_id or notice.old_pid or ""


def digest(problem: Problem) -> str:
    """
    Return a short text that changes when anything changes that the list of problems shows.
    """
    kept = problem.to_dict()
    for name in ("evidence", "under_maintenance", "url", "source"):
        kept.pop(name)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


class Entities:
    """
    Entities by id, read once in a while; None for those that the tenant does not know.
    """

    def __init__(
        self, client: Client, now: Callable[[], float], patience: Patience | None = None
    ) -> None:
        self._patience = patience or Patience()
        self._client = client
        self._now = now
        self._known: dict[str, tuple[float, EntityDetail | None]] = {}
        self._lock = threading.Lock()

    def __call__(self, entity_id: str) -> EntityDetail | None:
        """
        Return an entity; raises ApiError when the tenant cannot be asked.
        """
        with self._lock:
            read, detail = self._known.get(entity_id, (0.0, None))
        if read and self._now() - read < ENTITY_CACHE_S:
            return detail
        self._patience.check()
        try:
            detail = self._client.entity(entity_id)
        except NotFound:
            detail = None
        with self._lock:
            if len(self._known) >= ENTITY_CACHE_SIZE:
                self._known.clear()
            if detail is not None:  # An unknown one may be known in a minute.
                self._known[entity_id] = (self._now(), detail)
        return detail


class Intake:
    """
    Brings problems in, from the API or, without one, from the notifications themselves.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        client: Client | None,
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self._prefix = name
        self._ledger = ledger
        self._client = client
        #: What the last poll did not find and did not take for closed either.
        self._missed: set[str] = set()
        self._pool = ThreadPoolExecutor(PARALLEL_READS, thread_name_prefix=f"{name}-reader")

    def look(self, now: float, poll: bool) -> Seen:
        """
        Read the notified problems, and on a poll the whole list; never raises ApiError, returns it.
        """
        seen = Seen()
        notices = self._ledger.waiting_notices(now)
        if self._client is None:
            self._take(notices, seen)
            return seen
        self.patience.begin()
        done = self._notified(self._client, notices, seen, now)
        if poll and (seen.error is None or isinstance(seen.error, UnexpectedAnswer)):
            self._poll(self._client, done, seen)
        return seen

    def read(self, problem_id: str) -> Problem:
        """
        Return a problem as it is now; raises ApiError, also when there is no API.
        """
        if self._client is None:
            raise NotFound("there is no API to read from")
        self.patience.check()
        return self._with_url(self._client.problem(problem_id))

    @property
    def has_api(self) -> bool:
        """
        Tell whether problems are read from an API; else notifications are all there is.
        """
        return self._client is not None

    def _take(self, notices: list[tuple[int, Notice, int, float]], seen: Seen) -> None:
        for notice_id, notice, _, _ in notices:
            if notice.problem is not None:
                seen.problems.append(notice.problem)
            seen.answered.append(notice_id)

    def _notified(
        self, client: Client, notices: list[tuple[int, Notice, int, float]], seen: Seen, now: float
    ) -> set[str]:
        """
        Read each notified problem once, however often it was notified; return the ids that were read.
        """
        by_name: dict[str, list[tuple[int, int]]] = {}
        merged = {_called(notice) for _, notice, *_ in notices if notice.state == "MERGED"}
        ends = {_called(notice) for _, notice, *_ in notices if notice.state in ENDS}
        for notice_id, notice, tries, _ in notices:
            by_name.setdefault(_called(notice), []).append((notice_id, tries))
        names = list(by_name)
        done: set[str] = set()
        for name, found in zip(
            names, self._all(lambda name: self._by_name(client, name), names), strict=True
        ):
            ids = [notice_id for notice_id, _ in by_name[name]]
            if isinstance(found, Problem):
                # Over is what the API says is over; why, it does not say.
                is_merged = name in merged and not found.is_open
                seen.problems.append(replace(found, merged=is_merged))
                done.add(found.problem_id or "")
                tries = max(tries for _, tries in by_name[name])
                if name in ends and found.is_open and tries + 1 < ENDING_TRIES:
                    self._ledger.postpone_notices(ids, now + 2.0**tries)
                else:
                    seen.answered += ids
            else:
                self._postpone(name, found, by_name[name], seen, now)
        return done

    def _by_name(self, client: Client, name: str) -> Problem:
        """
        Return the problem that a notification means, by PID or by problem number.
        """
        self.patience.check()
        if "_" in name:
            return self.read(name)
        if len(name.lstrip("-")) >= OLD_PID_DIGITS:
            return self._by_old_pid(client, name)
        found = client.find_by_display_id(name) if name else None
        if found is None or found.problem_id is None:
            raise NotFound(f"no problem has the number {name[:40]!r}")
        return self.read(found.problem_id)

    def _by_old_pid(self, client: Client, name: str) -> Problem:
        """
        Return the open problem whose id begins with a PID that came without its suffix.
        """
        for problem in client.list_open().problems:
            if problem.problem_id is not None and problem.problem_id.startswith(f"{name}_"):
                return self.read(problem.problem_id)
        raise NotFound(f"no open problem has an id that begins with {name[:40]!r}")

    def _postpone(
        self, name: str, error: ApiError, notices: list[tuple[int, int]], seen: Seen, now: float
    ) -> None:
        tries = max(tries for _, tries in notices)
        ids = [notice_id for notice_id, _ in notices]
        unknown = isinstance(error, NotFound)
        if unknown and tries + 1 >= NOTICE_TRIES:
            log.warning("%s: the notified problem %.60s is given up: %s", self._prefix, name, error)
            self._ledger.settle_notices(ids, now)
            return
        self._ledger.postpone_notices(ids, now + min(2.0 ** min(tries, 10), NOTICE_WAIT_CAP_S))
        if not unknown:
            seen.error = seen.error or error

    def _poll(self, client: Client, done: set[str], seen: Seen) -> None:
        try:
            listing = client.list_open()
        except ApiError as err:
            seen.error = err
            return
        for why in dict.fromkeys(listing.unreadable):
            log.warning("%s: an open problem could not be read: %s", self._prefix, why)
        self.patience.begin()
        known = self._ledger.open_keys()
        listed = {problem.problem_id or "": problem for problem in listing.problems}
        wanted = [key for key, problem in listed.items() if known.get(key) != digest(problem)]
        # What is no longer listed may be closed, or have been missed by the walk: it is asked for one by one.
        wanted += [key for key in known if key not in listed and not key.startswith("display:")]
        self._read_all(
            [key for key in wanted if key not in done], seen, None if listing.unreadable else listed
        )
        seen.listed = True
        seen.open_count = len(listed)

    def _read_all(self, keys: list[str], seen: Seen, listed: Container[str] | None) -> None:
        """
        Read problems one by one; ``listed`` are those that the list shows, None if it may show others too.
        """
        missed: set[str] = set()
        for key, found in zip(keys, self._all(self.read, keys), strict=True):
            if isinstance(found, Problem):
                seen.problems.append(found)
            elif not isinstance(found, NotFound):
                seen.error = seen.error or found
            elif listed is None or key in listed:
                missed.add(key)  # One answer of two is wrong; the next poll asks again.
            else:
                log.warning("%s: the tenant no longer knows the problem %s", self._prefix, key)
                seen.problems.append(Problem(key, None, status="CLOSED"))
        for key in sorted(missed - self._missed):
            log.warning(
                "%s: %s may be open and is not found; it stays as it was", self._prefix, key
            )
        self._missed = missed

    def _all(self, read: Callable[[str], Problem], keys: Iterable[str]) -> list[Problem | ApiError]:
        """
        Read several at once, bounded; an error stands in the place of what could not be read.
        """

        def one(key: str) -> Problem | ApiError:
            try:
                return read(key)
            except ApiError as err:
                return err

        keys = list(keys)
        if len(keys) == 1:  # The usual case; a thread would only add to the time to heal.
            return [one(keys[0])]
        return list(self._pool.map(one, keys))

    def _with_url(self, problem: Problem) -> Problem:
        if self._client is None or problem.problem_id is None:
            return problem
        return replace(problem, url=self._client.problem_url(problem.problem_id))

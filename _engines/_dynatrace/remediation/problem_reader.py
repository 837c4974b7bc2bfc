"""
Reads what is to be known: the notified problems, the list of open ones, and those that vanished from it.

A notification with an API behind it only names a problem to look at; the problem is read from the API like any other.
A failed read decides nothing: the notification waits, and a problem that cannot be read is neither open nor closed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

from ..api.client import Client, Listing
from ..api.rate_limiter import Kind
from ..api.read_budget import ReadBudget
from ..core.errors import ApiError, NotFound
from ..core.problem import EntityDetail, Problem
from ..store.ledger import Ledger
from .notified import Notified, Seen

log = logging.getLogger(__name__)

#: Details read at the same time; more only fills the tenant's request queue.
PARALLEL_READS = 4
#: A process moves to another host only by being another process; names and tags of hosts change slowly.
ENTITY_CACHE_S = 600.0
ENTITY_CACHE_SIZE = 20_000


def problem_key(problem_id: str | None, display_id: str | None) -> str:
    """
    Return the key of a problem in the ledger.
    """
    return problem_id or f"display:{display_id}"


def digest(problem: Problem) -> str:
    """
    Return a short text that changes when anything changes that the list of problems shows.
    """
    kept = asdict(problem)
    for name in ("evidence", "under_maintenance", "url", "source"):
        kept.pop(name)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


class Entities:
    """
    Entities by id, read once in a while; None for those that the tenant does not know, and without an API.

    Raises ApiError when the tenant cannot be asked.
    """

    def __init__(
        self, client: Client | None, now: Callable[[], float], read_budget: ReadBudget | None = None
    ) -> None:
        self._read_budget = read_budget or ReadBudget()
        self._client = client
        self._now = now
        self._known: dict[str, tuple[float, EntityDetail]] = {}

    def __call__(self, entity_id: str) -> EntityDetail | None:
        if self._client is None:
            return None
        if entity_id in self._known:
            read, detail = self._known[entity_id]
            if self._now() - read < ENTITY_CACHE_S:
                return detail
        self._read_budget.check()
        try:
            detail = self._client.entity(entity_id)
        except NotFound:
            return None  # It may be known in a minute.
        if len(self._known) >= ENTITY_CACHE_SIZE:
            self._known.clear()
        self._known[entity_id] = (self._now(), detail)
        return detail


class ProblemReader:
    """
    Brings problems in, from the API or, without one, from the notifications themselves.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        client: Client | None,
        read_budget: ReadBudget | None = None,
    ) -> None:
        self.read_budget = read_budget or ReadBudget()
        self._prefix = name
        self._ledger = ledger
        self._client = client
        #: What the last poll did not find and did not take for closed either.
        self._missed: set[str] = set()
        self._pool = ThreadPoolExecutor(PARALLEL_READS, thread_name_prefix=f"{name}-reader")
        self._notified: Notified | None = None
        if client is not None:
            self._notified = Notified(
                name, ledger.notifications, client, self.read_budget, self.read, self._read_all
            )

    def look(self, now: float, poll: bool) -> Seen:
        """
        Read the notified problems, and on a poll the whole list; never raises ApiError, returns it.
        """
        seen = Seen()
        if self._client is None or self._notified is None:
            self._believe(now, seen)
            return seen
        # The list first: it needs nothing of what is notified, however much of it cannot be read.
        listing = self._list(self._client, seen) if poll else None
        self._notified.look(listing, now, seen)
        if listing is not None:
            self._read_listed(listing, seen)
        seen.error = seen.poll_error or seen.error
        return seen

    def read(self, problem_id: str, kind: Kind = Kind.READING) -> Problem:
        """
        Return a problem as it is now; raises ApiError, also when there is no API.
        """
        if self._client is None:
            raise NotFound("there is no API to read from")
        self.read_budget.check()
        problem = self._client.problem(problem_id, kind)
        if problem.problem_id is None:
            return problem
        return replace(problem, url=self._client.problem_url(problem.problem_id))

    def _believe(self, now: float, seen: Seen) -> None:
        for notice_id, notice, _, _ in self._ledger.notifications.waiting(now):
            seen.problems += [notice.problem] if notice.problem is not None else []
            seen.answered.append(notice_id)

    def _list(self, client: Client, seen: Seen) -> Listing | None:
        try:
            listing = client.list_open()
        except ApiError as err:
            seen.poll_error = err
            return None
        for why in dict.fromkeys(listing.unreadable):
            log.warning("%s: an open problem could not be read: %s", self._prefix, why)
        seen.listed, seen.open_count = True, len(listing.problems)
        return listing

    def _read_listed(self, listing: Listing, seen: Seen) -> None:
        self.read_budget.begin()
        known = self._ledger.episodes.summaries()
        listed = {problem.problem_id or "": problem for problem in listing.problems}
        wanted = [key for key, problem in listed.items() if known.get(key) != digest(problem)]
        # What is no longer listed may be closed, or have been missed by the walk: it is asked for one by one.
        wanted += [key for key in known if key not in listed and not key.startswith("display:")]
        done = {problem.problem_id for problem in seen.problems}
        wanted = [key for key in wanted if key not in done]
        missed: set[str] = set()
        for key, found in zip(wanted, self._read_all(self.read, wanted), strict=True):
            if isinstance(found, Problem):
                seen.problems.append(found)
            elif not isinstance(found, NotFound):
                seen.poll_error = seen.poll_error or found
            elif listing.unreadable or key in listed:
                missed.add(key)  # One answer of two is wrong; the next poll asks again.
            else:
                log.warning("%s: the tenant no longer knows the problem %s", self._prefix, key)
                seen.problems.append(Problem(key, None, status="CLOSED"))
        for key in sorted(missed - self._missed):
            log.warning(
                "%s: %s may be open and is not found; it stays as it was", self._prefix, key
            )
        self._missed = missed

    def _read_all(
        self, read: Callable[[str], Problem], keys: Iterable[str]
    ) -> list[Problem | ApiError]:

        # Bounded; an error stands in the place of what could not be read.
        def one(key: str) -> Problem | ApiError:
            try:
                return read(key)
            except ApiError as err:
                return err

        keys = list(keys)
        if len(keys) == 1:  # The usual case; a thread would only add to the time to heal.
            return [one(keys[0])]
        return list(self._pool.map(one, keys))

"""
The problems that are to be read since the list of open ones shows them new or changed.

What cannot be read, or whose entities cannot, is read again later and later, and keeps no other waiting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

from ..core.backoff import backoff
from ..core.errors import ApiError, RateLimited
from ..core.problem import Problem

FIRST_S = 5.0
CAP_S = 60.0
#: A problem whose entities could not be read is not read anew for so long.
KEPT_S = 60.0


@dataclass
class Unread:
    """
    A problem that is to be read: not before ``due``, in epoch seconds. ``problem`` was read already, at ``kept``.
    """

    key: str
    due: float = 0.0
    tries: int = 0
    error: ApiError | None = None
    problem: Problem | None = None
    kept: float = 0.0

    def kept_problem(self, now: float) -> Problem | None:
        return self.problem if 0 <= now - self.kept < KEPT_S else None


class Backlog:
    """
    What waits to be read, in the order of the last listing. It belongs to the reconciler's thread.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, Unread] = {}
        #: What was read, and is not recorded yet.
        self._read: dict[str, Unread] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def error(self) -> ApiError | None:
        """
        Why something of it could not be read, if so.
        """
        return next(iter(self.errors.values()), None)

    @property
    def errors(self) -> dict[str, ApiError]:
        """
        The same, by what that is: ``details`` of problems, or their ``entities``.
        """
        waiting = self._waiting.values()
        return {"entities" if one.problem else "details": one.error for one in waiting if one.error}

    def replace(self, keys: Iterable[str], afresh: bool) -> None:
        """
        Take what a listing shows; ``afresh``: the list itself failed before, and whatever failed with it is due.
        """
        before = {} if afresh else self._waiting
        self._waiting = {key: before.get(key) or Unread(key) for key in keys}

    def add(self, keys: Iterable[str]) -> None:
        """
        Take what a listing shows that is not whole yet.
        """
        for key in keys:
            self._waiting.setdefault(key, Unread(key))

    def next(self, count: int, now: float, busy: Collection[str]) -> list[Unread]:
        """
        Return what is due and not being read already. Who failed before comes alone: it may be what breaks the others.
        """
        due = (one for one in self._waiting.values() if one.due <= now and one.key not in busy)
        found = list(islice(due, count))
        failed = next((one for one in found if one.tries), None)
        return [failed] if failed is not None else found

    def read(self, key: str, problem: Problem, began: float) -> float:
        """
        Note that a problem was read, and is to be recorded; return when it was read.
        """
        one = self._waiting.pop(key, None) or Unread(key)
        self._read[key] = one
        # It was kept from an earlier reading, or else it is what would be kept.
        if problem is not one.problem:
            one.problem, one.kept = problem, began
        return one.kept

    def unread(self) -> None:
        """
        Have all read anew that was read and could not be recorded, since the ledger failed.
        """
        self._waiting = {**self._read, **self._waiting}
        self._read = {}

    def drop(self, key: str) -> None:
        self._waiting.pop(key, None)
        self._read.pop(key, None)

    def fails(self, key: str, error: ApiError, now: float) -> None:
        """
        Have a problem read again later; one that was read itself is kept for a while.
        """
        one = self._read.pop(key, None) or self._waiting.get(key) or Unread(key)
        self._waiting[key] = one
        one.error = error
        if isinstance(error, RateLimited):
            # Whoever is next would hear the same, and none of them is to blame.
            for other in self._waiting.values():
                other.due = max(other.due, now + error.retry_after)
            return
        one.due = now + backoff(FIRST_S, one.tries, CAP_S)
        one.tries += 1

    def shift(self, by: float) -> None:
        """
        Move the times after the clock was set.
        """
        for one in self._waiting.values():
            one.due, one.kept = one.due + by, one.kept + by

    def next_due(self, now: float) -> float | None:
        """
        Return when something of it is due that is not due yet.
        """
        return min((one.due for one in self._waiting.values() if one.due > now), default=None)

"""
Two sources of problems of a platform environment: the first that the credentials may ask is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ..core.errors import ApiError, AuthError
from ..core.problem import Problem
from .rate_limiter import Kind
from .sources import Listing, OnPage, ProblemSource, Say, ignored

T = TypeVar("T")


class FirstProblems:
    """
    Asks the first of several sources that the credentials may ask, and stays with it until that one refuses them.
    """

    def __init__(self, sources: Mapping[str, ProblemSource], say: Say) -> None:
        self._sources = sources
        self._say = say
        self._chosen: str | None = None
        self._said = ""

    @property
    def batch(self) -> int:
        """
        Of how many problems one request brings the details.
        """
        return self._sources[self._chosen or next(iter(self._sources))].batch

    def list_open(self, kind: Kind, on_page: OnPage = ignored) -> Listing:
        """
        Return all open problems, without evidence.
        """
        return self._ask(lambda one: one.list_open(kind, on_page))

    def in_maintenance(self, kind: Kind) -> frozenset[str]:
        """
        Return the ids of all open problems that the tenant says are under maintenance.
        """
        return self._ask(lambda one: one.in_maintenance(kind))

    def problems(self, ids: Iterable[str], kind: Kind) -> dict[str, Problem | ApiError]:
        """
        Return several problems with their evidence by id, or why one is not known; what is left out is read by itself.
        """
        wanted = list(ids)
        return self._ask(lambda one: one.problems(wanted, kind))

    def problem(self, problem_id: str, kind: Kind) -> Problem:
        """
        Return one problem with its evidence; raises NotFound.
        """
        return self._ask(lambda one: one.problem(problem_id, kind))

    def find_by_display_id(self, display_id: str, kind: Kind) -> Problem | None:
        """
        Return the newest problem of this id, without evidence.
        """
        return self._ask(lambda one: one.find_by_display_id(display_id, kind))

    def closed(self, hours: int, kind: Kind) -> Listing:
        """
        Return the problems that were open within so many hours and are closed, with what is known of their evidence.
        """
        return self._ask(lambda one: one.closed(hours, kind))

    def _ask(self, ask: Callable[[ProblemSource], T]) -> T:
        chosen = self._chosen
        if chosen is None:
            return self._choose(ask)
        try:
            return ask(self._sources[chosen])
        except AuthError:
            self._chosen = None  # Whoever asks next chooses anew.
            raise

    def _choose(self, ask: Callable[[ProblemSource], T]) -> T:
        refusals: list[AuthError] = []
        for name, source in self._sources.items():
            try:
                found = ask(source)
            except AuthError as err:
                refusals.append(err)
            else:
                self._chosen = name
                self._tell(name, refusals)
                return found
        raise refusals[0]

    def _tell(self, name: str, refusals: Iterable[AuthError]) -> None:
        why = "".join(f"; {err}" for err in refusals)
        text = f"problems are read from {name}{why}"
        if text != self._said:
            self._said = text
            self._say(text, bool(why))

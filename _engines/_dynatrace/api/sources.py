"""
What the client is made of: a source of problems and one of entities, whichever API of the tenant they ask.

All methods may be called from several threads at once, and raise the errors of ``core.errors``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.errors import ApiError, UnexpectedResponse
from ..core.problem import EntityDetail, Problem
from .rate_limiter import Kind

#: Takes what is worth a line in the log, and whether something is done without from then on; nothing here logs itself.
Say = Callable[[str, bool], None]


def unheard(text: str, without: bool) -> None:
    """
    Take what is worth a line in the log, and leave it.
    """


@dataclass(frozen=True)
class Listing:
    """
    The open problems of one list, and why some entries of it could not be read: then what is not listed may be open.

    ``in_maintenance`` are the ids of those that are under maintenance, None where that was not asked.
    """

    problems: tuple[Problem, ...]
    unreadable: tuple[str, ...] = ()
    in_maintenance: frozenset[str] | None = None


#: Is told what a page of a list shows, in the thread that reads the list.
OnPage = Callable[[Sequence[Problem]], None]


def ignored(_: Sequence[Problem]) -> None:
    """
    Wait for the whole list.
    """


class ProblemSource(Protocol):
    """
    Reads problems. ``batch`` is of how many problems one request brings the details; it shrinks if a tenant takes fewer.
    """

    @property
    def batch(self) -> int:
        """
        Of how many problems one request brings the details.
        """

    def list_open(self, kind: Kind, on_page: OnPage = ignored) -> Listing:
        """
        Return all open problems, without evidence; a list that breaks raises. A list of several pages tells of each page.
        """

    def in_maintenance(self, kind: Kind) -> frozenset[str]:
        """
        Return the ids of all open problems that the tenant says are under maintenance.
        """

    def problems(self, ids: Iterable[str], kind: Kind) -> dict[str, Problem | ApiError]:
        """
        Return several problems with their evidence by id, or why one is not known; what is left out is read by itself.
        """

    def problem(self, problem_id: str, kind: Kind) -> Problem:
        """
        Return one problem with its evidence; raises NotFound, and UnexpectedResponse where its evidence is not whole.
        """

    def find_by_display_id(self, display_id: str, kind: Kind) -> Problem | None:
        """
        Return the newest problem of this id, without evidence.
        """

    def closed(self, hours: int, kind: Kind) -> Listing:
        """
        Return the problems that were open within so many hours and are closed, with what is known of their evidence.
        """


class EntitySource(Protocol):
    """
    Reads entities.
    """

    def entity(self, entity_id: str) -> EntityDetail:
        """
        Return one entity; raises NotFound.
        """

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities of one type, by id; what the tenant does not know is left out.
        """

    def all_of(self, kind: str) -> dict[str, EntityDetail]:
        """
        Return all entities of a type, by id.
        """

    def hosts_of(self, processes: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return hosts that processes run on, by id, as far as that is known before the processes are read.
        """


def check_same(what: str, asked: str, received: str | None) -> None:
    """
    Raise UnexpectedResponse unless an answer is about what was asked: a proxy's cache may return another one.
    """
    if received != asked:
        raise UnexpectedResponse(f"{what}: the answer is about another one")

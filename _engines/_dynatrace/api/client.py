"""
The client of one environment: its problems, entities, comments and events, by whichever APIs it has.

It returns values and raises the errors of ``core.errors``; it does not log or decide, and the next cycle is the retry.
Sources of the wire facts: the documentation of Problems API v2, Entities API v2, Events API v2 and access limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..core.errors import ApiError
from ..core.problem import EntityDetail, Problem
from .classic_entities import ClassicEntities
from .classic_problems import ClassicProblems
from .credentials import Credentials, TokenCredentials
from .environment import classic_base, ingest_base, is_platform, problem_url, query_base
from .feedback import Feedback
from .first_entities import FirstEntities
from .first_problems import FirstProblems
from .grail import Grail
from .grail_entities import GrailEntities
from .grail_problems import GrailProblems
from .rate_limiter import Kind, RateLimiter
from .smartscape import Smartscape
from .sources import EntitySource, Listing, OnPage, ProblemSource, Say, ignored, unheard
from .transport import Observe, Transport

#: Where problems may be read from, as the configuration calls it.
PROBLEMS, GRAIL = "problems", "grail"


class Client:
    """
    Reads one environment, and reports to it what was done. Methods may be called from several threads at once.

    ``source`` is where problems are read from; None: by the URL, and by what the credentials may do. ``say`` hears what is
    chosen, and what is done without, and ``observe`` how long each request took.
    """

    def __init__(
        self,
        environment_url: str,
        token: str,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        problem_selector: str | None = None,
        rate_limiter: RateLimiter | None = None,
        *,
        credentials: Credentials | None = None,
        source: str | None = None,
        say: Say = unheard,
        observe: Observe = lambda *_: None,
    ) -> None:
        credentials = credentials or TokenCredentials(environment_url, token, proxy)
        limiter = rate_limiter or RateLimiter()
        self._environment = environment_url
        self._transports = [
            Transport(base, credentials, ca_bundle, proxy, limiter, observe)
            for base in (classic_base(environment_url), query_base(environment_url))
        ]
        classic, queries = self._transports
        ingest = ingest_base(environment_url) if credentials.is_platform_token else None
        if ingest:
            self._transports.append(
                Transport(ingest, credentials, ca_bundle, proxy, limiter, observe)
            )
        self._feedback = Feedback(classic, self._transports[2] if ingest else None)
        self._problems: ProblemSource = ClassicProblems(classic, problem_selector)
        self._entities: EntitySource = ClassicEntities(classic)
        if source == GRAIL or is_platform(environment_url):
            self._use(Grail(queries), source or (PROBLEMS if problem_selector else None), say)

    def _use(self, grail: Grail, source: str | None, say: Say) -> None:
        # A selector is the Problems API's, and must not be passed over.
        by_grail, by_classic = GrailProblems(grail), self._problems
        if source == GRAIL:
            self._problems = by_grail
        elif source is None:
            both = {"Grail": by_grail, "the Problems API": by_classic}
            self._problems = FirstProblems(both, say)
        classic: dict[str, EntitySource] = {"the Entities API": self._entities}
        queried: dict[str, EntitySource] = {
            "the tables of Grail": GrailEntities(grail),
            "Smartscape": Smartscape(grail),
        }
        ways = {**classic, **queried} if source == PROBLEMS else {**queried, **classic}
        self._entities = FirstEntities(ways, say)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._environment})"

    @property
    def batch(self) -> int:
        """
        Of how many problems one request brings the details.
        """
        return self._problems.batch

    def close(self) -> None:
        """
        Close all connections; only tests need it.
        """
        for transport in self._transports:
            transport.close()

    def list_open(self, kind: Kind = Kind.LISTING, on_page: OnPage = ignored) -> Listing:
        """
        Return all open problems, without evidence; all of them or none: a list that breaks raises.

        ``on_page`` is told at once what each page shows, where the list has several.
        """
        return self._problems.list_open(kind, on_page)

    def in_maintenance(self, kind: Kind = Kind.LISTING) -> frozenset[str]:
        """
        Return the ids of all open problems that the tenant says are under maintenance.
        """
        return self._problems.in_maintenance(kind)

    def problems(
        self, ids: Iterable[str], kind: Kind = Kind.READING
    ) -> dict[str, Problem | ApiError]:
        """
        Return several problems with their evidence by id, or why one is not known; what is left out is read by itself.
        """
        found = self._problems.problems(ids, kind)
        return {
            own_id: self._with_url(one) if isinstance(one, Problem) else one
            for own_id, one in found.items()
        }

    def problem(self, problem_id: str, kind: Kind = Kind.READING) -> Problem:
        return self._with_url(self._problems.problem(problem_id, kind))

    def find_by_display_id(self, display_id: str, kind: Kind = Kind.LISTING) -> Problem | None:
        return self._problems.find_by_display_id(display_id, kind)

    def closed(self, hours: int, kind: Kind = Kind.LISTING) -> Listing:
        """
        Return the problems that were open within so many hours and are closed, with what is known of their evidence.
        """
        return self._problems.closed(hours, kind)

    def entity(self, entity_id: str) -> EntityDetail:
        return self._entities.entity(entity_id)

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities of one type by few requests, by id; what the tenant does not know is left out.
        """
        return self._entities.entities(ids)

    def all_of(self, kind: str) -> dict[str, EntityDetail]:
        """
        Return all entities of a type by id, such as ``PROCESS_GROUP_INSTANCE``.
        """
        return self._entities.all_of(kind)

    def hosts_of(self, processes: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return the hosts that processes run on, by id, as far as that is known before the processes are read.
        """
        return self._entities.hosts_of(processes)

    def comments(self, problem_id: str) -> Iterator[str]:
        return self._feedback.comments(problem_id)

    def comment(self, problem_id: str, message: str, context: str) -> None:
        # Not idempotent: after Unavailable (other than NotSent) it may have been stored all the same.
        self._feedback.comment(problem_id, message, context)

    def close_problem(self, problem_id: str, message: str) -> None:
        self._feedback.close_problem(problem_id, message)

    def ingest_event(
        self,
        entity_id: str,
        title: str,
        properties: Mapping[str, str],
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> None:
        """
        Put a ``CUSTOM_INFO`` event on one entity. Not idempotent, and there is no way to look whether it is there.
        """
        self._feedback.ingest_event(entity_id, title, properties, start_ms, end_ms)

    def business_event(self, keys: Mapping[str, str] | Sequence[Mapping[str, str]]) -> None:
        """
        Write a business event with flat keys, or several, which open no problem and need no entity. Not idempotent.
        """
        self._feedback.business_event(keys)

    def problem_url(self, problem_id: str) -> str:
        return problem_url(self._environment, problem_id)

    def _with_url(self, problem: Problem) -> Problem:
        if problem.problem_id is None:
            return problem
        return replace(problem, url=self.problem_url(problem.problem_id))

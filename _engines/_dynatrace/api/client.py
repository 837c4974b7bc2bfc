"""
The client of one environment: its problems, entities, comments and events, by whichever APIs it has.

It returns values and raises the errors of ``core.errors``; it does not log or decide, and the next cycle is the retry.
Sources of the wire facts: the documentation of Problems API v2, Entities API v2, Events API v2 and access limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..core.problem import EntityDetail, Problem
from .classic_entities import ClassicEntities
from .classic_problems import ClassicProblems
from .credentials import Credentials, TokenCredentials
from .environment import classic_base, ingest_base, problem_url
from .feedback import Feedback
from .rate_limiter import Kind, RateLimiter
from .sources import Listing
from .transport import Transport


class Client:
    """
    Reads one environment, and reports to it what was done. Methods may be called from several threads at once.
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
    ) -> None:
        credentials = credentials or TokenCredentials(environment_url, token, proxy)
        self._environment = environment_url
        self._transport = Transport(
            classic_base(environment_url), credentials, ca_bundle, proxy, rate_limiter
        )
        self._problems = ClassicProblems(self._transport, problem_selector)
        self._entities = ClassicEntities(self._transport)
        ingest = ingest_base(environment_url) if credentials.is_platform_token else None
        own = credentials, ca_bundle, proxy, rate_limiter
        self._ingest = Transport(ingest, *own) if ingest else None
        self._feedback = Feedback(self._transport, self._ingest)

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
        self._transport.close()
        if self._ingest:
            self._ingest.close()

    def list_open(self, kind: Kind = Kind.LISTING) -> Listing:
        """
        Return all open problems, without evidence; all of them or none: a list that breaks raises.
        """
        return self._problems.list_open(kind)

    def in_maintenance(self, kind: Kind = Kind.LISTING) -> frozenset[str]:
        """
        Return the ids of all open problems that the tenant says are under maintenance.
        """
        return self._problems.in_maintenance(kind)

    def problems(self, ids: Iterable[str], kind: Kind = Kind.READING) -> dict[str, Problem]:
        """
        Return several problems with their evidence by one request, by id; what does not come whole is left out.
        """
        found = self._problems.problems(ids, kind)
        return {own_id: self._with_url(problem) for own_id, problem in found.items()}

    def problem(self, problem_id: str, kind: Kind = Kind.READING) -> Problem:
        return self._with_url(self._problems.problem(problem_id, kind))

    def find_by_display_id(self, display_id: str, kind: Kind = Kind.LISTING) -> Problem | None:
        return self._problems.find_by_display_id(display_id, kind)

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

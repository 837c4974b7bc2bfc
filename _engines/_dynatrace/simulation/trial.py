"""
The parts of an engine that decide, on a ledger of their own: to see what would be done.

Nothing leaves it: no event is fired, no minion is asked, and of the tenant is only read. Time is what ``now`` is set to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from ..api.client import Client
from ..api.rate_limiter import Kind
from ..config.config import Config
from ..core.errors import NotFound
from ..core.problem import Problem
from ..core.resolution import Resolution
from ..engine.parts import Parts
from ..master.minion_queries import MinionQueries
from ..master.ping import Ping, Unasking
from ..master.salt_interface import Master
from ..remediation.episodes import Episodes
from ..remediation.feedback import Feedback
from ..store.ledger import Ledger


class Leaves(Exception):
    """
    Something would have left a trial: it is a fault of the trial.
    """


def _refused(*_: object, **__: object) -> Any:
    raise Leaves("a trial fires and asks nothing")


@dataclass(frozen=True)
class Source:
    """
    Where a trial learns of a problem as it is, and whom it concerns; both may raise ApiError.
    """

    read: Callable[[str], Problem]
    match: Callable[[Problem], Resolution]


class Trial(Parts):
    """
    The parts of one engine on a scratch ledger, which is closed with ``close``.
    """

    def __init__(
        self, instance: str, config: Config, master: Master, ledger: Ledger, now: float
    ) -> None:
        self.now = now
        closed = replace(
            master, connect_to_fire=_refused, connect_to_listen=_refused, publish=_refused
        )
        super().__init__(
            instance,
            config,
            closed,
            clock=lambda: self.now,
            steady=lambda: self.now,
        )
        self._ledger = ledger

    @cached_property
    def ledger(self) -> Ledger:
        return self._ledger

    @cached_property
    def queries(self) -> MinionQueries | None:
        return None

    @cached_property
    def ping(self) -> Ping | None:
        # The engine would ask who did not return; here nobody has answered.
        return Unasking(Ping(_refused)) if self.jobs.cached else None

    @cached_property
    def feedback(self) -> Feedback | None:
        return None

    @cached_property
    def source(self) -> Source:
        """
        The tenant, of which is only read.
        """
        return Source(partial(_read, self.client), self.match)

    @cached_property
    def episodes(self) -> Episodes:
        source, never = self.source, lambda *_: False
        parts = self.announcements, source.match, source.read, never
        return Episodes(self.instance, self.ledger, *parts, float("inf"))

    def close(self) -> None:
        """
        Let go of the ledger, of threads and of connections.
        """
        self.ledger.close()
        self.entities.close()
        if self.client is not None:
            self.client.close()


def _read(client: Client | None, problem_id: str) -> Problem:
    if client is None:
        raise NotFound("there is no API to read from")
    return client.problem(problem_id, Kind.READING)

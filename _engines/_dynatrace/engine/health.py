"""
What the engine tells of itself: the facts of ``/healthz``. No secret, no text of a problem.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import LedgerError
from ..master.envelope import iso
from ..master.minion_index import MinionIndex
from ..remediation.feedback import Feedback
from ..store.ledger import Ledger

#: Installed by pip, cloned or synced, the engine knows its version from here alone; setup.cfg reads it.
VERSION = "0.1.0"


@dataclass
class Status:
    """
    What the reconciler knows of itself, written by it and read by the listener's probes.

    ``failing`` tells what of the API cannot be read (``problems``, ``details``, ``entities``, ``notified``), each with the name
    of its error; it is replaced as a whole.
    """

    instance: str
    poll_interval: float
    started: float
    last_poll: float | None = None
    api_error: str | None = None
    open_problems: int | None = None
    failing: Mapping[str, str] = field(default_factory=dict)

    def polls_late(self, now: float) -> bool:
        if not self.poll_interval:
            return False
        return now - (self.last_poll or self.started) > 3 * self.poll_interval + 60

    def shift(self, by: float) -> None:
        """
        Move the times after the clock was set.
        """
        self.started += by
        self.last_poll = None if self.last_poll is None else self.last_poll + by


@dataclass(frozen=True)
class Troubles:
    """
    What does not work at the moment, beside the ledger and the bus.
    """

    status: Status
    standing_still: Callable[[], Mapping[str, int]]
    minions: MinionIndex
    feedback: Feedback | None

    def facts(self) -> dict[str, Any]:
        """
        Return ``threads``, those that ended or stand still with the seconds since their last turn, and ``failing``, what fails
        with the name of its error.
        """
        failing = dict(self.status.failing)
        if self.minions.unlisted:
            failing["minions"] = self.minions.unlisted
        if self.feedback is not None:
            failing.update(self.feedback.failing)
        return {"threads": dict(self.standing_still()), "failing": failing}


@dataclass(frozen=True)
class Probe:
    """
    Answers health from the status, the ledger and the bus; ``troubles`` returns what ``Troubles.facts`` does.
    """

    status: Status
    ledger: Ledger
    bus_healthy: Callable[[], bool]
    troubles: Callable[[], Mapping[str, Any]] = lambda: {"threads": {}, "failing": {}}
    clock: Callable[[], float] = time.time

    def health(self) -> tuple[bool, Mapping[str, Any]]:
        """
        Return whether the engine does its work, and the facts by which to see why not.
        """
        now, status = self.clock(), self.status
        queue: int | None = None
        ledger_good = True
        try:
            queue = self.ledger.queue_length()
        except LedgerError:
            ledger_good = False
        facts = {
            "instance": status.instance,
            "version": VERSION,
            "last_poll": iso(status.last_poll),
            "api": "unavailable" if status.api_error else "ok",
            "queue": queue,
            "ledger": "ok" if ledger_good else "failing",
            "bus": "ok" if self.bus_healthy() else "failing",
            **self.troubles(),
            "paused": ledger_good and self.ledger.settings.get("paused") is not None,
            "uptime": round(now - status.started),
        }
        works = ledger_good and facts["bus"] == "ok" and not facts["threads"]
        return works and not status.polls_late(now), facts

"""
The metrics of an engine in Prometheus' text format: what its parts measured, what the ledger counted, and how things are now.

A scrape asks the ledger a handful of questions, each answered by an index, and holds its lock for one of them at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from ..core.measures import BY_OTHERS, BY_SALT, NO_REMEDY, RELAPSES, Measures
from ..core.metrics import Family, Metric, Sample, exposition
from ..core.reasons import Escalation, Reason
from ..core.states import ATTEMPT_ENDS
from ..store.ledger import Ledger
from .health import VERSION, Status

#: The kinds of events that are fired.
EVENTS = (
    *("open", "retry", "changed", "healed", "healthy", "failed", "escalated", "resolved"),
    *("started", "test"),
)


@dataclass(frozen=True)
class Exposition:
    """
    The metrics of one engine. ``remedies`` are the names of its catalogue; ``threads`` returns by name whether each works.
    """

    status: Status
    ledger: Ledger
    measures: Measures
    bus_healthy: Callable[[], bool]
    minions: Callable[[], int]
    threads: Callable[[], Mapping[str, bool]]
    remedies: Iterable[str] = ()
    dry_run: bool = False
    clock: Callable[[], float] = time.time

    def text(self) -> str:
        """
        Return all metrics; raises LedgerError.
        """
        return exposition(self.families(), {"engine": self.status.instance})

    def families(self) -> list[Family]:
        """
        Return each metric with its samples; raises LedgerError.
        """
        return [*self._now(), *self._counted(), *self.measures.families()]

    def _now(self) -> Iterator[Family]:
        status, ledger = self.status, self.ledger
        paused, healing = ledger.settings.get("paused"), ledger.attempts.in_progress.busy_minions()
        yield _gauge("problems_open", "Problems that the tenant shows as open.", self._open())
        yield self._held()
        order, report = ledger.outbox.oldest_order(), ledger.outbox.oldest_report()
        what = "Age of the oldest order that waits to be fired; 0: none waits."
        yield _gauge("oldest_order_age_seconds", what, self._age(order))
        what = "Age of the oldest event that orders nothing and waits to be fired; 0: none waits."
        yield _gauge("oldest_report_age_seconds", what, self._age(report))
        what = "When the tenant last listed its open problems."
        yield _gauge("last_poll_timestamp_seconds", what, status.last_poll)
        what = "How far the polls are apart; 0: none is made."
        yield _gauge("poll_interval_seconds", what, status.poll_interval)
        yield _gauge("start_timestamp_seconds", "When the engine started.", status.started)
        what = "Notifications that are not handled yet, and events that are not fired yet."
        yield _gauge("queue_length", what, ledger.queue_length())
        yield _gauge("minions_healing", "Minions that an attempt is at work on.", len(healing))
        yield _gauge("minions_known", "Accepted minions in the index.", self.minions())
        yield _gauge("api_up", "Whether the tenant's problems can be read.", not status.api_error)
        yield _gauge("bus_up", "Whether the event bus takes and gives back.", self.bus_healthy())
        yield self._threads()
        yield _gauge("paused", "Whether the engine is paused.", paused is not None)
        yield _gauge("dry_run", "Whether the engine acts on nothing by its policy.", self.dry_run)
        info = Metric("info", "gauge", "Version of the engine; always 1.", ("version",))
        yield info, [Sample((VERSION,), 1)]

    def _open(self) -> int:
        # What was not polled yet, or never is, the ledger knows.
        known = self.status.open_problems
        return self.ledger.episodes.shown_count() if known is None else known

    def _held(self) -> Family:
        what = (
            "Open problems on which nothing is acted on, by the reason of the first that is held."
        )
        counts = dict.fromkeys((one.value for one in Reason), 0)
        counts.update(self.ledger.episodes.held_counts())
        return Metric("problems_held", "gauge", what, ("reason",)), _by_label(counts)

    def _threads(self) -> Family:
        what = "Whether a thread takes its turns, and neither ended nor stands still."
        working = {name: int(works) for name, works in self.threads().items()}
        return Metric("thread_up", "gauge", what, ("thread",)), _by_label(working)

    def _age(self, created: float | None) -> float:
        return 0 if created is None else max(self.clock() - created, 0)

    def _counted(self) -> Iterator[Family]:
        counters = self.ledger.settings.counters()
        remedies = [*self.remedies, NO_REMEDY]
        ends = product(remedies, map(str, ATTEMPT_ENDS))
        what = (
            "Attempts that ended, by remedy and end; one that returns late counts under both ends."
        )
        yield _counter("attempts", what, counters, ("remedy", "outcome"), ends)
        what = "Events that were fired, by their kind."
        yield _counter("events", what, counters, ("what",), zip(EVENTS))
        what = "Calls for a person, by the reason."
        yield _counter("escalations", what, counters, ("reason",), zip(map(str, Escalation)))
        what = (
            "Failures of what an attempt had brought back within an hour (1h) or a day (1d) before."
        )
        again = product(remedies, RELAPSES)
        yield _counter("relapses", what, counters, ("remedy", "within"), again)
        what = "Problems that ended, by whether attempts brought back what failed (salt)."
        by = zip((BY_SALT, BY_OTHERS))
        yield _counter("problems_closed", what, counters, ("recovered",), by)
        what = "Notifications that were accepted, by the webhook or from salt-api's hook."
        yield _counter("notifications_accepted", what, counters)
        yield _counter("comments_sent", "Comments that the tenant stored.", counters)
        what = (
            "Reports that were written as business events, since the tenant refused them otherwise."
        )
        yield _counter("business_events_sent", what, counters)
        what = "Events of the kind CUSTOM_INFO that the tenant took."
        yield _counter("tenant_events_sent", what, counters)
        yield _counter("closings_sent", "Problems that the engine closed at the tenant.", counters)


def _gauge(name: str, meaning: str, value: float | None) -> Family:
    # What is not known has no value.
    samples = [] if value is None else [Sample((), float(value))]
    return Metric(name, "gauge", meaning), samples


def _by_label(values: Mapping[str, float]) -> list[Sample]:
    return [Sample((label,), value) for label, value in values.items()]


def _counter(
    name: str,
    meaning: str,
    counters: Mapping[tuple[str, ...], int],
    labels: tuple[str, ...] = (),
    expected: Iterable[tuple[str, ...]] = ((),),
) -> Family:
    """
    Return a counter of the ledger; what is ``expected`` is shown from the start, since a growth from nothing is not seen.
    """
    values = dict.fromkeys(expected, 0)
    values.update({key[1:]: value for key, value in counters.items() if key[0] == name})
    samples = [Sample(key, value) for key, value in values.items()]
    return Metric(f"{name}_total", "counter", meaning, labels), samples

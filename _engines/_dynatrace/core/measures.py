"""
What an engine measures in seconds: one histogram each, filled where it happens.
"""

from __future__ import annotations

from collections.abc import Iterable

from .metrics import Family, Histogram, Metric

#: In the place of a remedy's name, where a site's own reactor decided.
NO_REMEDY = "none"
#: To whom it is owed that a problem is over.
BY_SALT, BY_OTHERS = "salt", "other"
#: What fails again within these seconds after it was brought back is counted, under these names.
RELAPSES = {"1h": 3600.0, "1d": 86400.0}

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CALL = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0)
_EVENT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RUN = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
#: Dynatrace itself takes one to three minutes to open a problem.
_OUTAGE = (30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0)


class Measures:
    """
    The histograms of one engine; ``remedies`` are the names of its catalogue. Any thread may observe.
    """

    def __init__(self, remedies: Iterable[str] = ()) -> None:
        self.outage = _histogram(
            "outage_seconds",
            "From Dynatrace's start of a failure to the return that tells that it is healed.",
            _OUTAGE,
            "remedy",
        )
        self.notification_to_event = _histogram(
            "notification_to_event_seconds",
            "From the first notification of a problem to its event open on the bus.",
            _EVENT,
        )
        self.event_to_proof = _histogram(
            "event_to_proof_seconds",
            "From the event that orders an attempt to the return that tells that it healed.",
            _RUN,
            "remedy",
        )
        self.state_run = _histogram(
            "state_run_seconds",
            "How long the states of an attempt ran on a minion, as it tells.",
            _RUN,
            "remedy",
        )
        self.cycle = _histogram("cycle_seconds", "How long a cycle of the reconciler took.", _SHORT)
        self.tenant_request = _histogram(
            "tenant_request_seconds",
            "How long a request to Dynatrace took, by endpoint and status.",
            _CALL,
            *("endpoint", "status"),
        )
        for name in (*remedies, NO_REMEDY):
            for histogram in (self.outage, self.event_to_proof, self.state_run):
                histogram.expect(name)

    def families(self) -> list[Family]:
        return [one.family for one in vars(self).values()]


def _histogram(name: str, meaning: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(Metric(name, "histogram", meaning, labels), bounds)

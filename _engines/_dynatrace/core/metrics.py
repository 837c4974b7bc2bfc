"""
Metrics as values, histograms that any thread may add to, and Prometheus' text format (0.0.4) of both.

The conventions are those of Prometheus' clients: seconds, names of counters that end in ``_total``, and for a histogram
cumulative buckets, a sum and a count.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PREFIX = "salt_dynatrace_"
#: So many sets of labels a histogram has; what comes beyond them is counted under ``other``.
MOST_SERIES = 200
OTHER = "other"


@dataclass(frozen=True)
class Metric:
    """
    What a metric is: its name without the prefix, ``counter``, ``gauge`` or ``histogram``, its meaning in one line, and the
    names of its labels.
    """

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """
    One line: the values of the metric's labels, and for a histogram what follows the name, and the upper bound.
    """

    labels: tuple[str, ...]
    value: float
    suffix: str = ""
    le: str | None = None


Family = tuple[Metric, Iterable[Sample]]


class Histogram:
    """
    Counts observations by the bucket that they fall into, for each set of labels. Any thread may observe.
    """

    def __init__(self, metric: Metric, bounds: Sequence[float]) -> None:
        self.metric = metric
        self._bounds = tuple(bounds)
        self._lock = threading.Lock()
        #: By the values of the labels: how many observations fell into each bucket, the last is without a bound.
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        if not metric.labels:
            self.expect()

    def expect(self, *labels: str) -> None:
        """
        Begin a series at zero: of one that begins at its first observation Prometheus never sees that it grew.
        """
        with self._lock:
            self._series(labels)

    def observe(self, value: float, *labels: str) -> None:
        """
        Add an observation; one that is less than nothing is of clocks that differ, and is left out.
        """
        if value < 0:
            return
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            labels = self._series(labels)
            self._counts[labels][bucket] += 1
            self._sums[labels] += value

    def _series(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        if labels not in self._counts and len(self._counts) >= MOST_SERIES:
            labels = (OTHER,) * len(labels)
        if labels not in self._counts:
            self._counts[labels] = [0] * (len(self._bounds) + 1)
            self._sums[labels] = 0.0
        return labels

    def samples(self) -> Iterator[Sample]:
        with self._lock:
            series = {
                labels: (tuple(counts), self._sums[labels])
                for labels, counts in self._counts.items()
            }
        for labels, (counts, total) in sorted(series.items()):
            count = 0
            for bound, more in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
                count += more
                yield Sample(labels, count, "_bucket", bound)
            yield Sample(labels, total, "_sum")
            yield Sample(labels, count, "_count")

    @property
    def family(self) -> Family:
        return self.metric, self.samples()


def exposition(families: Iterable[Family], common: Mapping[str, str]) -> str:
    """
    Return metrics in the text format, each line with the ``common`` labels before its own.
    """
    lines: list[str] = []
    for metric, samples in families:
        name = PREFIX + metric.name
        meaning = metric.meaning.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {metric.kind}"]
        for sample in samples:
            labels = {**common, **dict(zip(metric.labels, sample.labels, strict=True))}
            if sample.le is not None:
                labels["le"] = sample.le
            shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
            lines.append(f"{name}{sample.suffix}{{{shown}}} {sample.value}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""
The metrics: histograms, the text format, and what of the engine stands in it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from _dynatrace.core.measures import Measures
from _dynatrace.core.metrics import MOST_SERIES, Histogram, Metric, Sample, exposition
from _dynatrace.engine.health import VERSION, Status
from _dynatrace.engine.metrics import Exposition
from _dynatrace.store.ledger import Ledger
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.engine.bodies import PID
from tests.unit.engine.test_ledger import NOW

#: What would break out of a label or a line.
HOSTILE = 'a"b\\c\nd{e="f"} 1'


def histogram(*labels: str) -> Histogram:
    return Histogram(Metric("run_seconds", "histogram", "What ran.", labels), (1.0, 10.0))


def shown(one: Histogram) -> list[str]:
    """
    Return the lines of a histogram without what all of them have.
    """
    lines = exposition([one.family], {}).splitlines()[2:]
    return [line.removeprefix("salt_dynatrace_run_seconds") for line in lines]


def exposed(ledger: Ledger, **more: Any) -> Exposition:
    """
    Return the metrics of an engine with a ledger.
    """
    status = Status("dynatrace", 30.0, NOW - 60, last_poll=NOW - 5, open_problems=7)
    parts: dict[str, Any] = {
        "measures": Measures(["apache2"]),
        "bus_healthy": lambda: True,
        "minions": lambda: 3,
        "threads": lambda: {"relay": True, "listener": False},
        "remedies": ["apache2"],
        "clock": lambda: NOW,
        **more,
    }
    return Exposition(status, ledger, **parts)


def value(text: str, name: str, **labels: str) -> float:
    """
    Return the value of one series of the engine.
    """
    own = ",".join(f'{key}="{label}"' for key, label in {"engine": "dynatrace", **labels}.items())
    [line] = [
        one for one in text.splitlines() if one.startswith(f"salt_dynatrace_{name}{{{own}}} ")
    ]
    return float(line.rpartition(" ")[2])


def test_an_observation_counts_in_each_bucket_from_its_own_on() -> None:
    """
    A bound belongs to its bucket, and a series without labels begins at zero.
    """
    one = histogram()
    assert shown(one) == [
        '_bucket{le="1.0"} 0',
        '_bucket{le="10.0"} 0',
        '_bucket{le="+Inf"} 0',
        "_sum{} 0.0",
        "_count{} 0",
    ]
    for seconds in (0.0, 1.0, 1.5, 99.0):
        one.observe(seconds)
    assert shown(one) == [
        '_bucket{le="1.0"} 2',
        '_bucket{le="10.0"} 3',
        '_bucket{le="+Inf"} 4',
        "_sum{} 101.5",
        "_count{} 4",
    ]


def test_less_than_nothing_is_of_clocks_that_differ_and_left_out() -> None:
    """
    Nothing is guessed for it.
    """
    one = histogram()
    one.observe(-0.001)
    assert shown(one)[-1] == "_count{} 0"


def test_series_are_bounded() -> None:
    """
    A text that comes from outside by a fault cannot fill the memory, or Prometheus.
    """
    one = histogram("endpoint", "status")
    for number in range(MOST_SERIES + 100):
        one.observe(2.0, f"e{number}", "200")
    counts = [line for line in shown(one) if line.startswith("_count")]
    assert len(counts) == MOST_SERIES + 1
    assert '_count{endpoint="other",status="other"} 100' in counts


def test_threads_lose_no_observation() -> None:
    """
    Readers, relay and reconciler observe at the same time, and a scrape meanwhile sees a whole.
    """
    one = histogram("thread")

    def observe(name: str) -> None:
        for _ in range(2000):
            one.observe(0.5, name)

    threads = [threading.Thread(target=observe, args=[str(n % 2)]) for n in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        samples = list(one.samples())
        counts = {one.labels: one.value for one in samples if one.suffix == "_count"}
        sums = {one.labels: one.value for one in samples if one.suffix == "_sum"}
        assert all(sums[labels] == count / 2 for labels, count in counts.items())
    assert [one.value for one in one.samples() if one.suffix == "_count"] == [8000, 8000]


def test_texts_are_escaped() -> None:
    """
    As the format wants it: a name of an engine or a remedy stays one value.
    """
    metric = Metric("info", "gauge", "One\\two\nthree.", ("version",))
    text = exposition([(metric, [Sample((HOSTILE,), 1)])], {"engine": "a"})
    assert text == (
        "# HELP salt_dynatrace_info One\\\\two\\nthree.\n# TYPE salt_dynatrace_info gauge\n"
        'salt_dynatrace_info{engine="a",version="a\\"b\\\\c\\nd{e=\\"f\\"} 1"} 1\n'
    )


def test_prometheus_reads_what_was_escaped() -> None:
    """
    Its own parser gives back the text that went in.
    """
    metric = Metric("info", "gauge", "One\\two\nthree.", ("version",))
    text = exposition([(metric, [Sample((HOSTILE,), 1)])], {"engine": HOSTILE})
    [family] = text_string_to_metric_families(text)
    assert family.documentation == metric.meaning
    [sample] = family.samples
    assert sample.labels == {"engine": HOSTILE, "version": HOSTILE}


def filled(ledger: Ledger) -> str:
    """
    Return the metrics of an engine in which something of each kind happened.
    """
    one = exposed(ledger, dry_run=True)
    with ledger.transaction():
        ledger.outbox.add(PID, "report", {"what": "changed"}, NOW - 40)
        ledger.outbox.add(PID, "report", {"what": "changed"}, NOW - 30)
        ledger.outbox.add(PID, "o", {"what": "open", "attempt_id": "a1"}, NOW - 20, NOW)
        ledger.settings.count("attempts", "apache2", "good", by=2)
        ledger.settings.count("escalations", "attempts spent")
        ledger.settings.put("paused", "{}")
    one.measures.outage.observe(61.5, "apache2")
    one.measures.tenant_request.observe(0.2, "GET /problems/{id}", "200")
    return one.text()


def test_prometheus_own_parser_reads_all_of_it(ledger: Ledger) -> None:
    """
    Each family has a type and a meaning, and each series the engine's name.
    """
    families = list(text_string_to_metric_families(filled(ledger)))
    assert len(families) > 25
    assert {one.type for one in families} == {"gauge", "counter", "histogram"}
    assert all(one.documentation.endswith((".", ")", "1")) for one in families)
    samples = [sample for one in families for sample in one.samples]
    assert all(sample.labels["engine"] == "dynatrace" for sample in samples)


def test_what_the_ledger_knows_is_shown(ledger: Ledger) -> None:
    """
    Ages by what is oldest, counters by their labels.
    """
    text = filled(ledger)
    assert value(text, "oldest_order_age_seconds") == 20
    assert value(text, "oldest_report_age_seconds") == 40
    assert value(text, "queue_length") == 3
    assert value(text, "attempts_total", remedy="apache2", outcome="good") == 2
    assert value(text, "escalations_total", reason="attempts spent") == 1
    assert (value(text, "paused"), value(text, "dry_run")) == (1, 1)
    assert value(text, "problems_open") == 7
    assert value(text, "last_poll_timestamp_seconds") == NOW - 5
    assert value(text, "start_timestamp_seconds") == NOW - 60
    assert value(text, "poll_interval_seconds") == 30
    assert value(text, "thread_up", thread="relay") == 1
    assert value(text, "thread_up", thread="listener") == 0
    assert value(text, "info", version=VERSION) == 1
    assert value(text, "outage_seconds_sum", remedy="apache2") == 61.5


def test_what_did_not_happen_yet_is_zero_and_not_missing(ledger: Ledger) -> None:
    """
    Prometheus sees no growth of a series that begins at one: the first escalation of a year would be none.
    """
    text = exposed(ledger).text()
    assert value(text, "escalations_total", reason="no remedy") == 0
    assert value(text, "attempts_total", remedy="none", outcome="not_executed") == 0
    assert value(text, "relapses_total", remedy="apache2", within="1d") == 0
    assert value(text, "problems_closed_total", recovered="other") == 0
    assert value(text, "events_total", what="resolved") == 0
    assert value(text, "problems_held", reason="maintenance") == 0
    assert value(text, "oldest_order_age_seconds") == 0
    assert value(text, "event_to_proof_seconds_count", remedy="apache2") == 0
    assert value(text, "comments_sent_total") == 0


def test_what_is_not_known_is_missing(ledger: Ledger) -> None:
    """
    A last poll at zero would be one of 1970.
    """
    one = exposed(ledger)
    one.status.last_poll = one.status.open_problems = None
    text = one.text()
    assert "salt_dynatrace_last_poll_timestamp_seconds{" not in text
    assert value(text, "problems_open") == 0


def test_an_observation_costs_little(ledger: Ledger) -> None:
    """
    Microseconds: far less than the cheapest thing that a cycle does, which is a question to the ledger.
    """
    one = histogram("remedy")

    def took(call: Any) -> float:
        begun = time.process_time()
        for _ in range(5000):
            call()
        return time.process_time() - begun

    asked = min(took(ledger.episodes.next_due) for _ in range(3))
    observed = min(took(lambda: one.observe(0.5, "apache2")) for _ in range(3))
    assert observed < asked

"""
A real Prometheus reads the engines, by both ways that docs/how-to/monitor.md tells of: each query of the dashboard has an
answer, and each alert is read without a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from _dynatrace.engine.wiring import LOOPS

from tests.functional.monitoring.watched import TOKEN, Watched, filled
from tests.harness import prometheus
from tests.unit.docs import monitoring as shipped

RULES = shipped.rules()
QUERIES = shipped.queries()
#: The panels whose first query gives more than nothing after that night.
POSITIVE = {
    *("Metrics", "Event bus", "All threads", "Paused", "Open problems", "Attempts by end"),
    *("Attempts by remedy", "Calls for a person", "Problems that ended", "Events"),
    *("Outage, half of them", "Outage, nine of ten", "Outages", "From notification to event"),
    *("From event to proof", "Run of the state", "Held problems", "Calls to the tenant"),
    *("Time of a call", "Told by Dynatrace", "Told to Dynatrace", "Threads", "Time of a cycle"),
    *("Known minions", "Engines"),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if lacking := prometheus.why_not():
        pytest.skip(lacking)
    with Watched(tmp_path_factory.mktemp("watched")) as both:
        yield both


def test_both_ways_of_the_page_are_scraped(watched: Watched) -> None:
    """By the webhook with its token, and by a port of its own without."""
    watched.until(lambda: watched.samples("up") == [1, 1], "both targets are up")
    told = {
        target["labels"]["instance"]: target["lastError"]
        for target in watched.prometheus.ask("targets")["activeTargets"]
    }
    ports = (watched.webhook, watched.exporter)
    assert told == {f"127.0.0.1:{port}": "" for port in ports}
    assert len(watched.prometheus.query('salt_dynatrace_info{job="salt-dynatrace"}')) == 2


def test_the_webhook_gives_metrics_to_nobody_without_its_credentials(watched: Watched) -> None:
    """So Prometheus did use them."""
    assert watched.exposition(watched.webhook).status_code == 401
    assert watched.exposition(watched.webhook, TOKEN).status_code == 200


def test_promtool_finds_nothing_to_mend_in_the_metrics(watched: Watched) -> None:
    """Neither in those of the webhook nor in those of the port."""
    for port in (watched.webhook, watched.other, watched.exporter):
        text = watched.exposition(port, TOKEN).text
        assert prometheus.promtool_finds(text) == (0, "", "")


def test_each_metric_that_is_used_is_exposed(watched: Watched) -> None:
    """And is of the type that its queries take it for."""
    text = watched.exposition(watched.webhook, TOKEN).text
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    expressions = [*(rule["expr"] for rule in RULES.values()), *(query for _, query in QUERIES)]
    used = {name for expression in expressions for name in shipped.metrics(expression)}
    assert used - set(kinds) == set()
    for expression in expressions:
        grown = re.findall(r"(?:rate|increase)\((\w+?)(?:_bucket|_count)?\{", expression)
        assert {kinds[name] for name in grown} <= {"counter", "histogram"}


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_no_panel_is_empty(watched: Watched, title: str, query: str) -> None:
    """What that night did is to be seen, by the numbers that Prometheus gives."""
    positive = title in POSITIVE and query == dict(reversed(QUERIES))[title]
    least = 0 if positive else -1
    watched.until(lambda: max(watched.samples(query), default=-1) > least, query)


def test_what_is_said_to_show_something_is_there() -> None:
    """A panel that is renamed is still looked at."""
    assert POSITIVE - {title for title, _ in QUERIES} == set()


@pytest.mark.parametrize("alert", RULES)
def test_prometheus_evaluates_each_alert(watched: Watched, alert: str) -> None:
    """It has loaded the rule, and the last evaluation had no fault."""
    watched.prometheus.query(filled(RULES[alert]["expr"]))

    def evaluated() -> bool:
        groups = watched.prometheus.ask("rules")["groups"]
        [rule] = [one for group in groups for one in group["rules"] if one["name"] == alert]
        assert not rule.get("lastError")
        return bool(rule["health"] == "ok")

    watched.until(evaluated, alert)


def test_a_person_is_called_for_what_the_engine_gave_up(watched: Watched) -> None:
    """By a real counter of a real engine, at once and with the reason."""
    firing = 'ALERTS{alertname="SaltDynatraceEscalated",alertstate="firing"}'
    watched.until(lambda: watched.prometheus.query(firing), firing)
    told = watched.prometheus.ask("alerts")["alerts"]
    summaries = {
        alert["annotations"]["summary"]
        for alert in told
        if alert["labels"]["alertname"] == "SaltDynatraceEscalated"
    }
    assert "The engine test calls a person: attempts spent." in summaries


def test_nothing_is_even_pending_for_a_quiet_engine(watched: Watched) -> None:
    """Not for a single evaluation since it was scraped first."""
    quiet = f"127.0.0.1:{watched.exporter}"
    often = f'count_over_time(up{{instance="{quiet}"}}[10m]) > 4'
    watched.until(lambda: watched.prometheus.query(often), often)
    threads = watched.prometheus.query(f'salt_dynatrace_thread_up{{instance="{quiet}"}} == 1')
    assert {one["metric"]["thread"] for one in threads} == set(LOOPS)
    seen = watched.prometheus.query(f'count_over_time(ALERTS{{instance="{quiet}"}}[10m])')
    assert [one["metric"] for one in seen] == []

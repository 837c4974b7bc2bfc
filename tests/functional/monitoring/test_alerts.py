"""
The alert rules, by promtool: each calls when it should, not a minute before, and nobody on an ordinary day.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.harness import prometheus
from tests.unit.docs import monitoring as shipped

RULES = shipped.rules()
ENGINE = 'job="salt-dynatrace",instance="master:8765",engine="dynatrace"'
#: The labels that an alert has from its series.
OWN = {"job": "salt-dynatrace", "instance": "master:8765", "engine": "dynatrace"}
DAY = 24 * 60
LONG = DAY + 60
#: What an ordinary day is looked at: each minute at first, where things happen, and then what is left of them.
LOOKS = (*range(60), *range(60, 6 * 60, 30))
FAILURES = ("bad", "lost", "refused", "unproved")


def series(name: str, **labels: str) -> str:
    """
    Return a series of the engine.
    """
    more = "".join(f',{key}="{value}"' for key, value in labels.items())
    return f"salt_dynatrace_{name}{{{ENGINE}{more}}}"


UP = 'up{job="salt-dynatrace",instance="master:8765"}'
NEVER = f"0x{LONG}"
ALWAYS = f"1x{LONG}"
#: Minute by minute; what is not named here an alert does not read. Its counters have survived many restarts.
QUIET = {
    UP: ALWAYS,
    series("bus_up"): ALWAYS,
    series("api_up"): ALWAYS,
    series("paused"): NEVER,
    series("start_timestamp_seconds"): NEVER,
    series("last_poll_timestamp_seconds"): f"0+60x{LONG}",
    series("poll_interval_seconds"): f"30x{LONG}",
    series("thread_up", thread="relay"): ALWAYS,
    series("thread_up", thread="reconciler"): ALWAYS,
    series("oldest_order_age_seconds"): NEVER,
    series("oldest_report_age_seconds"): NEVER,
    series("problems_held", reason="storm"): NEVER,
    series("problems_held", reason="cooldown"): ALWAYS,
    series("escalations_total", reason="refused"): f"7x{LONG}",
    series("relapses_total", remedy="apache2", within="1h"): f"9x{LONG}",
    series("relapses_total", remedy="apache2", within="1d"): f"9x{LONG}",
    series("attempts_total", remedy="apache2", outcome="good"): f"500x{LONG}",
    series("attempts_total", remedy="apache2", outcome="not_executed"): f"50x{LONG}",
    **{
        series("attempts_total", remedy="apache2", outcome=outcome): f"50x{LONG}"
        for outcome in FAILURES
    },
}


class Case(NamedTuple):
    """
    What changes from a quiet engine, the last minute without the alert and the first with it, what it tells then, and its
    labels beside those of the engine and the severity.
    """

    alert: str
    changes: Mapping[str, str | None]
    before: int
    since: int
    summary: str
    labels: Mapping[str, str] = {}
    told: Mapping[str, str] = {}


CASES = {
    "the engine does not answer": Case(
        "SaltDynatraceEngineDown",
        {UP: "1x9 0x60"},
        *(14, 15),
        "The engine at master:8765 does not answer.",
        {"engine": ""},
    ),
    "there is no target": Case(
        "SaltDynatraceEngineDown",
        {UP: "1x9 _x60"},
        # Prometheus takes a series that ends without a mark for alive for five minutes.
        *(19, 20),
        "The engine at all targets does not answer.",
        {"engine": "", "instance": ""},
    ),
    "the bus fails": Case(
        "SaltDynatraceBusDown",
        {series("bus_up"): "1x9 0x60"},
        *(14, 15),
        "Salt's event bus fails on master:8765.",
        told={"description": "The engine dynatrace sees problems, and can order nothing."},
    ),
    "the tenant is away": Case(
        "SaltDynatraceTenantUnreachable",
        {series("api_up"): "1x9 0x60"},
        *(39, 40),
        "The engine dynatrace cannot read problems from Dynatrace.",
    ),
    "the list is not read": Case(
        "SaltDynatracePollLate",
        # Read for the last time at 10 minutes; three polls and a minute are over after 12.5.
        {series("last_poll_timestamp_seconds"): "0+60x10 600x60"},
        *(22, 23),
        "The engine dynatrace has not listed the open problems for 13m 0s.",
    ),
    "the list was never read": Case(
        "SaltDynatracePollLate",
        {
            series("last_poll_timestamp_seconds"): None,
            series("start_timestamp_seconds"): "600x60",
        },
        *(22, 23),
        "The engine dynatrace has not listed the open problems for 13m 0s.",
    ),
    "a slow poll is late": Case(
        "SaltDynatracePollLate",
        {
            series("last_poll_timestamp_seconds"): "0x300",
            series("poll_interval_seconds"): "3600x300",
        },
        *(181 + 10, 182 + 10),
        "The engine dynatrace has not listed the open problems for 3h 12m 0s.",
    ),
    "a thread stands still": Case(
        "SaltDynatraceThreadStandsStill",
        {series("thread_up", thread="relay"): "1x9 0x60"},
        *(14, 15),
        "The thread relay of the engine dynatrace ended or stands still.",
        {"thread": "relay"},
    ),
    "an order waits": Case(
        "SaltDynatraceOrderStuck",
        {series("oldest_order_age_seconds"): "0x9 0+60x60"},
        # More than a minute old at 12.
        *(16, 17),
        "An order of the engine dynatrace has waited for 7m 0s.",
    ),
    "an event waits": Case(
        "SaltDynatraceReportStuck",
        {series("oldest_report_age_seconds"): "0x9 0+60x60"},
        # More than ten minutes old at 21.
        *(35, 36),
        "An event of the engine dynatrace has waited for 26m 0s.",
    ),
    "a person is called": Case(
        "SaltDynatraceEscalated",
        {series("escalations_total", reason="refused"): "7x9 8x60"},
        *(9, 10),
        "The engine dynatrace calls a person: refused.",
        {"reason": "refused"},
    ),
    "a storm lasts": Case(
        "SaltDynatraceHeldByStorm",
        {series("problems_held", reason="storm"): "0x9 12x60"},
        *(39, 40),
        "12 problems wait for a place at the engine dynatrace.",
        {"reason": "storm"},
    ),
    "a remedy fails": Case(
        "SaltDynatraceHealingFails",
        {series("attempts_total", remedy="apache2", outcome="bad"): "50x9 50+1x6 56x60"},
        *(14, 15),
        "The remedy apache2 fails more often than it heals.",
        {"remedy": "apache2"},
        {"description": "Within a day 5 of its attempts failed, more than half of them."},
    ),
    "what is healed fails again": Case(
        "SaltDynatraceRelapsing",
        {series("relapses_total", remedy="apache2", within="1h"): "9x9 9+1x4 13x60"},
        *(12, 13),
        "What the remedy apache2 brings back fails again within an hour.",
        {"remedy": "apache2"},
        {"description": "That happened 3 times within a day. A restart does not cure the cause."},
    ),
    "a pause is forgotten": Case(
        "SaltDynatracePaused",
        {series("paused"): "0x9 1x600"},
        *(249, 250),
        "The engine dynatrace has been paused for 4 hours.",
    ),
}
#: What may happen, and calls nobody for it.
ORDINARY: dict[str, Mapping[str, str | None]] = {
    "nothing": {},
    "a restart of the master": {
        UP: f"1x9 0x3 1x{DAY}",
        series("bus_up"): f"1x9 _x3 0x1 1x{DAY}",
        series("last_poll_timestamp_seconds"): f"0+60x9 _x4 840+60x{DAY}",
    },
    "the publisher is killed and comes back": {series("bus_up"): f"1x9 0x4 1x{DAY}"},
    "an update of the tenant": {
        series("api_up"): f"1x9 0x28 1x{DAY}",
        series("last_poll_timestamp_seconds"): f"0+60x9 540x28 2280+60x{DAY}",
    },
    "an engine that never polls": {
        series("poll_interval_seconds"): f"0x{DAY}",
        series("last_poll_timestamp_seconds"): None,
    },
    "an engine that polls each hour": {
        series("poll_interval_seconds"): f"3600x{DAY}",
        series("last_poll_timestamp_seconds"): " ".join(f"{hour * 3600}x59" for hour in range(25)),
    },
    "a thread that ends and starts again": {
        series("thread_up", thread="relay"): f"1x9 0x4 1x{DAY}"
    },
    "a bus that fails has its own alert": {
        series("bus_up"): f"0x{DAY}",
        series("oldest_order_age_seconds"): f"0+60x{DAY}",
        series("oldest_report_age_seconds"): f"0+60x{DAY}",
    },
    "an order waits for the end of a pause": {
        series("paused"): f"0x9 1x200 0x{DAY}",
        series("oldest_order_age_seconds"): f"0x9 0+60x200 0x{DAY}",
    },
    "a crowded night": {
        series("oldest_order_age_seconds"): f"0x9 59x{DAY}",
        series("oldest_report_age_seconds"): f"0x9 599x{DAY}",
        series("problems_held", reason="storm"): f"0x9 200x29 0x{DAY}",
    },
    "some attempts fail, and more are good": {
        series("attempts_total", remedy="apache2", outcome="bad"): f"50x100 50+1x5 55x{DAY}",
        series("attempts_total", remedy="apache2", outcome="good"): f"500x100 500+1x5 505x{DAY}",
    },
    "few attempts fail, and none is good": {
        series("attempts_total", remedy="apache2", outcome="bad"): f"50x100 50+1x4 54x{DAY}"
    },
    "orders that nobody takes are no failures of a remedy": {
        series("attempts_total", remedy="apache2", outcome="not_executed"): f"50x100 90x{DAY}"
    },
    "it relapses twice within an hour, and often within a day": {
        series("relapses_total", remedy="apache2", within="1h"): f"9x100 9+1x2 11x{DAY}",
        series("relapses_total", remedy="apache2", within="1d"): f"9x100 9+1x50 59x{DAY}",
    },
    "the ledger is lost, and with it the counters": {
        one: "9x100 0x800" for one in QUIET if "_total" in one
    },
    "a pause for a planned change": {series("paused"): f"0x9 1x239 0x{DAY}"},
}
#: The alert that an ordinary day has all the same, since it is what the day is about.
OF_ITS_OWN = {"a bus that fails has its own alert": "SaltDynatraceBusDown"}


@pytest.fixture(autouse=True, scope="module")
def _promtool() -> None:
    if lacking := prometheus.why_not():
        pytest.skip(lacking)


def test_the_rules_are_rules() -> None:
    """Prometheus would load them."""
    done = promtool("check", "rules", str(shipped.ALERTS))
    assert f"SUCCESS: {len(RULES)} rules found" in done.stdout


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_alert_calls_when_it_is_time(case: Case, tmp_path: Path) -> None:
    """Not a minute before, and with a text that says what is wrong where."""
    passes(
        tmp_path,
        {**QUIET, **case.changes},
        [asked(case.alert, case.before, []), asked(case.alert, case.since, [alert_of(case)])],
    )


@pytest.mark.parametrize("alert", RULES)
def test_each_alert_has_a_case(alert: str) -> None:
    """A new one is not tested before somebody says when it is to call."""
    assert [case for case in CASES.values() if case.alert == alert]


@pytest.mark.parametrize("day", ORDINARY)
def test_an_ordinary_day_calls_nobody(day: str, tmp_path: Path) -> None:
    """A false call at night is worse than none."""
    quiet = [alert for alert in RULES if alert != OF_ITS_OWN.get(day)]
    asks = [asked(alert, minute, []) for alert in quiet for minute in LOOKS]
    passes(tmp_path, {**QUIET, **ORDINARY[day]}, asks)


def alert_of(case: Case) -> dict[str, Any]:
    """
    Return the alert that a case expects, in promtool's words.
    """
    rule = RULES[case.alert]
    labels = {**OWN, "severity": rule["labels"]["severity"], **case.labels}
    return {
        "exp_labels": {key: value for key, value in labels.items() if value},
        "exp_annotations": {**rule["annotations"], "summary": case.summary, **case.told},
    }


def asked(alert: str, minute: int, expected: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the question which alerts of a name there are at a minute.
    """
    return {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": expected}


def passes(
    directory: Path, given: Mapping[str, str | None], asks: Sequence[Mapping[str, Any]]
) -> None:
    """
    Have promtool evaluate the rules minute by minute.
    """
    test = {
        "rule_files": [str(shipped.ALERTS)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values}
                    for name, values in given.items()
                    if values is not None
                ],
                "alert_rule_test": asks,
            }
        ],
    }
    # JSON is YAML.
    (directory / "test.yaml").write_text(json.dumps(test))
    promtool("test", "rules", str(directory / "test.yaml"))


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run promtool; what it finds fails the test.
    """
    done = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done

"""
What docs/monitoring ships, against its pages, its index, the reference of the metrics, and what Grafana imports.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
from _dynatrace.core.reasons import Escalation
from _dynatrace.engine.wiring import LOOPS

from tests.unit.docs import monitoring as shipped
from tests.unit.docs.pages import REPO, prose, rows, section

RULES = shipped.rules()
PAGES = {page.stem: page for page in shipped.DIRECTORY.glob("*.md")}
HOW_TO = REPO / "docs" / "how-to" / "monitor.md"
REFERENCE = REPO / "docs" / "reference" / "metrics.md"
HEADINGS = ["Meaning", "Impact", "Diagnosis", "What to do", "Why it waits"]
UNITS = {"m": "minutes", "h": "hours"}
PANELS = list(shipped.panels())


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    """Who is called by an alert finds the page by its name, and the alert names it."""
    assert set(PAGES) == set(RULES)
    for alert, rule in RULES.items():
        assert REPO / rule["annotations"]["runbook_url"] == PAGES[alert]


@pytest.mark.parametrize("alert", RULES)
def test_a_page_says_what_it_means_and_what_to_do(alert: str) -> None:
    """In this order, with the alert's own severity."""
    page = PAGES[alert]
    lines = prose(page).splitlines()
    assert lines[0] == f"# {alert}"
    assert lines[2] == f"Severity: {RULES[alert]['labels']['severity']}."
    assert [line[3:] for line in lines if line.startswith("## ")] == HEADINGS
    assert all(section(page, heading).strip() for heading in HEADINGS)


@pytest.mark.parametrize("alert", RULES)
def test_a_page_says_why_it_waits_as_long_as_it_does(alert: str) -> None:
    """A changed `for` takes its reason with it."""
    told = section(PAGES[alert], "Why it waits").strip()
    if "for" not in RULES[alert]:
        assert told.startswith("Not at all")
        return
    number, unit = re.fullmatch(r"(\d+)([mh])", RULES[alert]["for"]).groups()  # type: ignore[union-attr]
    assert told.startswith(f"{number} {UNITS[unit]}")


def test_each_reason_and_each_thread_that_an_alert_may_name_is_told_of() -> None:
    """The label of an alert is found in its page."""
    reasons = {key for key, _ in rows(PAGES["SaltDynatraceEscalated"])}
    assert reasons == {reason.value for reason in Escalation}
    told = section(PAGES["SaltDynatraceThreadStandsStill"], "Impact")
    assert set(re.findall(r"`(\w+)`", told)) == set(LOOPS)


def test_the_index_lists_each_alert_with_its_severity() -> None:
    """Who sets up Alertmanager sees whom what calls."""
    line = re.compile(r"^\| \[(\w+)\]\(\.\./monitoring/(\w+)\.md\) \| (page|ticket) \| ", re.M)
    listed = line.findall(prose(HOW_TO))
    own = {(alert, alert, rule["labels"]["severity"]) for alert, rule in RULES.items()}
    assert set(listed) == own
    assert len(listed) == len(own)


def test_few_alerts_call_at_night() -> None:
    """Each of them is one more that may be false."""
    severities = [rule["labels"]["severity"] for rule in RULES.values()]
    assert set(severities) == {"page", "ticket"}
    assert severities.count("page") <= 8
    assert len(severities) <= 12


def test_each_metric_that_is_used_is_in_the_reference() -> None:
    """A renamed metric takes its alerts and panels with it."""
    expressions = [rule["expr"] for rule in RULES.values()]
    expressions += [expression for _, expression in shipped.queries()]
    used = {name for expression in expressions for name in shipped.metrics(expression)}
    assert len(used) > 15
    assert used - {key for key, _ in rows(REFERENCE)} == set()


def test_the_dashboard_is_for_any_prometheus() -> None:
    """It names no data source of ours: who imports it chooses one."""
    datasource, engine = shipped.dashboard()["templating"]["list"]
    assert (datasource["name"], datasource["type"]) == ("datasource", "datasource")
    assert datasource["query"] == "prometheus"
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert engine["datasource"] == chosen
    targets = [target for panel in PANELS for target in panel["targets"]]
    assert [one for one in (*PANELS, *targets) if one["datasource"] != chosen] == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """By a title, a description, and queries of the chosen engines with a letter each."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    letters = [target["refId"] for target in panel["targets"]]
    assert letters == sorted(set(letters))
    for target in panel["targets"]:
        named = re.findall(r"salt_dynatrace_\w+(\{[^}]*\})?", target["expr"])
        assert all('engine=~"$engine"' in selector for selector in named)


def test_the_panels_lie_side_by_side() -> None:
    """None covers another, and none is wider than the page."""
    places = [panel["gridPos"] for panel in shipped.dashboard()["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


def test_titles_and_numbers_of_panels_are_their_own() -> None:
    """Grafana goes by the numbers, readers by the titles."""
    everything = shipped.dashboard()["panels"]
    titles = [panel["title"] for panel in PANELS]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert [title for title in titles if titles.count(title) > 1] == []

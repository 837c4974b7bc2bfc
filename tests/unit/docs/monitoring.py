"""
What `docs/monitoring/` ships, as its readers take it: the alert rules and the dashboard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.harness.config import REPO

DIRECTORY = REPO / "docs" / "monitoring"
ALERTS = DIRECTORY / "alerts.yaml"
DASHBOARD = DIRECTORY / "dashboard.json"
#: What a histogram's samples are called beside its name.
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")
_METRIC = re.compile(r"\bsalt_dynatrace_[a-z_]+")


def rules() -> dict[str, dict[str, Any]]:
    """
    Return the alert rules by name.
    """
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboard() -> dict[str, Any]:
    """
    Return the dashboard as Grafana imports it.
    """
    read: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return read


def panels() -> Iterator[dict[str, Any]]:
    """
    Yield the dashboard's panels that show something.
    """
    return (panel for panel in dashboard()["panels"] if panel["type"] != "row")


def queries() -> list[tuple[str, str]]:
    """
    Return the title of a panel and an expression for each query of the dashboard.
    """
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def metrics(expression: str) -> set[str]:
    """
    Return the names of our metrics in an expression, without what a histogram adds.
    """
    return {_SUFFIX.sub("", name) for name in _METRIC.findall(expression)}

"""
The commands of docs/how-to/monitor.md, run as they stand there, but for the directory that they write to.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.functional.monitoring.watched import PAGE
from tests.harness import prometheus
from tests.unit.docs import monitoring as shipped
from tests.unit.docs.pages import REPO, blocks, commands

THERE = "/etc/prometheus/rules"


def test_the_rules_are_loaded_with_links_to_where_their_pages_are(tmp_path: Path) -> None:
    """What Prometheus then has is the shipped rules, with whole links."""
    if lacking := prometheus.why_not():
        pytest.skip(lacking)
    (text,) = [text for text in blocks(PAGE, "bash") if THERE in text]
    for command in commands(text):
        own = command.replace(THERE, str(tmp_path / "rules"))
        subprocess.run(["bash", "-euc", own], cwd=REPO, check=True, timeout=60)
    (made,) = (tmp_path / "rules").iterdir()
    assert f"{THERE}/{made.name}" in PAGE.read_text(encoding="utf-8")
    (group,) = yaml.safe_load(made.read_text())["groups"]
    urls = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in group["rules"]}
    start = "https://git.example.com/salt-dynatrace/blob/main/docs/monitoring/"
    assert urls == {alert: f"{start}{alert}.md" for alert in shipped.rules()}

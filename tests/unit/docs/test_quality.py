"""
The form of docs/quality.yaml, so that it cannot claim without a place to look.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.unit.docs.pages import REPO

TIERS: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
    (REPO / "docs" / "quality.yaml").read_text()
)
RULES = [
    pytest.param(verdict, id=rule) for rules in TIERS.values() for rule, verdict in rules.items()
]


def test_the_tiers_come_in_their_order() -> None:
    """Readers compare from the bottom up."""
    assert list(TIERS) == ["base", "solid", "good", "best"]


@pytest.mark.parametrize("verdict", RULES)
def test_a_rule_is_done_or_says_why_not(verdict: dict[str, Any]) -> None:
    """Exactly one of the three words, and a text behind it."""
    [(word, text)] = verdict.items()
    assert word in ("done", "todo", "exempt")
    assert isinstance(text, str)
    assert text.strip()


@pytest.mark.parametrize("verdict", RULES)
def test_what_is_done_can_be_looked_at(verdict: dict[str, Any]) -> None:
    """`done` names a test or a file that exists."""
    if "done" in verdict:
        assert (REPO / verdict["done"]).exists()


def test_no_rule_stands_twice() -> None:
    """YAML takes the last of two equal keys without a word."""
    text = (REPO / "docs" / "quality.yaml").read_text()
    keys = [line for line in text.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(keys) == len(set(keys)) == len(RULES)

"""
The threat model, so that it cannot claim a defence without a test that shows it.
"""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.pages import REPO, claims, functions, named_tests

PAGE = REPO / "docs" / "adr" / "0011-threat-model.md"
DEFENDED, _, OPEN = PAGE.read_text(encoding="utf-8").partition("## What is not defended")
THREATS = claims(DEFENDED, "threat")


@pytest.mark.parametrize("line", THREATS, ids=lambda line: line.split(" | ")[0].strip("| "))
def test_a_defence_has_a_test_that_exists(line: str) -> None:
    """A renamed or removed test takes its line with it."""
    assert named_tests(line)
    for path, name in named_tests(line):
        assert name in functions(path)


def test_a_test_that_shows_a_limit_exists() -> None:
    """What is not defended may be shown too."""
    assert named_tests(OPEN)
    for path, name in named_tests(OPEN):
        assert name in functions(path)


def test_every_kind_of_attacker_is_there() -> None:
    """One heading each, with threats below it."""
    parts = re.split(r"^### .+$", DEFENDED, flags=re.MULTILINE)[1:]
    assert len(parts) == 7
    assert all("| threat | defence | shown by |" in part for part in parts)

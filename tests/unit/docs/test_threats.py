"""
The threat model, so that it cannot claim a defence without a test that shows it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import REPO

PAGE = REPO / "docs" / "adr" / "0011-threat-model.md"
SHORT = {"I/": "tests/integration/", "F/": "tests/functional/", "U/": "tests/unit/"}
NAMED = re.compile(r"`([^` ]+\.py)::(test_\w+)`")

DEFENDED, _, OPEN = PAGE.read_text(encoding="utf-8").partition("## What is not defended")
THREATS = [
    line
    for line in DEFENDED.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| threat"))
]


def names(text: str) -> list[tuple[Path, str]]:
    """
    Return file and name of each test that a text names.
    """
    found = []
    for path, name in NAMED.findall(text):
        whole = path.replace(path[:2], SHORT[path[:2]], 1) if path[:2] in SHORT else path
        found.append((REPO / whole, name))
    return found


@pytest.mark.parametrize("line", THREATS, ids=lambda line: line.split(" | ")[0].strip("| "))
def test_a_defence_has_a_test_that_exists(line: str) -> None:
    """A renamed or removed test takes its line with it."""
    assert names(line)
    for path, name in names(line):
        assert name in functions(path)


def test_a_test_that_shows_a_limit_exists() -> None:
    """What is not defended may be shown too."""
    assert names(OPEN)
    for path, name in names(OPEN):
        assert name in functions(path)


def test_every_kind_of_attacker_is_there() -> None:
    """One heading each, with threats below it."""
    parts = re.split(r"^### .+$", DEFENDED, flags=re.MULTILINE)[1:]
    assert len(parts) == 6
    assert all("| threat | defence | shown by |" in part for part in parts)


def functions(path: Path) -> set[str]:
    """
    Return the names of the tests in a file.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

"""
The page that holds this project against others, so that it claims nothing without a test that shows it.
"""

from __future__ import annotations

import pytest

from tests.unit.docs.pages import REPO, claims, functions, named_tests, section

CASES = claims(section(REPO / "docs" / "comparison.md", "What goes wrong"), "the case")


@pytest.mark.parametrize("line", CASES, ids=lambda line: line.split(" | ")[0].strip("| "))
def test_a_claim_has_a_test_that_exists(line: str) -> None:
    """A renamed or removed test takes its line with it."""
    assert named_tests(line)
    for path, test in named_tests(line):
        assert test in functions(path)


def test_the_cases_are_read() -> None:
    """A change of the table's form would leave nothing to check."""
    assert len(CASES) > 10

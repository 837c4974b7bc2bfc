"""
What the runner prints on a terminal.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace_runner import table as text
from hypothesis import given
from hypothesis import strategies as st

COLUMNS = ("problem", "severity", "age_s", "minions", "attempts", "state")
INDENT = 4


def row(**changes: Any) -> dict[str, Any]:
    return {
        "problem": "P-24071",
        "severity": "AVAILABILITY",
        "age_s": 512,
        "minions": ["web01"],
        "attempts": 1,
        "state": "healing",
        **changes,
    }


def test_rows_stand_in_columns_under_their_names() -> None:
    """Units stand in the cells, not in the head."""
    assert text.table([row()], COLUMNS).splitlines() == [
        "problem  severity      age    minions  attempts  state",
        "-------  ------------  -----  -------  --------  -------",
        "P-24071  AVAILABILITY  8 min  web01    1         healing",
    ]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "problem": st.text(max_size=200),
                "minions": st.lists(st.text(max_size=80), max_size=20),
                "state": st.text(max_size=200),
            }
        ),
        max_size=5,
    )
)
def test_no_line_is_wider_than_a_hundred_columns(rows: list[dict[str, Any]]) -> None:
    """Whatever stands in the rows, and one row is one line."""
    lines = text.table([row(**one) for one in rows], COLUMNS).splitlines()
    assert all(len(line) + INDENT <= 100 for line in lines)
    assert len(lines) == (len(rows) + 2 if rows else 1)


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    """A title or a name may hold escape sequences."""
    shown = text.table([row(state="\x1b[2Jx\x07\u202ey")], COLUMNS)
    assert "?[2Jx??y" in shown
    assert shown.replace("\n", "").isprintable()
    facts = {"title": "a\x1b[2J\x9bb", "minions": ["\x07"], "attempts": 1, "url": None}
    assert text.harmless(facts) == {
        "title": "a?[2J?b",
        "minions": ["?"],
        "attempts": 1,
        "url": None,
    }


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: int, shown: str) -> None:
    """JSON has the number."""
    assert text.table([row(age_s=seconds)], ("age_s",)).splitlines()[-1] == shown


def test_nothing_is_said_in_a_word() -> None:
    """And an error is left as it is."""
    assert text.table([], COLUMNS) == "none"
    assert text.table({"error": "x"}, COLUMNS) == {"error": "x"}


def test_a_report_says_what_to_do_below_what_was_found() -> None:
    """Long lines are folded."""
    fine = {"check": "a", "instance": None, "result": "ok", "detail": "good", "fix": ""}
    bad = {**fine, "instance": "prod", "result": "fail", "detail": "word " * 40, "fix": "do it"}
    lines = text.report([fine, bad]).splitlines()
    assert lines[0] == "ok    a: good"
    assert lines[1].startswith("fail  prod: a: word")
    assert lines[-1] == "      -> do it"
    assert all(len(line) + INDENT <= 100 for line in lines)

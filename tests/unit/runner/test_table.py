"""
What the runner prints on a terminal.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.minion.loading import load

INDENT = 4
OUTPUTTER = load("_output/dynatrace.py", salt={"nested": lambda shown: shown})


def shown(found: Any, name: str = "dynatrace") -> Any:
    """
    Return what Salt's own outputter is given of one engine's answer.
    """
    return OUTPUTTER.output({name: found, "outputter": "dynatrace"})[name]


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
    assert shown([row()]).splitlines() == [
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
    lines = shown([row(**one) for one in rows]).splitlines()
    assert all(len(line) + INDENT <= 100 for line in lines)
    assert len(lines) == (len(rows) + 2 if rows else 1)


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    """A title or a name may hold escape sequences."""
    table = shown([row(state="\x1b[2Jx\x07\u202ey")])
    assert "?[2Jx??y" in table
    assert table.replace("\n", "").isprintable()
    facts = {"title": "a\x1b[2J\x9bb", "minions": ["\x07"], "attempts": 1, "url": None}
    assert shown(facts) == {
        "title": "a?[2J?b",
        "minions": ["?"],
        "attempts": 1,
        "url": None,
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: int, text: str) -> None:
    """JSON has the number."""
    assert f"  {text}  " in shown([row(age_s=seconds)])


def test_nothing_is_said_in_a_word() -> None:
    """And an error is left as it is."""
    assert shown([]) == "none"
    assert shown({"error": "x"}) == {"error": "x"}


def test_a_report_says_what_to_do_below_what_was_found() -> None:
    """Long lines are folded."""
    fine = {"check": "a", "instance": None, "result": "ok", "detail": "good", "fix": ""}
    bad = {**fine, "instance": "prod", "result": "fail", "detail": "word " * 40, "fix": "do it"}
    lines = shown([fine, bad], "checks").splitlines()
    assert lines[0] == "ok    a: good"
    assert lines[1].startswith("fail  prod: a: word")
    assert lines[-1] == "      -> do it"
    assert all(len(line) + INDENT <= 100 for line in lines)

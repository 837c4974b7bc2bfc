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


def test_a_catalogue_is_shown_whole_and_says_nothing_of_what_is_not() -> None:
    """A cell that is too long is folded: what a remedy takes must be read to its end."""
    row = {
        "remedy": "apache2",
        "on": "technology: APACHE_HTTPD, APACHE_HTTP_SERVER",
        "heals": "service apache2, service httpd",
        "processes": 2,
        "such_as": ["apache2 on web01.example.com", "apache2 on web02.example.com"],
    }
    fine = shown({"remedies": [row], "faults": [], "unread": None})
    assert list(fine) == ["remedies"]
    words = fine["remedies"].split()
    assert "…" not in fine["remedies"]
    assert {"APACHE_HTTP_SERVER", "httpd", "web02.example.com"} <= set(words)
    assert all(len(line) + 2 * INDENT <= 100 for line in fine["remedies"].splitlines())
    assert shown({"remedies": [row], "faults": ["x"], "unread": "y"}).keys() == {
        *("remedies", "faults", "unread")
    }


def test_a_problem_has_its_targets_and_attempts_in_columns() -> None:
    """What a minion said stands below, whole."""
    target = {
        "minion": "web01",
        "entity": "PROCESS_GROUP_INSTANCE-0000000000000001",
        "matched_by": "host_id",
        "remedy": "unit",
        "by": "unit",
    }
    attempt = {
        "attempt": 1,
        "attempt_id": "4d1c",
        "remedy": "unit",
        "state": "good",
        "created": "2026-11-27T04:46:55.126Z",
        "ended": None,
        "jid": "20261127045939713316",
        "minions": {"web01": "good " + "word " * 40 + "end"},
        "minion_count": 1,
    }
    found = shown({"targets": [target], "unmatched": [], "attempts": [attempt], "title": "t"})
    assert found["targets"].splitlines()[-1].split()[-3:] == ["host_id", "unit", "unit"]
    assert found["unmatched"] == "none"
    lines = found["attempts"].splitlines()
    assert lines[2].split()[:3] == ["1", "unit", "good"]
    assert lines[4].startswith("1  web01: good word")
    assert lines[-1].endswith("end")
    assert shown({"targets": [], "unmatched": [], "attempts": []})["targets"] == "none"


def test_evidence_keeps_its_lines() -> None:
    """Each without what a terminal would obey."""
    kept = {"web01": {"journal": "one\n  two\x1b[2J"}}
    assert shown({"attempt": 1, "minions": kept}) == {
        "attempt": 1,
        "minions": {"web01": {"journal": "one\n  two?[2J"}},
    }

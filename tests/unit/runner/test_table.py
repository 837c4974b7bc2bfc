"""
What the runner prints on a terminal.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import salt.output.nested
import salt.utils.color
from _dynatrace_output.text import COLOURS, width
from _dynatrace_output.why import LINES
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.minion.loading import load

INDENT = 4
OUTPUTTER = load("_output/dynatrace.py", opts={"color": False})
#: What stands for a colour.
MARKS = dict.fromkeys(map(ord, COLOURS))


def shown(found: Any, name: str = "dynatrace") -> Any:
    """
    Return what is printed of one engine's answer, before it is laid out as Salt does.
    """
    return plain(OUTPUTTER._shown({name: found, "outputter": "dynatrace"})[name])


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value.translate(MARKS) if isinstance(value, str) else value


def printed(found: Any, color: bool = False, **options: Any) -> str:
    """
    Return what a terminal gets.
    """
    OUTPUTTER.__opts__ = {"color": color}
    return str(OUTPUTTER.output({"dynatrace": found, "outputter": "dynatrace"}, **options))


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
    assert all(width(line) + INDENT <= 100 for line in lines)
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
    assert all(width(line) + INDENT <= 100 for line in lines)


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


HOSTILE = "a\x1b[2J\x1b]0;x\x07\x9b31m\u202e\u2066\u200b\ue000\u0000" + "e" + "\u0301" * 50
WIDE = "日本語 " * 60


@given(st.text(max_size=80), st.booleans())
def test_a_terminal_obeys_nothing_but_the_colours(text: str, color: bool) -> None:
    """In no value and no key: controls, escapes, what turns the direction, what is not seen."""
    found = {text: text, "l": [text], "d": {text: {text: text}}}
    for one in (found, [row(state=text, problem=text)], {"minions": {text: {"journal": text}}}):
        lines = re.sub("\x1b\\[0(;\\d+)*m", "", printed(one, color)).split("\n")
        assert all(line.isprintable() and "\ue000" not in line for line in lines)
    assert ("\x1b" in printed(found, color)) == color


def test_what_is_hostile_is_shown_and_not_obeyed() -> None:
    """A letter keeps as many marks as writings have; more would cover other lines."""
    told = printed({"title": HOSTILE})
    assert "a?[2J?]0;x??31m?????e\u0301\u0301\u0301" in told.replace("\n", "")
    assert told.count("\u0301") == 3


def test_wide_letters_take_two_columns() -> None:
    """Columns stay below each other, and no line is wider than it may be."""
    lines = shown([row(minions=["web01"]), row(minions=["日本語"])]).splitlines()
    assert len({width(line[: line.index("healing")]) for line in lines[2:]}) == 1
    assert len(lines[2][: lines[2].index("healing")]) > len(lines[3][: lines[3].index("healing")])
    folded = shown(
        [{"check": "c", "instance": None, "result": "ok", "detail": WIDE, "fix": WIDE}], "checks"
    )
    assert all(width(line) + INDENT <= 100 for line in folded.splitlines())
    assert all(width(line) + INDENT <= 100 for line in shown([row(state=WIDE)]).splitlines())


def test_it_looks_as_what_salt_prints() -> None:
    """But for tables and blocks; with colours as without."""
    data = {"a": {"n": 1, "none": None, "list": ["x", "y"], "text": "t"}, "b": "c"}
    salt.output.nested.__opts__ = {"color": False}  # type: ignore[attr-defined]
    assert printed(data) == salt.output.nested.output({"dynatrace": data})
    assert re.sub("\x1b\\[0(;\\d+)*m", "", printed(data, color=True)) == printed(data)


STATES = [
    ("healed, waits for Dynatrace", "GREEN"),
    ("good", "GREEN"),
    ("healing", "LIGHT_BLUE"),
    ("escalated: refused", "LIGHT_RED"),
    ("failed, waits", "LIGHT_RED"),
    ("held", "YELLOW"),
    ("unmatched", "YELLOW"),
    ("closed", None),
]


@pytest.mark.parametrize(("state", "colour"), STATES)
def test_a_state_is_a_word_with_a_colour(state: str, colour: str | None) -> None:
    """The word stands there also without colours."""
    colours = salt.utils.color.get_colors(True)
    wanted = f"{colours[colour]}{state}{colours['ENDC']}" if colour else state
    assert printed([row(state=state)], color=True).endswith(f"  {wanted}")
    assert printed([row(state=state)]).endswith(f"  {state}")


def test_an_error_is_red_as_salt_has_it() -> None:
    """By the exit code of the run."""
    red = str(salt.utils.color.get_colors(True)["RED"])
    assert red in printed({"error": "x"}, color=True, _retcode=1)
    assert red not in printed({"error": "x"}, color=True)


def process(**changes: Any) -> dict[str, Any]:
    told = "last attempt ended 12:03:04, the next may start 12:08:04 (300 s, doubled once)"
    return {
        "minion": "web01",
        "entity": "PROCESS_GROUP_INSTANCE-0000000000000001",
        "process": "Apache Web Server apache2",
        "matched_by": "host_id",
        "remedy": "apache2",
        "by": "technology",
        "verdict": "cooldown",
        "until": "2026-11-27T12:08:04.000Z",
        "detail": None,
        "next": "the next attempt may start 12:08:04",
        "rules": [
            {"rule": "identity", "result": "passed", "told": "matched by host_id"},
            {"rule": "attempts", "result": "passed", "told": "1 of 3 attempts in 3600 s"},
            {"rule": "cooldown", "result": "held", "told": told},
            {"rule": "storm", "result": "not reached", "told": ""},
        ],
        **changes,
    }


def reasons(processes: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    attempt = {
        "attempt": 1,
        "attempt_id": "4d1c",
        "remedy": "apache2",
        "state": "bad",
        "created": "2026-11-27T12:03:00.126Z",
        "ended": None,
        "jid": "20261127045939713316",
        "minions": {"web01": "bad Syntax error"},
        "minion_count": 1,
    }
    return {
        "problem": "P-24071",
        "title": HOSTILE,
        "state": "failed, waits",
        "opened": "2026-11-27T12:00:00.126Z",
        "closed": None,
        "says": ["last decision at 2026-11-27T12:03:04.126Z: holds web01: cooldown"],
        "next": "2026-11-27T12:08:04.000Z",
        "waits": None,
        "process_count": len(processes),
        "processes": processes,
        "unmatched": [],
        "attempts": [attempt],
        **changes,
    }


def test_why_names_the_rule_and_what_is_next() -> None:
    """With what passed before it, where there is room."""
    lines = shown(reasons([process()])).splitlines()
    assert lines[0].startswith("P-24071  failed, waits  a?[2J")
    assert lines[1] == "seen 2026-11-27 12:00:00 UTC, it is decided again 2026-11-27 12:08:04"
    assert lines[3:] == [
        "web01  Apache Web Server apache2  cooldown  (host_id, apache2 by technology)",
        "    cooldown: last attempt ended 12:03:04, the next may start 12:08:04 (300 s, doubled once)",
        "    next: the next attempt may start 12:08:04",
        "    passed: identity: matched by host_id; attempts: 1 of 3 attempts in 3600 s",
        "attempt 1  2026-11-27 12:03:00  bad  web01: bad Syntax error",
    ]


@pytest.mark.parametrize("detail", ["x", "long " * 60, WIDE, HOSTILE])
def test_why_fits_into_twenty_lines_of_a_hundred_columns(detail: str) -> None:
    """For a handful of processes, however much there is to say of them; then it is cut, and JSON has it whole."""
    rules = [{"rule": "reactor", "result": "held", "told": detail}]
    told = reasons([process(rules=rules, process=detail, next=detail)] * 5, says=[detail])
    lines = shown(told).splitlines()
    assert len(lines) <= LINES == 20
    assert all(width(line) + INDENT <= 100 for line in lines)


def test_why_of_what_is_closed_or_unmatched_says_so() -> None:
    """There are no rules then."""
    row = process(rules=[], verdict="healed", next="nothing: the problem is not open")
    closed = shown(reasons([row], closed="2026-11-27T12:20:00.126Z", next=None, says=["over"]))
    assert "seen 2026-11-27 12:00:00 UTC, closed 2026-11-27 12:20:00" in closed
    assert "web01  Apache Web Server apache2  healed" in closed
    reason = "no minion has this host id"
    unmatched = [
        {"entity": "HOST-00000000000000A1", "name": None, "reason": reason},
        {"entity": "HOST-00000000000000A2", "name": "db02", "reason": reason},
    ]
    told = shown(reasons([], unmatched=unmatched, waits="for a minion that it fits"))
    assert "it waits for a minion that it fits" in told
    assert f"no minion: HOST-00000000000000A1: {reason}" in told
    assert f"no minion: db02: {reason}" in told

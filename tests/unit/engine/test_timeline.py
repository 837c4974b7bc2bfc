"""
The picture of a story: where things lie on its axis, that its labels can be read, and that it says what the table says.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from typing import Any

import pytest
from _dynatrace.facts.steps import KINDS
from _dynatrace.pages.axis import Axis, between, epoch, lasted, taken
from _dynatrace.pages.labels import placed
from _dynatrace.pages.steps import STEPS, steps_table
from _dynatrace.pages.timeline import timeline

SVG = "{http://www.w3.org/2000/svg}"
BEGUN = 1764237600.0
HOSTILE = "</title><script>alert(1)</script>\u202e&\x1b[31m"


def iso(seconds: float) -> str:
    """
    Return a time after the failure as facts have it.
    """
    moment = datetime.fromtimestamp(BEGUN + seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def step(at: float, what: str, text: str = "x", **more: Any) -> dict[str, Any]:
    """
    Return a step so many seconds after the failure.
    """
    known = {"minion": None, "attempt": None, "outcome": None, **more}
    return {"at": iso(at), "what": what, "text": text, **known}


def story(scale: float = 1.0, **changes: Any) -> dict[str, Any]:
    """
    Return a story of a heal that takes `scale` times a second from the failure to the proof.
    """
    own = {"minion": "web01", "attempt": 1}
    told = {
        "problem": "P-2407114",
        "title": "Process unavailable",
        "episode": 1,
        "failed_at": iso(0),
        "opened": iso(0.4 * scale),
        "closed": iso(3 * scale),
        "healed_at": iso(scale),
        "outage_ms": round(scale * 1000),
        "down": [{"from": iso(0), "to": iso(scale)}],
        "outages": [{"minion": "web01", "process": "a", "from": iso(0), "to": iso(scale)}],
        "attempts": [{"attempt": 1, "minions": {"web01": "good it serves"}}],
        "told_at": iso(4 * scale),
        "steps": [
            step(0, "failed", minion="web01"),
            step(0.1 * scale, "problem", "P-2407114 begins"),
            step(0.4 * scale, "seen"),
            step(0.4 * scale, "decided", attempt=1),
            step(0.4 * scale, "ordered", attempt=1),
            step(0.5 * scale, "fired", attempt=1),
            step(0.6 * scale, "taken", attempt=1),
            step(1.0 * scale, "returned", outcome="good", **own),
            step(1.3 * scale, "commented"),
            step(3.0 * scale, "closed"),
        ],
    }
    return {**told, **changes}


def drawn(told: dict[str, Any], width: float = 960.0) -> ET.Element:
    """
    Return the picture, which is well-formed by itself.
    """
    svg = str(timeline(told, width)).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ET.fromstring(svg)


def texts(picture: ET.Element) -> list[str]:
    return [one.text or "" for one in picture.iter(f"{SVG}text")]


def boxes(picture: ET.Element) -> list[tuple[float, float, float, str]]:
    """
    Return left, right and line of each text that begins at its x.
    """
    return [
        (x := float(one.get("x", "")), x + taken(one.text or ""), float(one.get("y", "")), one.text)
        for one in picture.iter(f"{SVG}text")
        if one.get("text-anchor") is None and one.text
    ]


@pytest.mark.parametrize("width", [960.0, 340.0])
@pytest.mark.parametrize("scale", [0.07, 2.0, 65.0, 4000.0, 90_000.0, 400_000.0])
def test_no_label_lies_on_another_or_outside(width: float, scale: float) -> None:
    """From a tenth of a second to days, on a desk and on a phone."""
    found = boxes(drawn(story(scale), width))
    assert len(found) > 8
    for left, right, y, text in found:
        assert left >= 0 and right <= width, text
        others = [one for one in found if one[2] == y and one[3] != text]
        assert not [one for one in others if left < one[1] and one[0] < right], text


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (0.4, ["0", "0.1 s", "0.2 s", "0.3 s", "0.4 s"]),
        (2.5, ["0", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s"]),
        (100, ["0", "15 s", "30 s", "45 s", "60 s", "75 s", "90 s"]),
        (1000, ["0", "5 min", "10 min", "15 min"]),
        (6 * 3600, ["0", "1 h", "2 h", "3 h", "4 h", "5 h", "6 h"]),
        (5 * 86400, ["0", "1 d", "2 d", "3 d", "4 d", "5 d"]),
        (700 * 86400, ["0", "100 d", "200 d", "300 d", "400 d", "500 d", "600 d", "700 d"]),
    ],
)
def test_the_axis_has_the_unit_that_fits(span: float, labels: list[str]) -> None:
    """A few round moments, counted from the failure."""
    axis = Axis(BEGUN, BEGUN + span, 0, 600, BEGUN)
    assert [label for _, label in axis.ticks()] == labels


def test_moments_before_the_failure_are_on_the_axis_too() -> None:
    """The clock of the tenant may be ahead of the master's."""
    axis = Axis(BEGUN - 2, BEGUN + 2, 0, 400, BEGUN)
    assert [label for _, label in axis.ticks()] == ["-2 s", "-1 s", "0", "1 s", "2 s"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.07, "0.07 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (86399.7, "1 d 0 h"),
        (300_000, "3 d 11 h"),
        (-4, "-4.00 s"),
    ],
)
def test_a_duration_is_told_in_units_of_its_size(seconds: float, text: str) -> None:
    """Nobody has to divide by 60, and nothing rounds to 60 seconds."""
    assert lasted(seconds) == text


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (91, 92, "+1 min 31 to 32 s"),
        (91, 151, "+1 min 31 s to +2 min 31 s"),
        (1.06, 1.2, "+1.06 to 1.20 s"),
        (58, 62, "+58.0 s to +1 min 02 s"),
        (5, 5, "+5.00 s"),
    ],
)
def test_two_moments_are_told_without_saying_anything_twice(
    first: float, last: float, text: str
) -> None:
    """What both have in common stands there once."""
    assert between(first, last) == text


def test_what_lies_at_one_place_is_one_mark_with_all_its_words() -> None:
    """The minion's job and its return are some pixels apart where the problem is open for hours."""
    said = texts(
        drawn(story(closed=iso(9000), steps=[*story()["steps"][:-1], step(9000, "closed")]))
    )
    assert "+0.40 to 0.50 s seen, decided, ordered, fired" in said
    assert "+0.60 to 1.00 s job, healed" in said


def test_an_outage_that_lasts_reaches_to_the_end() -> None:
    """And is not told as if it were over."""
    told = story(down=[{"from": iso(0), "to": None}], closed=None, healed_at=None)
    told["steps"] = told["steps"][:7]
    said = texts(drawn(told))
    assert "out since 4.00 s" in said
    assert "serves" not in said
    assert "still down" in str(timeline(told))


def test_a_problem_without_any_known_failure_is_drawn_too() -> None:
    """One that was only notified names no process."""
    told = story(failed_at=None, down=[], outages=[], attempts=[], outage_ms=0)
    told["steps"] = [step(5, "seen")]
    assert "no outage is known" in str(timeline(told))
    assert "counted from the first step" in str(steps_table(told))


def test_minions_beyond_the_first_are_counted() -> None:
    """A hundred lanes are no picture; the table has them all."""
    minions = {f"web{number:02}": "good" for number in range(8)}
    told = story(attempts=[{"attempt": 1, "minions": minions}])
    assert "and 3 more" in texts(drawn(told))


def test_a_text_from_outside_stays_a_text() -> None:
    """What cannot be seen is shown by its name."""
    told = story(
        title=HOSTILE, problem=HOSTILE, steps=[step(1, "returned", HOSTILE, minion=HOSTILE)]
    )
    for made in (str(timeline(told)), str(steps_table(told))):
        assert "<script" not in made
        assert "\x1b" not in made and "\u202e" not in made
        assert "⟨U+202E⟩" in made
    drawn(told)


def test_the_picture_is_named_and_described_by_ids_of_its_own() -> None:
    """Two of them stand in one document: one for a desk, one for a phone."""
    pictures = [drawn(story(), width) for width in (960.0, 340.0)]
    ids = [one.get("id") for picture in pictures for one in picture.iter() if one.get("id")]
    assert len(ids) == len(set(ids)) == 4
    for picture in pictures:
        named = (picture.get("aria-labelledby") or "").split()
        assert [one.tag for one in picture if one.get("id") in named] == [
            f"{SVG}title",
            f"{SVG}desc",
        ]


def test_the_table_has_every_step_with_its_time() -> None:
    """Whoever does not see the picture misses nothing."""
    told = story()
    rows = re.findall(r"<tr><td.*?</tr>", str(steps_table(told)))
    assert len(rows) == len(told["steps"])
    assert all(one["at"][:19] in row for one, row in zip(told["steps"], rows, strict=True))
    assert "+1.00 s" in rows[7] and "web01" in rows[7]


def test_every_kind_of_step_has_a_lane_and_a_word() -> None:
    """The engine's list and the picture's are one."""
    assert set(STEPS) == set(KINDS)


def test_a_long_label_is_cut_and_its_time_is_not() -> None:
    """The details stand in the table."""
    (label,) = placed([(300, "+1 min 31 s " + "decided, " * 20)], 0, 330)
    assert label.text.startswith("+1 min 31 s") and label.text.endswith("…")
    assert label.right <= 330


def test_times_are_read_as_they_are_told() -> None:
    """With milliseconds."""
    assert epoch(iso(0.25)) == BEGUN + 0.25

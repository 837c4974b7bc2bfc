"""
The picture of a span: what its bars stand for, and that it holds for few problems and for many.
"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from _dynatrace.pages.axis import taken
from _dynatrace.pages.plot import plot, plot_table

from tests.unit.engine.test_timeline import SVG, iso

HOUR = 3600


def bar(
    at: float, salt: int = 0, others: int = 0, still: int = 0, **medians: int
) -> dict[str, Any]:
    """
    Return the figures of one bar.
    """
    told = {"salt": medians.get("salt_s"), "other": medians.get("others_s")}
    return {"from": iso(at), "salt": salt, "other": others, "open": still, "median_s": told}


def span(*bars: dict[str, Any], hours: int = 24, size: int = HOUR) -> dict[str, Any]:
    """
    Return the figures of some hours.
    """
    ended = {who: sum(one[who] for one in bars) for who in ("salt", "other", "open")}
    return {
        "since": iso(0),
        "until": iso(hours * HOUR),
        "bar_s": size,
        "bars": list(bars),
        "ended_by": {**ended, "merged": 0},
        "problems_count": sum(ended.values()),
    }


def drawn(told: dict[str, Any], width: float = 960.0) -> ET.Element:
    """
    Return the picture, which is well-formed by itself.
    """
    svg = str(plot(told, width)).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ET.fromstring(svg)


def rects(picture: ET.Element, kind: str) -> list[ET.Element]:
    """
    Return the bars of a kind, without what explains them.
    """
    found = picture.iter(f"{SVG}rect")
    return [
        one
        for one in found
        if one.get("class") == kind and float(one.get("height", "")) not in (7, 11)
    ]


@pytest.mark.parametrize("most", [1, 3, 4, 9, 40, 1234, 9999])
def test_a_bar_is_as_high_as_it_has_problems(most: int) -> None:
    """On a scale of round numbers from zero."""
    picture = drawn(span(bar(0, salt=most), bar(HOUR, salt=most, others=most)))
    one, two = rects(picture, "fill-good")
    assert one.get("height") == two.get("height")
    (other,) = rects(picture, "fill-quiet")
    assert float(other.get("height", "")) == pytest.approx(float(two.get("height", "")), abs=0.11)
    assert float(other.get("y", "")) < float(two.get("y", ""))
    assert float(other.get("y", "")) >= 24


def test_who_ended_a_problem_is_told_by_more_than_a_colour() -> None:
    """What is open is hollow, and of the medians one is round and one is square."""
    picture = drawn(span(bar(0, 1, 1, 1, salt_s=30, others_s=3000)))
    assert len(rects(picture, "line-bad")) == 1
    (dot,) = picture.iter(f"{SVG}circle")
    (square,) = [one for one in picture.iter(f"{SVG}rect") if one.get("height") == "7"]
    assert float(square.get("y", "")) < float(dot.get("cy", "")) - 20


@pytest.mark.parametrize("width", [960.0, 340.0])
@pytest.mark.parametrize("hours", [1, 24, 7 * 24, 30 * 24, 365 * 24])
def test_the_moments_below_do_not_lie_on_each_other(width: float, hours: int) -> None:
    """Whatever the span."""
    picture = drawn(span(bar(0, 1), hours=hours), width)
    found = [one for one in picture.iter(f"{SVG}text") if one.get("text-anchor") == "middle"]
    places = [(float(one.get("x", "")), taken(one.text or "")) for one in found]
    assert len(places) >= 2
    for (x, size), (after, other) in itertools.pairwise(places):
        assert x + size / 2 < after - other / 2
    assert places[-1][0] + places[-1][1] / 2 <= width + 4


def test_a_span_without_problems_is_drawn_too() -> None:
    """And says so."""
    assert "0 problems" in str(plot(span()))
    assert rects(drawn(span()), "fill-good") == []


def test_the_table_has_the_same_figures() -> None:
    """Each with its head, so that it can be read on a phone."""
    rows = re.findall(
        r"<tr><td.*?</tr>", str(plot_table(span(bar(0, 2, 1, salt_s=30), bar(HOUR, 5))))
    )
    cells = [re.findall(r'data-label="([^"]*)">([^<]*)<', row) for row in rows]
    assert cells[0][1:] == [
        *(("ended by Salt", "2"), ("ended by others", "1"), ("open", "0")),
        *(("median by Salt", "30.0 s"), ("median by others", "")),
    ]
    assert cells[1][1] == ("ended by Salt", "5")

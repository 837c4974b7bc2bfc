"""
Draws the problems of a span of time: how many there were, who ended them, and how long they lasted.

It takes the facts of ``facts.span``. The same figures stand in ``plot_table``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from markupsafe import Markup

from .axis import DAY_S, Axis, epoch, lasted
from .document import rendered, template

Facts = Mapping[str, Any]

#: Who ended a problem, what it is called, and its class; the last is drawn hollow.
_WHO = (
    ("salt", "ended by Salt", "fill-good"),
    ("other", "ended by others", "fill-quiet"),
    ("open", "open", "line-bad"),
)
_STEPS = (
    60,
    300,
    900,
    3600,
    10800,
    21600,
    43200,
    86400,
    172800,
    604800,
    2419200,
    8467200,
    33868800,
)
_DECADES = (1, 10, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400)
_LEFT, _RIGHT = 56.0, 12.0
_LEGEND, _BARS, _BETWEEN, _DOTS, _FOOT = 24.0, 120.0, 34.0, 96.0, 22.0

_SVG = template(
    """\
<svg class="plot" viewBox="0 0 {{ w }} {{ h }}" width="{{ w }}" height="{{ h }}" role="img" aria-labelledby="plot-{{ w }}-t plot-{{ w }}-d">
<title id="plot-{{ w }}-t">Problems over time</title><desc id="plot-{{ w }}-d">{{ said }}</desc>
{% for x, kind, word in legend %}
<rect class="{{ kind }}" x="{{ x }}" y="4" width="11" height="11"/><text x="{{ x + 16 }}" y="14">{{ word }}</text>
{% endfor %}
{% for y, label in levels %}
<path class="grid" d="M{{ left }} {{ y }}H{{ right }}"/><text class="note" x="{{ left - 6 }}" y="{{ y + 4 }}" text-anchor="end">{{ label }}</text>
{% endfor %}
{% for x, label in ticks %}
<path class="edge" d="M{{ x }} {{ foot }}v4"/><text class="note" x="{{ x }}" y="{{ foot + 18 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
<path class="edge" d="M{{ left }} {{ zero }}H{{ right }}M{{ left }} {{ foot }}H{{ right }}"/>
{% for bar in bars %}
<rect class="{{ bar.kind }}" x="{{ bar.x }}" y="{{ bar.y }}" width="{{ bar.wide }}" height="{{ bar.high }}"/>
{% endfor %}
<text class="note" x="{{ left }}" y="{{ zero + 20 }}">median time to the end</text>
{% for x, y, by_salt in dots %}
{% if by_salt %}
<circle class="fill-good" cx="{{ x }}" cy="{{ y }}" r="4"/>
{% else %}
<rect class="fill-quiet" x="{{ x - 3.5 }}" y="{{ y - 3.5 }}" width="7" height="7"/>
{% endif %}
{% endfor %}
</svg>
"""
)

_TABLE = template(
    """\
<table class="stack">
<caption>Problems by the time in which they were seen first (UTC), each line {{ size }} long; lines without a problem are left out.</caption>
<thead><tr><th scope="col">from</th>{% for word in words %}<th scope="col" class="number">{{ word }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr><td data-label="from">{{ row.from | moment }}</td>{% for word in words %}<td class="number" data-label="{{ word }}">{{ row.cells[loop.index0] }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
"""
)


@dataclass(frozen=True)
class _Bar:
    kind: str
    x: float
    y: float
    wide: float
    high: float


def plot(span: Facts, width: float = 960.0) -> Markup:
    """
    Return the figures of a span over time as SVG of a width in pixels; at 340 it fits a phone.
    """
    axis = Axis(epoch(span["since"]), epoch(span["until"]), _LEFT, width - _RIGHT, 0.0)
    zero = _LEGEND + _BARS
    foot = zero + _BETWEEN + _DOTS
    counts, most = _counts(span, zero)
    lengths, scale = _lengths(span, foot)
    return rendered(
        _SVG,
        **{"w": round(width), "h": round(foot + _FOOT), "said": _said(span)},
        **{"left": axis.left, "right": axis.right, "zero": zero, "foot": foot},
        **{"legend": list(_legend(width)), "ticks": list(_ticks(axis)), "levels": counts + lengths},
        **{"bars": list(_bars(span, axis, zero, most)), "dots": list(_dots(span, axis, scale))},
    )


def plot_table(span: Facts) -> Markup:
    """
    Return the figures of a span over time as a table.
    """
    words = [*(word for _, word, _ in _WHO), "median by Salt", "median by others"]
    rows = [
        {
            "from": bar["from"],
            "cells": [
                *(bar[who] for who, _, _ in _WHO),
                *(_known(bar["median_s"][who]) for who in ("salt", "other")),
            ],
        }
        for bar in span["bars"]
    ]
    return rendered(_TABLE, rows=rows, words=words, size=_short(span["bar_s"]))


def _known(seconds: int | None) -> str:
    return "" if seconds is None else lasted(seconds)


def _said(span: Facts) -> str:
    ended = span["ended_by"]
    parts = ", ".join(f"{ended[who]} {word}" for who, word, _ in _WHO)
    return f"{span['problems_count']} problems: {parts}. The table of the figures over time lists them."


def _legend(width: float) -> Iterator[tuple[float, str, str]]:
    apart = min(150.0, width / 3)
    words = ("by Salt", "by others", "open") if width < 480 else [word for _, word, _ in _WHO]
    for number, (_, _, kind) in enumerate(_WHO):
        yield 0.5 + number * apart, kind, words[number]


def _counts(span: Facts, zero: float) -> tuple[list[tuple[float, str]], int]:
    """
    Return the marked numbers of problems with their y, and how many the whole height stands for.
    """
    most = max((sum(bar[who] for who, _, _ in _WHO) for bar in span["bars"]), default=0)
    step = next(size for size in _round_steps() if size * 4 >= most)
    top = step * 4 if most > 4 else max(most, 1)
    marks = range(0, top + 1, step if most > 4 else 1)
    return [(round(zero - _BARS * one / top, 1), str(one)) for one in marks], top


def _round_steps() -> Iterator[int]:
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10


def _bars(span: Facts, axis: Axis, zero: float, most: int) -> Iterator[_Bar]:
    for bar in span["bars"]:
        x = axis.x(epoch(bar["from"]))
        wide = max(axis.x(epoch(bar["from"]) + span["bar_s"]) - x - 1.5, 1.5)
        y = zero
        for who, _, kind in _WHO:
            if bar[who]:
                high = _BARS * bar[who] / most
                y -= high
                hollow = 0.5 if kind.startswith("line") else 0.0
                size = round(wide - 2 * hollow, 1), round(max(high - 1 - 2 * hollow, 0.5), 1)
                yield _Bar(kind, x + hollow, round(y + hollow, 1), *size)


@dataclass(frozen=True)
class _Scale:
    """
    From a duration to its y, by the logarithm: what took seconds and what took days are both to be seen.
    """

    least: float
    most: float
    foot: float

    def y(self, seconds: float) -> float:
        part = math.log(max(seconds, self.least) / self.least) / math.log(self.most / self.least)
        return round(self.foot - 8 - part * (_DOTS - 16), 1)


def _lengths(span: Facts, foot: float) -> tuple[list[tuple[float, str]], _Scale]:
    told = [one for bar in span["bars"] for one in bar["median_s"].values() if one is not None]
    least = max((one for one in _DECADES if one <= min(told, default=1)), default=1)
    most = min(
        (one for one in _DECADES if one >= max(told, default=60) and one > least),
        default=max(told, default=0) + 1,
    )
    scale = _Scale(least, most, foot)
    marked = [one for one in _DECADES if least <= one <= most] if told else []
    return [(scale.y(one), _short(one)) for one in marked], scale


def _short(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _dots(span: Facts, axis: Axis, scale: _Scale) -> Iterator[tuple[float, float, bool]]:
    for bar in span["bars"]:
        x = axis.x(epoch(bar["from"]) + span["bar_s"] / 2)
        for who in ("other", "salt"):
            if bar["median_s"][who] is not None:
                yield x, scale.y(bar["median_s"][who]), who == "salt"


def _ticks(axis: Axis) -> Iterator[tuple[float, str]]:
    """
    Yield x and label of round moments of the clock, in UTC.
    """
    least = 56.0 * (axis.end - axis.start) / (axis.right - axis.left)
    step = next((one for one in _STEPS if one >= least), _STEPS[-1])
    at = math.ceil(axis.start / step) * step
    while at <= axis.end:
        moment = datetime.fromtimestamp(at, timezone.utc)
        if axis.right - axis.x(at) >= _RIGHT:
            yield axis.x(at), moment.strftime("%d %b" if at % DAY_S == 0 else "%H:%M")
        at += step

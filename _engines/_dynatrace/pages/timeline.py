"""
Draws the story of a problem on one axis of time: what its users had, Dynatrace, the engine and each minion in lanes.

It takes the facts of ``facts.story`` and knows no clock. The same facts stand in ``steps.steps_table``, for whoever
does not see the picture, and with all details.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from markupsafe import Markup

from .axis import Axis, between, epoch, lasted, taken
from .document import rendered, template
from .labels import Label, fitting, placed
from .steps import STEPS, Facts, word, zero
from .style import SHAPES

#: Which of several kinds at one place is drawn.
_TELLING = ("bad", "good", "warn", "busy", "quiet")
#: Which of several attempts it is, is told with these.
_NUMBERED = ("ordered", "taken", "returned", "lost", "withdrawn")
_MINIONS = 5
#: From this width on the names of the lanes stand beside them.
_WIDE = 600.0
_GUTTER = 104.0
_EDGE = 10.0
_NAME, _LINE, _ROW, _SPACE = 20.0, 22.0, 17.0, 8.0
#: Marks that are nearer are one.
_NEAR = 15.0

_SVG = template(
    """\
<svg class="timeline" viewBox="0 0 {{ w }} {{ h }}" width="{{ w }}" height="{{ h }}" role="img" aria-labelledby="{{ id }}-t {{ id }}-d">
<title id="{{ id }}-t">{{ title }}</title><desc id="{{ id }}-d">{{ said }}</desc>
{% for x, label in ticks %}
<path class="grid" d="M{{ x }} {{ top }}V{{ bottom }}"/><text class="note" x="{{ x }}" y="{{ bottom + 16 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
{% for lane in lanes %}
<text class="note halo" x="0" y="{{ lane.name_y }}">{{ lane.name }}</text>
<path class="edge" d="M{{ left }} {{ lane.y }}H{{ right }}"/>
{% for bar in lane.bars %}
<rect class="fill-{{ bar.kind }}" fill-opacity="0.3" x="{{ bar.x }}" y="{{ lane.y - bar.half }}" width="{{ bar.size }}" height="{{ bar.half * 2 }}" rx="2"/>
{% if bar.lasts %}
<path class="line-{{ bar.kind }}" stroke-dasharray="3 2" d="M{{ bar.x + bar.size }} {{ lane.y - bar.half - 2 }}V{{ lane.y + bar.half + 2 }}"/>
{% endif %}
{% endfor %}
{% for label in lane.labels %}
<path class="edge" d="M{{ label.x }} {{ lane.y + 8 }}V{{ lane.text_y + label.row * row - 11 }}"/>
{% endfor %}
{% for label in lane.labels %}
<text class="halo" x="{{ label.left | round(1) }}" y="{{ lane.text_y + label.row * row }}">{{ label.text }}</text>
{% endfor %}
{% for mark in lane.marks %}
<g transform="translate({{ mark.x - 8 }} {{ lane.y - 8 }})"><circle class="ground" cx="8" cy="8" r="9"/><g class="line-{{ mark.kind }}" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round">{{ mark.shape }}</g></g>
{% endfor %}
{% endfor %}
</svg>
"""
)


@dataclass(frozen=True)
class _Mark:
    x: float
    kind: str
    text: str = ""

    @property
    def shape(self) -> Markup:
        return Markup(SHAPES[self.kind])


@dataclass(frozen=True)
class _Bar:
    x: float
    size: float
    kind: str
    lasts: bool = False
    half: float = 7.0


@dataclass
class _Lane:
    name: str
    bars: list[_Bar] = field(default_factory=list)
    marks: list[_Mark] = field(default_factory=list)
    labels: Sequence[Label] = ()
    name_y: float = 0.0
    y: float = 0.0
    text_y: float = 0.0


def timeline(story: Facts, width: float = 960.0) -> Markup:
    """
    Return the story as SVG of a width in pixels; at 340 it fits a phone.
    """
    names = ["Dynatrace", *_minions(story)]
    gutter = _GUTTER if width >= _WIDE and max(map(taken, names)) < _GUTTER else 0.0
    axis = _axis(story, gutter + _EDGE, width - _EDGE)
    lanes = _lanes(story, axis)
    bottom = _arrange(lanes, axis, gutter)
    return rendered(
        _SVG,
        **{"w": round(width), "h": round(bottom + 24), "id": _own_id(story, width)},
        **{"title": f"{story['problem']}: {story['title']}", "said": _said(story)},
        **{"ticks": list(axis.ticks()), "top": 4, "bottom": bottom, "row": _ROW},
        **{"left": axis.left, "right": axis.right, "lanes": lanes},
    )


def _own_id(story: Facts, width: float) -> str:
    name = "".join(one for one in story["problem"] if one.isascii() and one.isalnum())
    return f"t{name}-{story['episode']}-{width:.0f}"


def _said(story: Facts) -> str:
    down = story["down"]
    lasts = any(one["to"] is None for one in down)
    out = "no outage is known" if not down else "down for " + lasted(story["outage_ms"] / 1000)
    return f"{out}{', and still down' if lasts else ''}; {len(story['steps'])} steps, which the table of steps lists."


def _axis(story: Facts, left: float, right: float) -> Axis:
    begun = zero(story)
    # A pause may have begun days before.
    moments = [epoch(one["at"]) for one in story["steps"] if one["what"] != "paused"]
    moments += [epoch(one["to"]) for one in story["down"] if one["to"]]
    if any(one["to"] is None for one in story["down"]):
        moments.append(epoch(story["told_at"]))
    start, end = min([begun, *moments]), max([begun, *moments])
    return Axis(start, max(end, start + 0.1), left, right, begun)


def _lanes(story: Facts, axis: Axis) -> list[_Lane]:
    users = _Lane("Users", [_bar(axis, one["from"], one["to"], "bad") for one in story["down"]])
    users.marks = [
        _Mark(axis.x(epoch(one["from"])), "bad", _out(story, one)) for one in story["down"][:10]
    ]
    ended = [one["to"] for one in story["down"][:10] if one["to"]]
    users.marks += [_Mark(axis.x(epoch(one)), "good", "serves") for one in ended]
    minions = _minions(story)
    lanes = [users]
    for name in ("Dynatrace", "Engine", *minions):
        steps = [one for one in story["steps"] if name in _places(story, one)]
        lane = _Lane(name, list(_bars(story, axis, name)))
        lane.marks = list(_marks(axis, steps, len(story["attempts"]) > 1))
        lanes.append(lane)
    if (left := len(_all_minions(story)) - len(minions)) > 0:
        lanes.append(_Lane(f"and {left} more"))
    return lanes


def _out(story: Facts, down: Facts) -> str:
    end = down["to"] or story["told_at"]
    return f"out {'for ' if down['to'] else 'since '}{lasted(epoch(end) - epoch(down['from']))}"


def _bar(axis: Axis, start: str, end: str | None, kind: str, half: float = 7.0) -> _Bar:
    x = axis.x(epoch(start))
    right = axis.right if end is None else axis.x(epoch(end))
    return _Bar(x, round(max(right - x, 2.0), 1), kind, end is None, half)


def _bars(story: Facts, axis: Axis, lane: str) -> Iterator[_Bar]:
    """
    Yield what lasts in a lane: the problem at Dynatrace, the outage and the jobs of a minion.
    """
    if lane == "Dynatrace":
        begun = next((one["at"] for one in story["steps"] if one["what"] == "problem"), None)
        if begun is not None:
            yield _bar(axis, begun, story["closed"], "quiet")
    for one in story["outages"]:
        if one["minion"] == lane:
            yield _bar(axis, one["from"], one["to"], "bad", 3.0)
    for step in story["steps"]:
        if step["what"] in ("returned", "lost") and lane in _places(story, step):
            begun = _job_at(story, step["attempt"])
            if begun is not None and begun <= step["at"]:
                yield _bar(axis, begun, step["at"], "busy", 5.0)


def _job_at(story: Facts, number: int | None) -> str | None:
    own = (one for one in story["steps"] if one["attempt"] == number)
    return next((one["at"] for one in own if one["what"] == "taken"), None)


def _places(story: Facts, step: Facts) -> Sequence[str]:
    lane = STEPS[step["what"]][0]
    if lane is not None:
        return [lane]
    if step["minion"] is not None:
        return [step["minion"]]
    return [
        name
        for one in story["attempts"]
        if one["attempt"] == step["attempt"]
        for name in one["minions"]
    ]


def _all_minions(story: Facts) -> list[str]:
    acted = (name for one in story["attempts"] for name in one["minions"])
    return list(dict.fromkeys((*acted, *(one["minion"] for one in story["outages"]))))


def _minions(story: Facts) -> list[str]:
    return _all_minions(story)[:_MINIONS]


def _marks(axis: Axis, steps: Iterable[Facts], numbered: bool) -> Iterator[_Mark]:
    """
    Yield the marks of a lane; steps that lie at one place are one mark with all their words.
    """
    group: list[Facts] = []
    for step in steps:
        if group and axis.x(epoch(step["at"])) - axis.x(epoch(group[0]["at"])) > _NEAR:
            yield _mark(axis, group, numbered)
            group = []
        group.append(step)
    if group:
        yield _mark(axis, group, numbered)


def _mark(axis: Axis, group: Sequence[Facts], numbered: bool) -> _Mark:
    words = [
        word(one)[0] + (f" {one['attempt']}" if numbered and one["what"] in _NUMBERED else "")
        for one in group
    ]
    counted = [(one, len(list(same))) for one, same in groupby(words)]
    said = ", ".join(one if count == 1 else f"{one} ({count})" for one, count in counted)
    when = between(*(epoch(group[at]["at"]) - axis.zero for at in (0, -1)))
    kind = min((word(one)[1] for one in group), key=_TELLING.index)
    return _Mark(axis.x(epoch(group[0]["at"])), kind, f"{when} {said}")


def _arrange(lanes: Iterable[_Lane], axis: Axis, gutter: float) -> float:
    """
    Give each lane its place and its labels theirs; return where the last one ends.
    """
    y = 0.0
    for lane in lanes:
        lane.name = fitting(lane.name, gutter or axis.right - axis.left)
        lane.y = y + _LINE / 2 + (0 if gutter else _NAME)
        lane.name_y = lane.y + 4 if gutter else y + 14
        wanted = [(mark.x, mark.text) for mark in lane.marks]
        lane.labels = placed(wanted, axis.left - _EDGE, axis.right + _EDGE)
        lane.text_y = lane.y + _LINE + 4
        rows = 1 + max((one.row for one in lane.labels), default=-1)
        y = lane.y + _LINE / 2 + rows * _ROW + _SPACE
    return y

"""
The report of a span of time as a file of its own: how many problems there were, who ended them, what that saved.

It takes the facts of ``facts.span``.
"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from .axis import lasted
from .document import rendered, template
from .plot import plot, plot_table
from .report_parts import day_and_time, figure, page, table
from .steps import Facts
from .text import moment

_KINDS = ("minions", "processes", "remedies")
_WHO = {
    "salt": "Salt",
    "other": "others",
    "merged": "merged into another",
    "open": "still open",
}
_TILES = template(
    """\
<div class="tiles">
{% for value, word, note in tiles %}
<div class="card"><p class="big">{{ value }}</p><p>{{ word }}</p>{% if note %}<p class="quiet small">{{ note }}</p>{% endif %}</div>
{% endfor %}
</div>
"""
)
_SAVED = template(
    """\
{% if saved.why %}
<p>No number is said: {{ saved.why }}.</p>
{% else %}
<p>{{ saved.problems }} problems that Salt ended are compared with the median time that problems took which others ended{% if saved.left_out %}; {{ saved.left_out }} could not be compared{% endif %}. One that took Salt longer counts against it.</p>
{% endif %}
{% if medians %}
{{ medians }}
{% endif %}
<p class="quiet">Both are counted from begin to end by Dynatrace's own clock. Those that others ended may have been other or harder ones, so this is an estimate.</p>
"""
)


def span_report(span: Facts, instance: str) -> str:
    """
    Return the file of the figures of a span.
    """
    title = f"{day_and_time(span['since'])} to {day_and_time(span['until'])}"
    sections = [
        ("In short", rendered(_TILES, tiles=list(_tiles(span)))),
        ("Over time", figure(lambda width: plot(span, width))),
        ("Time saved", _saved(span)),
        *((f"{kind.capitalize()} with the most problems", _worst(span, kind)) for kind in _KINDS),
        ("The figures over time", plot_table(span) if span["bars"] else Markup("")),
        ("Problems", _problems(span)),
    ]
    return page(title, _lead(span), sections, instance, span["told_at"])


def _lead(span: Facts) -> str:
    ended = span["ended_by"]
    return (
        f"{span['problems_count']} problems were seen. Salt ended {ended['salt']}, others ended {ended['other']}"
        f" by hand or they ended by themselves, and {ended['open']} are still open."
    )


def _tiles(span: Facts) -> Iterator[tuple[object, str, str]]:
    ended, saved, outage = span["ended_by"], span["saved"], span["outage"]
    yield span["problems_count"], "problems", f"{ended['merged']} merged" if ended["merged"] else ""
    yield ended["salt"], "ended by Salt", ""
    yield ended["other"], "ended by others", "by hand, or by themselves"
    yield span["escalated"], "with a person called", ""
    minutes = saved["minutes"]
    yield "–" if minutes is None else minutes, "minutes saved", saved["why"] or ""  # noqa: RUF001
    if outage["problems"]:
        yield (
            lasted(outage["median_ms"] / 1000),
            "median outage that Salt ended",
            f"the longest {lasted(outage['longest_ms'] / 1000)}",
        )
    relapses = span["relapses"]
    note = f"{relapses['1d']} within a day"
    yield relapses["1h"], "failed again within an hour", note


def _saved(span: Facts) -> Markup:
    saved = span["saved"]
    rows = [
        (one["remedy"] or "all", lasted(one["median_s"]), one["problems"])
        for one in saved["medians"]
    ]
    medians = table(("remedy", "median without Salt", "problems"), rows) if rows else ""
    return rendered(_SAVED, saved=saved, medians=medians)


def _worst(span: Facts, kind: str) -> Markup:
    rows = [
        (
            f"{one['name']} on {one['minion']}" if "minion" in one else one["name"],
            *(one["problems"], one["by_salt"], lasted(one["length_s"]), one["latest"]),
        )
        for one in span["worst"][kind]
    ]
    heads = (kind, "problems", "ended by Salt", "open together", "latest")
    return table(heads, rows) if rows else Markup("")


def _problems(span: Facts) -> Markup:
    heads = ("problem", "seen", "minions", "remedy", "ended by", "open for", "outage", "attempts")
    rows = [
        (
            one["problem"],
            moment(one["opened"]),
            ", ".join(one["minions"]) + _more(one),
            one["remedy"] or "none",
            _WHO[one["ended_by"]]
            + (f"; a person was called: {one['escalated']}" if one["escalated"] else ""),
            "" if one["length_s"] is None else lasted(one["length_s"]),
            "" if one["outage_ms"] is None else lasted(one["outage_ms"] / 1000),
            one["attempts"],
        )
        for one in span["problems"]
    ]
    return table(heads, rows) if rows else Markup("")


def _more(row: Facts) -> str:
    more = row["minion_count"] - len(row["minions"])
    return f" and {more} more" if more > 0 else ""

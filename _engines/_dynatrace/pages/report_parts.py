"""
What the reports of a problem and of a span have in common: look, pictures for both widths, tables, foot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone

from markupsafe import Markup

from .axis import epoch
from .document import document, rendered, template

WIDE, NARROW = 1100.0, 330.0
LOOK = """\
h1{font-size:1.5rem;line-height:1.3;overflow-wrap:anywhere}
.lead{font-size:1.125rem;margin:.5rem 0 1rem}
.narrow{display:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(12rem,1fr));gap:.75rem;margin-top:1rem}
.tiles .card+.card{margin-top:0}
.big{font-size:1.625rem;line-height:1.3;font-weight:600;margin:0}
.tiles p{margin:0}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
summary{cursor:pointer;padding:.25rem 0}
details+details{border-top:1px solid var(--line)}
figure.card{overflow:hidden}
footer{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:.75rem}
@media (max-width:46rem){
.wide{display:none}
.narrow{display:block}
}
@media print{
:root{color-scheme:light}
.page{max-width:none;padding:0}
.wide{display:block}
.narrow{display:none}
section,figure,tr{break-inside:avoid}
section.long{break-inside:auto}
details::details-content{content-visibility:visible;display:block;height:auto}
}
"""

_FIGURE = template(
    """\
<figure class="card"><div class="wide">{{ wide }}</div><div class="narrow">{{ narrow }}</div></figure>
"""
)

_TABLE = template(
    """\
<table class="stack">
<thead><tr>{% for head in heads %}<th scope="col">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for cell in row %}<td data-label="{{ heads[loop.index0] }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
"""
)

_PAGE = template(
    """\
<main class="page" data-report="salt-dynatrace">
<header><h1>{{ title }}</h1><p class="lead">{{ lead }}</p></header>
{% for heading, content in sections %}
<section{% if loop.index > 2 %} class="long"{% endif %}><h2>{{ heading }}</h2>
{{ content }}</section>
{% endfor %}
<footer class="quiet small"><p>Told by the engine {{ instance }} on {{ told_at }}. All times are UTC. What Dynatrace tells (a failure, the begin and the end of a problem) is by its clock, all else by the master's.</p></footer>
</main>
"""
)


def figure(draw: Callable[[float], Markup]) -> Markup:
    """
    Return a picture for a desk and one for a phone, of which one is seen.
    """
    return rendered(_FIGURE, wide=draw(WIDE), narrow=draw(NARROW))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """
    Return a table, which is a list on a phone.
    """
    return rendered(_TABLE, heads=heads, rows=list(rows))


def page(
    title: str,
    lead: str | Markup,
    sections: Iterable[tuple[str, Markup]],
    instance: str,
    told_at: str,
) -> str:
    """
    Return the whole file; a section without content is left out.
    """
    facts = {"title": title, "lead": lead, "instance": instance, "told_at": day_and_time(told_at)}
    body = rendered(_PAGE, **facts, sections=[one for one in sections if one[1]])
    return document(title, body, style=LOOK)[0]


def day_and_time(moment: str) -> str:
    """
    Return an ISO text as a report says it, such as ``27 November 2026, 10:15:01``.
    """
    when = datetime.fromtimestamp(epoch(moment), timezone.utc)
    return f"{when.day} {when.strftime('%B %Y, %H:%M:%S')}"

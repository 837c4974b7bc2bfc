"""
The report of one problem as a file of its own: the outage, what was done when and why, evidence, comments, job.

It takes the facts of ``facts.story`` and what the minions kept as evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from .axis import after, epoch, lasted
from .document import rendered, template
from .report_parts import day_and_time, figure, page, table

# The runner finds both kinds of reports here.
from .span_report import span_report as span_report
from .steps import Facts, steps_table, zero
from .text import moment
from .timeline import timeline

#: Of one part of the evidence; what comes last tells most.
_EVIDENCE_CHARS = 40_000
#: Of these the reason is told.
_DECISIONS = ("decided", "escalated", "paused", "resumed", "retried")

_FACTS = template(
    """\
<dl>
{% for name, value in facts %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
"""
)
_ATTEMPTS = template(
    """\
{% for one in attempts %}
<div class="card"><h3>Attempt {{ one.attempt }}{% if one.remedy %} by the remedy {{ one.remedy }}{% endif %}: {{ one.state }}</h3>
<p class="quiet">{{ one.created | moment }}{% if one.ended %} to {{ one.ended | moment }}{% endif %}. The job: <code>salt-run jobs.lookup_jid {{ one.jid }}</code></p>
<ul>
{% for minion, said in one.minions.items() %}
<li>{{ minion }}: {{ said }}</li>
{% endfor %}
{% if one.minion_count > one.minions | length %}
<li>and {{ one.minion_count - one.minions | length }} more</li>
{% endif %}
</ul></div>
{% endfor %}
"""
)
_COMMENTS = template(
    """\
{% for one in comments %}
<div class="card"><p class="quiet">{% if one.sent %}sent {{ one.sent | moment }}{% elif one.given_up %}not sent: {{ one.given_up }}{% else %}waits to be sent since {{ one.recorded | moment }}{% endif %}</p>
<pre>{{ one.message }}</pre></div>
{% endfor %}
"""
)
_EVIDENCE = template(
    """\
<p>As it was before the service was touched by attempt {{ attempt }}.</p>
{% for minion, parts in minions %}
<div class="card"><h3>{{ minion }}</h3>
{% for part, text, left in parts %}
<details><summary>{{ part }}</summary>{% if left %}<p class="quiet">The first {{ left }} characters are left out.</p>{% endif %}<pre>{{ text }}</pre></details>
{% endfor %}
</div>
{% endfor %}
"""
)
_LINK = template('<a href="{{ url }}" rel="noreferrer">{{ url }}</a>')
_NONE = template('<p class="quiet">{{ why }}</p>')


def problem_report(story: Facts, instance: str, evidence: Mapping[str, Any] | None = None) -> str:
    """
    Return the file of a story. ``evidence`` has ``attempt`` and ``minions`` (texts by minion and part), or ``error``, why
    there is none; None: it was not asked for.
    """
    sections = [
        ("On one axis of time", figure(lambda width: timeline(story, width))),
        ("What is known", rendered(_FACTS, facts=list(_facts(story)))),
        ("Step by step", steps_table(story)),
        ("Decisions and orders", _decisions(story)),
        ("Processes", _targets(story)),
        ("Attempts", rendered(_ATTEMPTS, attempts=story["attempts"])),
        ("Comments on the problem", rendered(_COMMENTS, comments=story["comments"])),
        ("Evidence", _evidence(evidence) if evidence is not None else Markup("")),
    ]
    title = f"{story['problem']}: {story['title']}"
    return page(title, _lead(story), sections, instance, story["told_at"])


def _lead(story: Facts) -> str:
    down = story["down"]
    if not down:
        return "Dynatrace names no process that is down and known here."
    names = dict.fromkeys(f"{one['process']} on {one['minion']}" for one in story["outages"])
    first, more = next(iter(names)), len(names) - 1
    what = first + (f" and {more} more" if more else "")
    outage = lasted(story["outage_ms"] / 1000)
    lasts = any(one["to"] is None for one in down)
    begun = f"{what} {'is' if lasts else 'was'} down"
    if lasts:
        return (
            f"{begun} since {day_and_time(down[-1]['from'])}: {outage} until now. {_ended(story)}"
        )
    times = f" {len(down)} times, together" if len(down) > 1 else ""
    return f"{begun}{times} for {outage}, from {day_and_time(down[0]['from'])}. {_ended(story)}"


def _ended(story: Facts) -> str:
    tried = len(story["attempts"])
    if story["healed_at"]:
        return f"Salt brought it back and proved that it serves, by {_times(tried)}."
    if story["closed"]:
        return f"Others ended it, or it ended by itself; Salt made {_times(tried)}."
    return f"Salt made {_times(tried)}."


def _times(count: int) -> str:
    return {0: "no attempt", 1: "one attempt"}.get(count, f"{count} attempts")


def _facts(story: Facts) -> Iterator[tuple[str, object]]:
    yield "State", story["state"]
    yield "Severity", story["severity"]
    begun = zero(story)
    for name, key in (
        ("Failed", "failed_at"),
        ("Seen by the engine", "opened"),
        ("Proved to serve", "healed_at"),
        ("Closed by Dynatrace", "closed"),
    ):
        if story[key]:
            yield name, f"{day_and_time(story[key])} ({after(epoch(story[key]) - begun)})"
    if story["episode"] > 1:
        yield "Opened again", f"this is the time number {story['episode']} under this id"
    url = story["url"]
    if url:
        # Only such an address is a link: another one might be a script.
        is_link = url.startswith(("https://", "http://"))
        yield "In Dynatrace", rendered(_LINK, url=url) if is_link else url


def _decisions(story: Facts) -> Markup:
    rows = [(moment(one["at"]), one["text"]) for one in story["steps"] if one["what"] in _DECISIONS]
    return table(("time", "what"), rows) if rows else Markup("")


def _targets(story: Facts) -> Markup:
    keys = ("minion", "process", "entity", "matched_by", "remedy", "by")
    heads = ("minion", "process", "entity", "matched by", "remedy", "chosen by")
    found = Markup("")
    if story["targets"]:
        found += table(heads, [[one[key] or "none" for key in keys] for one in story["targets"]])
    if story["unmatched"]:
        rows = [(one["name"] or one["entity"], one["reason"]) for one in story["unmatched"]]
        found += table(("entity without a minion", "why"), rows)
    return found


def _evidence(evidence: Mapping[str, Any]) -> Markup:
    if "error" in evidence:
        return rendered(_NONE, why=evidence["error"])
    minions = [(name, list(_parts(parts))) for name, parts in evidence["minions"].items()]
    return rendered(_EVIDENCE, attempt=evidence["attempt"], minions=minions)


def _parts(parts: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    for name, value in parts.items():
        text = str(value)
        yield name, text[-_EVIDENCE_CHARS:], max(len(text) - _EVIDENCE_CHARS, 0)

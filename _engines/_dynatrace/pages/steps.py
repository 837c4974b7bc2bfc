"""
What the steps of a story are called, where each belongs, and all of them as a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from .axis import after, epoch
from .document import rendered, template

Facts = Mapping[str, Any]

#: Of each step: its lane (None: the minion's), its word, and its kind of state.
STEPS: Mapping[str, tuple[str | None, str, str]] = {
    "failed": ("Dynatrace", "failed", "bad"),
    "problem": ("Dynatrace", "problem", "warn"),
    "commented": ("Dynatrace", "commented", "quiet"),
    "closed": ("Dynatrace", "closed", "good"),
    "notified": ("Engine", "notified", "quiet"),
    "seen": ("Engine", "seen", "quiet"),
    "paused": ("Engine", "paused", "warn"),
    "resumed": ("Engine", "resumed", "quiet"),
    "retried": ("Engine", "retry", "quiet"),
    "decided": ("Engine", "decided", "quiet"),
    "ordered": ("Engine", "ordered", "busy"),
    "fired": ("Engine", "fired", "busy"),
    "escalated": ("Engine", "person called", "bad"),
    "taken": (None, "job", "busy"),
    "returned": (None, "returned", "good"),
    "lost": (None, "no return", "bad"),
    "withdrawn": (None, "not executed", "quiet"),
}
_OUTCOMES = {
    "good": ("healed", "good"),
    "healthy": ("serves already", "good"),
    "bad": ("failed", "bad"),
    "refused": ("refused", "bad"),
    "unproved": ("not proved", "warn"),
}
_TABLE = template(
    """\
<table class="stack">
<caption>Times are UTC; those after a plus are counted from {{ zero_said }}.</caption>
<thead><tr><th scope="col">time</th><th scope="col" class="number">after</th><th scope="col">where</th><th scope="col">what happened</th></tr></thead>
<tbody>
{% for row in rows %}
<tr><td data-label="time">{{ row.at | moment }}</td><td class="number" data-label="after">{{ row.after }}</td><td class="where" data-label="where">{{ row.where }}</td><td data-label="what">{{ row.text | cut(300) }}</td></tr>
{% endfor %}
</tbody>
</table>
"""
)


def steps_table(story: Facts) -> Markup:
    """
    Return all steps of a story as a table, oldest first; of a text so much as tells what it is.
    """
    begun = zero(story)
    rows = [
        {
            "at": step["at"],
            "after": after(epoch(step["at"]) - begun),
            "where": step["minion"] or STEPS[step["what"]][0] or "Minion",
            "text": step["text"],
        }
        for step in story["steps"]
    ]
    since = "the failure" if story["failed_at"] else "the first step"
    return rendered(_TABLE, rows=rows, zero_said=since)


def zero(story: Facts) -> float:
    """
    Return the moment from which a story's times are counted: that of the failure, as far as it is known.
    """
    first = story["failed_at"] or next((one["at"] for one in story["steps"]), story["told_at"])
    return epoch(first)


def word(step: Facts) -> tuple[str, str]:
    """
    Return what a step is called in a word or two, and its kind of state.
    """
    _, called, kind = STEPS[step["what"]]
    return _OUTCOMES.get(step.get("outcome") or "", (called, kind))

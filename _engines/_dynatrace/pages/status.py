"""
The status page from plain facts: what the engine did, why it does not do anything, and how to stop it.

It is made of parts, of which each is replaced alone when it changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from ..core.states import EpisodeState
from .axis import lasted
from .document import document, rendered
from .plot import plot, plot_table
from .sentences import why
from .status_script import SCRIPT
from .status_style import STATUS_STYLE
from .status_templates import BODY, HEAD, HEALS, NOW, OPEN, RECENT
from .style import STYLE
from .text import shown
from .timeline import timeline

#: By the first word of a problem's state: which mark it has.
KINDS = {
    "escalated": "bad",
    "failed": "bad",
    "healing": "busy",
    "healed": "good",
    "already": "good",
    "held": "warn",
    "unmatched": "quiet",
    EpisodeState.IGNORED.value: "quiet",
}
#: By the same word: what is said instead of the state.
_WORDS = {
    "escalated": "for a person: {escalated}",
    "held": "held: {held}",
    "healing": "being healed",
    "unmatched": "no minion",
    EpisodeState.IGNORED.value: "left alone",
}

#: What is counted of the open problems, the most urgent first; the last counts all.
_COUNTS = (
    ("person", "bad", "{} for a person"),
    ("healing", "busy", "{} being healed"),
    ("held", "warn", "{} held"),
    ("healed", "good", "{} healed, to be closed by Dynatrace"),
    ("others", "quiet", "{} with no minion, or not decided"),
    ("open", "quiet", "{} open"),
)


def parts(facts: Mapping[str, Any]) -> dict[str, Markup]:
    """
    Return the page's parts by their names, in their order, from what ``engine.page`` tells.
    """
    day = facts["day"]
    return {
        "head": _head(facts),
        "now": _now(facts["now"], day),
        "open": _open(facts["open"], day, bool(facts["paused"])),
        "heals": _heals(facts["heals"], day),
        "recent": _recent(facts["recent"]),
    }


def page(parts: Mapping[str, Markup], told_at: str) -> tuple[str, str]:
    """
    Return the whole page of its parts, and its content security policy.
    """
    body = rendered(BODY, parts=list(parts.values()), told_at=told_at)
    return document("Dynatrace problems, healed by Salt", body, SCRIPT, STATUS_STYLE)


def known(html: str) -> Markup:
    """
    Return what ``parts`` has made as what it was.
    """
    return Markup(html)


def _head(facts: Mapping[str, Any]) -> Markup:
    problems, acting, engine = _problems(facts), _acting(facts), _engine(facts)
    title = f"{problems['said']}, {acting['said'].lower()} · {facts['instance']}"
    tiles = {"problems": problems, "acting": acting, "engine": engine}
    return rendered(HEAD, title=title, build=_BUILD, **tiles, **facts)


def _problems(facts: Mapping[str, Any]) -> dict[str, Any]:
    counts = facts["counts"]
    kind = next((kind for name, kind, _ in _COUNTS if counts[name]), "good")
    said = {None: "Not known", 0: "None open"}.get(counts["open"], f"{counts['open']} open")
    return {
        "kind": kind if counts["open"] is not None else "quiet",
        "said": said,
        "counts": [
            (text.format(counts[name]), kind if counts[name] else "quiet")
            for name, kind, text in _COUNTS[:-1]
        ],
    }


def _acting(facts: Mapping[str, Any]) -> dict[str, Any]:
    if facts["paused"]:
        return {"kind": "warn", "said": "Paused"}
    if facts["dry_run"]:
        return {"kind": "warn", "said": "Dry run", "more": "It decides, and acts on nothing."}
    return {"kind": "good", "said": "On", "more": "What the policy allows is healed."}


def _engine(facts: Mapping[str, Any]) -> dict[str, Any]:
    said = "Works" if facts["works"] else "Does not work"
    kind = "bad" if not facts["works"] else "warn" if facts["faults"] else "good"
    return {"kind": kind, "said": said, "faults": facts["faults"]}


def _now(told: Mapping[str, Any], day: str) -> Markup:
    attempts = [
        {**one, "steps": [{**step, **_step(step)} for step in one["steps"]]}
        for one in told["attempts"]
    ]
    return rendered(NOW, link=_link, day=day, attempts=attempts, more=told["more"])


def _step(step: Mapping[str, Any]) -> dict[str, str]:
    if step["at"]:
        return {"kind": "good", "look": "done"}
    return {"kind": "busy", "look": "next"} if step["next"] else {"kind": "quiet", "look": "due"}


def _open(told: Mapping[str, Any], day: str, paused: bool) -> Markup:
    rows = [_row(one, day, paused) for one in told["rows"]]
    texts = {"said": _listed(told), "more": _rest(told)} if rows else {}
    return rendered(OPEN, link=_link, day=day, open=rows, count=told["count"], **texts)


def _row(one: Mapping[str, Any], day: str, paused: bool) -> dict[str, Any]:
    first = re.split("[ ,:]", one["state"], maxsplit=1)[0]
    word = _WORDS.get(first, one["state"]).format(**one)
    return {**one, "kind": KINDS.get(first, "quiet"), "word": word, "why": why(one, day, paused)}


def _heals(told: Iterable[Mapping[str, Any]], day: str) -> Markup:
    return rendered(HEALS, link=_link, day=day, heals=[_heal(one) for one in told])


def _recent(told: Mapping[str, Any] | None) -> Markup:
    if not told or not told["problems_count"]:
        return rendered(RECENT, said="")
    ended = told["ended_by"]
    count = told["problems_count"]
    said = f"{count} problem{'s' * (count != 1)}: {ended['salt']} ended by Salt, {ended['other']} by others, {ended['open']} open."
    drawn = {"wide": plot(told, 1120), "narrow": plot(told, 340), "table": plot_table(told)}
    return rendered(RECENT, said=said, **drawn)


def _heal(one: Mapping[str, Any]) -> dict[str, Any]:
    story = one["story"]
    last = story["attempts"][-1]
    by = f" by {last['remedy']}" if last["remedy"] else ""
    return {
        **one,
        "key": f"{one['problem']}-{story['episode']}",
        "title": story["title"],
        "kind": "good",
        "said": f"{one['problem']} on {', '.join(last['minions'])}",
        "how": f"down for {lasted(story['outage_ms'] / 1000)}, healed{by} in attempt {last['attempt']}",
        "at": story["healed_at"],
        "wide": timeline(story, 1120),
        "narrow": timeline(story, 340),
    }


def _listed(told: Mapping[str, Any]) -> str:
    rows, count = len(told["rows"]), told["count"]
    order = "Those for a person first, then the most severe, then the oldest."
    return order if count <= rows else f"{rows} of {count} are listed. {order}"


def _rest(told: Mapping[str, Any]) -> str:
    left = told["count"] - len(told["rows"])
    if left <= 0:
        return ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in told["held"].items())
    held = f" Of all that are open, these are held: {reasons}." if reasons else ""
    return f"And {left} more: salt-run dynatrace.problems lists them.{held}"


def _link(one: Mapping[str, Any]) -> Markup:
    if one["url"] is None:
        return Markup("{}").format(shown(one["problem"]))
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(one["url"], shown(one["problem"]))


#: Another one reloads the pages that are open: their script and style may not fit what they are sent.
_BUILD = hashlib.sha256((SCRIPT + STATUS_STYLE + STYLE).encode()).hexdigest()[:16]

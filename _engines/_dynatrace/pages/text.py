"""
Texts from outside as a page shows them: what cannot be seen, or turns the text around it, is shown by its name.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from markupsafe import Markup, escape

from .axis import epoch
from .style import SHAPES

#: Control characters but tab and line feed, what has no width, what turns the direction of a text (also of what
#: follows it), lone surrogates, and tags. The joiner of emoji (U+200D) stays.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def shown(value: object) -> object:
    """
    Return a value as a template prints it: a text with the name of each character that cannot be seen, as ``⟨U+202E⟩``.

    What is markup already stays as it is; a template escapes the rest afterwards.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value)


def cut(text: str, most: int = 300) -> str:
    """
    Return a text of at most so many characters, which says by an ellipsis that it was cut.
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def moment(at: float | str, day: str = "") -> Markup:
    """
    Return a time, in epoch seconds or as an ISO text, for people and for machines: ``<time>`` with the UTC time of day,
    and the date unless it is ``day``, such as ``2026-03-27``.
    """
    when = datetime.fromtimestamp(epoch(at) if isinstance(at, str) else at, timezone.utc)
    iso = when.isoformat(timespec="seconds").replace("+00:00", "Z")
    date = "" if day and iso.startswith(day) else when.strftime("%d %b")
    told = f' <span class="day">{date}</span>' if date else ""
    return Markup(f'<time datetime="{iso}">{when.strftime("%H:%M:%S")}{told}</time>')


def state(word: str, kind: str) -> Markup:
    """
    Return the word of a state behind the mark of its kind: ``good``, ``bad``, ``warn``, ``busy`` or ``quiet``.
    """
    mark = f'<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">{SHAPES[kind]}</svg>'
    return Markup(f'<span class="state {kind}-ink">{mark}{escape(shown(word))}</span>')

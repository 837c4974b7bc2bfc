"""
Reads fields of a body whose key names nobody knows: by their flattened names, in the body and in its known envelopes.

``ProblemID``, ``problemId`` and ``problem_id`` are one key here. What is nested too deep, or denser than anything that
Dynatrace sends, is not looked into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from ..core.errors import NotificationError

#: Dynatrace sends 20 bytes and more a value. What is much denser is sent to cost time and memory, which decoding takes.
MAX_VALUES = 102_400
BYTES_A_VALUE = 10
MAX_DEPTH = 64
#: Of one object; a template has 5000 characters.
MAX_KEYS = 1000
#: One in another: a relay's event around a workflow's.
MAX_ENVELOPES = 3

#: By flattened key, the values that a level of the body has under it.
Level = Mapping[str, list[Any]]

_ENVELOPES = ("eventData", "event_data", "data", "event", "payload", "body")


def is_too_dense(body: bytes) -> bool:
    """
    Tell whether JSON holds more values than anything that Dynatrace sends, before it is decoded.

    Counted are the bytes that begin values, in a quoted placeholder and escaped ones too.
    """
    if len(body) <= MAX_VALUES:
        return False
    values = sum(body.count(mark) for mark in (b",", b"{", b"[", b"\\u00"))
    return values > max(MAX_VALUES, len(body) // BYTES_A_VALUE)


def too_deep(data: Any, text: str | None = None) -> bool:
    """
    Tell whether decoded JSON is nested too deep; ``text``, where it is known, spares looking at most bodies.
    """
    if text is not None and text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    lists, objects = ([], [data]) if isinstance(data, dict) else ([data], [])
    for _ in range(MAX_DEPTH):
        level = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, objects))]
        lists = [item for item in level if isinstance(item, list)]
        objects = [item for item in level if isinstance(item, dict)]
        if not lists and not objects:
            return False
    return True


def levels(data: Mapping[str, Any], depth: int = MAX_ENVELOPES) -> Iterator[Mapping[str, Any]]:
    """
    Yield the body and what its known envelopes hold, innermost first: an outer ``id`` is the envelope's.
    """
    for name in _ENVELOPES if depth else ():
        inner = json_object(data.get(name))
        if inner is not None:
            yield from levels(inner, depth - 1)
    yield data


def json_object(value: Any) -> Mapping[str, Any] | None:
    """
    Return a JSON object, also when a template put the placeholder in quotes.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        text = value
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if too_deep(value, text):
            return None
    return value if isinstance(value, dict) else None


@lru_cache(1024)
def flat_name(name: str) -> str:
    """
    Return a key's name as fields are looked up by: lower case letters and digits only.
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def flat(level: Mapping[str, Any]) -> Level:
    """
    Return the values by flattened key: ``ProblemID``, ``problemId`` and ``problem_id`` are one key to us.
    """
    if len(level) > MAX_KEYS:
        raise NotificationError(f"an object of the body has more than {MAX_KEYS} keys")
    found: dict[str, list[Any]] = {}
    for key, value in level.items():
        found.setdefault(flat_name(str(key)[:200]), []).append(value)
    return found


def texts(levels: list[Level], names: tuple[str | None, ...]) -> Iterator[str]:
    """
    Yield the texts, and numbers as texts, that stand under any of these names; None is a name that is not configured.
    """
    for level in levels:
        for name in names:
            for value in level.get(name or "", ()):
                if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
                    value = str(value)
                if isinstance(value, str) and 0 < len(value) <= 1000:
                    yield value.strip()

"""
JSON from outside: decoded within bounds, and read without trust in the type of any value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any, TypeVar

#: Dynatrace sends 20 bytes and more a value. A much denser body is sent to cost time and memory, which decoding takes.
MAX_VALUES = 102_400
BYTES_A_VALUE = 10
MAX_DEPTH = 64

Kind = TypeVar("Kind", str, list[Any], dict[str, Any])


def is_too_dense(body: bytes) -> bool:
    """
    Return whether JSON holds more values than anything that Dynatrace sends, before it is decoded.

    Counted are the bytes that begin values, in a quoted placeholder and escaped ones too.
    """
    if len(body) <= MAX_VALUES:
        return False
    values = sum(body.count(mark) for mark in (b",", b"{", b"[", b"\\u00"))
    return values > max(MAX_VALUES, len(body) // BYTES_A_VALUE)


def is_too_deep(data: Any, text: str | None = None) -> bool:
    """
    Return whether decoded JSON is nested too deep; ``text``, where it is known, spares looking at most bodies.
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


def decoded(text: str | bytes) -> Any:
    """
    Return the value of JSON, or None if it cannot be decoded.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def typed(value: Any, kind: type[Kind]) -> Kind:
    """
    Return a value of this type, an empty one for any other value.
    """
    return value if isinstance(value, kind) else kind()


def objects_of(value: Any) -> list[dict[str, Any]]:
    """
    Return the JSON objects of a list.
    """
    return [item for item in typed(value, list) if isinstance(item, dict)]


def pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """
    Yield keys and values from the shapes seen: a list of ``{key, value}`` or a plain mapping.
    """
    yield from typed(value, dict).items()
    for item in objects_of(value):
        yield typed(item.get("key"), str), item.get("value")

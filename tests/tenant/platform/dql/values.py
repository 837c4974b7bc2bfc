"""
The values of Grail, and how they look on the wire: longs and durations are texts there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

_AS_THEY_ARE = frozenset({str, bool, float, type(None)})
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Timestamp(int):
    """
    A point in time, in nanoseconds since 1970.
    """


class Duration(int):
    """
    A length of time, in nanoseconds.
    """


class SmartscapeId(str):
    """
    The id of a node of Smartscape.
    """


def at_ms(milliseconds: int) -> Timestamp:
    """
    Give a point in time from UTC milliseconds.
    """
    return Timestamp(milliseconds * 10**6)


def shown(value: Any) -> Any:
    """
    Give a value as JSON carries it.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Timestamp):
        return moment(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, list):
        return [shown(one) for one in value]
    if isinstance(value, dict):
        return {name: shown(one) for name, one in value.items()}
    return str(value)


def moment(value: int) -> str:
    """
    Give a point in time as text, with nine digits of a second.
    """
    seconds, rest = divmod(value, 10**9)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def read_moment(text: str) -> Timestamp:
    """
    Read a point in time; `ValueError` when it is none.
    """
    whole, _, rest = text.rstrip("Z").partition(".")
    begin = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    seconds = int((begin - _EPOCH).total_seconds())
    return Timestamp(seconds * 10**9 + int((rest or "0").ljust(9, "0")[:9]))


def type_of(value: Any) -> dict[str, Any]:
    """
    Give the type of a value as results name it.
    """
    if isinstance(value, list):
        ranges = [0, len(value) - 1]
        inner = (
            [{"indexRange": ranges, "mappings": {"element": type_of(value[0])}}] if value else []
        )
        return {"type": "array", "types": inner}
    if isinstance(value, dict):
        return {"type": "record", "types": [{"indexRange": [0, 0], "mappings": _mappings(value)}]}
    return {"type": _TYPES.get(type(value), "string")}


def types_of(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Give the types of all records: one entry for each run of records that have the same.
    """
    found: list[dict[str, Any]] = []
    latest: Any = None
    for number, record in enumerate(records):
        kinds = tuple((name, type(value)) for name, value in record.items())
        if found and kinds == latest:
            found[-1]["indexRange"][1] = number
        else:
            found.append({"indexRange": [number, number], "mappings": _mappings(record)})
            latest = kinds
    return found


def _mappings(record: dict[str, Any]) -> dict[str, Any]:
    return {name: type_of(value) for name, value in record.items()}


_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "long",
    float: "double",
    Timestamp: "timestamp",
    Duration: "duration",
    SmartscapeId: "smartscape_id",
    type(None): "undefined",
}

"""
The functions and operators of conditions, which are true, false or null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.tenant.platform.dql.values import Duration, SmartscapeId, Timestamp


def either(one: Any, other: Any) -> bool | None:
    """
    Give `or`: null unless one of both is true, or both are false.
    """
    if one is True or other is True:
        return True
    return None if one is None or other is None else False


def both(one: Any, other: Any) -> bool | None:
    """
    Give `and`: null unless one of both is false, or both are true.
    """
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def negated(one: Any) -> bool | None:
    """
    Give `not`.
    """
    return None if one is None else not one


def compared(sign: str, one: Any, other: Any) -> bool | None:
    """
    Compare; null when one of both is null or they cannot be compared.
    """
    if one is None or other is None:
        return None
    if sign in ("==", "!="):
        same = one == other and isinstance(one, SmartscapeId) == isinstance(other, SmartscapeId)
        return bool(same == (sign == "=="))
    try:
        return bool(_ORDER[sign](one, other))
    except TypeError:
        return None


def added(sign: str, one: Any, other: Any) -> Any:
    """
    Add or subtract; a point in time and a duration give a point in time.
    """
    if one is None or other is None:
        return None
    value = int(one) + (int(other) if sign == "+" else -int(other))
    if isinstance(one, Timestamp):
        return Duration(value) if isinstance(other, Timestamp) else Timestamp(value)
    return Duration(value) if isinstance(one, Duration) else value


def is_in(needle: Any, *haystack: Any) -> bool | None:
    """
    Give `in`: whether a value, or one of several, is one of those that follow, or in an array of them.
    """
    if needle is None:
        return None
    flat = [one for part in haystack for one in (part if isinstance(part, list) else [part])]
    return any(one in flat for one in needle) if isinstance(needle, list) else needle in flat


def matches_value(value: Any, *patterns: Any) -> bool | None:
    """
    Give `matchesValue`: without regard to case, `*` at either end stands for anything.
    """
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    wanted = [one for part in patterns for one in (part if isinstance(part, list) else [part])]
    return any(_glob(str(pattern), str(one)) for pattern in wanted for one in values)


def coalesced(*values: Any) -> Any:
    """
    Give the first that is not null.
    """
    return next((one for one in values if one is not None), None)


def contains(value: Any, part: Any) -> bool | None:
    """
    Give `contains`.
    """
    return None if value is None or part is None else str(part) in str(value)


def to_id(value: Any) -> Any:
    """
    Give `toSmartscapeId`.
    """
    return None if value is None else SmartscapeId(value)


def _glob(pattern: str, text: str) -> bool:
    parts = [re.escape(part) for part in pattern.split("*")]
    return re.fullmatch(".*".join(parts), text, re.IGNORECASE | re.DOTALL) is not None


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}

#: Name -> function, and how many arguments it takes at least and at most.
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "isNull": (lambda one: one is None, 1, 1),
    "isNotNull": (lambda one: one is not None, 1, 1),
    "in": (is_in, 2, 10_000),
    "array": (lambda *values: list(values), 0, 10_000),
    "coalesce": (coalesced, 1, 100),
    "contains": (contains, 2, 2),
    "matchesValue": (matches_value, 2, 100),
    "toSmartscapeId": (to_id, 1, 1),
    "toString": (lambda one: None if one is None else str(one), 1, 1),
}

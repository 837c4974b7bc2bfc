"""
Conditions of OS-service policies: `$or($prefix(app-),$not($eq(sshd)))`.

Operators, nesting and `~`, which escapes brackets, are Dynatrace documentation's. Assumed: upper and
lower case differ, and one argument is enough for `$and` and `$or`. What `$match` takes is not known
here: it is read, and fits nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_OPERATOR = re.compile(r"\$([a-z]+)\(")
_TEXT = re.compile(r"(?:[^()~]|~.)+", re.DOTALL)
_LEAVES: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda value, text: value == text,
    "prefix": lambda value, text: value.startswith(text),
    "suffix": lambda value, text: value.endswith(text),
    "contains": lambda value, text: text in value,
    "match": lambda value, text: False,
}
_JOINTS = ("and", "or", "not")


class ConditionError(Exception):
    """
    The text is no condition; the message says where it stops being one.
    """


@dataclass(frozen=True)
class Condition:
    """
    One operator: a text that it compares with, or the conditions that it joins.
    """

    operator: str
    text: str = ""
    parts: tuple[Condition, ...] = ()

    def fits(self, value: str) -> bool:
        """
        Say whether a value meets the condition.
        """
        if self.operator in _LEAVES:
            return _LEAVES[self.operator](value, self.text)
        met = [part.fits(value) for part in self.parts]
        if self.operator == "not":
            return not met[0]
        return all(met) if self.operator == "and" else any(met)

    def texts(self) -> Iterator[str]:
        """
        Give every text that a value is compared with.
        """
        if self.operator in _LEAVES:
            yield self.text
        for part in self.parts:
            yield from part.texts()


def parse_condition(text: str) -> Condition:
    """
    Read a whole condition; raises `ConditionError`.
    """
    condition, end = _read(text, 0)
    if end != len(text):
        raise ConditionError(f"unexpected '{text[end]}' at position {end}")
    return condition


def _read(text: str, at: int) -> tuple[Condition, int]:
    found = _OPERATOR.match(text, at)
    if not found or found[1] not in (*_LEAVES, *_JOINTS):
        raise ConditionError(f"an operator is missing at position {at}")
    if found[1] in _LEAVES:
        inner = _TEXT.match(text, found.end())
        if not inner:
            raise ConditionError(f"a text is missing at position {found.end()}")
        plain = re.sub(r"~(.)", r"\1", inner[0], flags=re.DOTALL)
        return Condition(found[1], plain), _closed(text, inner.end())
    parts, at = [], found.end()
    while True:
        part, at = _read(text, at)
        parts.append(part)
        if text[at : at + 1] != "," or found[1] == "not":
            return Condition(found[1], parts=tuple(parts)), _closed(text, at)
        at += 1


def _closed(text: str, at: int) -> int:
    if text[at : at + 1] != ")":
        raise ConditionError(f"')' is missing at position {at}")
    return at + 1

"""
The words of a query, each with its place.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.tenant.platform.dql.errors import DqlError

_WORDS = re.compile(
    r"""
      (?P<blank>\s+|//[^\n]*)
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<duration>\d+(?:ns|us|ms|s|m|h|d|w)\b)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)
    | (?P<quoted>`[^`]+`)
    | (?P<sign>==|!=|<=|>=|[<>=+\-()\[\]{}|,:])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Word(NamedTuple):
    """
    One word: its kind, its value, and where it stands.
    """

    kind: str
    value: str
    begin: int
    end: int


def words(query: str) -> list[Word]:
    """
    Split a query; the last word is its end.
    """
    found, at = [], 0
    while at < len(query):
        match = _WORDS.match(query, at)
        if match is None:
            text = f"`{query[at]}` isn't allowed here."
            raise DqlError("PARSE_ERROR", text, at, at + 1)
        kind = str(match.lastgroup)
        if kind != "blank":
            found.append(Word(*_meaning(kind, match.group()), at, match.end()))
        at = match.end()
    return [*found, Word("end", "", at, at + 1)]


def _meaning(kind: str, text: str) -> tuple[str, str]:
    if kind == "text":
        return kind, re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), text[1:-1])
    return ("name", text[1:-1]) if kind == "quoted" else (kind, text)

"""
The grammar of selectors: `name("value","value"),name(true),name(nested("value"))`.

Inside quotes, `~` escapes `~` and `"`. What a criterion means is told by `selectors`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z][A-Za-z.]*")
_PLAIN = re.compile(r'[^"~]*')
_BARE = re.compile(r"[A-Za-z0-9_.\-]+(?=\s*[,)])")


class SelectorError(Exception):
    """
    The text is no selector; the message says where it stops being one.
    """


@dataclass
class Criterion:
    """
    One criterion: quoted values, or bare words, or criteria inside it.
    """

    name: str
    values: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    nested: list[Criterion] = field(default_factory=list)


@lru_cache(maxsize=64)
def parse(text: str) -> list[Criterion]:
    """
    Read a whole selector; its criteria are all to be met, and none of them is to be changed.
    """
    reader = _Reader(text)
    criteria = reader.criteria()
    if reader.at != len(text):
        raise SelectorError(f"unexpected '{text[reader.at]}' at position {reader.at}")
    return criteria


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def criteria(self) -> list[Criterion]:
        found = [self._criterion()]
        while self._taken(","):
            found.append(self._criterion())
        return found

    def _criterion(self) -> Criterion:
        self._blanks()
        name = _NAME.match(self.text, self.at)
        if not name:
            raise SelectorError(f"a criterion is missing at position {self.at}")
        self.at = name.end()
        self._must("(")
        criterion = Criterion(name.group())
        self._argument(criterion)
        while self._taken(","):
            self._argument(criterion)
        self._must(")")
        self._blanks()
        return criterion

    def _argument(self, criterion: Criterion) -> None:
        self._blanks()
        if self.text[self.at : self.at + 1] == '"':
            criterion.values.append(self._quoted())
        elif bare := _BARE.match(self.text, self.at):
            self.at = bare.end()
            criterion.bare.append(bare.group())
        else:
            criterion.nested.append(self._criterion())

    def _quoted(self) -> str:
        begin = self.at
        self.at += 1
        value = self._plain()
        while self.text[self.at : self.at + 1] == "~":
            self.at += 1
            if self.text[self.at : self.at + 1] not in ("~", '"'):
                raise SelectorError(f"'~' escapes nothing at position {self.at - 1}")
            value += self.text[self.at]
            self.at += 1
            value += self._plain()
        if self.at >= len(self.text):
            raise SelectorError(f"the quote at position {begin} is never closed")
        self.at += 1
        return value

    def _plain(self) -> str:
        found = _PLAIN.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return found.group()

    def _taken(self, sign: str) -> bool:
        self._blanks()
        if self.text[self.at : self.at + 1] != sign:
            return False
        self.at += 1
        return True

    def _must(self, sign: str) -> None:
        if not self._taken(sign):
            raise SelectorError(f"'{sign}' is missing at position {self.at}")

    def _blanks(self) -> None:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

"""
The `filter` and `sort` of settings objects: `value.name = 'x' and (modified > 5 or not …)`.

Fields, the depth of five, the length of 1024, and that only returned fields can be used, is
Dynatrace documentation's; the grammar is the part of the platform's filters that comparisons with
`and`, `or`, `not` and parentheses need.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.tenant.errors import violated

_LONGEST, _DEEPEST = 1024, 5
_FIELDS = ("created", "modified", "createdBy", "modifiedBy", "author", "value")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+)|(?P<word>[A-Za-z][\w.\-]*)"
    r"|(?P<sign><=|>=|!=|[=<>()]))"
)
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda own, given: bool(own == given),
    "!=": lambda own, given: bool(own != given),
    "<": lambda own, given: bool(own < given),
    "<=": lambda own, given: bool(own <= given),
    ">": lambda own, given: bool(own > given),
    ">=": lambda own, given: bool(own >= given),
    "contains": lambda own, given: given in own,
    "starts-with": lambda own, given: own.startswith(given),
    "ends-with": lambda own, given: own.endswith(given),
}
Test = Callable[[Mapping[str, Any]], bool]


def parse_filter(text: str, fields: frozenset[str]) -> Test:
    """
    Give what an object's body must meet; a bad filter is a 400.
    """
    if len(text) > _LONGEST:
        raise violated("filter", f"must not be longer than {_LONGEST} characters")
    return _Reader(text, fields).whole()


def sort_key(text: str, fields: frozenset[str]) -> tuple[Callable[[Mapping[str, Any]], Any], bool]:
    """
    Give how bodies are sorted, and whether backwards.
    """
    name = text.lstrip("+- ")
    _check_field(name, fields, "sort")
    return lambda body: (str(type(look_up(body, name))), look_up(body, name)), text[:1] == "-"


def look_up(body: Mapping[str, Any], name: str) -> Any:
    """
    Give a property of a body by its dotted name; None when it is not there.
    """
    found: Any = body
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _check_field(name: str, fields: frozenset[str], path: str) -> None:
    top = name.partition(".")[0]
    if top not in _FIELDS:
        raise violated(path, f"'{name}' is not supported")
    if top not in fields:
        raise violated(path, f"'{top}' is not among the fields of the response")


class _Reader:
    def __init__(self, text: str, fields: frozenset[str]) -> None:
        self.fields = fields
        self.tokens: list[tuple[str, str]] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise violated("filter", f"unexpected '{text[at]}' at position {at}")
            self.tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            at = found.end()
        self.tokens.append(("end", ""))

    def whole(self) -> Test:
        test = self._any(0)
        self._must("")
        return test

    def _any(self, depth: int) -> Test:
        parts = [self._all(depth)]
        while self._taken("or"):
            parts.append(self._all(depth))
        return lambda body: any(part(body) for part in parts)

    def _all(self, depth: int) -> Test:
        parts = [self._one(depth)]
        while self._taken("and"):
            parts.append(self._one(depth))
        return lambda body: all(part(body) for part in parts)

    def _one(self, depth: int) -> Test:
        if self._taken("not"):
            inner = self._one(depth)
            return lambda body: not inner(body)
        if self._taken("("):
            if depth >= _DEEPEST:
                raise violated("filter", f"must not be nested deeper than {_DEEPEST}")
            inner = self._any(depth + 1)
            self._must(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        kind, name = self.tokens.pop(0)
        if kind != "word":
            raise violated("filter", f"a field is missing before '{name}'")
        _check_field(name, self.fields, "filter")
        kind, sign = self.tokens.pop(0) if self.tokens else ("end", "")
        if sign not in _TESTS:
            raise violated("filter", f"Unknown operator '{sign}'")
        given = self._value()

        def test(body: Mapping[str, Any]) -> bool:
            own = look_up(body, name)
            if own is None:
                return sign == "!="
            try:
                return _TESTS[sign](own, given)
            except (AttributeError, TypeError):
                return False

        return test

    def _value(self) -> Any:
        kind, text = self.tokens.pop(0) if self.tokens else ("end", "")
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return int(text)
        if text in ("true", "false"):
            return text == "true"
        raise violated("filter", f"a value is missing before '{text}'")

    def _taken(self, word: str) -> bool:
        if not self.tokens or self.tokens[0][1] != word or self.tokens[0][0] == "text":
            return False
        self.tokens.pop(0)
        return True

    def _must(self, word: str) -> None:
        if not self._taken(word):
            raise violated("filter", f"unexpected '{self.tokens[0][1]}'")

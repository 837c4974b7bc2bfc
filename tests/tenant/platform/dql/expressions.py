"""
Expressions: fields, literals, functions, comparisons, `and`, `or`, `not`, sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.tenant.platform.dql.errors import DqlError
from tests.tenant.platform.dql.functions import (
    FUNCTIONS,
    added,
    both,
    compared,
    either,
    is_in,
    negated,
)
from tests.tenant.platform.dql.lexer import Word
from tests.tenant.platform.dql.reader import Reader
from tests.tenant.platform.dql.rows import Context, Expression, Row
from tests.tenant.platform.dql.values import Duration, Timestamp

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 604_800 * 10**9,
}
_CONSTANTS = {"true": True, "false": False, "null": None}


class Constant:
    """
    An expression that is the same for every row.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, row: Row, context: Context) -> Any:
        return self.value


class Field:
    """
    An expression that is a field.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, row: Row, context: Context) -> Any:
        return row.get(self.name)


class Among:
    """
    `in` with values that are the same for every row: thousands of rows among hundreds of ids.
    """

    def __init__(self, needle: Expression, haystack: list[Any]) -> None:
        flat = [one for part in haystack for one in (part if isinstance(part, list) else [part])]
        self.needle = needle
        self.known = frozenset(flat)

    def __call__(self, row: Row, context: Context) -> bool | None:
        value = self.needle(row, context)
        if value is None:
            return None
        return not self.known.isdisjoint(value) if isinstance(value, list) else value in self.known

    def ids(self, *names: str) -> frozenset[Any] | None:
        """
        Give the values if it is about one of these fields.
        """
        mine = isinstance(self.needle, Field) and self.needle.name in names
        return self.known if mine else None


class Expressions:
    """
    Reads expressions; `known` are the names of fields that there are, None for any.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.known: frozenset[str] | None = None

    def condition(self) -> Expression:
        """
        Read an expression.
        """
        left = self._all()
        while self.reader.taken("or", "OR"):
            left = _joined(either, left, self._all())
        return left

    def field(self) -> str:
        """
        Read the name of a field: `a.b`, `tags:environment`, `belongs_to[dt.entity.host]`.
        """
        word = self.reader.name()
        name = word.value
        if name == "tags" and self.reader.joined() and self.reader.taken(":"):
            name += ":" + self.reader.name().value
        if self.reader.taken("["):
            name += f"[{self.reader.name().value}]"
            self.reader.must("]")
        self._must_exist(name, word)
        return name

    def _must_exist(self, name: str, word: Word) -> None:
        if self.known is not None and name not in self.known:
            text = f"The field {name} doesn't exist."
            raise DqlError(
                "FIELD_DOES_NOT_EXIST", text, word.begin, word.end, arguments=[name], expected=True
            )

    def _all(self) -> Expression:
        left = self._not()
        while self.reader.taken("and", "AND"):
            left = _joined(both, left, self._not())
        return left

    def _not(self) -> Expression:
        if self.reader.taken("not", "NOT"):
            inner = self._not()
            return lambda row, context: negated(inner(row, context))
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        word = self.reader.word
        if word.kind == "sign" and word.value in ("==", "!=", "<", ">", "<=", ">="):
            sign = self.reader.take().value
            return _joined(lambda one, other: compared(sign, one, other), left, self._sum())
        return left

    def _sum(self) -> Expression:
        if self.reader.taken("-"):
            left = _joined(lambda one, other: added("-", one, other), _now, self._primary())
        else:
            left = self._primary()
        while self.reader.word.kind == "sign" and self.reader.word.value in ("+", "-"):
            left = self._added(self.reader.take().value, left)
        return left

    def _added(self, sign: str, left: Expression) -> Expression:
        return _joined(lambda one, other: added(sign, one, other), left, self._primary())

    def _primary(self) -> Expression:
        reader, word = self.reader, self.reader.word
        if reader.taken("("):
            inner = self.condition()
            reader.must(")")
            return inner
        if word.kind in ("text", "number", "duration"):
            return Constant(_literal(reader.take()))
        if word.kind != "name":
            raise reader.refused()
        if word.value in _CONSTANTS:
            return Constant(_CONSTANTS[reader.take().value])
        if self.reader.words[reader.at + 1].value == "(":
            return self._call(reader.take())
        return Field(self.field())

    def _call(self, word: Word) -> Expression:
        arguments = self._arguments()
        if word.value == "now" and not arguments:
            return _now
        known = FUNCTIONS.get(word.value)
        if known is None:
            text = f"There's no function `{word.value}`."
            raise DqlError("UNKNOWN_FUNCTION", text, word.begin, word.end)
        function, least, most = known
        if not least <= len(arguments) <= most:
            text = f"The function `{word.value}` doesn't take {len(arguments)} parameters."
            raise DqlError("INVALID_NUMBER_OF_PARAMETERS", text, word.begin, word.end)
        return _called(function, arguments)

    def _arguments(self) -> list[Expression]:
        self.reader.must("(")
        found: list[Expression] = []
        while not self.reader.taken(")"):
            if found:
                self.reader.must(",")
            found.append(self.condition())
        return found


def _now(row: Row, context: Context) -> Timestamp:
    return Timestamp(context.now)


def _literal(word: Word) -> Any:
    if word.kind == "text":
        return word.value
    if word.kind == "duration":
        digits = word.value.rstrip("abcdefghijklmnopqrstuvwxyz")
        return Duration(int(digits) * _UNITS[word.value[len(digits) :]])
    return float(word.value) if "." in word.value else int(word.value)


def _joined(join: Callable[[Any, Any], Any], left: Expression, right: Expression) -> Expression:
    return lambda row, context: join(left(row, context), right(row, context))


def _called(function: Callable[..., Any], arguments: list[Expression]) -> Expression:
    if all(isinstance(one, Constant) for one in arguments):
        return Constant(function(*(one.value for one in arguments if isinstance(one, Constant))))
    first, rest = arguments[0], arguments[1:]
    if function is is_in and all(isinstance(one, Constant) for one in rest):
        return Among(first, [one.value for one in rest if isinstance(one, Constant)])
    return lambda row, context: function(*(one(row, context) for one in arguments))

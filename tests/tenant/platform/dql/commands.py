"""
The commands that rows pass, each read into a function from rows to rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tests.tenant.platform.dql.rows import Context, Expression, Row, Stage

if TYPE_CHECKING:
    from tests.tenant.platform.dql.query import Parser


class Filter:
    """
    Lets rows through for which a condition is true: null passes as little as false.
    """

    def __init__(self, condition: Expression) -> None:
        self.condition = condition

    def __call__(self, rows: list[Row], context: Context) -> list[Row]:
        return [row for row in rows if self.condition(row, context) is True]


def read_filter(parser: Parser) -> Stage:
    """
    Read `filter <condition>`.
    """
    return Filter(parser.condition())


def read_fields(parser: Parser) -> Stage:
    """
    Read `fields a, b = <expression>`: these and no others, null for those that are not there.
    """
    chosen = _assigned(parser)
    parser.known = frozenset(chosen) if parser.known is not None else None

    def stage(rows: list[Row], context: Context) -> list[Row]:
        return [Row({name: make(row, context) for name, make in chosen.items()}) for row in rows]

    return stage


def read_fields_add(parser: Parser) -> Stage:
    """
    Read `fieldsAdd a, b = <expression>`.
    """
    chosen = _assigned(parser)
    parser.known = parser.known | set(chosen) if parser.known is not None else None

    def stage(rows: list[Row], context: Context) -> list[Row]:
        return [
            Row(
                {**row.fields, **{name: make(row, context) for name, make in chosen.items()}},
                row.hidden,
            )
            for row in rows
        ]

    return stage


def read_sort(parser: Parser) -> Stage:
    """
    Read `sort a desc, b`; null comes last in either direction.
    """
    keys: list[tuple[Expression, bool]] = []
    while not keys or parser.reader.taken(","):
        key = parser.condition()
        backwards = parser.reader.taken("desc")
        if not backwards:
            parser.reader.taken("asc")
        keys.append((key, backwards))

    def stage(rows: list[Row], context: Context) -> list[Row]:
        for key, backwards in reversed(keys):
            pairs = [(key(row, context), row) for row in rows]
            there = [pair for pair in pairs if pair[0] is not None]
            there.sort(key=lambda pair: pair[0], reverse=backwards)
            rows = [row for _, row in there] + [row for value, row in pairs if value is None]
        return rows

    return stage


def read_dedup(parser: Parser) -> Stage:
    """
    Read `dedup a, b`: the first row of each combination stays.
    """
    keys = [parser.condition()]
    while parser.reader.taken(","):
        keys.append(parser.condition())

    def stage(rows: list[Row], context: Context) -> list[Row]:
        kept: dict[str, Row] = {}
        for row in rows:
            kept.setdefault(repr([key(row, context) for key in keys]), row)
        return list(kept.values())

    return stage


def read_limit(parser: Parser) -> Stage:
    """
    Read `limit n`.
    """
    most = parser.reader.whole()
    return lambda rows, context: rows[:most]


def read_append(parser: Parser) -> Stage:
    """
    Read `append [ … ]`.
    """
    inner = parser.subquery()
    parser.known = None
    return lambda rows, context: [*rows, *inner.run(context)]


def read_lookup(parser: Parser) -> Stage:
    """
    Read `lookup [ … ], sourceField:a, lookupField:b, prefix:"p."`, the first match counts.
    """
    inner, given = parser.subquery(), {"prefix": "lookup."}
    while parser.reader.taken(","):
        word = parser.reader.name()
        parser.reader.must(":")
        if word.value == "prefix":
            given["prefix"] = parser.reader.text().value
        else:
            known, parser.known = parser.known, None
            given[word.value] = parser.field()
            parser.known = known
    source, key, prefix = given["sourceField"], given["lookupField"], given["prefix"]
    parser.known = None

    def stage(rows: list[Row], context: Context) -> list[Row]:
        found: dict[Any, dict[str, Any]] = {}
        for other in inner.run(context):
            found.setdefault(_plain(other.get(key)), other.fields)
        names = _names(found.values())
        return [_with(row, found.get(_plain(row.get(source)), {}), names, prefix) for row in rows]

    return stage


def _assigned(parser: Parser) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    while not found or parser.reader.taken(","):
        begin = parser.reader.at
        known, parser.known = parser.known, None
        name = parser.field()
        parser.known = known
        if not parser.reader.taken("="):
            parser.reader.at = begin
        found[name] = parser.condition()
    return found


def _names(records: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


def _with(row: Row, other: dict[str, Any], names: list[str], prefix: str) -> Row:
    added = {prefix + name: other.get(name) for name in names}
    return Row({**row.fields, **added}, row.hidden)


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, (list, dict)) else value


COMMANDS: dict[str, Callable[[Parser], Stage]] = {
    "filter": read_filter,
    "fields": read_fields,
    "fieldsAdd": read_fields_add,
    "sort": read_sort,
    "dedup": read_dedup,
    "limit": read_limit,
    "append": read_append,
    "lookup": read_lookup,
}

"""
A whole query: where its rows come from, and the commands that they pass.

The commands: `fetch` with `from` and `to`, `smartscapeNodes`, `filter`, `fields`, `fieldsAdd`, `sort`,
`dedup`, `limit`, `append`, `lookup` with `prefix` or `fields`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.tenant.platform.dql.commands import COMMANDS, Filter
from tests.tenant.platform.dql.errors import DqlError
from tests.tenant.platform.dql.expressions import Among, Expressions
from tests.tenant.platform.dql.lexer import Word
from tests.tenant.platform.dql.reader import Reader
from tests.tenant.platform.dql.rows import Context, Expression, Row, Stage
from tests.tenant.platform.dql.values import Timestamp, read_moment

#: What Grail has beside; a client that sends it is told so by `Tenant.check`.
NOT_MODELLED = frozenset(
    {
        "data",
        "describe",
        "expand",
        "fieldsFlatten",
        "fieldsKeep",
        "fieldsRemove",
        "fieldsRename",
        "fieldsSummary",
        "fieldsSnapshot",
        "filterOut",
        "join",
        "load",
        "makeTimeseries",
        "parse",
        "search",
        "smartscapeEdges",
        "summarize",
        "timeseries",
        "traverse",
    }
)
#: Says whether there is a table, and which fields it has (None: any).
Catalogue = Callable[[str], "frozenset[str] | None"]


class NoSuchTable(Exception):
    """
    The catalogue has no such table.
    """


@dataclass
class Source:
    """
    Where the rows of a query come from.
    """

    table: str
    begin: Expression | None = None
    end: Expression | None = None
    wanted: frozenset[Any] | None = None

    def rows(self, context: Context) -> list[Row]:
        """
        Give the rows of its timeframe.
        """
        nothing = Row({})
        times = [
            default if end is None else _moment(end(nothing, context), default)
            for end, default in ((self.begin, context.begin), (self.end, context.end))
        ]
        inside = context.within(times[0], times[1], self.wanted)
        context.tables.append(self.table)
        found = list(context.scan(self.table, inside))
        context.scanned += len(found)
        return found


@dataclass
class Query:
    """
    A query that was understood.
    """

    source: Source
    stages: list[Stage]
    inner: list[Query]

    def run(self, context: Context) -> list[Row]:
        """
        Carry it out.
        """
        rows = self.source.rows(context)
        for stage in self.stages:
            rows = stage(rows, context)
        return rows

    def tables(self) -> list[str]:
        """
        Name all tables that it reads.
        """
        return [self.source.table, *(name for one in self.inner for name in one.tables())]


class Parser(Expressions):
    """
    Reads a query; `catalogue` knows the tables.
    """

    def __init__(self, reader: Reader, catalogue: Catalogue) -> None:
        super().__init__(reader)
        self.catalogue = catalogue
        self.inner: list[Query] = []

    def query(self, closing: str = "") -> Query:
        """
        Read a query up to its end, or up to a sign.
        """
        source, stages = self._source(), []
        while self.reader.taken("|"):
            stages.append(self._command())
        if stages and isinstance(stages[0], Filter) and isinstance(stages[0].condition, Among):
            source.wanted = stages[0].condition.ids("event.id", "id", "id_classic")
        if closing:
            self.reader.must(closing)
        elif self.reader.word.kind != "end":
            raise self.reader.refused()
        return Query(source, stages, self.inner)

    def subquery(self) -> Query:
        """
        Read a query in brackets.
        """
        self.reader.must("[")
        found = Parser(self.reader, self.catalogue).query("]")
        self.inner.append(found)
        return found

    def _source(self) -> Source:
        word = self.reader.name()
        if word.value == "fetch":
            named = self.reader.name()
            table, end = named.value, named.end
            while self.reader.joined() and self.reader.taken(":"):
                part = self.reader.name()
                table, end = f"{table}:{part.value}", part.end
            return self._told(Source(table), named.begin, end)
        if word.value == "smartscapeNodes":
            named = self.reader.text()
            return self._told(Source(f"smartscape.{named.value}"), word.begin, word.end)
        raise no_command(word)

    def _told(self, source: Source, begin: int, end: int) -> Source:
        try:
            self.known = self.catalogue(source.table)
        except NoSuchTable as err:
            name = str(err) or source.table
            text = f"{name} isn't a valid data object."
            # Tables of entities are what some tenants lack; of the others a client must know.
            raise DqlError(
                "UNKNOWN_DATA_OBJECT",
                text,
                begin,
                end,
                arguments=[name],
                expected=name.startswith(("dt.entity.", "smartscape")),
            ) from None
        while self.reader.taken(","):
            word = self.reader.name()
            self.reader.must(":")
            if word.value not in ("from", "to"):
                text = f"There's no parameter `{word.value}`."
                raise DqlError("UNKNOWN_PARAMETER_DEFINED", text, word.begin, word.end)
            chosen = Expressions(self.reader).condition()
            source.begin, source.end = (
                (chosen, source.end) if word.value == "from" else (source.begin, chosen)
            )
        return source

    def _command(self) -> Stage:
        word = self.reader.name()
        make = COMMANDS.get(word.value)
        if make is None:
            raise no_command(word)
        return make(self)


def parsed(query: str, catalogue: Catalogue) -> Query:
    """
    Understand a query; raises `DqlError`.
    """
    return Parser(Reader(query), catalogue).query()


def no_command(word: Word) -> DqlError:
    """
    Make the refusal of a command, captured for one that does not exist.
    """
    kind = "UNKNOWN_COMMAND"
    text = f"There's no command `{word.value}`."
    if word.value in NOT_MODELLED:
        text += " (Grail has it, this simulation does not.)"
    return DqlError(kind, text, word.begin, word.end)


def _moment(value: Any, default: int) -> int:
    try:
        return read_moment(value) if isinstance(value, str) else Timestamp(value)
    except (TypeError, ValueError):
        return default

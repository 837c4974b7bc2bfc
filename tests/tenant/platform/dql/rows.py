"""
Rows on their way through a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass
class Row:
    """
    One row: the fields that it shows, and those that it has beside them.
    """

    fields: dict[str, Any]
    hidden: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """
        Give a field; None for one that is not there.
        """
        return self.fields[name] if name in self.fields else self.hidden.get(name)


@dataclass
class Context:
    """
    What a query runs in: its time, its timeframe, and who gives the rows of a table.

    `wanted` are the only ids that the query is about, so that a table need not make other rows.
    """

    now: int
    begin: int
    end: int
    scan: Callable[[str, Context], Iterable[Row]]
    scanned: int = 0
    tables: list[str] = field(default_factory=list)
    wanted: frozenset[Any] | None = None

    def within(self, begin: int, end: int, wanted: frozenset[Any] | None) -> Context:
        """
        Give the same with another timeframe, for these ids.
        """
        return replace(self, begin=begin, end=end, wanted=wanted)


Expression = Callable[[Row, Context], Any]
Stage = Callable[[list[Row], Context], list[Row]]

"""
What is wrong with a query, and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class DqlError(Exception):
    """
    A query that cannot be carried out; `begin` and `end` are the indexes of what is wrong in it.

    `expected` says that a client of a tenant such as this one has to reckon with it.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        begin: int,
        end: int,
        *,
        arguments: Sequence[str] = (),
        expected: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.begin = begin
        self.end = end
        self.arguments = list(arguments)
        self.expected = expected

    def details(self, query: str, query_id: str) -> dict[str, Any]:
        """
        Give what the error's envelope tells; the end of the position is its last character.
        """
        position = {"start": place(query, self.begin), "end": place(query, self.end - 1)}
        arguments = {"arguments": self.arguments} if self.arguments else {}
        return {
            "exceptionType": "DQL-SYNTAX-ERROR",
            "errorType": self.kind,
            "errorMessage": str(self),
            **arguments,
            "queryString": query,
            "queryId": query_id,
            "syntaxErrorPosition": position,
        }


def place(query: str, index: int) -> dict[str, int]:
    """
    Give the place of a character: line and column begin at 1, the index at 0.
    """
    index = min(max(index, 0), max(len(query) - 1, 0))
    before = query[:index]
    column = index - (before.rfind("\n") + 1) + 1
    return {"column": column, "index": index, "line": before.count("\n") + 1}

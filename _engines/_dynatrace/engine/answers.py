"""
Answers to commands, as data of events that are not too large.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PAGE_BYTES = 60_000

#: Rows or facts of an answer, or an error.
Answer = Mapping[str, Any]


def pages(answer: Answer) -> list[dict[str, Any]]:
    """
    Return an answer as data of events: its facts on the first page, its rows on as many as are needed.
    """
    rows = list(answer.get("rows", ()))
    found: list[list[Any]] = [[]]
    size = 0
    for row in rows:
        length = len(json.dumps(row))
        if found[-1] and size + length > PAGE_BYTES:
            found.append([])
            size = 0
        found[-1].append(row)
        size += length
    facts = {name: value for name, value in answer.items() if name != "rows"}
    return [
        {**(facts if number == 0 else {}), "rows": part, "page": number + 1, "pages": len(found)}
        for number, part in enumerate(found)
    ]


def in_rows(facts: Mapping[str, Any], *lists: str) -> Answer:
    """
    Return facts as an answer, some of its lists as rows that name them: they may need several pages.
    """
    rows = [{name: row} for name in lists for row in facts[name]]
    return {"facts": {**facts, **dict.fromkeys(lists, ())}, "rows": rows}

"""
What the body of a workflow tells: a problem record in the field names of Grail (``dt.davis.problems``).

Keys are flattened already (``affected_entity_ids`` is ``affectedentityids``), since templates spell them in many ways.
Smartscape ids are not read: they look like entity ids and name other things.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from ..core.problem import Entity, Problem, entity_type, is_entity_id
from .fields import Level
from .parsing import MAX_ENTITIES

#: Of the categories, the one that the Problems API spells otherwise.
SEVERITIES = {"SLOWDOWN": "PERFORMANCE"}
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")


def complete(problem: Problem, levels: list[Level]) -> Problem:
    """
    Return a problem with what a record adds to it; what is known of it already stays.
    """
    affected = problem.affected or tuple(_affected(levels))
    return replace(
        problem,
        affected=affected,
        root_cause=problem.root_cause or _root_cause(levels),
        severity=SEVERITIES.get(problem.severity, problem.severity),
        start=problem.start if problem.start is not None else _moment(levels, "eventstart"),
        end=problem.end if problem.status == "OPEN" or problem.end else _moment(levels, "eventend"),
        tags=problem.tags or tuple(_strings(levels, "entitytags")),
        under_maintenance=problem.under_maintenance
        or any(value is True for value in _values(levels, "maintenanceisundermaintenance")),
    )


def _values(levels: list[Level], name: str) -> Iterator[Any]:
    for level in levels:
        yield from level.get(name, ())


def _strings(levels: list[Level], name: str) -> Iterator[str]:
    """
    Yield the texts of lists, also of those that a template put in quotes.
    """
    for value in _values(levels, name):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                continue
        items = value if isinstance(value, list) else []
        yield from islice((item for item in items if isinstance(item, str)), MAX_ENTITIES)


def _affected(levels: list[Level]) -> Iterator[Entity]:
    for entity_id in dict.fromkeys(_strings(levels, "affectedentityids")):
        if is_entity_id(entity_id):
            yield Entity(entity_id, entity_type(entity_id))


def _root_cause(levels: list[Level]) -> Entity | None:
    for entity_id in _values(levels, "rootcauseentityid"):
        if is_entity_id(entity_id):
            names = _values(levels, "rootcauseentityname")
            name = next((one for one in names if isinstance(one, str)), "")
            return Entity(entity_id, entity_type(entity_id), name)
    return None


def _moment(levels: list[Level], name: str) -> int | None:
    """
    Return a time in UTC milliseconds; a record has nanoseconds.
    """
    for value in _values(levels, name):
        found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
        if found is not None:
            *date, fraction = found.groups()
            year, month, day, *clock = (int(part) for part in date)
            if 1970 <= year <= 2999 and 1 <= month <= 12 and 1 <= day <= 31:
                seconds = calendar.timegm((year, month, day, *clock))
                return seconds * 1000 + int((fraction or "0").ljust(9, "0")[:3])
    return None

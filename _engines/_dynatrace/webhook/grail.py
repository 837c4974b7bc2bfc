"""
What the body of a workflow holds: a problem record in the field names of Grail (``dt.davis.problems``).

Smartscape ids are not read: they look like entity ids and name other things.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import replace

from ..api.json_values import typed
from ..core.problem import Entity, Problem, entity_type, is_entity_id
from .fields import Fields

#: Of the categories, the one that the Problems API spells otherwise.
SEVERITIES = {"SLOWDOWN": "PERFORMANCE"}
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")


def complete(problem: Problem, fields: Fields) -> Problem:
    """
    Return a problem with what a record adds to it; what is known of it already stays.
    """
    tags = (tag for tag in fields.items("tags") if isinstance(tag, str))
    end = problem.end or (None if problem.status == "OPEN" else _moment(fields, "end"))
    return replace(
        problem,
        affected=problem.affected or tuple(_affected(fields)),
        root_cause=problem.root_cause or _root_cause(fields),
        severity=SEVERITIES.get(problem.severity, problem.severity),
        start=problem.start if problem.start is not None else _moment(fields, "start"),
        end=end,
        tags=problem.tags or tuple(tags),
        under_maintenance=problem.under_maintenance
        or any(value is True for value in fields.values("maintenance")),
    )


def _affected(fields: Fields) -> Iterator[Entity]:
    ids = (item for item in fields.items("affected") if is_entity_id(item))
    for entity_id in dict.fromkeys(ids):
        yield Entity(entity_id, entity_type(entity_id))


def _root_cause(fields: Fields) -> Entity | None:
    for entity_id in filter(is_entity_id, fields.values("root_cause")):
        names = (name for name in fields.values("root_cause_name") if isinstance(name, str))
        return Entity(entity_id, entity_type(entity_id), next(names, ""))
    return None


def _moment(fields: Fields, field: str) -> int | None:
    """
    Return a time in UTC milliseconds; a record has nanoseconds.
    """
    for found in filter(None, (_MOMENT.fullmatch(typed(one, str)) for one in fields.values(field))):
        *date, fraction = found.groups()
        year, month, day, *clock = (int(part) for part in date)
        if 1970 <= year <= 2999 and 1 <= month <= 12 and 1 <= day <= 31:
            seconds = calendar.timegm((year, month, day, *clock))
            return seconds * 1000 + int((fraction or "0").ljust(9, "0")[:3])
    return None

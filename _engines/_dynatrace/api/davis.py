"""
The records of Grail, parsed: a problem of ``dt.davis.problems``, and an event of ``dt.davis.events``.

Workflows send the same record. A value may be an array or a scalar, and null and absent are the same. Ids of Smartscape are
not taken: they have the form of entity ids, and other things may have them.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import UnexpectedResponse
from ..core.problem import (
    DISPLAY_ID,
    PROBLEM_ID,
    Entity,
    Evidence,
    Problem,
    entity_type,
    is_entity_id,
)
from .entities import MAX_MARK_CHARS, parse_remedies, parse_unit
from .json_values import typed
from .problems import MAX_ENTITIES

#: Of Grail's categories, those that the Problems API spells otherwise.
SEVERITIES = {
    "CUSTOM": "CUSTOM_ALERT",
    "RESOURCE": "RESOURCE_CONTENTION",
    "SLOWDOWN": "PERFORMANCE",
}
#: The widest first: a problem may have several.
_IMPACTS = {
    "APPLICATION": "APPLICATION",
    "APPLICATIONS": "APPLICATION",
    "SERVICE": "SERVICES",
    "SERVICES": "SERVICES",
    "INFRASTRUCTURE": "INFRASTRUCTURE",
    "ENVIRONMENT": "ENVIRONMENT",
}
_STATUS = {"ACTIVE": "OPEN", "CLOSED": "CLOSED"}
_IS_OPEN = {"ACTIVE": True, "CLOSED": False}
#: What names a container that the problem is about.
_CONTAINED = ("k8s.pod.name", "dt.entity.container_group_instance")
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):?(\d\d))"
)

Record = Mapping[str, Any]


def parse_record(record: Any, source: str = "api") -> Problem:
    """
    Return the Problem that a record describes, without its evidence; a duplicate of another problem counts as merged.

    Raises UnexpectedResponse without an id or a status. A problem whose alerts are muted counts as under maintenance.
    """
    if not isinstance(record, dict):
        raise UnexpectedResponse("a problem is not a JSON object")
    problem_id = _match(PROBLEM_ID, record, "event.id")
    display_id = _match(DISPLAY_ID, record, "display_id")
    if problem_id is None and display_id is None:
        raise UnexpectedResponse("a problem has neither `event.id` nor `display_id`")
    status = _STATUS.get(_text(record, "event.status"))
    if status is None:
        raise UnexpectedResponse("a problem has no usable `event.status`")
    affected = _entities(_texts(record, "affected_entity_ids"), record.get("affected_entity_names"))
    root_cause = _entities(
        _texts(record, "root_cause_entity_id"), record.get("root_cause_entity_name")
    )
    return Problem(
        problem_id=problem_id,
        display_id=display_id,
        title=_text(record, "event.name"),
        severity=_severity(record),
        impact=_impact(record),
        status=status,
        start=moment(record.get("event.start")),
        end=None if status == "OPEN" else moment(record.get("event.end")),
        root_cause=next(iter(root_cause), None),
        affected=affected,
        tags=tuple(_texts(record, "entity_tags")),
        under_maintenance=_is_held(record),
        merged=_is_true(record, "dt.davis.is_duplicate"),
        source=source,
        reopened=moment(record.get("dt.davis.last_reopen_timestamp")),
        hosts=_hosts(record, affected),
        host_names=tuple(_texts(record, "host.name")),
        processes=_ids(record, "dt.entity.process_group_instance", "PROCESS_GROUP_INSTANCE"),
        container=_container(record),
    )


def parse_event(record: Record) -> Evidence | None:
    """
    Return the Evidence that a record of an event is, or None where it names no entity.
    """
    ids = (*_texts(record, "dt.source_entity"), *_texts(record, "affected_entity_ids"))
    entity_id = next(filter(is_entity_id, ids), None)
    if entity_id is None:
        return None
    hosts = _ids(record, "dt.entity.host", "HOST")
    return Evidence(
        entity=_named(entity_id, record),
        kind="EVENT",
        event_type=_word(record, "event.type"),
        root_cause=_is_true(record, "dt.davis.is_rootcause_relevant"),
        is_open=_IS_OPEN.get(_text(record, "event.status")),
        grouping=_grouping(record),
        start=moment(record.get("event.start")),
        source=_text(record, "Event source")[:100],
        unit=parse_unit(_text(record, "dt.osservice.name")),
        remedies=parse_remedies(("salt_remedy", one) for one in _texts(record, "salt_remedy")),
        host=hosts[0] if len(hosts) == 1 else None,
    )


def event_ids(record: Record) -> tuple[str, ...]:
    """
    Return the ids of the events of which a problem is made.
    """
    return tuple(dict.fromkeys(_texts(record, "dt.davis.event_ids")))


def moment(value: Any) -> int | None:
    """
    Return a time of a record in UTC milliseconds; None for what is none. A record has nanoseconds, and mostly UTC.
    """
    found = _MOMENT.fullmatch(typed(value, str))
    if found is None:
        return None
    *parts, fraction, sign, hours, minutes = found.groups()
    year, month, day, *clock = map(int, parts)
    if not (1970 <= year <= 2999 and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    offset = (int(hours or 0) * 60 + int(minutes or 0)) * (-60 if sign == "-" else 60)
    seconds = calendar.timegm((year, month, day, *clock)) - offset
    return seconds * 1000 + int((fraction or "0").ljust(9, "0")[:3])


def _texts(record: Record, name: str) -> list[str]:
    value = record.get(name)
    items = value[:MAX_ENTITIES] if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and item]


def _text(record: Record, name: str) -> str:
    return next(iter(_texts(record, name)), "")


def _match(pattern: re.Pattern[str], record: Record, name: str) -> str | None:
    return next(filter(pattern.fullmatch, _texts(record, name)), None)


def _word(record: Record, name: str) -> str:
    value = _text(record, name)
    return value if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", value) else ""


def _is_true(record: Record, name: str) -> bool:
    return record.get(name) in (True, "true")


def _severity(record: Record) -> str:
    # Only a plain word may get into a tag or a decision.
    value = _text(record, "event.category") or "UNKNOWN"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        raise UnexpectedResponse("a problem has no usable `event.category`")
    return SEVERITIES.get(value, value)


def _impact(record: Record) -> str:
    found = {one.upper() for one in _texts(record, "dt.davis.impact_level")}
    return next((name for level, name in _IMPACTS.items() if level in found), "UNKNOWN")


def _is_held(record: Record) -> bool:
    muted = _text(record, "dt.davis.mute.status") == "MUTED"
    return muted or _is_true(record, "maintenance.is_under_maintenance")


def _entities(ids: Iterable[str], names: Any) -> tuple[Entity, ...]:
    ids = list(ids)
    told = names if isinstance(names, list) else [names]
    named = told if len(told) == len(ids) else [""] * len(ids)
    pairs = {one: typed(name, str) for one, name in zip(ids, named, strict=True)}
    return tuple(
        Entity(one, entity_type(one), name) for one, name in pairs.items() if is_entity_id(one)
    )


def _ids(record: Record, name: str, kind: str) -> tuple[str, ...]:
    found = dict.fromkeys(_texts(record, name))
    return tuple(one for one in found if is_entity_id(one) and entity_type(one) == kind)


def _hosts(record: Record, affected: Iterable[Entity]) -> tuple[str, ...]:
    # Beside the host that a record names, others that it relates to make it doubtful where the process runs.
    named = _ids(record, "dt.entity.host", "HOST")
    if not named:
        return ()
    others = (one.id for one in affected if one.type == "HOST")
    return tuple(dict.fromkeys((*named, *others, *_ids(record, "related_entity_ids", "HOST"))))


def _named(entity_id: str, record: Record) -> Entity:
    kind = entity_type(entity_id)
    return Entity(entity_id, kind, _text(record, f"dt.entity.{kind.lower()}.name"))


def _grouping(record: Record) -> Entity | None:
    found = _ids(record, "dt.entity.process_group", "PROCESS_GROUP")
    return _named(found[0], record) if len(found) == 1 else None


def _container(record: Record) -> str | None:
    marks = (f"{name}: {value}" for name in _CONTAINED for value in _texts(record, name))
    return next((mark[:MAX_MARK_CHARS] for mark in marks), None)

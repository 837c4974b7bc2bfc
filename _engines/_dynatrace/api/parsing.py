"""
The total parsing of what the API sends, and how much of it is taken.

Unknown fields are ignored and unknown enum values pass through; a missing or misshapen field that the engine needs
raises UnexpectedAnswer naming it. Shapes are those of the Problems API v2 and Entities API v2 documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import UnexpectedAnswer
from ..core.problem import (
    DISPLAY_ID,
    ENTITY_ID,
    PROBLEM_ID,
    Entity,
    EntityDetail,
    Evidence,
    Problem,
    entity_type,
    is_entity_id,
)
from .processes import parse_process, parse_unit, parse_units

#: Of one problem. Entities beyond it are left out; evidence is not, since what is not seen may be a maintenance window.
MAX_ENTITIES = 10_000
MAX_EVIDENCE = 5_000

#: Of an event: in a window, and what the window suppresses.
_MAINTENANCE = ("underMaintenance", "suppressAlert", "suppressProblem")
_IS_OPEN = {"OPEN": True, "CLOSED": False}


def parse_problem(body: Any, source: str = "api") -> Problem:
    """
    Return the Problem that a body of the Problems API v2 (or ``{ProblemDetailsJSONv2}``) describes.

    Raises UnexpectedAnswer when it is no problem.
    """
    problem = _mapping(body, "problem")
    problem_id, display_id = problem.get("problemId"), problem.get("displayId")
    if not isinstance(problem_id, str) or not PROBLEM_ID.fullmatch(problem_id):
        raise UnexpectedAnswer("a problem has no usable `problemId`")
    details = _evidence_list(_nested(problem, "evidenceDetails", "details"))
    status = _word(problem.get("status"), "status")
    return Problem(
        problem_id=problem_id,
        display_id=display_id
        if isinstance(display_id, str) and DISPLAY_ID.fullmatch(display_id)
        else None,
        title=_string(problem.get("title")),
        severity=_word(problem.get("severityLevel"), "severityLevel"),
        impact=_word(problem.get("impactLevel"), "impactLevel"),
        status=status,
        start=_time(problem.get("startTime")),
        end=None if status == "OPEN" else _time(problem.get("endTime")),
        root_cause=_stub(problem.get("rootCauseEntity")),
        affected=_once(
            _stub(item) for item in _list(problem.get("affectedEntities"))[:MAX_ENTITIES]
        ),
        evidence=tuple(_evidence(details)),
        tags=tuple(_tags(problem.get("entityTags"))),
        management_zones=tuple(_zones(problem.get("managementZones"))),
        under_maintenance=any(_in_maintenance(item) for item in details),
        source=source,
    )


def parse_problem_v1(body: Any) -> Problem:
    """
    Return the Problem that a v1 object (``{ProblemDetailsJSON}``) describes.

    Raises UnexpectedAnswer when it is no problem. v1 entity ids are flat strings, and ``id`` may lack the suffix.
    """
    problem = _mapping(body, "problem")
    ranked = _evidence_list(_list(problem.get("rankedEvents")))
    events = [(event, _flat_entity(event)) for event in ranked]
    known_events = [(event, entity) for event, entity in events if entity is not None]
    problem_id, display_id = problem.get("id"), problem.get("displayName")
    if not isinstance(problem_id, str) and not isinstance(display_id, str):
        raise UnexpectedAnswer("a problem has neither `id` nor `displayName`")
    known = isinstance(problem_id, str) and PROBLEM_ID.fullmatch(problem_id)
    status = _word(problem.get("status", "OPEN"), "status")
    return Problem(
        problem_id=problem_id if known else None,
        display_id=display_id
        if isinstance(display_id, str) and DISPLAY_ID.fullmatch(display_id)
        else None,
        severity=_word(problem.get("severityLevel", "UNKNOWN"), "severityLevel"),
        impact=_word(problem.get("impactLevel", "UNKNOWN"), "impactLevel"),
        status=status,
        start=_time(problem.get("startTime")),
        end=None if status == "OPEN" else _time(problem.get("endTime")),
        affected=_once(entity for _, entity in known_events),
        evidence=tuple(_evidence_v1(known_events)),
        tags=tuple(_tags(problem.get("tagsOfAffectedEntities"))),
        source="notification",
    )


def parse_entity(body: Any) -> EntityDetail:
    """
    Return what matching needs of an entity of the Entities API v2; raises UnexpectedAnswer without an id.
    """
    entity = _mapping(body, "entity")
    entity_id = entity.get("entityId")
    if not isinstance(entity_id, str) or not is_entity_id(entity_id):
        raise UnexpectedAnswer("an entity has no usable `entityId`")
    properties = entity.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    tags = [tag for tag in _list(entity.get("tags")) if isinstance(tag, dict)]
    custom = _pairs(properties.get("customHostMetadata")) + _pairs(tags)
    technologies = tuple(dict.fromkeys(_technologies(properties.get("softwareTechnologies"))))
    relations = _relations(entity)
    # The real key is `ipAddress`; one example of the documentation spells it `ipAddresses`.
    addresses = properties.get("ipAddress", properties.get("ipAddresses"))
    return EntityDetail(
        id=entity_id,
        name=_string(entity.get("displayName")),
        technologies=technologies,
        relations=relations,
        detected_name=_string(properties.get("detectedName")),
        dns_names=tuple(
            item for item in _list(properties.get("dnsNames")) if isinstance(item, str)
        ),
        addresses=tuple(item for item in _list(addresses) if isinstance(item, str)),
        salt_minions=tuple(
            dict.fromkeys(value for key, value in custom if key == "salt_minion" and value)
        ),
        process=parse_process(properties, technologies, relations),
        units=parse_units(properties.get("osServices")),
    )


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"a {what} is not a JSON object")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _word(value: Any, name: str) -> str:
    """
    Return an enum value as it is spelled; what is no plain word never gets into a tag or a decision.
    """
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        return value
    raise UnexpectedAnswer(f"a problem has no usable `{name}`")


def _time(value: Any) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**14
    return value if good else None


def _nested(body: Mapping[str, Any], *names: str) -> list[Any]:
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return _list(value)


def _entity(entity_id: Any, name: Any) -> Entity | None:
    if not isinstance(entity_id, str) or not ENTITY_ID.fullmatch(entity_id):
        return None
    return Entity(entity_id, entity_type(entity_id), _string(name))


def _stub(value: Any) -> Entity | None:
    if not isinstance(value, dict):
        return None
    stub = value.get("entityId")
    stub_id = stub.get("id") if isinstance(stub, dict) else None
    return _entity(stub_id, value.get("name"))


def _once(entities: Iterable[Entity | None]) -> tuple[Entity, ...]:
    """
    Return each entity once; one with two names counts as two.
    """
    # The key is a tuple since hashing one is several times faster than hashing a dataclass.
    found = {(entity.id, entity.name): entity for entity in entities if entity is not None}
    return tuple(found.values())


def _flat_entity(event: Mapping[str, Any]) -> Entity | None:
    return _entity(event.get("entityId"), event.get("entityName"))


def _evidence_list(items: list[Any]) -> list[Mapping[str, Any]]:
    if len(items) > MAX_EVIDENCE:
        raise UnexpectedAnswer(f"a problem has more than {MAX_EVIDENCE} pieces of evidence")
    return [item for item in items if isinstance(item, dict)]


def _evidence(details: list[Mapping[str, Any]]) -> Iterable[Evidence]:
    for item in details:
        entity = _stub(item.get("entity"))
        if entity is None:
            continue
        data = item.get("data")
        data = data if isinstance(data, dict) else {}
        properties = dict(_pairs(data.get("properties")))
        yield Evidence(
            entity=entity,
            kind=_string(item.get("evidenceType")),
            event_type=_event_type(item.get("eventType")),
            root_cause=item.get("rootCauseRelevant") is True,
            is_open=_IS_OPEN.get(_string(data.get("status"))),
            grouping=_stub(item.get("groupingEntity")),
            start=_time(item.get("startTime")),
            source=properties.get("Event source", "")[:100],
            unit=parse_unit(properties.get("dt.osservice.name")),
        )


def _evidence_v1(events: list[tuple[Mapping[str, Any], Entity]]) -> Iterable[Evidence]:
    for event, entity in events:
        yield Evidence(
            entity=entity,
            kind="EVENT",
            event_type=_event_type(event.get("eventType")),
            root_cause=event.get("isRootCause") is True,
            is_open=_IS_OPEN.get(_string(event.get("status"))),
            start=_time(event.get("startTime")),
        )


def _event_type(value: Any) -> str:
    good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", value)
    return value if good else ""


def _in_maintenance(item: Mapping[str, Any]) -> bool:
    """
    Tell whether a piece of evidence lies in a maintenance window: the flags stand on events, not on the problem.
    """
    data = item.get("data")
    flagged = isinstance(data, dict) and any(data.get(flag) is True for flag in _MAINTENANCE)
    return flagged or item.get("evidenceType") == "MAINTENANCE_WINDOW"


def _tags(value: Any) -> Iterable[str]:
    for tag in _list(value):
        text = tag.get("stringRepresentation") if isinstance(tag, dict) else None
        if isinstance(text, str):
            yield text
        elif isinstance(tag, dict) and isinstance(tag.get("key"), str):
            context, own = _string(tag.get("context")), _string(tag.get("value"))
            prefix = f"[{context}]" if context not in ("", "CONTEXTLESS") else ""
            yield prefix + tag["key"] + (f":{own}" if own else "")


def _zones(value: Any) -> Iterable[str]:
    return (_string(item.get("name")) for item in _list(value) if isinstance(item, dict))


def _technologies(value: Any) -> Iterable[str]:
    for item in _list(value):
        name = item.get("type") if isinstance(item, dict) else None
        if isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name):
            yield name


def _pairs(value: Any) -> list[tuple[str, str]]:
    """
    Return key and value pairs from the shapes seen: a list of ``{key, value}`` or a plain mapping.
    """
    if isinstance(value, dict):
        value = [{"key": key, "value": item} for key, item in value.items()]
    pairs = [item for item in _list(value) if isinstance(item, dict)]
    return [(_string(item.get("key")), _string(item.get("value"))) for item in pairs]


def _relations(entity: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for side in ("from", "to"):
        relations = entity.get(f"{side}Relationships")
        for name, items in relations.items() if isinstance(relations, dict) else ():
            ids = [item.get("id") for item in _list(items) if isinstance(item, dict)]
            found[f"{side}.{name}"] = tuple(
                [item for item in ids if isinstance(item, str) and ENTITY_ID.fullmatch(item)]
            )
    return found

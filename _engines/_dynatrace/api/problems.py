"""
The problems that the API sends, parsed: v2, and the older v1 form of notifications.

Unknown fields are ignored and unknown enum values pass through; a missing or misshapen field that the engine needs
raises UnexpectedResponse naming it. Shapes are those of the Problems API's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..core.errors import UnexpectedResponse
from ..core.problem import DISPLAY_ID, ENTITY_ID, PROBLEM_ID, Entity, Evidence, Problem, entity_type
from .entities import parse_remedies, parse_tags, parse_unit
from .json_values import objects_of, pairs, typed

#: Of one problem. Entities beyond it are left out. More evidence is refused: what is left out may be a maintenance window.
MAX_ENTITIES = 10_000
MAX_EVIDENCE = 5_000

#: Of an event: in a window, and what the window suppresses.
_MAINTENANCE = ("underMaintenance", "suppressAlert", "suppressProblem")
_IS_OPEN = {"OPEN": True, "CLOSED": False}
_V1_DEFAULTS = {"status": "OPEN", "severityLevel": "UNKNOWN", "impactLevel": "UNKNOWN"}


def parse_problem(body: Any, source: str = "api", now_ms: float = 0.0) -> Problem:
    """
    Return the Problem that a body of the Problems API v2 (or ``{ProblemDetailsJSONv2}``) describes.

    A maintenance window that ended before ``now_ms``, in UTC milliseconds, holds nothing.
    """
    problem = _problem_object(body)
    problem_id = _match(PROBLEM_ID, problem.get("problemId"))
    if problem_id is None:
        raise UnexpectedResponse("a problem has no usable `problemId`")
    evidence = _checked_evidence(typed(problem.get("evidenceDetails"), dict).get("details"))
    affected = typed(problem.get("affectedEntities"), list)[:MAX_ENTITIES]
    return Problem(
        problem_id=problem_id,
        display_id=_match(DISPLAY_ID, problem.get("displayId")),
        title=typed(problem.get("title"), str),
        root_cause=_stub(problem.get("rootCauseEntity")),
        affected=_once(_stub(item) for item in affected),
        evidence=tuple(_evidence(evidence)),
        tags=tuple(parse_tags(objects_of(problem.get("entityTags")))),
        management_zones=tuple(
            typed(zone.get("name"), str) for zone in objects_of(problem.get("managementZones"))
        ),
        under_maintenance=any(_in_maintenance(item, now_ms) for item in evidence),
        source=source,
        **_state(problem),
    )


def parse_problem_v1(body: Any) -> Problem:
    """
    Return the Problem that a v1 object (``{ProblemDetailsJSON}``) describes.

    v1 entity ids are flat strings, and ``id`` may lack the suffix.
    """
    problem = {**_V1_DEFAULTS, **_problem_object(body)}
    events = _checked_evidence(problem.get("rankedEvents"))
    problem_id, display_id = problem.get("id"), problem.get("displayName")
    if not isinstance(problem_id, str) and not isinstance(display_id, str):
        raise UnexpectedResponse("a problem has neither `id` nor `displayName`")
    evidence = tuple(_evidence_v1(events))
    return Problem(
        problem_id=_match(PROBLEM_ID, problem_id),
        display_id=_match(DISPLAY_ID, display_id),
        affected=_once(item.entity for item in evidence),
        evidence=evidence,
        tags=tuple(parse_tags(objects_of(problem.get("tagsOfAffectedEntities")))),
        source="notification",
        **_state(problem),
    )


def _problem_object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise UnexpectedResponse("a problem is not a JSON object")
    return body


def _checked_evidence(value: Any) -> list[dict[str, Any]]:
    if len(typed(value, list)) > MAX_EVIDENCE:
        raise UnexpectedResponse(f"a problem has more than {MAX_EVIDENCE} pieces of evidence")
    return objects_of(value)


def _state(problem: Mapping[str, Any]) -> dict[str, Any]:
    status = _word(problem, "status")
    return {
        "severity": _word(problem, "severityLevel"),
        "impact": _word(problem, "impactLevel"),
        "status": status,
        "start": _time(problem.get("startTime")),
        "end": None if status == "OPEN" else _time(problem.get("endTime")),
    }


def _match(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _word(problem: Mapping[str, Any], name: str) -> str:
    # Only a plain word may get into a tag or a decision.
    value = problem.get(name)
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        return value
    raise UnexpectedResponse(f"a problem has no usable `{name}`")


def _time(value: Any) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**14
    return value if good else None


def _entity(entity_id: Any, name: Any) -> Entity | None:
    if not isinstance(entity_id, str) or not ENTITY_ID.fullmatch(entity_id):
        return None
    return Entity(entity_id, entity_type(entity_id), typed(name, str))


def _stub(value: Any) -> Entity | None:
    stub = typed(value, dict)
    return _entity(typed(stub.get("entityId"), dict).get("id"), stub.get("name"))


def _once(entities: Iterable[Entity | None]) -> tuple[Entity, ...]:
    # The key is a tuple since hashing one is several times faster than hashing a dataclass.
    found = {(entity.id, entity.name): entity for entity in entities if entity is not None}
    return tuple(found.values())


def _evidence(details: list[dict[str, Any]]) -> Iterator[Evidence]:
    for item in details:
        entity = _stub(item.get("entity"))
        if entity is None:
            continue
        data = typed(item.get("data"), dict)
        listed = list(pairs(data.get("properties")))
        properties = dict(listed)
        yield Evidence(
            entity=entity,
            kind=typed(item.get("evidenceType"), str),
            event_type=_event_type(item.get("eventType")),
            root_cause=item.get("rootCauseRelevant") is True,
            is_open=_IS_OPEN.get(typed(data.get("status"), str)),
            grouping=_stub(item.get("groupingEntity")),
            start=_time(item.get("startTime")),
            source=typed(properties.get("Event source"), str)[:100],
            unit=parse_unit(properties.get("dt.osservice.name")),
            remedies=parse_remedies(listed),
        )


def _evidence_v1(events: list[dict[str, Any]]) -> Iterator[Evidence]:
    for event in events:
        entity = _entity(event.get("entityId"), event.get("entityName"))
        if entity is not None:
            yield Evidence(
                entity=entity,
                kind="EVENT",
                event_type=_event_type(event.get("eventType")),
                root_cause=event.get("isRootCause") is True,
                is_open=_IS_OPEN.get(typed(event.get("status"), str)),
                start=_time(event.get("startTime")),
            )


def _event_type(value: Any) -> str:
    good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", value)
    return value if good else ""


def _in_maintenance(item: Mapping[str, Any], now_ms: float) -> bool:
    """
    Tell whether a piece of evidence shows a window that is open: one that has ended, or whose event is closed, holds nothing.
    """
    # The flags are on events, not on the problem.
    data = typed(item.get("data"), dict)
    if any(data.get(flag) is True for flag in _MAINTENANCE):
        return _IS_OPEN.get(typed(data.get("status"), str)) is not False
    end = _time(item.get("endTime"))
    ended = end is not None and end <= now_ms
    return item.get("evidenceType") == "MAINTENANCE_WINDOW" and not ended

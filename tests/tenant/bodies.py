"""
Problems and entities as the v2 API shows them, and the v1 problem that notifications can carry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.tenant.entities import Entity, Topology
from tests.tenant.evidence import Evidence, evidence_body, impacts, usual_evidence
from tests.tenant.platform.phases import has_zones
from tests.tenant.problem import Problem
from tests.tenant.profiles import delay_in_minutes
from tests.tenant.schemas import PROFILE
from tests.tenant.tags import Tag
from tests.tenant.timeframe import now_ms

PROBLEM_FIELDS = frozenset({"evidenceDetails", "impactAnalysis", "recentComments"})
ENTITY_FIELDS = frozenset(
    {
        "firstSeenTms",
        "lastSeenTms",
        "properties",
        "tags",
        "managementZones",
        "icon",
        "fromRelationships",
        "toRelationships",
    }
)
_RECENT = 10
_EVENTS_V1 = {
    "PGI_UNAVAILABLE": "PROCESS_UNAVAILABLE",
    "OSI_UNEXPECTEDLY_UNAVAILABLE": "CONNECTION_LOST",
    "SERVICE_ERROR_RATE_INCREASED": "FAILURE_RATE_INCREASED",
    "PG_LOW_INSTANCE_COUNT": "PROCESS_GROUP_LOW_INSTANCE_COUNT",
}


def problem_body(problem: Problem, fields: Iterable[str], topology: Topology) -> dict[str, Any]:
    """
    Give the Problem; evidence, impact and comments only when `fields` names them.
    """
    affected = [topology.stub(entity) for entity in problem.affected]
    body: dict[str, Any] = {
        "problemId": problem.problem_id,
        "displayId": problem.display_id,
        "title": problem.title,
        "impactLevel": problem.impact,
        "severityLevel": problem.severity,
        "status": problem.status,
        "affectedEntities": affected,
        "impactedEntities": affected,
        "rootCauseEntity": topology.stub(problem.root_cause) if problem.root_cause else None,
        "managementZones": problem_zones(problem, topology),
        "entityTags": [tag.body() for tag in problem_tags(problem, topology)],
        "problemFilters": problem_filters(problem, topology),
        "startTime": problem.start,
        "endTime": problem.end,
    }
    if problem.merged_into:
        other = problem.merged_into
        body["linkedProblemInfo"] = {"displayId": other.display_id, "problemId": other.problem_id}
    if "evidenceDetails" in fields:
        details = evidence_bodies(problem, topology)
        body["evidenceDetails"] = {"totalCount": len(details), "details": details}
    if "recentComments" in fields:
        body["recentComments"] = _recent_comments(problem)
    if "impactAnalysis" in fields:
        body["impactAnalysis"] = {"impacts": impacts(problem, topology)}
    return {**body, **problem.extra}


def evidence_bodies(problem: Problem, topology: Topology) -> list[dict[str, Any]]:
    """
    Give the entries of `evidenceDetails`.
    """
    found: list[Evidence | dict[str, Any]] = (
        list(usual_evidence(problem)) if problem.evidence is None else problem.evidence
    )
    return [
        one if isinstance(one, dict) else evidence_body(problem, one, topology) for one in found
    ]


def problem_filters(problem: Problem, topology: Topology) -> list[dict[str, str]]:
    """
    Give the alerting profiles that let a problem through.
    """
    if not topology.has_schema(PROFILE):
        return []
    tags = problem_tags(problem, topology)
    return [
        {"id": one.short_id, "name": one.value["name"]}
        for one in list(topology.settings.values())
        if one.schema_id == PROFILE
        and delay_in_minutes(one.value, problem, tags, topology) is not None
    ]


def problem_tags(problem: Problem, topology: Topology) -> list[Tag]:
    """
    Give the tags of the affected entities themselves: those of their hosts do not propagate.
    """
    known = [topology.entities[one] for one in problem.affected if one in topology.entities]
    return list(dict.fromkeys([*problem.tags, *(tag for one in known for tag in one.tags)]))


def problem_zones(problem: Problem, topology: Topology) -> list[dict[str, Any]]:
    """
    Give the management zones of the problem and of its affected entities.
    """
    if not has_zones(topology.switches):
        return []
    known = [topology.entities[one] for one in problem.affected if one in topology.entities]
    zones = [*problem.zones, *(zone for one in known for zone in one.zones)]
    return list({zone["id"]: zone for zone in zones}.values())


def problem_body_v1(problem: Problem, topology: Topology) -> dict[str, Any]:
    """
    Give the v1 problem of `{ProblemDetailsJSON}`: flat entity ids, SERVICE, v1 event names.
    """
    events = [_event_v1(problem, entity, topology) for entity in problem.affected]
    impact = problem.impact.replace("SERVICES", "SERVICE")
    none = {"INFRASTRUCTURE": 0, "SERVICE": 0, "APPLICATION": 0, "ENVIRONMENT": 0}
    counts = {**none, impact: len(problem.affected)}
    is_open = problem.status == "OPEN"
    kept = ("entityId", "entityName", "severityLevel", "impactLevel", "eventType")
    return {
        "id": problem.problem_id,
        "startTime": problem.start,
        "endTime": problem.end,
        "displayName": problem.display_id,
        "impactLevel": impact,
        "status": problem.status,
        "severityLevel": problem.severity,
        "commentCount": len(problem.comments),
        "tagsOfAffectedEntities": [_tag_v1(tag) for tag in problem_tags(problem, topology)],
        "rankedEvents": events,
        "rankedImpacts": [{key: event[key] for key in kept} for event in events],
        "affectedCounts": counts if is_open else none,
        "recoveredCounts": none if is_open else counts,
        "hasRootCause": problem.root_cause is not None,
    }


def entity_body(entity: Entity, fields: Iterable[str] | None, topology: Topology) -> dict[str, Any]:
    """
    Give the Entity with these fields (`properties.osType`, `tags`); None shows all of it.
    """
    body: dict[str, Any] = {"entityId": entity.entity_id}
    if topology.switches.entity_type_key:
        body["type"] = entity.type
    body["displayName"] = entity.name
    whole: dict[str, Callable[[], Any]] = {
        "firstSeenTms": lambda: entity.first_seen,
        "lastSeenTms": lambda: now_ms() if entity.last_seen is None else entity.last_seen,
        "properties": lambda: entity.properties,
        "tags": lambda: [tag.body() for tag in entity.tags],
        "managementZones": lambda: entity.zones,
        "icon": lambda: {"primaryIconType": entity.icon} if entity.icon else None,
        "fromRelationships": lambda: _ends(entity.links),
        "toRelationships": lambda: _ends(topology.incoming(entity.entity_id)),
    }
    if fields is None:
        shown = {name: make() for name, make in whole.items()}
        return {**body, **{name: value for name, value in shown.items() if value is not None}}
    for path in fields:
        name, _, inner = path.partition(".")
        value = whole[name]()
        if not inner:
            body[name] = value
        elif isinstance(value, dict) and inner in value:
            body.setdefault(name, {})[inner] = value[inner]
    return body


def _recent_comments(problem: Problem) -> dict[str, Any]:
    shown = [comment for comment in reversed(problem.comments) if not comment.hidden_for]
    body: dict[str, Any] = {
        "totalCount": len(shown),
        "comments": [comment.body() for comment in shown[:_RECENT]],
    }
    return {**body, "pageSize": _RECENT} if len(shown) > _RECENT else body


def _ends(links: dict[str, list[str]]) -> dict[str, list[dict[str, str]]]:
    return {
        relationship: [{"id": end, "type": end.rpartition("-")[0]} for end in ends]
        for relationship, ends in links.items()
    }


def _event_v1(problem: Problem, entity: str, topology: Topology) -> dict[str, Any]:
    known = topology.entities.get(entity)
    return {
        "startTime": problem.event_start,
        "endTime": problem.end,
        "entityId": entity,
        "entityName": known.name if known else entity,
        "severityLevel": problem.severity,
        "impactLevel": problem.impact.replace("SERVICES", "SERVICE"),
        "eventType": _EVENTS_V1.get(problem.event_type, problem.event_type),
        "status": problem.status,
        "severities": [],
        "isRootCause": problem.root_cause is not None,
    }


def _tag_v1(tag: Tag) -> dict[str, str]:
    body = tag.body()
    del body["stringRepresentation"]
    return body

"""
The evidence of a problem and its v2 bodies, in the shape of captured answers.

AVAILABILITY_EVIDENCE, EVENT and METRIC follow captures of process problems; TRANSACTIONAL,
MAINTENANCE_WINDOW and impacts are synthetic, built from the documented models.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.tenant.entities import Topology, type_of

if TYPE_CHECKING:
    from tests.tenant.problem import Problem

_EVENT_OF = {
    "HOST": ("OSI_UNEXPECTEDLY_UNAVAILABLE", "Host or monitoring unavailable"),
    "OS:SERVICE": ("AVAILABILITY_EVENT", "OS service unavailable"),
    "PROCESS_GROUP": ("PG_LOW_INSTANCE_COUNT", "Process group low instance count"),
    "PROCESS_GROUP_INSTANCE": ("PGI_UNAVAILABLE", "Process unavailable"),
    "SERVICE": ("SERVICE_ERROR_RATE_INCREASED", "Failure rate increase"),
}


@dataclass
class Evidence:
    """
    One piece of evidence; what changes with the problem is filled in when it is shown.
    """

    kind: str
    entity: str
    relevant: bool
    event_type: str = ""
    title: str = ""


def usual_event(entity: str) -> tuple[str, str]:
    """
    Give event type and title that an entity of this type most often has.
    """
    return _EVENT_OF.get(type_of(entity), ("CUSTOM_ALERT", "Custom alert"))


def usual_evidence(problem: Problem) -> list[Evidence]:
    """
    Give the evidence that Dynatrace would show for such a problem.
    """
    found: list[Evidence] = []
    for entity in problem.affected:
        service = type_of(entity) == "SERVICE"
        relevant = not service or problem.root_cause in (entity, None)
        if service:
            found.append(Evidence("TRANSACTIONAL", entity, relevant))
        elif problem.severity == "AVAILABILITY":
            found.append(Evidence("AVAILABILITY_EVIDENCE", entity, relevant))
        elif problem.severity == "RESOURCE_CONTENTION":
            found.append(Evidence("METRIC", entity, relevant))
        found.append(Evidence("EVENT", entity, relevant, problem.event_type, problem.title))
    cause = problem.root_cause
    if cause and type_of(cause) == "PROCESS_GROUP_INSTANCE" and cause not in problem.affected:
        found.append(Evidence("AVAILABILITY_EVIDENCE", cause, True))
        found.append(Evidence("EVENT", cause, True, *usual_event(cause)))
    if problem.under_maintenance:
        found.append(Evidence("MAINTENANCE_WINDOW", problem.affected[0], False))
    return found


def evidence_body(problem: Problem, one: Evidence, topology: Topology) -> dict[str, Any]:
    """
    Give one entry of `evidenceDetails`.
    """
    group = _group(one.entity, topology)
    body: dict[str, Any] = {
        "evidenceType": one.kind,
        "displayName": one.title or _DISPLAY[one.kind],
        "entity": topology.stub(one.entity),
        "groupingEntity": topology.stub(group) if group else None,
        "rootCauseRelevant": one.relevant,
    }
    if one.kind == "EVENT":
        event_id = f"{problem.number}_{problem.event_start}"
        data = _event(problem, one, event_id, topology)
        body |= {"eventId": event_id, "eventType": one.event_type, "data": data}
    if one.kind == "METRIC":
        body |= {"metricId": "builtin:host.cpu.usage", "aggregationType": {"type": "avg"}}
    if one.kind in ("METRIC", "TRANSACTIONAL"):
        body |= {"unit": "Percent", "valueBeforeChangePoint": 0.5, "valueAfterChangePoint": 97.5}
    if one.kind == "MAINTENANCE_WINDOW":
        made_up = str(zlib.crc32(problem.problem_id.encode()))
        body["maintenanceWindowConfigId"] = problem.window or made_up
    return {**body, "startTime": problem.event_start, "endTime": problem.end}


_DISPLAY = {
    "EVENT": "Event",
    "AVAILABILITY_EVIDENCE": "Availability",
    "METRIC": "CPU usage",
    "TRANSACTIONAL": "Failure rate",
    "MAINTENANCE_WINDOW": "Maintenance window",
}


def _event(problem: Problem, one: Evidence, event_id: str, topology: Topology) -> dict[str, Any]:
    known = topology.entities.get(one.entity)
    properties = {
        "dt.event.description": describe(one.entity, topology),
        "dt.event.group_label": one.title,
        "dt.event.impact_level": problem.impact.capitalize(),
        "dt.event.is_rootcause_relevant": str(one.relevant).lower(),
        "dt.event.timeout": "0",
        **problem.properties,
    }
    return {
        "eventId": event_id,
        "startTime": problem.event_start,
        "endTime": problem.end,
        "eventType": one.event_type,
        "title": one.title,
        "entityId": topology.stub(one.entity),
        "properties": [{"key": key, "value": value} for key, value in properties.items()],
        "status": problem.status,
        "correlationId": hashlib.blake2b(event_id.encode(), digest_size=8).hexdigest(),
        "entityTags": [tag.body() for tag in known.tags] if known else [],
        "managementZones": list(known.zones) if known else [],
        "underMaintenance": problem.under_maintenance,
        "suppressAlert": problem.suppress_alert,
        "suppressProblem": False,
        "frequentEvent": problem.frequent,
    }


def describe(entity: str, topology: Topology) -> str:
    """
    Give the sentence that Dynatrace writes about a process; it names the host as free text.
    """
    known = topology.entities.get(entity)
    name = known.name if known else entity
    if not known or known.type != "PROCESS_GROUP_INSTANCE":
        return f"{name} is affected"
    host = topology.entities.get(known.links["isProcessOf"][0])
    where = host.properties["detectedName"] if host else "an unknown host"
    return f"Process {name} on host {where} has been shut down"


def impacts(problem: Problem, topology: Topology) -> list[dict[str, Any]]:
    """
    Give the impacts: services only, process problems have none.
    """
    return [
        {
            "impactType": "SERVICE",
            "impactedEntity": topology.stub(entity),
            "estimatedAffectedUsers": 0,
            "numberOfPotentiallyAffectedServiceCalls": 100,
        }
        for entity in problem.affected
        if type_of(entity) == "SERVICE"
    ]


def _group(entity: str, topology: Topology) -> str | None:
    known = topology.entities.get(entity)
    groups = known.links.get("isInstanceOf") if known else None
    return groups[0] if groups else None

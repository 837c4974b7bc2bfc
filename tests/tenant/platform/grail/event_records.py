"""
The events of problems: rows of `dt.davis.events`.

Made of the same evidence that the Problems API shows. Keys follow a captured record of 2024 and
documentation; the provider, and that the type is the one of the Problems API, are constructed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.tenant.bodies import evidence_bodies
from tests.tenant.entities import Topology, type_of
from tests.tenant.platform.dql.values import Timestamp, at_ms
from tests.tenant.platform.grail.around import (
    category,
    ends,
    host_name,
    hosts_of,
    name_of,
    table_of,
)
from tests.tenant.problem import Problem

#: How often an event that goes on is written again; documentation gives a timeout of 5 minutes.
_REFRESH_MS = 300_000
_LISTED = ("EVENT", "AVAILABILITY_EVIDENCE", "METRIC", "TRANSACTIONAL")


def event_ids(problem: Problem, topology: Topology) -> list[str]:
    """
    Give the ids of the events that make up a problem.
    """
    return [event_id for event_id, _ in _events(problem, topology)]


def event_records(problem: Problem, topology: Topology, now: int) -> Iterator[dict[str, Any]]:
    """
    Give the records of a problem's events as of `now`, in milliseconds: one of each beginning, one of each end.
    """
    for event_id, body in _events(problem, topology):
        record = _record(problem, event_id, body, topology)
        closed = problem.status == "CLOSED" or _is_over(body)
        begun = body.get("startTime") or problem.event_start
        # A test's time may be ahead: what has happened is earlier than the end of the query's time.
        latest = now - 1
        begin = min(max(begun, problem.reopened or 0), latest)
        spent = 0 if closed else latest - begin
        refreshed = begin + spent // _REFRESH_MS * _REFRESH_MS
        yield {**record, "timestamp": at_ms(refreshed)}
        if closed:
            end = {"event.status": "CLOSED", "event.status_transition": "CLOSED"}
            ended = problem.end if problem.status == "CLOSED" else body["endTime"]
            at = at_ms(min(ended, latest))
            # Later than the beginning, even of what was over in the same millisecond.
            yield {**record, **end, "event.end": at, "timestamp": Timestamp(at + 1)}


def _is_over(body: dict[str, Any]) -> bool:
    return body.get("data", {}).get("status") == "CLOSED" and body.get("endTime", -1) > 0


def _events(problem: Problem, topology: Topology) -> Iterator[tuple[str, dict[str, Any]]]:
    bodies = [
        body for body in evidence_bodies(problem, topology) if body.get("evidenceType") in _LISTED
    ]
    told = {_entity(body) for body in bodies if body["evidenceType"] == "EVENT"}
    seen: set[str] = set()
    for number, body in enumerate(bodies):
        if body["evidenceType"] != "EVENT" and _entity(body) in told:
            continue
        event_id = str(body.get("eventId") or f"{problem.number}_{problem.event_start}")
        if event_id in seen:
            event_id = f"{problem.number + number}_{problem.event_start}"
        seen.add(event_id)
        yield event_id, body


def _record(
    problem: Problem, event_id: str, body: dict[str, Any], topology: Topology
) -> dict[str, Any]:
    data = body.get("data", {})
    properties = {one["key"]: one["value"] for one in data.get("properties", ())}
    kind = body.get("eventType") or data.get("eventType") or "AVAILABILITY_EVENT"
    record = {
        "event.id": event_id,
        "event.kind": "DAVIS_EVENT",
        "event.name": body.get("displayName", ""),
        "event.type": kind,
        "event.category": category(problem.severity, topology),
        "event.provider": "ONEAGENT",
        "event.group_label": properties.get("dt.event.group_label"),
        "event.description": properties.get("dt.event.description"),
        "event.status": "ACTIVE",
        "event.status_transition": "REFRESHED",
        "event.start": at_ms(body["startTime"]) if body.get("startTime") else None,
        "dt.davis.impact_level": problem.impact.capitalize(),
        "dt.davis.is_rootcause_relevant": bool(body.get("rootCauseRelevant")),
        "dt.davis.is_frequent_event": problem.frequent,
        "dt.davis.is_merging_allowed": True,
        "dt.davis.mute.status": "NOT_MUTED",
        "dt.davis.timeout": 5,
        "maintenance.is_under_maintenance": problem.under_maintenance,
        **_about(_entity(body), topology),
        **{key: one for key, one in properties.items() if not key.startswith("dt.event.")},
    }
    return {name: value for name, value in record.items() if value is not None}


def _about(entity: str, topology: Topology) -> dict[str, Any]:
    if not entity:
        return {}
    kind = type_of(entity)
    known = topology.entities.get(entity)
    groups = ends(entity, "isInstanceOf", topology) if kind == "PROCESS_GROUP_INSTANCE" else []
    # Of several hosts an event names none.
    hosts = hosts_of(entity, topology)
    host = hosts[0] if len(hosts) == 1 else None
    return {
        "affected_entity_ids": [entity],
        "affected_entity_types": [table_of(kind)],
        "dt.source_entity": entity,
        "dt.source_entity.type": kind.lower(),
        "dt.entity.host": host,
        "dt.entity.host.name": name_of(host, topology) if host else None,
        "host.name": host_name(host, topology) if host else None,
        "dt.entity.process_group": groups[0] if groups else None,
        "dt.entity.process_group.name": name_of(groups[0], topology) if groups else None,
        table_of(kind): entity,
        f"{table_of(kind)}.name": name_of(entity, topology),
        "entity_tags": [tag.body()["stringRepresentation"] for tag in known.tags] if known else [],
    }


def _entity(body: dict[str, Any]) -> str:
    stub = body.get("entity") or {}
    return str((stub.get("entityId") or {}).get("id") or "")

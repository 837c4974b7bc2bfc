"""
The record of a problem: a row of `dt.davis.problems`, and what a workflow gets as its event.

Keys and shapes follow captured records, that of an "Process unavailable" of Apache among them. What
a process says of its host, its pod and its host group is an array there. Constructed: the values of
`event.severity`, `root_cause_entity_*` of a process group, and the record of one that was merged.
"""

from __future__ import annotations

from typing import Any

from tests.tenant.bodies import problem_filters, problem_tags
from tests.tenant.entities import Topology, type_of
from tests.tenant.evidence import describe
from tests.tenant.platform.dql.values import Duration, Timestamp, at_ms
from tests.tenant.platform.grail.around import (
    category,
    ends,
    host_name,
    hosts_of,
    name_of,
    once,
    table_of,
)
from tests.tenant.platform.grail.event_records import event_ids
from tests.tenant.platform.grail.smartscape import node_stub
from tests.tenant.problem import Problem
from tests.tenant.timeframe import now_ms

#: By documentation an open problem gets a new snapshot at least this often.
_SNAPSHOT_MS = 6 * 3_600_000
_IMPACTS = {"SERVICES": "Services", "INFRASTRUCTURE": "Infrastructure"}


def problem_record(problem: Problem, topology: Topology) -> dict[str, Any]:
    """
    Give the record; what does not apply is absent.
    """
    record = {
        **_event(problem, topology),
        **_state(problem),
        **_affected(problem, topology),
        **_around(problem, topology),
        "dt.analysis.ready": _analysed(problem, topology),
        "entity_tags": [
            tag.body()["stringRepresentation"] for tag in problem_tags(problem, topology)
        ],
        "labels.alerting_profile": [one["name"] for one in problem_filters(problem, topology)],
        "dt.openpipeline.source": "classic_root_cause_analysis",
        "dt.openpipeline.pipelines": ["davis.problems:default"],
        "dt.system.bucket": "default_davis_events",
        **problem.record,
    }
    return {name: value for name, value in record.items() if value is not None and value != []}


def written(problem: Problem) -> Timestamp:
    """
    Give when the latest snapshot of a problem was written.
    """
    at = problem.updated or problem.start
    return at_ms(at if problem.status == "CLOSED" else latest(at, _SNAPSHOT_MS))


def latest(begin: int, every: int) -> int:
    """
    Give the latest time at which something happened that happens every so many milliseconds.
    """
    return begin + max(now_ms() - begin, 0) // every * every


def _event(problem: Problem, topology: Topology) -> dict[str, Any]:
    return {
        "timestamp": written(problem),
        "event.id": problem.problem_id,
        "event.kind": "DAVIS_PROBLEM",
        "display_id": problem.display_id,
        "event.name": problem.title,
        "event.category": category(problem.severity, topology),
        "event.severity": 3,
        "event.description": describe(problem.affected[0], topology),
        "event.status": "CLOSED" if problem.status == "CLOSED" else "ACTIVE",
        "event.status_transition": problem.transition,
        "event.start": at_ms(problem.start),
        "dt.davis.impact_level": [_IMPACTS.get(problem.impact, problem.impact.capitalize())],
        "dt.davis.event_ids": event_ids(problem, topology),
        "maintenance.is_under_maintenance": problem.under_maintenance,
    }


def _state(problem: Problem) -> dict[str, Any]:
    closed, reopened = problem.status == "CLOSED", problem.reopened
    lasted = Duration((problem.end - problem.start) * 10**6)
    return {
        "event.end": at_ms(problem.end) if closed else None,
        "resolved_problem_duration": lasted if closed else None,
        "dt.davis.is_duplicate": problem.merged_into is not None,
        "dt.davis.is_frequent_event": problem.frequent,
        "dt.davis.mute.status": "MUTED" if problem.muted else "NOT_MUTED",
        "dt.davis.last_reopen_timestamp": at_ms(reopened) if reopened else None,
    }


def _analysed(problem: Problem, topology: Topology) -> bool:
    return now_ms() >= problem.opened + topology.switches.analysis_seconds * 1000


def _affected(problem: Problem, topology: Topology) -> dict[str, Any]:
    affected, cause = problem.affected, problem.root_cause
    kinds = once(type_of(one) for one in affected)
    return {
        "affected_entity_ids": affected,
        "affected_entity_names": [name_of(one, topology) or one for one in affected],
        "affected_entity_types": [table_of(kind) for kind in kinds],
        **{table_of(kind): [one for one in affected if type_of(one) == kind] for kind in kinds},
        "smartscape.affected_entities": [
            stub for one in affected if (stub := node_stub(one, topology))
        ],
        "root_cause_entity_id": cause,
        "root_cause_entity_name": name_of(cause, topology) if cause else None,
    }


def _around(problem: Problem, topology: Topology) -> dict[str, Any]:
    hosts = once(host for one in problem.affected for host in hosts_of(one, topology))
    groups = once(end for host in hosts for end in ends(host, "isInstanceOf", topology))
    pods = once(end for one in problem.affected for end in ends(one, "isPgiOfCgi", topology))
    related = [one for one in (*hosts, *groups) if one not in problem.affected]
    return {
        "related_entity_ids": related,
        "related_entity_names": [name_of(one, topology) or one for one in related],
        "host.name": once(host_name(host, topology) for host in hosts),
        "dt.entity.host": hosts,
        "dt.entity.host_group": groups,
        "dt.host_group.id": once(name_of(group, topology) for group in groups),
        "dt.entity.container_group_instance": pods,
        "k8s.pod.name": _pod_names(problem, topology),
    }


def _pod_names(problem: Problem, topology: Topology) -> list[str]:
    known = [topology.entities[one] for one in problem.affected if one in topology.entities]
    return once(
        pair["value"]
        for entity in known
        for pair in entity.properties.get("metadata", ())
        if pair["key"] == "KUBERNETES_FULL_POD_NAME"
    )

"""
Which problems a workflow is told of, and when.

Properties of the trigger, when it fires (open, reopened, and closed if asked) and that it fires once
for each of these, are documentation's and those of the filter that a real server makes. Assumed: a
problem under maintenance fires unless the trigger says otherwise, the severity must not be weaker
(greater) than the threshold, an empty list of values takes any value of a tag, and without
`analysisReady` the analysis is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.tenant.bodies import problem_tags
from tests.tenant.entities import Topology
from tests.tenant.platform.dql.matching import meets
from tests.tenant.problem import Problem

_CATEGORIES = {
    "AVAILABILITY": "availability",
    "ERROR": "error",
    "PERFORMANCE": "slowdown",
    "RESOURCE_CONTENTION": "resource",
    "CUSTOM_ALERT": "custom",
    "MONITORING_UNAVAILABLE": "monitoringUnavailable",
}


def trigger_of(workflow: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """
    Give what the trigger of a workflow asks for; None when it does not fire at all.
    """
    event = (workflow.get("trigger") or {}).get("eventTrigger") or {}
    if not event.get("isActive", True) or workflow.get("isDeployed") is False:
        return None
    configuration = event.get("triggerConfiguration") or {}
    return configuration.get("value") if configuration.get("type") == "davis-problem" else None


def wanted(
    trigger: Mapping[str, Any], problem: Problem, record: Mapping[str, Any], topology: Topology
) -> bool:
    """
    Say whether a problem, as it is now, is one of those that a trigger is for.
    """
    closed = problem.status == "CLOSED"
    category = _CATEGORIES.get(problem.severity, "info")
    return (
        (not closed or bool(trigger.get("onProblemClose")))
        and bool(trigger.get("categories", {}).get(category))
        and record.get("event.severity", 3) <= trigger.get("severityThreshold", 5)
        and _tagged(trigger, problem, topology)
        and _in_its_time(trigger, problem)
        and ("customFilter" not in trigger or meets(trigger["customFilter"], record))
    )


def delay(trigger: Mapping[str, Any], topology: Topology) -> float:
    """
    Give after how many seconds a trigger fires for a problem that opens.
    """
    waits = trigger.get("analysisReady", True)
    return topology.switches.analysis_seconds if waits else 0.0


def once(problem: Problem) -> str:
    """
    Give what a trigger fires once for: the problem, whether it is open, and its latest reopening.
    """
    state = "resolved" if problem.status == "CLOSED" else "open"
    return f"{problem.problem_id}-{state}-{problem.reopened or ''}"


def _tagged(trigger: Mapping[str, Any], problem: Problem, topology: Topology) -> bool:
    asked = trigger.get("entityTags") or {}
    if not asked:
        return True
    own = {(tag.key, tag.value or "") for tag in problem_tags(problem, topology)}
    keys = {key for key, _ in own}
    met = [
        key in keys if not values else any((key, value) in own for value in values)
        for key, values in asked.items()
    ]
    return all(met) if trigger.get("entityTagsMatch", "all") == "all" else any(met)


def _in_its_time(trigger: Mapping[str, Any], problem: Problem) -> bool:
    when = trigger.get("maintenanceWindowTriggerBehavior", "always")
    return bool(when == "always" or (when == "inside") == problem.under_maintenance)

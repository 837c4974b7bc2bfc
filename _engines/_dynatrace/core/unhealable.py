"""
Says in plain words why what a problem is about cannot be healed, and what would make it so.

Dynatrace tells of much that is no process: a rule that counts the processes of a host, an OS service, a synthetic test.
Where no remedy takes it, who reads the event, or the comment on the problem, learns what to change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from .problem import Entity, Evidence, Problem, Process

CATALOGUE = "dynatrace_remedies in the master's configuration"

_OS_SERVICE = re.compile(r"OS[_:]SERVICE")
_HOST_DOWN = frozenset(
    {
        "CONNECTION_LOST",
        "HOST_OF_SERVICE_UNAVAILABLE",
        "OSI_GRACEFULLY_SHUTDOWN",
        "OSI_UNEXPECTEDLY_UNAVAILABLE",
    }
)
_INSTEAD = (
    "turn on availability monitoring of the process's group in Dynatrace (the state "
    "dynatrace.tenant.process_alerting does it), and the process itself is named when it is gone"
)
_NO_MINION = "no host and no process is named, so there is no minion to act on"
#: By how the type begins, the longer one first where two fit.
_KINDS = (
    ("ENVIRONMENT", f"the environment as a whole: {_NO_MINION}"),
    ("SYNTHETIC_", f"a synthetic test, which looks from outside: {_NO_MINION}"),
    ("EXTERNAL_SYNTHETIC_", f"a synthetic test, which looks from outside: {_NO_MINION}"),
    ("HTTP_CHECK", f"an HTTP monitor, which looks from outside: {_NO_MINION}"),
    ("MULTIPROTOCOL_MONITOR", f"a network monitor, which looks from outside: {_NO_MINION}"),
    ("CLOUD_APPLICATION", "a workload of Kubernetes: the cluster brings it back, and no minion"),
    ("KUBERNETES_", "a part of Kubernetes: the cluster brings it back, and no minion"),
    ("CONTAINER_GROUP", "a container: its runtime brings it back, and no remedy of the host"),
    ("CUSTOM_DEVICE", f"a custom device, on which no OneAgent runs: {_NO_MINION}"),
    ("APPLICATION", f"an application as its users see it: {_NO_MINION}"),
    ("MOBILE_APPLICATION", f"an application as its users see it: {_NO_MINION}"),
    ("CUSTOM_APPLICATION", f"an application as its users see it: {_NO_MINION}"),
    ("DEVICE_APPLICATION", f"an application as its users see it: {_NO_MINION}"),
)


def in_container(mark: str) -> str:
    """
    Return why the host's own service is not the process that is meant.
    """
    return f"it runs in a container ({mark}), not on the host itself"


def of_unit(*units: str) -> str:
    """
    Return what would make OS services healable; each name has the form of a unit.
    """
    listed = ", ".join(f"'{unit}'" for unit in units[:5])
    line = f"unit: {{on: {{unit: [{listed}]}}}}"
    which = f"the OS service {', '.join(units[:5])}"
    return f"{which} is reported, and no remedy takes it; add to {CATALOGUE}: {line}"


def line_for(process: Process) -> str:
    """
    Return the line of the catalogue that would take a process, by the most specific that is known of it; empty: nothing is.
    """
    if process.unit:
        return f"unit: {{on: {{unit: ['{process.unit}']}}}}"
    if process.technologies:
        technology = process.technologies[0]
        name = technology.lower()
        return f"{name}: {{on: {{technology: {technology}}}, service: <its unit>}}"
    if process.names:
        return f"<name>: {{on: {{process: {json.dumps(process.names[0][:100])}}}, service: <its unit>}}"
    return ""


def is_os_service(entity: Entity) -> bool:
    """
    Tell whether an entity is an OS service; the documentation names the type and not its spelling in an id.
    """
    return _OS_SERVICE.fullmatch(entity.type) is not None


def why_nothing(entity: Entity) -> str:
    """
    Return why an entity that is no process, host, service or process group leads to no minion.
    """
    if is_os_service(entity):
        return f"an OS service, and the tenant tells no host of it; {_INSTEAD}"
    said = next((text for kind, text in _KINDS if entity.type.startswith(kind)), None)
    return said or f"{entity.type} is no host and no process, so there is no minion to act on"


def advice(problem: Problem, entity: Entity) -> str | None:
    """
    Return what would make it healable that an event on a host, or an OS service, tells of; None: it tells of no failure.
    """
    own = [
        item
        for item in problem.evidence
        if item.entity.id == entity.id and item.is_open is not False
    ]
    if is_os_service(entity):
        return _of_service(own)
    if entity.type != "HOST":
        return None
    failures = [item for item in own if item.event_type == "AVAILABILITY_EVENT"]
    if failures:
        return _of_service(failures) if _units(failures) else _of_rule(failures)
    if any(item.event_type in _HOST_DOWN for item in own):
        return "the host itself is gone or shut down, which no remedy on it can heal"
    return None


def comment(advised: Iterable[tuple[str, str]]) -> str:
    """
    Return the comment that says what would make a problem healable, by (minion, advice).
    """
    lines = ["Salt knows where this is, and has no remedy for what Dynatrace tells of it."]
    lines += [f"{minion}: {text}." for minion, text in advised]
    return "\n".join(lines)


def _units(events: Iterable[Evidence]) -> list[str]:
    return list(dict.fromkeys(item.unit for item in events if item.unit))


def _of_service(events: list[Evidence]) -> str:
    if units := _units(events):
        return of_unit(*units)
    return f"an OS service is reported, whose name no event tells; {_INSTEAD}"


def _of_rule(events: list[Evidence]) -> str:
    if any(item.source == "Process availability" for item in events):
        what = "a process availability rule counts processes and names none"
    else:
        what = "an availability event on the host names no process"
    return f"{what}, so no remedy takes it; {_INSTEAD}"

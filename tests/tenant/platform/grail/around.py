"""
What stands around an entity: its hosts, its groups, and what it is called in Grail.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.tenant.entities import Topology, type_of

_TO_HOST = {
    "PROCESS_GROUP_INSTANCE": "isProcessOf",
    "SERVICE": "runsOnHost",
    "PROCESS_GROUP": "runsOn",
    "OS:SERVICE": "runsOn",
}
#: Severity -> category, where both differ.
_SHORT = {
    "PERFORMANCE": "SLOWDOWN",
    "RESOURCE_CONTENTION": "RESOURCE",
    "CUSTOM_ALERT": "CUSTOM",
}
_LONG = {"PERFORMANCE": "SLOWDOWN"}


def table_of(entity_type: str) -> str:
    """
    Give the classic table of a type: `dt.entity.host`.
    """
    return f"dt.entity.{entity_type.lower()}"


def name_of(entity: str, topology: Topology) -> str | None:
    """
    Give the name of an entity that is known.
    """
    known = topology.entities.get(entity)
    return known.name if known else None


def ends(entity: str, relationship: str, topology: Topology) -> list[str]:
    """
    Give the other ends of a relationship.
    """
    known = topology.entities.get(entity)
    return list(known.links.get(relationship, ())) if known else []


def hosts_of(entity: str, topology: Topology) -> list[str]:
    """
    Give the hosts on which an entity runs, or itself.
    """
    kind = type_of(entity)
    if kind == "HOST":
        return [entity]
    return ends(entity, _TO_HOST.get(kind, ""), topology)


def host_name(host: str, topology: Topology) -> str | None:
    """
    Give the name that a host has in records: the one that was detected.
    """
    known = topology.entities.get(host)
    return str(known.properties.get("detectedName") or known.name) if known else None


def once(ids: Iterable[str | None]) -> list[str]:
    """
    Give what is there, each once.
    """
    return list(dict.fromkeys(one for one in ids if one))


def category(severity: str, topology: Topology) -> str:
    """
    Give the category of a severity; sources differ about the names of two.
    """
    names = _SHORT if topology.switches.grail_categories == "short" else _LONG
    return names.get(severity, severity)

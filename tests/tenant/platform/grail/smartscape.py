"""
Smartscape: the nodes HOST, PROCESS and SERVICE.

Keys follow captured nodes. One capture has a process with the suffix of its classic id, other
sources say that it has another one: here it has, so that nobody can do without `id_classic`.
Constructed: `references`, `tags` without a context, and the node of a service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from tests.tenant.entities import Entity, Topology
from tests.tenant.platform.dql.rows import Context, Row
from tests.tenant.platform.dql.values import SmartscapeId, at_ms
from tests.tenant.platform.grail.around import host_name, hosts_of, name_of
from tests.tenant.timeframe import now_ms

#: Type of a node -> type of the classic entity.
_CLASSIC = {"HOST": "HOST", "PROCESS": "PROCESS_GROUP_INSTANCE", "SERVICE": "SERVICE"}


def node_rows(kind: str, context: Context, topology: Topology) -> Iterator[Row]:
    """
    Give a row for each node of a type.
    """
    for entity in topology.named(context.wanted):
        if entity.type != _CLASSIC.get(kind):
            continue
        last = now_ms() if entity.last_seen is None else entity.last_seen
        if at_ms(last) >= context.begin and at_ms(entity.first_seen) < context.end:
            yield Row(_node(kind, entity, topology, last))


def node_id(entity: str) -> SmartscapeId:
    """
    Give the id that the node of an entity has.
    """
    kind, _, suffix = entity.rpartition("-")
    if kind != "PROCESS_GROUP_INSTANCE":
        return SmartscapeId(entity)
    other = hashlib.blake2b(suffix.encode(), digest_size=8).hexdigest().upper()
    return SmartscapeId(f"PROCESS-{other}")


def node_stub(entity: str, topology: Topology) -> dict[str, Any] | None:
    """
    Give how a record names the node of an entity; None when there is none.
    """
    kinds = {classic: kind for kind, classic in _CLASSIC.items()}
    kind = kinds.get(entity.rpartition("-")[0])
    if kind is None:
        return None
    return {"id": node_id(entity), "name": name_of(entity, topology) or entity, "type": kind}


def _node(kind: str, entity: Entity, topology: Topology, last: int) -> dict[str, Any]:
    own = {"HOST": _host, "PROCESS": _process}.get(kind)
    return {
        "id": node_id(entity.entity_id),
        "id_classic": entity.entity_id,
        "name": entity.name,
        "type": kind,
        "lifetime": {"start": at_ms(entity.first_seen), "end": at_ms(last)},
        "tags": _tags(entity, ""),
        "tags:environment": _tags(entity, "Environment"),
        **(own(entity, topology) if own else {}),
    }


def _host(entity: Entity, topology: Topology) -> dict[str, Any]:
    properties = entity.properties
    return {
        "name": host_name(entity.entity_id, topology),
        "host.custom.metadata": _pairs(properties.get("customHostMetadata", ())),
        "host.logical.cpus": properties["logicalCpuCores"],
        "memory": properties["memoryTotal"],
        "os.architecture": properties["osArchitecture"].lower(),
        "os.type": f"OS_TYPE_{properties['osType']}",
        "os.version": properties["osVersion"],
        "references": {},
    }


def _process(entity: Entity, topology: Topology) -> dict[str, Any]:
    properties, hosts = entity.properties, hosts_of(entity.entity_id, topology)
    group = entity.links["isInstanceOf"][0]
    technologies = [
        {"type": one["type"], "version": one.get("version"), "edition": one.get("edition")}
        for one in properties.get("softwareTechnologies", ())
    ]
    return {
        "host.name": host_name(hosts[0], topology),
        "dt.process_group.id": group,
        "dt.process_group.detected_name": name_of(group, topology),
        "port": list(properties.get("listenPorts", ())),
        "process.bitness": int(properties.get("bitness", 64)),
        "process.metadata": _pairs(properties.get("metadata", ())),
        "process.software_technologies": technologies,
        "references": {"runs_on.host": [node_id(host) for host in hosts]},
    }


def _pairs(pairs: Any) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in pairs}


def _tags(entity: Entity, label: str) -> dict[str, Any]:
    return {tag.key: tag.value or "" for tag in entity.tags if tag.label == label}

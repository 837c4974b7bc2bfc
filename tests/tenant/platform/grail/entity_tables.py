"""
The classic entity tables `dt.entity.*`.

That a row has `id` and `entity.name` and what is asked for beside, and that tags are texts, is
captured; names of fields and relations, and technologies as texts with `type:` in them, are those of
Dynatrace's own queries. The shapes of the other fields are constructed: those of the Entities API.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.tenant.entities import Entity, Topology
from tests.tenant.entity_properties import PROPERTIES
from tests.tenant.platform.dql.rows import Context, Row
from tests.tenant.platform.dql.values import at_ms
from tests.tenant.platform.grail.around import table_of
from tests.tenant.timeframe import now_ms

#: Relationship of the Entities API -> its name in these tables.
_RELATIONS = {
    "isProcessOf": "belongs_to",
    "isInstanceOf": "instance_of",
    "runsOn": "runs_on",
    "runsOnHost": "runs_on",
    "runsOnProcessGroupInstance": "runs_on",
    "isPgiOfCgi": "belongs_to",
}
_HOST_OF = {"OS:SERVICE": "belongs_to"}
_COMMON = ("id", "entity.name", "entity.type", "tags", "lifetime")
#: What a tenant without `grail_entity_details` does not have.
DETAILS = frozenset(
    {
        "entity.detected_name",
        "metadata",
        "customPgMetadata",
        "gardenApplicationNames",
        "isDockerized",
        "dnsNames",
        "customHostMetadata",
        "osServices",
    }
)
_TYPES = (
    *PROPERTIES,
    "HOST_GROUP",
    "CONTAINER_GROUP_INSTANCE",
    "CONTAINER_GROUP",
    "DISK",
    "CLOUD_APPLICATION",
    "CLOUD_APPLICATION_INSTANCE",
    "KUBERNETES_CLUSTER",
    "APPLICATION",
    "HTTP_CHECK",
)


def entity_fields(table: str, topology: Topology) -> frozenset[str] | None:
    """
    Give the fields of a table; None when there is no such table.
    """
    kind = _type_of(table, topology)
    if kind is None:
        return None
    details = DETAILS if topology.switches.grail_entity_details else frozenset()
    own = PROPERTIES.get(kind, frozenset()) - DETAILS
    relations = {
        f"{name}[{table_of(other)}]"
        for name in ("belongs_to", "instance_of", "runs_on", "runs", "contains")
        for other in _TYPES
    }
    return own | details | relations | set(_COMMON)


def entity_rows(table: str, context: Context, topology: Topology) -> Iterator[Row]:
    """
    Give a row for each entity of the type that was seen in the timeframe.
    """
    kind = _type_of(table, topology)
    for entity in topology.named(context.wanted):
        if entity.type == kind and _seen(entity, context):
            yield Row({"id": entity.entity_id, "entity.name": entity.name}, _hidden(entity))


def _type_of(table: str, topology: Topology) -> str | None:
    known = {table_of(kind): kind for kind in _TYPES}
    return known.get(table) or next(
        (one.type for one in list(topology.entities.values()) if table_of(one.type) == table), None
    )


def _seen(entity: Entity, context: Context) -> bool:
    last = now_ms() if entity.last_seen is None else entity.last_seen
    return at_ms(entity.first_seen) < context.end and at_ms(last) >= context.begin


def _hidden(entity: Entity) -> dict[str, Any]:
    properties = entity.properties
    technologies = [f"type:{one['type']}" for one in properties.get("softwareTechnologies", ())]
    return {
        **properties,
        **({"softwareTechnologies": technologies} if technologies else {}),
        "entity.type": table_of(entity.type),
        "entity.detected_name": properties.get("detectedName", entity.name),
        "tags": [tag.body()["stringRepresentation"] for tag in entity.tags],
        **_relations(entity),
    }


def _relations(entity: Entity) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for relationship, ends in entity.links.items():
        name = _HOST_OF.get(entity.type) or _RELATIONS.get(relationship, "belongs_to")
        for end in ends:
            found.setdefault(f"{name}[{table_of(end.rpartition('-')[0])}]", []).append(end)
    return {name: ends[0] if len(ends) == 1 else ends for name, ends in found.items()}

"""
Entities by the queries of Grail, from Smartscape: hosts and processes.

A node has an id of its own, and the classic one in ``id_classic``, which is read and never computed: everything else that
is told of an entity has its classic id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.problem import EntityDetail, entity_type, is_entity_id
from .entities import parse_entity
from .grail import Grail, quoted
from .grail_entities import WINDOW, QueriedEntities, records_of, related
from .json_values import typed

_PROCESS = (
    "id, id_classic, name, type, host.name, port, process.metadata, process.software_technologies, "
    "dt.process_group.id, dt.process_group.detected_name, tags, references"
)
#: By classic type, the type of the nodes and their fields.
_NODES = {
    "PROCESS_GROUP_INSTANCE": ("PROCESS", _PROCESS),
    "HOST": ("HOST", "id, id_classic, name, type, host.custom.metadata, tags"),
}


class Smartscape(QueriedEntities):
    """
    Reads the hosts and processes of one environment; it knows no other entities. Raises BadRequest with the reason
    ``UNKNOWN_DATA_OBJECT`` where there is no Smartscape.
    """

    part = "Smartscape"

    def __init__(self, grail: Grail) -> None:
        self._grail = grail

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities of one type by a query, and for processes one more for the ids of their hosts.
        """
        wanted = sorted(filter(is_entity_id, ids))
        kind = entity_type(wanted[0]) if wanted else ""
        if kind not in _NODES:
            return {}
        return self._details(self._nodes(kind, f"in(id_classic, {quoted(wanted)})"))

    def all_of(self, kind: str) -> dict[str, EntityDetail]:
        """
        Return all entities of a type by classic id.
        """
        return self._details(self._nodes(kind, "")) if kind in _NODES else {}

    def _nodes(self, kind: str, filtered: str) -> list[dict[str, Any]]:
        node, fields = _NODES[kind]
        part = f" | filter {filtered}" if filtered else ""
        query = f'smartscapeNodes "{node}", from:{WINDOW}{part} | fields {fields}'
        found = records_of(self._grail, query)
        return [one for one in found if is_entity_id(one.get("id_classic"))]

    def _details(self, nodes: Sequence[Mapping[str, Any]]) -> dict[str, EntityDetail]:
        hosts = self._classic_ids({host for node in nodes for host in _hosts(node)})
        details = (parse_entity(_body(node, hosts)) for node in nodes)
        return {one.id: one for one in details}

    def _classic_ids(self, hosts: Iterable[str]) -> dict[str, str]:
        wanted = sorted(filter(is_entity_id, hosts))
        if not wanted:
            return {}
        these = " or ".join(f"id == toSmartscapeId({json.dumps(one)})" for one in wanted)
        return {str(one.get("id")): one["id_classic"] for one in self._nodes("HOST", these)}


def _references(node: Mapping[str, Any]) -> dict[str, Any]:
    return typed(node.get("references"), dict)


def _hosts(node: Mapping[str, Any]) -> list[str]:
    value = _references(node).get("runs_on.host")
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _body(node: Mapping[str, Any], hosts: Mapping[str, str]) -> dict[str, Any]:
    own = _hosts(node)
    # A host whose classic id is not known is one more than is known: then the process has no host that is sure.
    classic = [hosts[one] for one in own if one in hosts] if set(own) <= hosts.keys() else []
    return {
        "entityId": node["id_classic"],
        "displayName": node.get("name"),
        "properties": {
            "metadata": node.get("process.metadata"),
            "listenPorts": node.get("port"),
            "softwareTechnologies": node.get("process.software_technologies"),
            "customHostMetadata": node.get("host.custom.metadata"),
        },
        "tags": [
            {"key": key, "value": value} for key, value in typed(node.get("tags"), dict).items()
        ],
        "fromRelationships": {
            **related("isProcessOf", classic),
            **related("isPgiOfCgi", _references(node).get("runs_on.container")),
        },
    }

"""
Entities by the queries of Grail, from the classic tables ``dt.entity.*``.

A row has the properties of the Entities API under the same names, and is parsed as one of its bodies.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import BadRequest, NotFound, Unavailable
from ..core.problem import EntityDetail, entity_type, is_entity_id
from .entities import parse_entity
from .grail import Grail, quoted
from .json_values import objects_of, typed
from .rate_limiter import Kind

WINDOW = "now()-30d"
_HOST = "host=belongs_to[dt.entity.host]"
_RUNS = "id, entity.name, tags, host=runs_on[dt.entity.host]"
_PROCESS = (
    f"id, entity.name, tags, softwareTechnologies, listenPorts, {_HOST}, "
    "pod=belongs_to[dt.entity.container_group_instance]"
)
#: Of what else stands on a host, such as a disk, it is not documented how it is related to it.
_BASIC = f"id, entity.name, tags, {_HOST}, other=runs_on[dt.entity.host]"
#: By type, the fields that tenants are known to have, and those that are asked for first beside them.
FIELDS = {
    "PROCESS_GROUP_INSTANCE": (
        _PROCESS,
        "entity.detected_name, metadata, customPgMetadata, gardenApplicationNames, isDockerized",
    ),
    "HOST": (
        "id, entity.name, tags, ipAddress",
        "entity.detected_name, dnsNames, customHostMetadata, osServices",
    ),
    "OS:SERVICE": (_BASIC, "name"),
    "SERVICE": (_RUNS, ""),
    "PROCESS_GROUP": (_RUNS, ""),
}
#: By type, what the Entities API calls the relation to a host.
_RELATIONS = {
    "PROCESS_GROUP_INSTANCE": "isProcessOf",
    "SERVICE": "runsOnHost",
    "PROCESS_GROUP": "runsOn",
}
_TAG = re.compile(r"(?:\[[^\]]*\])?((?:\\.|[^:\\])+)(?::(.*))?", re.DOTALL)


class QueriedEntities:
    """
    What is the same whatever part of Grail is queried; ``part`` is what errors call it.
    """

    part = "Grail"

    def entity(self, entity_id: str) -> EntityDetail:
        """
        Return one entity; raises NotFound.
        """
        found = self.entities([entity_id]).get(entity_id)
        if found is None:
            raise NotFound(f"{self.part} shows no entity {entity_id[:80]!r}")
        return found

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities by id.
        """
        raise NotImplementedError

    def hosts_of(self, processes: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return nothing: the ids of the hosts come with the processes.
        """
        return {}


class GrailEntities(QueriedEntities):
    """
    Reads the entities of one environment. Raises BadRequest with the reason ``UNKNOWN_DATA_OBJECT`` where it has no such
    table.
    """

    def __init__(self, grail: Grail) -> None:
        self._grail = grail
        #: The types whose table has not all fields that are asked for first.
        self._plain: set[str] = set()

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities by a query for each type, by id; what the tenant does not know is left out.
        """
        found: dict[str, EntityDetail] = {}
        wanted = sorted(filter(is_entity_id, ids))
        for kind, same in itertools.groupby(wanted, entity_type):
            found.update(self._rows(kind, f" | filter in(id, {quoted(same)})"))
        return found

    def all_of(self, kind: str) -> dict[str, EntityDetail]:
        """
        Return all entities of a type by id, by one query.
        """
        return self._rows(kind, "")

    def _rows(self, kind: str, filtered: str) -> dict[str, EntityDetail]:
        table = f"dt.entity.{kind.lower()}"
        basic, more = FIELDS.get(kind, (_BASIC, ""))
        shown = f"`{table}`" if ":" in table else table
        start = f"fetch {shown}, from:{WINDOW}{filtered} | fields {basic}"
        if more and kind not in self._plain:
            try:
                return self._details(f"{start}, {more}", kind)
            except BadRequest as err:
                if err.reason != "FIELD_DOES_NOT_EXIST":
                    raise
                self._plain.add(kind)
        return self._details(start, kind)

    def _details(self, query: str, kind: str) -> dict[str, EntityDetail]:
        details = (parse_entity(_body(row, kind)) for row in records_of(self._grail, query))
        return {one.id: one for one in details}


def records_of(grail: Grail, query: str) -> list[dict[str, Any]]:
    """
    Return the records of a query about entities; raises Unavailable where they are not all.
    """
    result = grail.query(query, Kind.READING)
    if result.cut:
        raise Unavailable(f"POST /query:execute: {result.cut[0]}")
    return result.records


def related(name: str, value: Any) -> dict[str, list[dict[str, str]]]:
    """
    Return a relation as the Entities API shows it; its ends come as one id or as several.
    """
    ids = value if isinstance(value, list) else [value]
    ends = [{"id": one} for one in ids if isinstance(one, str) and one]
    return {name: ends} if ends else {}


def _body(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    technologies = row.get("softwareTechnologies")
    return {
        "entityId": row.get("id"),
        "displayName": row.get("entity.name"),
        "properties": {
            **row,
            "detectedName": row.get("entity.detected_name"),
            "softwareTechnologies": [*objects_of(technologies), *_technologies(technologies)],
        },
        "tags": [_tag(one) for one in typed(row.get("tags"), list) if isinstance(one, str)],
        "fromRelationships": {
            **related(_RELATIONS.get(kind, "isOf"), row.get("host")),
            **related("runsOnHost", row.get("other")),
            **related("isPgiOfCgi", row.get("pod")),
        },
    }


def _technologies(value: Any) -> list[dict[str, str]]:
    # In older tables as texts: `type:APACHE_HTTPD,version:2.4`.
    texts = (one for one in typed(value, list) if isinstance(one, str))
    found = (re.match(r"(?:type:)?([A-Z][A-Z0-9_]*)", one) for one in texts)
    return [{"type": one[1]} for one in found if one]


def _tag(text: str) -> dict[str, str]:
    found = _TAG.fullmatch(text)
    key, value = found.groups() if found else (text, None)
    shown = {"stringRepresentation": text, "key": _plain(key)}
    return {**shown, "value": _plain(value)} if value is not None else shown


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)

"""
Entities by the Entities API v2, of a classic environment or through the platform's gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..core.errors import NotFound
from ..core.problem import EntityDetail, is_entity_id
from .entities import parse_entity
from .rate_limiter import Kind
from .sources import check_same
from .transport import Transport

PAGE_SIZE = 500
WINDOW = "now-30d"
FIELDS = "+properties,+tags,+fromRelationships"
#: The documentation allows a selector of entities so many characters.
SELECTOR_CHARS = 2000


class ClassicEntities:
    """
    Reads the entities of one environment.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def entity(self, entity_id: str) -> EntityDetail:
        """
        Return one entity; raises NotFound.
        """
        path = f"/entities/{checked(entity_id)}"
        query = {"fields": FIELDS, "from": WINDOW}
        detail = parse_entity(self._transport.get(path, Kind.READING, query))
        check_same(f"GET {path}", entity_id, detail.id)
        return detail

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities of one type by few requests, by id; what the tenant does not know is left out.
        """
        found: dict[str, EntityDetail] = {}
        for part in _parts([one for one in ids if is_entity_id(one)]):
            found.update(self._entities(_entity_ids(part)))
        return found

    def all_of(self, kind: str) -> dict[str, EntityDetail]:
        """
        Return all entities of a type by id, such as ``PROCESS_GROUP_INSTANCE``; it takes a request for each 500.
        """
        return self._entities(f'type("{kind}")')

    def hosts_of(self, processes: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return the hosts that processes run on, by id, without knowing which: their ids come with the processes.
        """
        found: dict[str, EntityDetail] = {}
        for part in _parts([one for one in processes if is_entity_id(one)]):
            nested = f'type("PROCESS_GROUP_INSTANCE"),{_entity_ids(part)}'
            found.update(self._entities(f'type("HOST"),toRelationships.isProcessOf({nested})'))
        return found

    def _entities(self, selector: str) -> dict[str, EntityDetail]:
        query = {
            "entitySelector": selector,
            "fields": FIELDS,
            "from": WINDOW,
            "pageSize": str(PAGE_SIZE),
        }
        items = self._transport.items("/entities", Kind.READING, query, "entities")
        return {detail.id: detail for detail in map(parse_entity, items)}


def checked(entity_id: str) -> str:
    """
    Return an entity id; raises NotFound for what cannot be one.
    """
    if not is_entity_id(entity_id):
        raise NotFound(f"{entity_id[:80]!r} is no entity id")
    return entity_id


def _entity_ids(ids: Iterable[str]) -> str:
    return "entityId({})".format(",".join(f'"{one}"' for one in ids))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    # As many as a selector may name, beside what else it says.
    step = max((SELECTOR_CHARS - 100) // (max(map(len, ids), default=0) + 3), 1)
    for at in range(0, len(ids), step):
        yield ids[at : at + step]

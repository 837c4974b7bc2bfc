"""
The endpoints of entities: list and detail.

Rules of selector, fields, paging and the default window of three days are Dynatrace
documentation's. The wording of the 404 is synthetic.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.tenant.bodies import ENTITY_FIELDS, entity_body
from tests.tenant.entities import Entity
from tests.tenant.entity_properties import PROPERTIES
from tests.tenant.errors import ApiError, violated
from tests.tenant.kept import listed
from tests.tenant.paging import alone, page_length
from tests.tenant.selectors import select_entities, selected_type
from tests.tenant.timeframe import now_ms, parse_moment
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

# The ids of generic types, such as OS services, are not documented as texts: an assumption.
_ID = re.compile(r"[A-Z][A-Z0-9_:]*-[0-9A-F]{16}")
_LIST = frozenset({"entitySelector", "fields", "from", "to", "pageSize", "nextPageKey", "sort"})


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    one = r"/api/v2/entities/(?P<entity>[^/]+)"
    window = frozenset({"fields", "from", "to"})
    return [
        Route("GET", r"/api/v2/entities", "entities.read", list_entities, _LIST),
        Route("GET", one, "entities.read", show_entity, window),
    ]


def list_entities(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /entities.
    """
    key = request.query.get("nextPageKey")
    if key is None:
        walk = _begin(tenant, request)
    else:
        alone(request)
        walk = tenant.cursors.open("entities", key, tenant.switches.cursor_lifetime)
    found = select_entities(walk["selector"], tenant, path="entitySelector")
    found = [entity for entity in found if _active(entity, walk["from"], walk["to"])]
    found.sort(key=lambda one: (one.name, one.entity_id), reverse=walk["sort"].startswith("-"))
    begin, end = walk["begin"], walk["begin"] + walk["size"]
    fields = _fields(walk["fields"], walk["type"], request)
    body: dict[str, Any] = {
        "totalCount": len(found),
        "pageSize": walk["size"],
        "entities": [],
    }
    if end < len(found):
        body["nextPageKey"] = tenant.cursors.seal("entities", {**walk, "begin": end})
    elif tenant.last_key_is_null(request):
        body["nextPageKey"] = None
    shown = found[begin:end]
    if tenant.switches.keep_bodies:
        return listed(body, "entities", shown, lambda entity: _text(tenant, entity, fields))
    body["entities"] = [entity_body(one, fields, tenant) for one in shown]
    return Answer(200, body)


def show_entity(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /entities/{id}; 404 when the entity was not active in the window.
    """
    entity_id = request.parts["entity"]
    if not _ID.fullmatch(entity_id):
        raise violated("entityId", "Invalid format.", "PATH")
    begin, end = _window(request)
    entity = tenant.entities.get(entity_id)
    if entity is None or not _active(entity, begin, end):
        raise ApiError(404, f"Entity with ID '{entity_id}' not found.")
    text = request.query.get("fields")
    fields = None if text is None else _fields(text, entity.type, request)
    if tenant.switches.keep_bodies:
        return Answer(200, _text(tenant, entity, fields).encode())
    return Answer(200, entity_body(entity, fields, tenant))


def _text(tenant: Tenant, entity: Entity, fields: list[str] | None) -> str:
    name = entity.entity_id, None if fields is None else tuple(fields)
    return tenant.kept.text(name, None, lambda: entity_body(entity, fields, tenant))


def _begin(tenant: Tenant, request: Request) -> dict[str, Any]:
    selector = request.query.get("entitySelector")
    if not selector:
        raise violated("entitySelector", "must not be null")
    begin, end = _window(request)
    sort = request.query.get("sort", "+name").strip()
    if sort.lstrip("+-") != "name":
        raise violated("sort", f"Unknown sort field '{sort}'")
    return {
        "selector": selector,
        "type": selected_type(selector, path="entitySelector"),
        "fields": request.query.get("fields", ""),
        "from": begin,
        "to": end,
        "size": page_length(request, tenant.switches.page_cap, tenant.switches.page_default),
        "sort": sort,
        "begin": 0,
    }


def _window(request: Request) -> tuple[int, int]:
    now = now_ms()
    begin = parse_moment(request.query.get("from", "now-3d"), now, "from")
    end = parse_moment(request.query.get("to", "now"), now, "to")
    if begin > end:
        raise violated("from", "must not be after to")
    return begin, end


def _active(entity: Entity, begin: int, end: int) -> bool:
    return entity.first_seen <= end and (entity.last_seen is None or entity.last_seen >= begin)


def _fields(text: str, kind: str, request: Request) -> list[str]:
    found = []
    for part in filter(None, text.split(",")):
        if part.startswith(" "):
            request.note("a '+' in fields must be percent-encoded")
        if not part.startswith("+"):
            raise violated("fields", f"'{part.strip()}' must begin with '+'")
        name, _, inner = part[1:].partition(".")
        if name not in ENTITY_FIELDS:
            raise violated("fields", f"'{part[1:]}' is not a valid field")
        if name == "properties" and inner and inner not in PROPERTIES.get(kind, {inner}):
            raise violated("fields", f"'{inner}' is not a valid property for type '{kind}'")
        found.append(part[1:])
    return found

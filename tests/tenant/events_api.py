"""
The endpoint that takes events: POST /events/ingest.

Limits and event types are Dynatrace documentation's, the 201 is a captured one. An event of a
problem-opening type really opens a problem, so that a client that feeds itself shows it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tests.tenant.errors import violated
from tests.tenant.platform.phases import has_entity_ids
from tests.tenant.selectors import select_entities
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_OPENING = {
    "AVAILABILITY_EVENT": "AVAILABILITY",
    "CUSTOM_ALERT": "CUSTOM_ALERT",
    "ERROR_EVENT": "ERROR",
    "PERFORMANCE_EVENT": "PERFORMANCE",
    "RESOURCE_CONTENTION_EVENT": "RESOURCE_CONTENTION",
}
_TYPES = frozenset(_OPENING) | {
    "CUSTOM_ANNOTATION",
    "CUSTOM_CONFIGURATION",
    "CUSTOM_DEPLOYMENT",
    "CUSTOM_INFO",
    "MARKED_FOR_TERMINATION",
    "WARNING",
}
_MOST_PROPERTIES, _LONGEST_KEY, _LONGEST_VALUE = 100, 100, 4096


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    return [Route("POST", r"/api/v2/events/ingest", "events.ingest", ingest)]


def ingest(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /events/ingest: one result for each entity that the selector finds.
    """
    body = request.json()
    kind, title = request.text(body, "eventType"), request.text(body, "title")
    if kind not in _TYPES:
        raise violated("eventType", f"Unknown event type '{kind}'", "PAYLOAD_BODY")
    _check_properties(body.get("properties"))
    selector = request.text(body, "entitySelector", required=False)
    if selector and not has_entity_ids(tenant.switches):
        raise violated("entitySelector", "is not supported in this environment", "PAYLOAD_BODY")
    if not selector and not (body.get("properties") or {}).get("dt.source_entity"):
        request.note("an event without entitySelector is about the whole environment")
    chosen = select_entities(selector, tenant, path="entitySelector") if selector else []
    tenant.log.add("event ingested", type=kind, title=title, entities=len(chosen), body=body)
    for entity in chosen if kind in _OPENING else ():
        tenant.raise_problem(entity.entity_id, title, _OPENING[kind], kind, root_cause=None)
    results = [
        {"correlationId": secrets.token_hex(8), "status": "OK"} for _ in range(len(chosen) or 1)
    ]
    return Answer(201, {"reportCount": len(results), "eventIngestResults": results})


def _check_properties(properties: object) -> None:
    if properties is None:
        return
    if not isinstance(properties, dict) or len(properties) > _MOST_PROPERTIES:
        raise violated("properties", f"at most {_MOST_PROPERTIES} properties", "PAYLOAD_BODY")
    for key, value in properties.items():
        if not isinstance(value, str) or len(value) > _LONGEST_VALUE or len(key) > _LONGEST_KEY:
            raise violated("properties", f"'{key[:99]}' is too long or no text", "PAYLOAD_BODY")

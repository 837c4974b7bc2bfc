"""
The endpoint that takes business events: POST /bizevents/ingest.

Path, scopes, content types, the 202 without a body and that nested objects become texts are
Dynatrace documentation's. It says that the gateway takes OAuth only; here a platform token with the
scope is taken as well. That `event.type` must be there, and the texts of refusals, are constructed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError, violated
from tests.tenant.platform.dql.values import Timestamp
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_JSON = ("application/json",)
_CLOUD = ("application/cloudevent+json", "application/cloudevents+json")
_BATCH = ("application/cloudevent-batch+json", "application/cloudevents-batch+json")
_RENAMED = {"type": "event.type", "source": "event.provider", "id": "event.id"}


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    return [Route("POST", r"/api/v2/bizevents/ingest", "bizevents.ingest", ingest)]


def ingest(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /bizevents/ingest: every event is kept, or none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (*_JSON, *_CLOUD, *_BATCH):
        raise ApiError(415, "HTTP 415 Unsupported Media Type", noted=True)
    try:
        body = json.loads(request.raw)
    except ValueError as err:
        raise ApiError(400, "Could not map JSON.", noted=True) from err
    events = body if isinstance(body, list) else [body]
    kept = [_event(one, cloud=kind not in _JSON) for one in events]
    tenant.bizevents.extend(kept)
    for one in kept:
        tenant.log.add("business event ingested", type=one["event.type"], event=one)
    return Answer(202)


def _event(event: Any, *, cloud: bool) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise ApiError(400, "Could not map JSON.", noted=True)
    flat = _of_cloud(event) if cloud else event
    if not isinstance(flat.get("event.type"), str):
        raise violated("event.type", "must not be null", "PAYLOAD_BODY")
    texts = {
        name: json.dumps(value) if isinstance(value, (dict, list)) else value
        for name, value in flat.items()
    }
    return {"timestamp": Timestamp(time.time_ns()), "event.kind": "BIZ_EVENT", **texts}


def _of_cloud(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    rest = {_RENAMED.get(name, name): one for name, one in event.items() if name != "data"}
    return {**rest, **(data if isinstance(data, dict) else {})}

"""
From a request to an answer: route, token, limit, endpoint, envelope, record.

A further part of the API adds its routes to `Tenant.routes`; nothing here needs to change for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.tenant import (
    comments_api,
    deployment_api,
    entities_api,
    events_api,
    problems_api,
    settings_api,
)
from tests.tenant.errors import ApiError
from tests.tenant.tokens import PLATFORM_PATH
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant


@dataclass(frozen=True)
class Call:
    """
    The record of one call. Never holds the token; `status` 0 means that no answer went out.

    `token_ok` says that the token was accepted, be its scopes sufficient or not.
    """

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    at: float
    token_ok: bool
    fault: str | None = None
    body: bytes = b""


def all_routes() -> list[Route]:
    """
    Give the routes of every part of the API that the tenant has from the start.
    """
    parts = (
        problems_api,
        comments_api,
        entities_api,
        events_api,
        settings_api,
        deployment_api,
    )
    return [route for part in parts for route in part.routes()]


def respond(tenant: Tenant, request: Request) -> tuple[Answer, bool]:
    """
    Carry a request out; give the answer, and whether the token was accepted.
    """
    gateway = request.path.startswith(PLATFORM_PATH + "/")
    if gateway:
        request.path = "/api" + request.path.removeprefix(PLATFORM_PATH)
    accepted = False
    try:
        route = _route(tenant, request)
        try:
            token = ""
            for scope in filter(None, (route.scope, *route.also)):
                token = tenant.tokens.check(request, scope, gateway)
        except ApiError as err:
            accepted = err.code == 403
            raise
        accepted = True
        limited = token != ""
        headers = tenant.tokens.spend(token, route.pattern + route.method) if limited else {}
        _note_unknown(request, route)
        with tenant.lock:
            answer = route.answer(tenant, request)
        answer.headers |= headers
    except ApiError as err:
        if err.noted:
            detail = err.violations[0] if err.violations else {}
            shown = f"{detail.get('path', '')} {detail.get('message', err.message)}"
            request.note(f"answered {err.code}: {shown.strip()}")
        answer = Answer(err.code, err.body(), err.headers)
    return answer, accepted


def record(request: Request, status: int, accepted: bool, fault: str | None, path: str) -> Call:
    """
    Make the record of a call, without the token wherever it was.
    """
    query = {key: value for key, value in request.query.items() if key != "api-token"}
    return Call(request.method, path, query, status, time.time(), accepted, fault, request.raw)


def _route(tenant: Tenant, request: Request) -> Route:
    allowed: list[str] = []
    for route in tenant.routes:
        found = re.fullmatch(route.pattern, request.path)
        if found and route.method == request.method:
            request.parts = found.groupdict()
            return route
        if found:
            allowed.append(route.method)
    if allowed:
        headers = {"Allow": ", ".join(sorted(allowed))}
        raise ApiError(405, "HTTP 405 Method Not Allowed", headers=headers, noted=True)
    raise ApiError(404, "HTTP 404 Not Found", noted=True)


def _note_unknown(request: Request, route: Route) -> None:
    known: Any = route.parameters | {"api-token"}
    for name in request.query:
        if name not in known:
            request.note(f"there is no parameter {name}; it is ignored")

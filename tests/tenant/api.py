"""
From a request to an answer: route, token, limit, endpoint, envelope, record.

A further part of the API adds its routes to `Tenant.routes`; nothing here needs to change for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.tenant import (
    comments_api,
    deployment_api,
    entities_api,
    events_api,
    problems_api,
    schemas_api,
    settings_api,
)
from tests.tenant.errors import ApiError
from tests.tenant.platform import (
    automation_api,
    bizevents_api,
    environment_api,
    executions_api,
    sso_api,
    vault_api,
)
from tests.tenant.platform.gateway import behind_gateway, wrong_host
from tests.tenant.platform.grail import query_api
from tests.tenant.platform.logins import Refused
from tests.tenant.platform.phases import gone_answer
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
        schemas_api,
        deployment_api,
        sso_api,
        environment_api,
        automation_api,
        executions_api,
        vault_api,
        bizevents_api,
        query_api,
    )
    return [route for part in parts for route in part.routes()]


def respond(tenant: Tenant, request: Request) -> tuple[Answer, bool]:
    """
    Carry a request out; give the answer, and whether the token was accepted.
    """
    if elsewhere := wrong_host(request):
        return elsewhere, False
    request.path = behind_gateway(request.path)
    accepted = False
    try:
        route = _route(tenant, request)
        headers = _admit(tenant, request, route)
        accepted = True
        if gone := gone_answer(request.path, tenant.switches):
            return gone, accepted
        _note_unknown(request, route)
        with tenant.lock if route.locked else nullcontext():
            answer = route.answer(tenant, request)
        answer.headers |= headers
    except ApiError as err:
        accepted = accepted or (err.code == 403 and not isinstance(err, Refused))
        _keep_note(request, err)
        answer = Answer(err.code, err.body(), err.headers)
    return answer, accepted


def record(request: Request, status: int, accepted: bool, fault: str | None, path: str) -> Call:
    """
    Make the record of a call, without the token wherever it was.
    """
    query = {key: value for key, value in request.query.items() if key != "api-token"}
    raw = sso_api.without_secrets(request.raw) if path == sso_api.TOKEN_PATH else request.raw
    return Call(request.method, path, query, status, time.time(), accepted, fault, raw)


def _admit(tenant: Tenant, request: Request, route: Route) -> dict[str, str]:
    if not route.scope:
        return {}
    name = tenant.tokens.check(request, route)
    endpoint = route.pattern + route.method
    return tenant.tokens.spend(name, endpoint, platform=request.platform)


def _keep_note(request: Request, err: ApiError) -> None:
    if err.noted:
        detail = err.violations[0] if err.violations else {}
        shown = f"{detail.get('path', '')} {detail.get('message', err.message)}"
        request.note(f"answered {err.code}: {shown.strip()}")


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

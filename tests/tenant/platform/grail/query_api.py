"""
The endpoints of queries: execute, poll, cancel.

Paths, parameters, states and codes are those of Dynatrace's own SDK and tools; the 202, the 410 of
a token that was used up, and the syntax error are captured. Assumed: an execute without a time waits
one second, a poll without one not at all, and a request token of no query is a 410.
"""

from __future__ import annotations

import copy
import math
import secrets
import time
from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError
from tests.tenant.platform.dql.errors import DqlError
from tests.tenant.platform.dql.query import parsed
from tests.tenant.platform.dql.rows import Context
from tests.tenant.platform.grail.results import Limits, limited, result
from tests.tenant.platform.grail.running import Running
from tests.tenant.platform.legs import gone
from tests.tenant.wire import ANY, Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_BASE = "/platform/storage/query/v1/query:"
_TWO_HOURS = 7200 * 10**9
_DEFAULT_WAIT_MS = 1000
_KNOWN = frozenset(
    {
        "query",
        "requestTimeoutMilliseconds",
        "maxResultRecords",
        "maxResultBytes",
        "fetchTimeoutSeconds",
        "timezone",
        "locale",
        "includeTypes",
    }
)
_TOKEN = frozenset({"request-token", "request-timeout-milliseconds"})


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    return [
        Route("POST", f"{_BASE}execute", ANY, execute, locked=False),
        Route("GET", f"{_BASE}poll", ANY, poll, _TOKEN, locked=False),
        Route("POST", f"{_BASE}cancel", ANY, cancel, frozenset({"request-token"}), locked=False),
    ]


def execute(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST query:execute: 200 with the result, or 202 with a request token.
    """
    body = request.json()
    for name in body.keys() - _KNOWN:
        request.note(f"there is no property {name} of a query that is modelled; it is ignored")
    wait = _number(body, "requestTimeoutMilliseconds", _DEFAULT_WAIT_MS) / 1000
    with tenant.lock:
        found = _carried_out(tenant, request, body)
    running = _started(tenant, request, found)
    if running.wait(_at_most(tenant, wait)):
        return Answer(200, running.ended())
    token = tenant.queries.keep(running)
    return Answer(202, {**running.going(), "requestToken": token})


def poll(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET query:poll: 200 in every state; the token is used up by the end.
    """
    token, running = _asked(tenant, request)
    wait = request.number("request-timeout-milliseconds", 1, 600_000) / 1000
    if not running.wait(_at_most(tenant, wait)):
        return Answer(200, running.going())
    tenant.queries.drop(token)
    return Answer(200, running.ended())


def cancel(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST query:cancel: 200 with the result if there is one, else 202.
    """
    token, running = _asked(tenant, request)
    tenant.queries.drop(token)
    tenant.log.add("query cancelled")
    return Answer(200, running.ended()) if running.wait(0) else Answer(202)


def _asked(tenant: Tenant, request: Request) -> tuple[str, Running]:
    token = request.query.get("request-token", "")
    if not token:
        raise ApiError(400, "The request token is missing.", noted=True)
    if " " in token:
        request.note("a '+' in a request token must be percent-encoded")
    running = tenant.queries.find(token)
    if running is None:
        raise gone()
    return token, running


def _carried_out(tenant: Tenant, request: Request, body: dict[str, Any]) -> dict[str, Any]:
    text, token = request.text(body, "query"), request.token
    assert token is not None
    query_id = secrets.token_hex(16)
    try:
        query = parsed(text, tenant.tables.catalogue)
    except DqlError as err:
        details = err.details(text, query_id)
        raise ApiError(400, err.kind, noted=not err.expected, details=details) from err
    tenant.tables.authorize(query.tables(), token)
    limits = Limits(_number(body, "maxResultRecords", Limits.records), body.get("maxResultBytes"))

    def found() -> dict[str, Any]:
        now = time.time_ns()
        context = Context(
            now,
            now - _TWO_HOURS,
            now,
            lambda table, inside: tenant.tables.rows(table, inside, token),
        )
        return result(text, query_id, query.run(context), context, limits)

    whole = tenant.tables.kept((text, limits), query.tables(), token, found)
    tenant.log.add("query", query=" ".join(text.split()), records=len(whole["records"]))
    return _cut(tenant, request, whole)


def _cut(tenant: Tenant, request: Request, found: dict[str, Any]) -> dict[str, Any]:
    if fault := tenant.faults.take("query_cut", request.method, request.concerns()):
        keep, found = fault.options["keep"], copy.deepcopy(found)
        found["records"] = found["records"][:keep]
        note = limited(fault.options["kind"], keep)
        found["metadata"]["grail"]["notifications"].append(note)
    return found


def _started(tenant: Tenant, request: Request, found: dict[str, Any]) -> Running:
    now = time.monotonic()
    dead = now + tenant.switches.grail_token_lifetime
    running = Running(found, now, now + tenant.switches.grail_seconds, dead)
    if fault := tenant.faults.take("query_runs", request.method, request.concerns()):
        seconds = fault.options["seconds"]
        running.ready = now + (math.inf if seconds is None else seconds)
        running.state = fault.options["state"]
    if fault := tenant.faults.take("query_ends", request.method, request.concerns()):
        running.end = fault.options["state"]
    return running


def _at_most(tenant: Tenant, seconds: float) -> float:
    patience = tenant.switches.grail_patience
    return seconds if patience is None else min(seconds, patience)


def _number(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ApiError(400, f"{name} must be a whole number.", noted=True)
    return value

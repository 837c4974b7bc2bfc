"""
Named faults of the platform's legs: a general fault, the path that it strikes, and its options.

That the SSO answers a refused client with 400 and a wrong host with HTML, a 410 of a poll, and a
503 in HTML, was met by clients; the JSON bodies of 429, 500 and 503 are constructed in the
documented envelope.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.tenant.errors import ApiError
from tests.tenant.wire import Answer

_SSO, _EXECUTE, _POLL = "/sso/oauth2/token", "query:execute", "query:poll"
_HTML = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"


@dataclass(frozen=True)
class Leg:
    """
    What a named fault of a leg stands for.
    """

    name: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)


LEGS = {
    "sso_down": Leg("dropped_connection", _SSO),
    "sso_400": Leg("sso_error", _SSO),
    "sso_401": Leg("sso_error", _SSO, {"status": 401}),
    "sso_html": Leg("html_200", _SSO),
    "sso_slow": Leg("slow", _SSO),
    "grail_429": Leg("grail_error", _EXECUTE, {"status": 429, "retry_after": 1}),
    "grail_500": Leg("grail_error", _EXECUTE, {"status": 500}),
    "grail_503": Leg("grail_error", _EXECUTE, {"status": 503, "retry_after": 1}),
    "grail_429_html": Leg("grail_error", _EXECUTE, {"status": 429, "html": True}),
    "grail_500_html": Leg("grail_error", _EXECUTE, {"status": 500, "html": True}),
    "grail_503_html": Leg("grail_error", _EXECUTE, {"status": 503, "html": True}),
    "grail_truncated": Leg("query_cut", _EXECUTE),
    "poll_running": Leg("query_runs", _EXECUTE),
    "poll_gone": Leg("query_gone", _POLL),
    "poll_503_html": Leg("grail_error", _POLL, {"status": 503, "html": True}),
}


def sso_body(error: str, text: str, status: int) -> dict[str, Any]:
    """
    Give the body of a refusal of the SSO.
    """
    return {
        "errorCode": status,
        "message": text,
        "issueId": secrets.token_hex(8).upper(),
        "error": error,
        "error_description": text,
    }


def gone() -> ApiError:
    """
    Make the 410 of a request token that is used up, as captured.
    """
    details = {
        "exceptionType": "GONE",
        "errorType": "QUERY_GONE",
        "errorMessage": "The query for this query ID is not available anymore.",
    }
    return ApiError(410, "QUERY_GONE", details=details)


def grail_error(status: int, retry_after: float | None, html: bool) -> Answer:
    """
    Give what Grail, or what stands before it, answers in trouble.
    """
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if html:
        return Answer(status, _HTML, headers, "text/html; charset=utf-8")
    error: dict[str, Any] = {"code": status, "message": _MESSAGES.get(status, "INTERNAL_ERROR")}
    if retry_after is not None:
        error["retryAfterSeconds"] = retry_after
    return Answer(status, {"error": error}, headers)


_MESSAGES = {429: "TOO_MANY_REQUESTS", 503: "SERVICE_UNAVAILABLE"}

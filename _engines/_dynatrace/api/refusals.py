"""
The error that a response other than 2xx stands for, with what an admin can do about it.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from ..core.errors import (
    ApiError,
    AuthError,
    BadRequest,
    NotFound,
    RateLimited,
    Refusal,
    Unavailable,
    UnexpectedResponse,
)
from .credentials import Credentials
from .json_values import typed
from .response import error_object, is_html, server_message

RETRY_AFTER_DEFAULT_S = 5.0
RETRY_AFTER_CAP_S = 60.0
_WRONG_SCHEME = "Unsupported authorization scheme"


def refused(
    what: str, response: requests.Response, body: bytes, credentials: Credentials, now: float
) -> ApiError:
    """
    Return the error that a response other than 2xx stands for.
    """
    status, headers, redact = response.status_code, response.headers, credentials.redact
    error = error_object(body)
    message = redact(server_message(error, body))
    if status in (401, 403) or _WRONG_SCHEME in message:
        return _not_allowed(what, status, body, message, credentials)
    if status == 404 and error is None:
        return UnexpectedResponse(
            f"{what}: the answer is 404, and not the tenant's own: {message}; "
            "see `environment_url`, and what lies between"
        )
    if status == 404 or (status == 400 and b'"problemId"' in body):
        # The list is there in every environment.
        hint = "; correct `environment_url`" if what == "GET /problems" else ""
        return NotFound(f"{what}: unknown to the tenant ({status}): {message}{hint}")
    asked = _asked_wait(error)
    if status == 429 or (status == 503 and (asked is not None or _asks_to_wait(headers))):
        wait = retry_after(headers, now, asked)
        message = f"{what}: the tenant limits requests ({status}); waiting {wait:.0f} s"
        return RateLimited(message, wait)
    if 300 <= status < 400:
        message = f"a redirect, which is not followed{redact(destination(headers))}; correct `environment_url`"
        return UnexpectedResponse(f"{what}: the tenant answered {status}, {message}")
    text = f"{what}: the tenant answered {status}: {message}"
    if status == 400:
        return BadRequest(text, _reason(error))
    # Gone is a query of Grail that was fetched, or took too long.
    return Unavailable(text) if status == 410 or status >= 500 else UnexpectedResponse(text)


def _reason(error: Mapping[str, Any] | None) -> str:
    details = typed((error or {}).get("details"), dict)
    return typed(details.get("errorType") or (error or {}).get("message"), str)[:100]


def _not_allowed(
    what: str, status: int, body: bytes, message: str, credentials: Credentials
) -> AuthError:
    hint = _hint(body, message, credentials)
    if status == 403 and is_html(body):
        return AuthError(
            f"{what}: the answer is 403, and not the tenant's own: {message}; {hint}",
            Refusal.FOREIGN,
        )
    if status == 403 and not re.search("(?i)expired", message):
        fix = hint or _missing(what, body, message, credentials)
        return AuthError(f"{credentials.name} may not {what} (403): {message}; {fix}")
    text = f"Dynatrace rejected {credentials.name} ({status}) on {what}: {message}"
    return AuthError(f"{text}; {hint or credentials.fix}", Refusal.REJECTED)


def _hint(body: bytes, message: str, credentials: Credentials) -> str:
    if credentials.hint:
        return f"{credentials.hint}: correct `environment_url`"
    if _WRONG_SCHEME in message:
        return "this environment takes a platform token or `oauth`, and no API token"
    return "see `environment_url`, and what lies between" if is_html(body) else ""


def _missing(what: str, body: bytes, message: str, credentials: Credentials) -> str:
    details = (error_object(body) or {}).get("details")
    details = details if isinstance(details, dict) else {}
    if "NOT_AUTHORIZED_FOR_TABLE" in message:
        tables = " ".join(_names(details.get("arguments"))) or "the table"
        return (
            f"give the user of {credentials.name} a policy that lets it read {credentials.redact(tables)} and its bucket "
            "(storage:buckets:read beside the scope of the table)"
        )
    named = _names(details.get("missingScopes")) or _names(details.get("missingPermissions"))
    return credentials.lacking(what, [credentials.redact(one) for one in named])


def _names(value: Any) -> list[str]:
    # A tenant may send anything.
    items = value if isinstance(value, list) else []
    return [item[:100] for item in items[:5] if isinstance(item, str) and item]


def _asked_wait(error: Mapping[str, Any] | None) -> float | None:
    # What the platform's gateway writes into the body.
    given = (error or {}).get("retryAfterSeconds")
    if not isinstance(given, (int, float)) or isinstance(given, bool) or given != given:
        return None
    return min(float(given), RETRY_AFTER_CAP_S) if given < 1e9 else RETRY_AFTER_CAP_S


def _asks_to_wait(headers: Mapping[str, str]) -> bool:
    return "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0"


def destination(headers: Mapping[str, str]) -> str:
    """
    Return where a redirect leads, by scheme and host: the rest may be a secret.
    """
    try:
        parts = urlsplit(headers.get("Location", ""))
        host = parts.hostname or ""
    except ValueError:
        return ""
    good = re.fullmatch(r"[a-z0-9.:-]{1,255}", host) and parts.scheme in ("http", "https")
    return f", to {parts.scheme}://{host}" if good else ""


def retry_after(headers: Mapping[str, str], now: float, asked: float | None = None) -> float:
    """
    Return the seconds to wait as a body asks, or by ``Retry-After`` or ``X-RateLimit-Reset``, clamped to 1..60.

    The documentation gives the reset in microseconds, clients in the field parse seconds: the magnitude decides.
    """
    wait = RETRY_AFTER_DEFAULT_S if asked is None else asked
    given, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    date = _date(given)
    if re.fullmatch(r"[0-9]{1,9}", given):
        wait = float(given)
    elif date is not None:
        wait = date - now
    elif asked is None and re.fullmatch(r"[0-9]{1,18}", reset):
        stamp = float(reset)
        wait = stamp / (1e6 if stamp >= 1e14 else 1e3 if stamp >= 1e11 else 1) - now
    return min(max(wait, 1.0), RETRY_AFTER_CAP_S)


def _date(text: str) -> float | None:
    try:
        parsed = email.utils.parsedate_tz(text)
        return None if parsed is None else email.utils.mktime_tz(parsed)
    except (ValueError, OverflowError, TypeError):  # A year or a zone that no calendar has.
        return None

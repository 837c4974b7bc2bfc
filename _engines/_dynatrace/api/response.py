"""
A response of the tenant: its body within bounds, and the error that a refusal stands for.

No text of a response gets into a message before the secrets are taken out of it, since servers and proxies echo.
"""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from ..core.errors import (
    ApiError,
    AuthError,
    BadRequest,
    NotFound,
    RateLimited,
    Unavailable,
    UnexpectedResponse,
)
from .decompression import DecompressionError, coding_of, decompress
from .json_values import decoded, is_too_dense

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
RETRY_AFTER_DEFAULT_S = 5.0
RETRY_AFTER_CAP_S = 60.0
_PIECE_BYTES = 65536

Redact = Callable[[object], str]


def read(response: requests.Response, what: str) -> bytes:
    """
    Return the body of a response, decompressed within the same bound.
    """
    coding = coding_of(response.headers.get("Content-Encoding", ""))
    if coding not in ("", "gzip"):
        raise UnexpectedResponse(f"{what}: the answer has an encoding that was not asked for")
    pieces = response.raw.stream(_PIECE_BYTES, decode_content=False)
    try:
        return decompress(pieces, coding, MAX_RESPONSE_BYTES)
    except DecompressionError as err:
        wrong = {
            "too large": f"is larger than {MAX_RESPONSE_BYTES // 2**20} MiB",
            "incomplete": "ends in the middle of its gzip",
            "invalid": "is broken gzip",
        }[err.reason]
        raise UnexpectedResponse(f"{what}: the answer {wrong}") from None


def decode(body: bytes, what: str, redact: Redact) -> Any:
    """
    Return the JSON of a 2xx response; raises UnexpectedResponse, also for what would take too long to decode.
    """
    if is_too_dense(body):
        raise UnexpectedResponse(f"{what}: the answer has too many values for its size")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as err:
        raise UnexpectedResponse(
            f"{what}: the answer is not JSON but {redact(_start(body))}"
        ) from err


def refused(
    what: str, response: requests.Response, body: bytes, redact: Redact, now: float
) -> ApiError:
    """
    Return the error that a response other than 2xx stands for.
    """
    status, headers = response.status_code, response.headers
    error = _error_object(body)
    message = redact(_server_message(error, body))
    if status in (401, 403):
        return _not_allowed(what, status, message)
    if status == 404 and error is None:
        return UnexpectedResponse(
            f"{what}: the answer is 404, and not the tenant's own: {message}; "
            "see `environment_url`, and what lies between"
        )
    if status == 404 or (status == 400 and b'"problemId"' in body):
        # The list is there in every environment.
        hint = "; correct `environment_url`" if what == "GET /problems" else ""
        return NotFound(f"{what}: unknown to the tenant ({status}): {message}{hint}")
    if status == 429 or (status == 503 and _asks_to_wait(headers)):
        wait = retry_after(headers, now)
        message = f"{what}: the tenant limits requests ({status}); waiting {wait:.0f} s"
        return RateLimited(message, wait)
    if 300 <= status < 400:
        message = f"a redirect, which is not followed{redact(_destination(headers))}; correct `environment_url`"
        return UnexpectedResponse(f"{what}: the tenant answered {status}, {message}")
    kind = Unavailable if status >= 500 else BadRequest if status == 400 else UnexpectedResponse
    return kind(f"{what}: the tenant answered {status}: {message}")


def _not_allowed(what: str, status: int, message: str) -> AuthError:
    if status == 401:
        return AuthError(
            f"Dynatrace rejected the API token (401) on {what}: {message}; set a valid `api_token`",
            rejected=True,
        )
    scope = " (events.ingest)" if what.endswith("/events/ingest") else ""
    return AuthError(
        f"the API token may not {what} (403): {message}; give the token that scope{scope}"
    )


def _asks_to_wait(headers: Mapping[str, str]) -> bool:
    return "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0"


def _destination(headers: Mapping[str, str]) -> str:
    # Scheme and host: the rest may be a secret.
    try:
        parts = urlsplit(headers.get("Location", ""))
        host = parts.hostname or ""
    except ValueError:
        return ""
    good = re.fullmatch(r"[a-z0-9.:-]{1,255}", host) and parts.scheme in ("http", "https")
    return f", to {parts.scheme}://{host}" if good else ""


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """
    Return the seconds to wait by ``Retry-After`` or ``X-RateLimit-Reset``, clamped to 1..60.

    The documentation gives the reset in microseconds, clients in the field parse seconds: the magnitude decides.
    """
    wait = RETRY_AFTER_DEFAULT_S
    given, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    date = _date(given)
    if re.fullmatch(r"[0-9]{1,9}", given):
        wait = float(given)
    elif date is not None:
        wait = date - now
    elif re.fullmatch(r"[0-9]{1,18}", reset):
        stamp = float(reset)
        wait = stamp / (1e6 if stamp >= 1e14 else 1e3 if stamp >= 1e11 else 1) - now
    return min(max(wait, 1.0), RETRY_AFTER_CAP_S)


def _date(text: str) -> float | None:
    try:
        parsed = email.utils.parsedate_tz(text)
        return None if parsed is None else email.utils.mktime_tz(parsed)
    except (ValueError, OverflowError, TypeError):  # A year or a zone that no calendar has.
        return None


def _error_object(body: bytes) -> dict[str, Any] | None:
    envelope = None if is_too_dense(body) else decoded(body)
    error = envelope.get("error") if isinstance(envelope, dict) else None
    return error if isinstance(error, dict) else None


def _server_message(error: Mapping[str, Any] | None, body: bytes) -> str:
    if error is None:
        return _start(body)
    try:
        violations = error.get("constraintViolations") or ()
        parts = [error["message"], *(f"{item['path']}: {item['message']}" for item in violations)]
        return " ".join(str(part) for part in parts)
    except (ValueError, RecursionError, LookupError, TypeError):
        return _start(body)


def _start(body: bytes) -> str:
    # Redaction shortens it: a token that is cut in two could not be recognised and taken out.
    text = " ".join(body[:4096].decode("utf-8", "replace").split())
    return repr(text) if text else "an empty body"

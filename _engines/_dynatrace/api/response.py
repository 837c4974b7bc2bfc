"""
A response of the tenant: its body within bounds, and what stands in it.

No text of a response gets into a message before the secrets are taken out of it, since servers and proxies echo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import requests

from ..core.errors import UnexpectedResponse
from .decompression import DecompressionError, coding_of, decompress
from .json_values import decoded, is_too_dense

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
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


def decode(body: bytes, what: str, redact: Redact, option: str = "environment_url") -> Any:
    """
    Return the JSON of a 2xx response; raises UnexpectedResponse, also for what would take too long to decode.

    ``option`` names the host that was asked.
    """
    if is_too_dense(body):
        raise UnexpectedResponse(f"{what}: the answer has too many values for its size")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as err:
        # Another host than the API's mostly sends a page for people.
        hint = f"; see `{option}`, and what lies between" if is_html(body) else ""
        raise UnexpectedResponse(
            f"{what}: the answer is not JSON but {redact(start_of(body))}{hint}"
        ) from err


def error_object(body: bytes) -> dict[str, Any] | None:
    """
    Return what the tenant's APIs put around an error, or None for a body that is not theirs.
    """
    envelope = None if is_too_dense(body) else decoded(body)
    error = envelope.get("error") if isinstance(envelope, dict) else None
    return error if isinstance(error, dict) else None


def server_message(error: Mapping[str, Any] | None, body: bytes) -> str:
    """
    Return what a refusal says, with what it says of single values; not redacted.
    """
    if error is None:
        return start_of(body)
    try:
        violations = error.get("constraintViolations") or ()
        parts = [error["message"], *(f"{item['path']}: {item['message']}" for item in violations)]
        return " ".join(str(part) for part in parts)
    except (ValueError, RecursionError, LookupError, TypeError):
        return start_of(body)


def is_html(body: bytes) -> bool:
    """
    Return whether a body is a page for people, as proxies and wrong hosts send it.
    """
    return body[:256].lstrip().startswith(b"<")


def start_of(body: bytes) -> str:
    """
    Return the beginning of a body as a message shows it; not redacted.
    """
    # Redaction shortens it: a token that is cut in two could not be recognised and taken out.
    text = " ".join(body[:4096].decode("utf-8", "replace").split())
    return repr(text) if text else "an empty body"

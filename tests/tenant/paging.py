"""
Cursors: opaque, signed, with an age. What they hold is the affair of the endpoint that made them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

from tests.tenant.errors import violated
from tests.tenant.wire import Request

_LARGEST_PAGE = 500


class Cursors:
    """
    Seals what a page walk has to remember into a `nextPageKey`.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)

    def seal(self, kind: str, walk: dict[str, Any]) -> str:
        """
        Give the key; it holds `=`, `+` or `/`, so that it must be percent-encoded.
        """
        text = json.dumps({"kind": kind, "at": time.time(), "walk": walk}).encode()
        text += b" " * (3 - (len(text) + 16) % 3 + 1)
        return base64.b64encode(self._mark(text) + text).decode()

    def open(self, kind: str, key: str, lifetime: float) -> dict[str, Any]:
        """
        Give the walk back; a key that is not ours, altered, or too old is a 400.
        """
        try:
            sealed = base64.b64decode(key, validate=True)
        except ValueError as err:
            raise violated("nextPageKey", "Invalid format.") from err
        if not hmac.compare_digest(sealed[:16], self._mark(sealed[16:])):
            raise violated("nextPageKey", "Invalid format.")
        cursor = json.loads(sealed[16:])
        if cursor["kind"] != kind:
            raise violated("nextPageKey", "Invalid format.")
        if time.time() - cursor["at"] > lifetime:
            raise violated("nextPageKey", "The page key is expired.", noted=False)
        walk: dict[str, Any] = cursor["walk"]
        return walk

    def _mark(self, text: bytes) -> bytes:
        return hmac.new(self._secret, text, hashlib.sha256).digest()[:16]


def alone(request: Request, allowed: frozenset[str] = frozenset()) -> None:
    """
    Refuse every known parameter beside `nextPageKey`.
    """
    for name in request.query:
        if name not in allowed and name not in {"nextPageKey", "api-token"}:
            raise violated(
                name, "must not be used in combination with nextPageKey query parameter."
            )


def page_length(request: Request, cap: int | None, default: int = 50) -> int:
    """
    Give the length of the pages: as asked, at most 500, and at most the tenant's own cap.
    """
    asked = request.number("pageSize", default, _LARGEST_PAGE)
    return asked if cap is None else min(asked, cap)

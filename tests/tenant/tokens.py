"""
Access tokens, their scopes, and the schemes in which they must be sent.

Token shapes, schemes and X-RateLimit headers are Dynatrace documentation's. The 403's text follows
captured answers, the gateway's refusal a partly captured one; the text of the 401 is synthetic.
"""

from __future__ import annotations

import re
import secrets
import string
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tests.tenant.core import Switches
from tests.tenant.errors import ApiError
from tests.tenant.wire import Request

PLATFORM_PATH = "/platform/classic/environment-api"
_TITLES = {
    "problems.read": "Read problems",
    "problems.write": "Write problems",
    "entities.read": "Read entities",
    "events.ingest": "Ingest events",
    "settings.read": "Read settings",
    "settings.write": "Write settings",
    "InstallerDownload": "PaaS integration - Installer download",
}
_PREFIXES = {"classic": "dt0c01", "platform": "dt0s16"}
_PLATFORM_SCOPE = re.compile(r"^(?:environment-api:)?(\w+)(?::objects)?:(\w+)$")
_ALPHABET = string.ascii_uppercase + "234567"
_PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6}


@dataclass
class Token:
    """
    An issued token; the scopes of a platform token are kept under their classic names.
    """

    kind: str
    scopes: frozenset[str]
    expired: bool


class TokenBook:
    """
    The tokens of the tenant.
    """

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._tokens: dict[str, Token] = {}
        self._calls: dict[tuple[str, str], deque[float]] = {}
        self._lock = threading.Lock()

    def issue(
        self, scopes: Iterable[str], expired: bool, kind: str, text: str | None = None
    ) -> str:
        """
        Make a token of the documented shape, or take the one that is given.
        """
        public, secret = (
            "".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (24, 64)
        )
        text = text or f"{_PREFIXES[kind]}.{public}.{secret}"
        named = frozenset(_PLATFORM_SCOPE.sub(r"\1.\2", scope) for scope in scopes)
        with self._lock:
            self._tokens[text] = Token(kind, named, expired)
        return text

    def expire(self, token: str, expired: bool) -> None:
        """
        Let a token be expired, or valid again.
        """
        with self._lock:
            self._tokens[token].expired = expired

    def check(self, request: Request, scope: str, gateway: bool) -> str:
        """
        Give the token of a call that may use `scope`; otherwise 401 or 403.
        """
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if "api-token" in request.query:
            request.note("the token must not travel in the query (api-token)")
            if not text:
                scheme, text = "Api-Token", request.query["api-token"]
        token = self._tokens.get(text.strip())
        if gateway and scheme != "Bearer":
            raise ApiError(
                401,
                f"Unsupported authorization scheme '{scheme}'. The requested endpoint requires the"
                " authorization scheme 'Bearer'.",
                noted=True,
            )
        if token is None or token.expired or not self._fits(token, scheme, request, gateway):
            raise ApiError(401, "Token Authentication failed")
        if scope not in token.scopes:
            named = f"{scope} ({_TITLES.get(scope, scope)})"
            raise ApiError(403, f"Token is missing required scope. Use one of: {named}")
        return text.strip()

    def spend(self, token: str, endpoint: str) -> dict[str, str]:
        """
        Count a call against the limit; give the rate headers, or a 429 that carries them.
        """
        limit = self._switches.calls_per_minute
        if limit is None:
            return {}
        now = time.time()
        with self._lock:
            recent = self._calls.setdefault((token, endpoint), deque())
            while recent and now - recent[0] >= self._switches.rate_window:
                recent.popleft()
            left = limit - len(recent)
            if left > 0:
                recent.append(now)
        reset = recent[0] + self._switches.rate_window
        headers = rate_headers(limit, max(left - 1, 0), reset, self._switches.rate_unit)
        if left <= 0:
            raise ApiError(429, "Too many requests.", headers=headers)
        return headers

    def _fits(self, token: Token, scheme: str, request: Request, gateway: bool) -> bool:
        wanted = "Bearer" if token.kind == "platform" else "Api-Token"
        if scheme != wanted:
            request.note(f"a token of kind {token.kind} travels as {wanted}, not {scheme}")
            return False
        on_classic = self._switches.platform_tokens_on_classic
        return gateway or token.kind == "classic" or on_classic


def rate_headers(limit: int, left: int, reset: float, unit: str) -> dict[str, str]:
    """
    Give the X-RateLimit headers; documentation says microseconds, clients have met others.
    """
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(int(reset * _PER_SECOND[unit])),
    }

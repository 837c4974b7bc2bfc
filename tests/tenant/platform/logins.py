"""
Who may log in: classic tokens, platform tokens, OAuth clients and their access tokens.

What a token is, and how long it lives. How a call shows it, and what it is then refused with, is
told by `tokens`.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.tenant.errors import ApiError
from tests.tenant.platform.scopes import platform_scopes

_ALPHABET = string.ascii_uppercase + "234567"


class Refused(ApiError):
    """
    Whoever asks is not known, or not any more; `why` is the word that the SSO has for it.
    """

    def __init__(self, code: int, message: str, *, why: str = "", **more: object) -> None:
        super().__init__(code, message, **more)  # type: ignore[arg-type]
        self.why = why


@dataclass
class OAuthClient:
    """
    An OAuth client; what it may is asked at each call, so that a scope can be lost mid-way.
    """

    client_id: str
    secret: str
    scopes: set[str]
    revoked: bool = False


@dataclass
class Token:
    """
    An issued token: "classic", "platform" or "access". `ends` is a `time.time()`.
    """

    kind: str
    scopes: set[str]
    expired: bool = False
    ends: float = math.inf
    client: OAuthClient | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """
        Whether its time is over.
        """
        return self.expired or time.time() >= self.ends

    def may(self, *scopes: str) -> bool:
        """
        Say whether it has one of these scopes, which a route names.
        """
        if self.kind == "classic":
            return not self.scopes.isdisjoint(scopes)
        allowed = self.scopes & self.client.scopes if self.client else self.scopes
        return any(not allowed.isdisjoint(platform_scopes(scope)) for scope in scopes)


def made_up(prefix: str, length: int = 24, rest: int = 64) -> str:
    """
    Make an id and a secret of the documented shape: `<prefix>.<24 characters>.<64 characters>`.
    """
    parts = ("".join(secrets.choice(_ALPHABET) for _ in range(size)) for size in (length, rest))
    return ".".join((prefix, *parts))


def access_text() -> str:
    """
    Make the text of an access token, which is a JWT.
    """
    head = base64.urlsafe_b64encode(json.dumps({"alg": "ES256"}).encode()).decode().rstrip("=")
    return f"{head}.{secrets.token_urlsafe(96)}.{secrets.token_urlsafe(64)}"


def on_platform(scopes: Iterable[str]) -> set[str]:
    """
    Give scopes in the platform's spelling.
    """
    return {platform_scopes(scope)[0] for scope in scopes}

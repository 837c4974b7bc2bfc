"""
The credentials that senders of notifications must show, and whoever looks at the status page.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from ..config.config import Config


class Authentication:
    """
    The accepted ``Authorization`` values, compared in constant time.
    """

    def __init__(self, config: Config) -> None:
        token, user = config.get("webhook.token"), config.get("webhook.username")
        self._token = token.encode() if token else None
        self._basic = f"{user}:{config.get('webhook.password')}".encode() if user else None

    def accepts(self, header: str) -> bool:
        scheme, given = _parted(header)
        if scheme == "bearer" and self._token is not None:
            return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)
        if scheme == "basic" and self._basic is not None:
            return hmac.compare_digest(_decoded(given), self._basic)
        return False

    def accepts_reader(self, header: str) -> bool:
        """
        Tell whether somebody may look: with what a sender shows, or the token as the password of any user.

        A browser asks for a user and a password, and cannot send a bearer token.
        """
        scheme, given = _parted(header)
        if scheme != "basic" or self._token is None:
            return self.accepts(header)
        _, _, password = _decoded(given).partition(b":")
        return hmac.compare_digest(password, self._token) | self.accepts(header)


def _parted(header: str) -> tuple[str, str]:
    scheme, _, given = header.partition(" ")
    return scheme.lower(), given.strip()


def _decoded(given: str) -> bytes:
    """
    Return user and password, empty where they are not encoded as they must be.
    """
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return b""

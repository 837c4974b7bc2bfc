"""
The credentials that senders of notifications must show.
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
        self._bearer = token.encode() if token else None
        self._basic = f"{user}:{config.get('webhook.password')}".encode() if user else None

    def accepts(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        scheme, given = scheme.lower(), given.strip()
        if scheme == "bearer" and self._bearer is not None:
            return hmac.compare_digest(given.encode("utf-8", "replace"), self._bearer)
        if scheme == "basic" and self._basic is not None:
            try:
                return hmac.compare_digest(base64.b64decode(given, validate=True), self._basic)
            except (binascii.Error, ValueError):
                return False
        return False

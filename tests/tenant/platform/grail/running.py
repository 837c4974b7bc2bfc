"""
Queries that take their time: their request tokens, and what becomes of them.
"""

from __future__ import annotations

import base64
import math
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Running:
    """
    A query on its way; times are `time.monotonic()`. `end` is the state in which it ends.
    """

    result: dict[str, Any]
    begun: float
    ready: float
    dead: float
    state: str = "RUNNING"
    end: str = "SUCCEEDED"

    def wait(self, seconds: float) -> bool:
        """
        Wait so long at most; say whether it has ended.
        """
        left = self.ready - time.monotonic()
        if left > 0:
            time.sleep(min(left, seconds))
        return time.monotonic() >= self.ready

    def ended(self) -> dict[str, Any]:
        """
        Give the answer once it has ended.
        """
        body: dict[str, Any] = {"state": self.end, "progress": 100}
        return {**body, "result": self.result} if self.end == "SUCCEEDED" else body

    def going(self) -> dict[str, Any]:
        """
        Give the answer while it goes on.
        """
        whole = self.ready - self.begun
        part = 0 if math.isinf(whole) else int(99 * (time.monotonic() - self.begun) / whole)
        left = int(self.dead - time.monotonic())
        return {"state": self.state, "progress": part, "ttlSeconds": max(left, 0)}


class QueryBook:
    """
    The queries that somebody may still ask for.
    """

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._lock = threading.Lock()

    def keep(self, query: Running) -> str:
        """
        Keep a query; give its request token, which must be percent-encoded.
        """
        token = base64.b64encode(b"\xfb\xff" + secrets.token_bytes(32) + b"\x00\x00").decode()
        with self._lock:
            self._running[token] = query
        return token

    def find(self, token: str) -> Running | None:
        """
        Give the query of a token that is not used up and not too old.
        """
        with self._lock:
            found = self._running.get(token)
        return found if found and time.monotonic() < found.dead else None

    def drop(self, token: str) -> None:
        """
        Let a token be used up.
        """
        with self._lock:
            self._running.pop(token, None)

"""
HTTP connections whose answers must be complete by a time, however steadily a server trickles.

A read timeout bounds the wait for the next byte only. So each read from the socket, of the status line as of the last
piece of the body or of a proxy's answer to CONNECT, gets what is left until the deadline as its timeout.
"""

from __future__ import annotations

import http.client
import io
import math
import time
from typing import Any

import requests.adapters


class Deadline:
    """
    When the request that one session is busy with must be over.
    """

    def __init__(self) -> None:
        self._end = math.inf
        self._read_s: float | None = None

    def begin(self, whole_s: float, read_s: float) -> None:
        """
        Begin a request: ``whole_s`` for all of it, ``read_s`` for each read.
        """
        self._end, self._read_s = time.monotonic() + whole_s, read_s

    @property
    def passed(self) -> bool:
        """
        Tell whether the time is over.
        """
        return time.monotonic() >= self._end

    def timeout(self) -> float | None:
        """
        Return the timeout of the next read; raises TimeoutError when the time is over.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        return left if self._read_s is None else min(left, self._read_s)


class _Reader(io.RawIOBase):
    """
    The reading side of a socket that sets its timeout before each read.
    """

    def __init__(self, raw: Any, sock: Any, deadline: Deadline) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.timeout())
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class Adapter(requests.adapters.HTTPAdapter):
    """
    The transport of a requests session that keeps a deadline, directly and through a proxy of any kind.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline
        _limit(self.poolmanager, deadline)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        found = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            _limit(found, self._deadline)
        return found


def _limit(manager: Any, deadline: Deadline) -> None:
    """
    Let a manager make connections whose answers are read through a ``_Reader``; those by SOCKS have classes of their own.
    """

    def answer(sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        made = http.client.HTTPResponse(sock, *args, **kwargs)
        made.fp = io.BufferedReader(_Reader(made.fp.detach(), sock, deadline))
        return made

    def limited(pool: Any) -> Any:
        kind = pool.ConnectionCls
        connection = type(kind.__name__, (kind,), {"response_class": staticmethod(answer)})
        return type(pool.__name__, (pool,), {"ConnectionCls": connection})

    manager.pool_classes_by_scheme = {
        scheme: limited(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }

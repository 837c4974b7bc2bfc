"""
HTTP connections whose responses must be complete by a time, however steadily a server trickles.

A read timeout bounds the wait for the next byte only. So each read from the socket, of the status line as of the last
piece of the body or of a proxy's response to CONNECT, gets the time until the deadline as its timeout.
"""

from __future__ import annotations

import http.client
import io
import math
import time
from collections.abc import Callable
from typing import Any

import requests.adapters


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """
    The transport of a requests session that keeps a deadline, directly and through a proxy of any kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self._end = self._read_s = math.inf

    def begin(self, whole_s: float, read_s: float) -> None:
        """
        Begin a request: ``whole_s`` for all of it, ``read_s`` for each read.
        """
        self._end, self._read_s = time.monotonic() + whole_s, read_s

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """
        Let a pool make connections that keep the deadline.

        All versions of requests call this before each request, with the pool of the way that it takes.
        """
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if "ConnectionCls" not in vars(conn):
            kind = conn.ConnectionCls
            limited = {"response_class": staticmethod(self._response)}
            conn.ConnectionCls = type(kind.__name__, (kind,), limited)

    def _response(self, sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(sock, *args, **kwargs)
        reader = _Reader(response.fp.detach(), lambda: sock.settimeout(self._timeout()))
        response.fp = io.BufferedReader(reader)
        return response

    def _timeout(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole response is over")
        return min(left, self._read_s)


class _Reader(io.RawIOBase):
    def __init__(self, raw: Any, before_read: Callable[[], None]) -> None:
        self._raw, self._before_read = raw, before_read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._before_read()
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()

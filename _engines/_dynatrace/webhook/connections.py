"""
The listener's open connections, of which there are never too many.

Each costs a file descriptor and some memory of the process that holds the ledger and asks the tenant: senders that open
thousands and say nothing must not take those away. Beyond the limit the oldest is closed whose sender has not shown the
right credentials, and only without such a one the oldest of the others; so a good sender always gets in.
"""

from __future__ import annotations

import logging
import resource
import time
from collections import OrderedDict
from typing import Any

import tornado.httpserver
import tornado.iostream

log = logging.getLogger(__name__)

#: Dynatrace keeps a handful open.
MAX_CONNECTIONS = 1000
SAY_AGAIN_S = 600.0

Stream = tornado.iostream.IOStream


def limit() -> int:
    """
    Return how many connections may be open: half of the files that the process may open, at most 1000.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else min(MAX_CONNECTIONS, max(soft // 2, 16))


class Connections:
    """
    The open connections by age; all methods belong to the listener's thread.
    """

    def __init__(self, name: str, most: int) -> None:
        self._prefix = name
        self._most = most
        self._strangers: OrderedDict[Stream, None] = OrderedDict()
        self._known: OrderedDict[Stream, None] = OrderedDict()
        self._said: float | None = None

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def add(self, stream: Stream) -> None:
        """
        Count a new connection, and close another for it if there are too many.
        """
        while len(self) >= self._most:
            oldest, _ = (self._strangers or self._known).popitem(last=False)
            oldest.close()
            self._say()
        self._strangers[stream] = None

    def trust(self, stream: Stream | None) -> None:
        """
        Prefer a connection whose sender has shown the right credentials; it is young again.
        """
        if stream is not None and (stream in self._strangers or stream in self._known):
            self.remove(stream)
            self._known[stream] = None

    def remove(self, stream: Stream) -> None:
        """
        Forget a connection that is closed.
        """
        self._strangers.pop(stream, None)
        self._known.pop(stream, None)

    def _say(self) -> None:
        now = time.monotonic()
        if self._said is None or now - self._said > SAY_AGAIN_S:
            self._said = now
            log.warning(
                "%s: more than %s connections are open to the webhook's port; the oldest that showed no credentials are "
                "closed, good senders still get in. Let only Dynatrace reach the port",
                self._prefix,
                self._most,
            )


class Server(tornado.httpserver.HTTPServer):
    """
    An HTTP server that counts its connections; ``watch`` comes before the first of them.
    """

    def watch(self, connections: Connections) -> None:
        """
        Say where connections are counted.
        """
        self._watched = connections

    def handle_stream(self, stream: Stream, address: Any) -> None:
        """
        Take a new connection.
        """
        self._watched.add(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        """
        Hear of one that is closed, by either side.
        """
        self._watched.remove(server_conn.stream)
        super().on_close(server_conn)

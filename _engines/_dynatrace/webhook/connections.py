"""
The listener's open connections, of which there are never too many.

Each costs a file descriptor and memory of the process that holds the ledger and reads the tenant: senders that open
thousands and send nothing must not take those away. Beyond the limit the oldest unauthenticated connection is closed, and
only without such a one the oldest of the others; so an authenticated sender always gets in.
"""

from __future__ import annotations

import logging
import resource
from typing import Any

import tornado.httpserver
import tornado.iostream

from ..core.log_once import Seldom

log = logging.getLogger(__name__)

#: Dynatrace keeps a handful open.
MAX_CONNECTIONS = 1000
WARN_EVERY_S = 600.0

Stream = tornado.iostream.IOStream


def limit() -> int:
    """
    Return how many connections may be open: half of the files that the process may open, at most 1000.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else min(MAX_CONNECTIONS, max(soft // 2, 16))


class Connections:
    """
    The open connections by age, with whether each is authenticated; all methods belong to the listener's thread.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self._capacity = capacity
        self._open: dict[Stream, bool] = {}
        self._warning = Seldom(log, name, WARN_EVERY_S)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, stream: Stream) -> None:
        while len(self) >= self._capacity:
            # The first of the least: unauthenticated if there is one, and the oldest of its kind.
            oldest = min(self._open, key=self._open.__getitem__)
            self.remove(oldest)
            oldest.close()
            self._warning.say(
                "more than %s connections are open on the webhook port; the oldest unauthenticated ones are closed, "
                "and authenticated senders still get through. Allow only Dynatrace to reach the port",
                self._capacity,
            )
        self._open[stream] = False

    def authenticated(self, stream: Any) -> None:
        if self._open.pop(stream, None) is not None:
            self._open[stream] = True

    def remove(self, stream: Stream) -> None:
        self._open.pop(stream, None)


class Server(tornado.httpserver.HTTPServer):
    """
    An HTTP server that counts its connections.
    """

    def initialize(  # type: ignore[override]
        self, *arguments: Any, connections: Connections, **options: Any
    ) -> None:
        self._connections_open = connections
        super().initialize(*arguments, **options)

    def handle_stream(self, stream: Stream, address: Any) -> None:
        self._connections_open.add(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        self._connections_open.remove(server_conn.stream)
        super().on_close(server_conn)

"""
The listeners, each an HTTP server in its own thread, which never touches the event bus: that of the webhook, and one for
the metrics alone.

Inside Salt 3006 ``import tornado`` gives the 4.5 that it brings along, elsewhere tornado 6: only what both have is used
here, so no asyncio, and tornado's own futures and loop.
"""

from __future__ import annotations

import logging
import re
import resource
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web

from ..config.config import Config
from ..core.heartbeat import IDLE_S, Heartbeat
from ..core.log_once import Seldom
from ..core.notification import Notification
from .authentication import Authentication
from .endpoints import (
    Context,
    Endpoint,
    Health,
    Healthz,
    Intake,
    Metrics,
    Notifications,
    Unknown,
)
from .page import ENDPOINTS, Feed, Page, Watched
from .recorder import Recorder

log = logging.getLogger(__name__)

#: The connection of a sender that trickles is closed; Dynatrace sends at once.
BODY_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
MAX_HEADERS = 16384
BACKLOG = 1024
#: Dynatrace keeps a handful open.
MAX_CONNECTIONS = 1000
#: Each Prometheus has one.
MAX_SCRAPERS = 16
WARN_EVERY_S = 600.0


class Listener:
    """
    Serves endpoints, by the patterns of their paths, on an address and port; with ``tls`` by HTTPS.

    The address is bound when this is made, so that a port in use is an error of the start and not of a thread, and stays
    bound while no thread serves: who connects then is served when one does again.
    """

    def __init__(
        self,
        name: str,
        place: tuple[str, int],
        endpoints: Mapping[str, type[Endpoint]],
        context: Context,
        tls: ssl.SSLContext | None = None,
        most: int | None = None,
    ) -> None:
        address, port = place
        self._endpoints, self._context, self._tls = endpoints, context, tls
        self._sockets = tornado.netutil.bind_sockets(port, address, backlog=BACKLOG)
        self.heartbeat = Heartbeat()
        self.connections = Connections(name, most or capacity(), port)
        self.loop: tornado.ioloop.IOLoop | None = None

    def run(self) -> None:
        """
        Serve for ever; may be called again after it failed.
        """
        self.loop = tornado.ioloop.IOLoop(make_current=True)
        self._server().add_sockets(self._sockets)
        tornado.ioloop.PeriodicCallback(self.heartbeat.beat, IDLE_S * 1000).start()
        try:
            self.loop.start()
        finally:
            # Else their senders would wait for an answer that nobody gives.
            self.connections.close()
            self.loop.close()

    def _server(self) -> Server:
        arguments = {
            "context": self._context,
            "on_authenticated": self.connections.authenticated,
        }
        application = tornado.web.Application(
            [(path, endpoint, arguments) for path, endpoint in self._endpoints.items()],
            default_handler_class=Unknown,
            default_handler_args=arguments,
            log_function=_log_request,
        )
        return Server(
            application,
            connections=self.connections,
            ssl_options=self._tls,
            # The endpoint has the limit and responds with 413; tornado would just hang up.
            max_body_size=2**60,
            max_header_size=MAX_HEADERS,
            body_timeout=BODY_TIMEOUT_S,
            idle_connection_timeout=IDLE_TIMEOUT_S,
            decompress_request=False,
        )


def webhook_listener(
    name: str,
    config: Config,
    recorder: Recorder,
    on_test: Callable[[Notification], None],
    health: Health,
    page: Page | None = None,
) -> Listener:
    """
    Return the listener of the webhook, which serves ``/healthz`` and ``/metrics`` too, and the status page if there is one.
    """
    place = config.get("webhook.address"), config.get("webhook.port")
    endpoints: dict[str, type[Endpoint]] = {
        re.escape(config.get("webhook.path")): Notifications,
        "/healthz": Healthz,
        "/metrics": Metrics,
    }
    shared: dict[str, Any] = {"config": config, "recorder": recorder, "on_test": on_test}
    context = Intake(health, Authentication(config), **shared)
    if page is not None:
        endpoints.update(ENDPOINTS)
        context = Watched(health, Authentication(config), feed=Feed(page), **shared)
    return Listener(name, place, endpoints, context, _tls(config))


def metrics_listener(name: str, config: Config, health: Health) -> Listener:
    """
    Return the listener that serves the metrics alone, to whoever reaches its port.
    """
    place = config.get("metrics.address"), config.get("metrics.port")
    return Listener(name, place, {"/metrics": Metrics}, Context(health), most=MAX_SCRAPERS)


class Connections:
    """
    The open connections by age, with whether each is authenticated; all methods belong to the listener's thread.

    Each costs a file descriptor and memory of the process that holds the ledger and reads the tenant: senders that open
    thousands and send nothing must not take those away. Beyond the capacity the oldest unauthenticated one is closed.
    """

    def __init__(self, name: str, capacity: int, port: int) -> None:
        self._capacity, self._port = capacity, port
        self._open: dict[Any, bool] = {}
        self._warning = Seldom(log, name, WARN_EVERY_S)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, stream: Any) -> None:
        while len(self) >= self._capacity:
            # The first of the least: the oldest unauthenticated one, without such a one the oldest.
            oldest = min(self._open, key=self._open.__getitem__)
            self.remove(oldest)
            oldest.close()
            self._warning.say(
                "more than %s connections are open on port %s; the oldest unauthenticated ones are closed, and "
                "authenticated senders still get through. Allow only those to reach the port who need it",
                self._capacity,
                self._port,
            )
        self._open[stream] = False

    def authenticated(self, stream: Any) -> None:
        if self._open.pop(stream, None) is not None:
            self._open[stream] = True

    def remove(self, stream: Any) -> None:
        self._open.pop(stream, None)

    def close(self) -> None:
        """
        Close all connections.
        """
        for stream in list(self._open):
            stream.close()
        self._open.clear()


def capacity() -> int:
    """
    Return how many connections may be open: half of the files that the process may open, at most 1000.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else min(MAX_CONNECTIONS, max(soft // 2, 16))


class Server(tornado.httpserver.HTTPServer):
    """
    An HTTP server that counts its connections.
    """

    def initialize(  # type: ignore[override]
        self, *arguments: Any, connections: Connections, **options: Any
    ) -> None:
        self._counted = connections
        super().initialize(*arguments, **options)

    def handle_stream(self, stream: Any, address: Any) -> None:
        self._counted.add(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        self._counted.remove(server_conn.stream)
        super().on_close(server_conn)


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.get("webhook.ssl_crt"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.get("webhook.ssl_crt"), config.get("webhook.ssl_key"))
    return context


def _log_request(handler: tornado.web.RequestHandler) -> None:
    # Without the query: people put tokens there.
    log.debug(
        "%s %.100s answered %s", handler.request.method, handler.request.path, handler.get_status()
    )

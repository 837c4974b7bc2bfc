"""
The webhook listener: authenticate, recognise the problem, write it to the ledger, answer 202, and say "look now".

It runs in a thread of its own on tornado, never touches the event bus, and answers 202 only for what is on disk.

Inside Salt 3006 ``import tornado`` gives the 4.5 that it brings along, elsewhere tornado 6: only what both have is used
here, so no asyncio, and tornado's own futures and loop.
"""

from __future__ import annotations

import logging
import re
import ssl
import threading
from collections.abc import Callable

import tornado.ioloop
import tornado.netutil
import tornado.web

from ..api.notification import Notice
from ..config.config import Config
from .connections import Connections, Server, limit
from .endpoints import Healthz, Metrics, Notifications, Unknown
from .recorder import Recorder
from .web import Credentials, Health, Served

log = logging.getLogger(__name__)

#: A sender that trickles is let go; Dynatrace sends at once.
BODY_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
MAX_HEADERS = 16384
BACKLOG = 1024


class Listener(threading.Thread):
    """
    Serves the webhook, ``/healthz`` and ``/metrics`` on the configured address.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        recorder: Recorder,
        on_test: Callable[[Notice], None],
        health: Health,
    ) -> None:
        super().__init__(name=f"{name}-listener", daemon=True)
        self._config = config
        self._tls = _tls(config)
        # Bound here, so that a busy port is an error of the start and not of a thread.
        self._sockets = tornado.netutil.bind_sockets(
            config.get("webhook.port"), config.get("webhook.address"), backlog=BACKLOG
        )
        self._served = Served(
            config=config,
            recorder=recorder,
            on_test=on_test,
            health=health,
            credentials=Credentials(config),
            connections=Connections(name, limit()),
        )

    def run(self) -> None:
        """
        Serve for ever; the thread ends with the process.
        """
        loop = tornado.ioloop.IOLoop(make_current=True)
        self._served.recorder.loop = loop
        self._server().add_sockets(self._sockets)
        loop.start()

    def _server(self) -> Server:
        arguments = {"served": self._served}
        application = tornado.web.Application(
            [
                (re.escape(self._config.get("webhook.path")), Notifications, arguments),
                ("/healthz", Healthz, arguments),
                ("/metrics", Metrics, arguments),
            ],
            default_handler_class=Unknown,
            default_handler_args=arguments,
            log_function=_log_request,
        )
        server = Server(
            application,
            ssl_options=self._tls,
            # The handler has the limit and answers 413; tornado would just hang up.
            max_body_size=2**60,
            max_header_size=MAX_HEADERS,
            body_timeout=BODY_TIMEOUT_S,
            idle_connection_timeout=IDLE_TIMEOUT_S,
            decompress_request=False,
        )
        server.watch(self._served.connections)
        return server


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

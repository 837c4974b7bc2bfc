"""
The sockets: a thread for each connection, TLS if asked, and the faults of the way.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.tenant.api import respond
from tests.tenant.errors import ApiError
from tests.tenant.faults import ON_THE_WAY, REPLACING, Fault
from tests.tenant.platform.gateway import located
from tests.tenant.replacements import replacement
from tests.tenant.wire import Answer, Request

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_LARGEST_BODY = 1_048_576


class Listener(ThreadingHTTPServer):
    """
    The listening socket of one tenant.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, tenant: Tenant, address: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.tenant = tenant
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((address, port), Connection)
        if tls:
            # The handshake belongs to the connection's own thread: a silent client must not
            # keep the others from being accepted.
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def process_request(self, request: Any, client_address: Any) -> None:
        """
        Remember the connection, so that stopping ends it.
        """
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """
        Forget the connection.
        """
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """
        Keep silent about clients that went away; anything else is the tenant's own mistake.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.tenant.failed(traceback.format_exc())

    def close_connections(self) -> None:
        """
        End kept-alive connections.
        """
        with self._guard:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class Connection(BaseHTTPRequestHandler):
    """
    One connection of a client.
    """

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """
        Print nothing.
        """

    def _serve(self) -> None:
        tenant, parts = self.server.tenant, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        too_large = length > _LARGEST_BODY
        raw = b"" if too_large else self.rfile.read(length)
        if not too_large and len(raw) < length:
            self.close_connection = True  # Whoever sent it died while sending: that breaks no rule.
            return
        path = unquote(parts.path)
        inner, platform = located(tenant, path, self.headers.get("Host") or "")
        request = Request(
            method=self.command,
            path=inner,
            platform=platform,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            raw=raw,
        )
        fault = tenant.faults.take(REPLACING | ON_THE_WAY, request.method, request.concerns())
        if fault and fault.name in REPLACING:
            answer, accepted = replacement(fault), False
        elif fault and _not_carried_out(fault):
            answer, accepted = Answer(0), False
        elif too_large:
            self.close_connection = True
            answer, accepted = Answer(413, ApiError(413, "HTTP 413").body()), False
        else:
            answer, accepted = respond(tenant, request)
        gone = fault is not None and fault.name == "dropped_connection"
        label = fault.label if fault else None
        tenant.keep(request, 0 if gone else answer.status, accepted, label, path)
        self._send(answer, fault)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        payload = answer.payload()
        name = fault.name if fault else ""
        if fault and name == "slow":
            time.sleep(fault.options["delay"])
        if name == "dropped_connection":
            self.close_connection = True
            return
        self.send_response(answer.status)
        for header, value in answer.headers.items():
            self.send_header(header, value)
        if payload:
            self.send_header("Content-Type", answer.content_type)
        if fault and name == "endless_body":
            self._send_endlessly(fault)
            return
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if name == "truncated_body":
            self.close_connection = True
            payload = payload[: len(payload) // 2]
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _send_endlessly(self, fault: Fault) -> None:
        self.close_connection = True
        self.send_header("Connection", "close")
        self.end_headers()
        end = time.monotonic() + fault.options["seconds"]
        self.wfile.write(b'{"totalCount": 1, "problems": [')
        while time.monotonic() < end and self.server.tenant.running:
            self.wfile.write(b" " * 64)
            self.wfile.flush()
            time.sleep(fault.options["pause"])


def _not_carried_out(fault: Fault) -> bool:
    return fault.name == "dropped_connection" and not fault.options["carried_out"]

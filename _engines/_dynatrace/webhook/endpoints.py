"""
The HTTP endpoints of the listener: notifications, ``/healthz`` and ``/metrics``; ``docs/reference/openapi.yaml`` describes them.

No response quotes a request or names the server.
"""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tornado.concurrent
import tornado.web

from ..api.decompression import CODINGS, coding_of
from ..config.config import Config
from ..core.errors import LedgerError, NotificationError
from ..core.notification import Notification
from .authentication import Authentication
from .payload import BodyTooLarge, decompressed, parse
from .recorder import Recorder

#: So much of a refused body is read and thrown away before the connection is closed on its sender.
MAX_DISCARD = 32 * 1024 * 1024

Future = tornado.concurrent.Future

_PROBES = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="dynatrace-probe")


@dataclass
class Health:
    """
    What the probes call: ``check`` returns whether the engine works, and plain facts without secrets or texts of problems.
    """

    check: Callable[[], tuple[bool, Mapping[str, Any]]] = field(default=lambda: (True, {}))
    metrics: Callable[[], str] = field(default=lambda: "")


@dataclass(frozen=True)
class Context:
    """
    What all endpoints of a listener share; without ``authentication`` everybody is served.
    """

    health: Health
    authentication: Authentication | None = None


@dataclass(frozen=True)
class Intake(Context):
    """
    What the endpoint for notifications needs beside it.
    """

    config: Config = field(kw_only=True)
    recorder: Recorder = field(kw_only=True)
    on_test: Callable[[Notification], None] = field(kw_only=True)


@tornado.web.stream_request_body
class Endpoint(tornado.web.RequestHandler):
    """
    What all endpoints have in common: JSON, and refusals before the body is read.
    """

    METHODS: tuple[str, ...] = ()
    #: What is accepted of who shows none, or wrong ones.
    CHALLENGE = 'Bearer realm="dynatrace", Basic realm="dynatrace"'

    def initialize(self, context: Context, on_authenticated: Callable[[Any], None]) -> None:
        self.context = context
        self.on_authenticated = on_authenticated
        self.body = bytearray()
        self.limit = 0
        self._discarded = 0
        self._responded = False
        self._received = False

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        return None

    def prepare(self) -> None:
        if self.request.method not in self.METHODS:
            self.set_header("Allow", ", ".join(self.METHODS))
            self.reject(405, f"method not allowed: use {' or '.join(self.METHODS)}")
        else:
            self.check_headers()

    def check_headers(self) -> None:
        """
        Reject here what can be rejected before the body is read.
        """

    async def serve(self) -> None:
        """
        Respond to the request; the whole body is in ``self.body``.
        """
        raise NotImplementedError

    def reject(self, status: int, reason: str) -> None:
        self.respond(status, accepted=False, reason=reason)

    def respond(self, status: int, **facts: Any) -> None:
        self.send(status, "application/json", json.dumps(facts) + "\n")

    def send(self, status: int, content_type: str, text: str) -> None:
        """
        Send the response at once; the rest of a refused body is still taken off the wire and thrown away.

        Closing with unread data would reset the connection, and the sender would see that instead of the response.
        """
        body = text.encode()
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.set_header("Content-Length", str(len(body)))
        self.write(body)
        if not self._received:
            self.flush()
        self._responded = True
        self.body.clear()

    def data_received(self, chunk: bytes) -> None:
        if not self._responded and len(self.body) + len(chunk) <= self.limit:
            self.body += chunk
            return
        if not self._responded:
            self.reject(413, f"the body is larger than {self.limit} bytes")
        self._discarded += len(chunk)
        if self._discarded > MAX_DISCARD and not self._finished:
            self.finish()

    async def _complete(self) -> None:
        self._received = True
        if not self._responded:
            await self.serve()
        if not self._finished:
            self.finish()

    get = head = post = put = delete = patch = options = _complete

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if not self._responded:
            self.reject(status_code, "the request was not understood")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        # Faults of ours, not the refusals.
        if not isinstance(value, tornado.web.HTTPError):
            super().log_exception(typ, value, tb)

    def authenticate(self) -> bool:
        if self.accepts(self.request.headers.get("Authorization", "")):
            self.on_authenticated(getattr(self.request.connection, "stream", None))
            return True
        self.set_header("WWW-Authenticate", self.CHALLENGE)
        self.reject(401, "no or wrong credentials")
        return False

    def accepts(self, header: str) -> bool:
        expected = self.context.authentication
        return expected is None or expected.accepts(header)


class Unknown(Endpoint):
    """
    Any other path, whatever the method.
    """

    def prepare(self) -> None:
        self.reject(404, "no such path")


class Notifications(Endpoint):
    """
    ``POST <path>``: a problem notification; 202 means that it is on disk.
    """

    METHODS = ("POST",)
    context: Intake

    def check_headers(self) -> None:
        if not self.authenticate():
            return
        headers = self.request.headers
        self.limit = self.context.config.get("webhook.max_body")
        self.coding = coding_of(headers.get("Content-Encoding", ""))
        length = headers.get("Content-Length", "0")
        if self.coding is None:
            reason = "the Content-Encoding is not understood: send the body as it is, or in one of "
            self.set_header("Accept-Encoding", ", ".join(CODINGS))
            self.reject(415, reason + ", ".join(CODINGS))
        elif length.isascii() and length.isdigit() and int(length[:20]) > self.limit:
            self.reject(413, f"the body is larger than {self.limit} bytes (max_body)")

    async def serve(self) -> None:
        try:
            notification = self._notification()
            if notification.test:
                self.context.on_test(notification)
            else:
                await _awaitable(self.context.recorder.record(notification))
        except NotificationError as err:
            self.reject(413 if isinstance(err, BodyTooLarge) else 400, str(err))
        except LedgerError:
            self.reject(503, "the notification could not be recorded; send it again later")
        else:
            self.respond(202, accepted=True, **({"test": True} if notification.test else {}))

    def _notification(self) -> Notification:
        config, body = self.context.config, bytes(self.body)
        if self.coding:
            body = decompressed(body, self.coding, self.limit)
        # What an API will be asked for need not be read here.
        return parse(body, config.get("webhook.keys"), whole=not config.has_login)


def _awaitable(work: concurrent.futures.Future[Any]) -> Future[Any]:
    # In tornado's own loop, for what another thread does.
    future: Future[Any] = Future()
    tornado.concurrent.chain_future(work, future)
    return future


def probe(ask: Callable[[], Any]) -> Future[Any]:
    """
    Return what is told in the thread of the probes: notifications must not wait for a slow ledger.
    """
    return _awaitable(_PROBES.submit(ask))


class Healthz(Endpoint):
    """
    ``GET /healthz``: whether the engine does its work, without credentials.
    """

    METHODS = ("GET", "HEAD")

    async def serve(self) -> None:
        try:
            healthy, facts = await probe(self.context.health.check)
        except LedgerError:
            healthy, facts = False, {"ledger": "failing"}
        self.respond(200 if healthy else 503, healthy=healthy, **facts)


class Metrics(Endpoint):
    """
    ``GET /metrics``: Prometheus text format, with the credentials of the webhook; on a port of its own without any.
    """

    METHODS = ("GET",)

    def check_headers(self) -> None:
        self.authenticate()

    async def serve(self) -> None:
        try:
            text = await probe(self.context.health.metrics)
        except LedgerError:
            self.reject(503, "the ledger cannot be read")
        else:
            self.send(200, "text/plain; version=0.0.4; charset=utf-8", text)

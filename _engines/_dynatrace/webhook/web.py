"""
The form of every answer of the listener: credentials, refusals before the body is read, JSON, and bounds of a body.

Nothing of a request is quoted in an answer, and nothing about the server is told.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tornado.web

from ..api.notification import Notice
from ..config.config import Config
from .connections import Connections
from .recorder import Recorder

#: So much of a refused body is read and thrown away before the connection is closed on its sender.
MAX_DISCARD = 32 * 1024 * 1024


@dataclass
class Health:
    """
    What ``/healthz`` tells: plain facts, no secret, no text of a problem. ``check`` returns (healthy, facts).
    """

    check: Callable[[], tuple[bool, Mapping[str, Any]]] = field(default=lambda: (True, {}))
    metrics: Callable[[], str] = field(default=lambda: "")


class Credentials:
    """
    The accepted ``Authorization`` values, compared in constant time.
    """

    def __init__(self, config: Config) -> None:
        token, user = config.get("webhook.token"), config.get("webhook.username")
        self._bearer = token.encode() if token else None
        self._basic = f"{user}:{config.get('webhook.password')}".encode() if user else None

    def accepts(self, header: str) -> bool:
        """
        Tell whether an ``Authorization`` header is one of those configured.
        """
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


@dataclass(frozen=True)
class Served:
    """
    What stands behind the answers: one for all requests of a listener.
    """

    config: Config
    recorder: Recorder
    on_test: Callable[[Notice], None]
    health: Health
    credentials: Credentials
    connections: Connections


@tornado.web.stream_request_body
class Answer(tornado.web.RequestHandler):
    """
    What all answers have in common: JSON, nothing about the server, and refusals before the body is read.
    """

    METHODS: tuple[str, ...] = ()

    def initialize(self, served: Served) -> None:
        """
        Take what the listener was built with.
        """
        self.served = served
        self.body = bytearray()
        self.largest = 0
        self._discarded = 0
        self._answered = False
        self._received = False

    def set_default_headers(self) -> None:
        """
        Say nothing of the server.
        """
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        """
        Nothing here is worth a cache, and no answer is a 304.
        """

    def prepare(self) -> None:
        """
        Refuse the wrong method; then what the subclass refuses.
        """
        if self.request.method not in self.METHODS:
            self.set_header("Allow", ", ".join(self.METHODS))
            self.answer(
                405, accepted=False, reason=f"method not allowed: use {' or '.join(self.METHODS)}"
            )
        else:
            self.refuse()

    def refuse(self) -> None:
        """
        Answer here what can be refused by the headers alone.
        """

    async def serve(self) -> None:
        """
        Answer the request; the whole body is in ``self.body``.
        """
        raise NotImplementedError

    def answer(self, status: int, **facts: Any) -> None:
        """
        Send a JSON object.
        """
        self.send(status, "application/json", json.dumps(facts) + "\n")

    def send(self, status: int, content_type: str, text: str) -> None:
        """
        Send the answer at once; the rest of a refused body is still taken off the wire and thrown away.

        Closing with unread data would reset the connection, and the sender would see that instead of the answer.
        """
        body = text.encode()
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.set_header("Content-Length", str(len(body)))
        self.write(body)
        if not self._received:
            self.flush()
        self._answered = True
        self.body.clear()

    def data_received(self, chunk: bytes) -> None:
        """
        Collect the body up to what is allowed; throw away what comes after an answer, and hang up on too much of it.
        """
        if not self._answered and len(self.body) + len(chunk) <= self.largest:
            self.body += chunk
            return
        if not self._answered:
            self.answer(413, accepted=False, reason=f"the body is larger than {self.largest} bytes")
        self._discarded += len(chunk)
        if self._discarded > MAX_DISCARD and not self._finished:
            self.finish()

    async def _complete(self) -> None:
        self._received = True
        if not self._answered:
            await self.serve()
        if not self._finished:
            self.finish()

    get = head = post = put = delete = patch = options = _complete

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """
        Say in JSON that it went wrong, without a traceback.
        """
        if not self._answered:
            self.answer(status_code, accepted=False, reason="the request was not understood")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """
        Log faults of ours, not the refusals.
        """
        if not isinstance(value, tornado.web.HTTPError):
            super().log_exception(typ, value, tb)

    def authorized(self) -> bool:
        """
        Answer 401 unless the credentials are right.
        """
        if self.served.credentials.accepts(self.request.headers.get("Authorization", "")):
            self.served.connections.trust(getattr(self.request.connection, "stream", None))
            return True
        self.set_header("WWW-Authenticate", 'Bearer realm="dynatrace", Basic realm="dynatrace"')
        self.answer(401, accepted=False, reason="no or wrong credentials")
        return False

"""
The webhook listener: authenticate, recognise the problem, write it to the ledger, answer 202, and say "look now".

It runs in a thread of its own on tornado, never touches the event bus, and answers 202 only for what is on disk.
Commits are grouped: all notifications that arrive while one commit runs share the next.

Inside Salt 3006 ``import tornado`` gives the 4.5 that it brings along, elsewhere tornado 6: only what both have is used
here, so no asyncio, and tornado's own futures and loop.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import tornado.concurrent
import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web
from _dynatrace_config import Config
from _dynatrace_errors import LedgerError, NotificationError
from _dynatrace_ledger import Ledger
from _dynatrace_notifications import Notice, parse

log = logging.getLogger(__name__)

Future = tornado.concurrent.Future

#: A sender that trickles is let go; Dynatrace sends at once.
BODY_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
MAX_HEADERS = 16384
#: So much of a refused body is read and thrown away before the connection is closed on its sender.
MAX_DISCARD = 32 * 1024 * 1024
BACKLOG = 1024


@dataclass
class Health:
    """
    What ``/healthz`` tells: plain facts, no secret, no text of a problem. ``check`` returns (healthy, facts).
    """

    check: Callable[[], tuple[bool, Mapping[str, Any]]] = field(default=lambda: (True, {}))
    metrics: Callable[[], str] = field(default=lambda: "")


class Recorder(threading.Thread):
    """
    Writes notifications to the ledger in groups: one commit, and one sync of the disk, for all that came meanwhile.
    """

    def __init__(self, name: str, ledger: Ledger, look_now: Callable[[], None]) -> None:
        super().__init__(name=f"{name}-recorder", daemon=True)
        self._prefix = name
        self._ledger = ledger
        self._look_now = look_now
        self._waiting: list[tuple[float, Notice, Future[Any]]] = []
        self.loop: tornado.ioloop.IOLoop | None = None
        self._changed = threading.Condition()

    def record(self, notice: Notice) -> Future[Any]:
        """
        Return a future that is done when the notification is on disk, or fails with LedgerError.

        Called in the listener's thread only, whose loop the future belongs to.
        """
        future: Future[Any] = Future()
        with self._changed:
            self._waiting.append((time.time(), notice, future))
            self._changed.notify()
        return future

    def run(self) -> None:
        """
        Commit group after group; the thread ends with the process.
        """
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                group, self._waiting = self._waiting, []
            self._commit(group)

    def _commit(self, group: list[tuple[float, Notice, Future[Any]]]) -> None:
        error: Exception | None = None
        try:
            self._ledger.add_notices([(at, notice) for at, notice, _ in group])
        except LedgerError as err:
            error = err
            log.error("%s: %s notifications refused with 503: %s", self._prefix, len(group), err)
        except Exception as err:
            error = LedgerError(str(err))
            log.exception("%s: notifications could not be recorded", self._prefix)
        if self.loop is not None:
            self.loop.add_callback(_settle, [future for *_, future in group], error)
        if error is None:
            self._look_now()


def _settle(futures: list[Future[Any]], error: Exception | None) -> None:
    for future in futures:
        if not future.done():  # The sender may have gone.
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


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
        tls = _tls(config)
        # Bound here, so that a busy port is an error of the start and not of a thread.
        self._sockets = tornado.netutil.bind_sockets(
            config.get("webhook.port"), config.get("webhook.address"), backlog=BACKLOG
        )
        self._tls = tls
        self._arguments: dict[str, Any] = {
            "config": config,
            "recorder": recorder,
            "on_test": on_test,
            "health": health,
            "credentials": Credentials(config),
        }

    def run(self) -> None:
        """
        Serve for ever; the thread ends with the process.
        """
        loop = tornado.ioloop.IOLoop(make_current=True)
        self._arguments["recorder"].loop = loop
        self._server().add_sockets(self._sockets)
        loop.start()

    def _server(self) -> tornado.httpserver.HTTPServer:
        application = tornado.web.Application(
            [
                (re.escape(self._config.get("webhook.path")), Notifications, self._arguments),
                ("/healthz", Healthz, self._arguments),
                ("/metrics", Metrics, self._arguments),
            ],
            default_handler_class=Unknown,
            default_handler_args=self._arguments,
            log_function=_log_request,
        )
        return tornado.httpserver.HTTPServer(
            application,
            ssl_options=self._tls,
            # The handler has the limit and answers 413; tornado would just hang up.
            max_body_size=2**60,
            max_header_size=MAX_HEADERS,
            body_timeout=BODY_TIMEOUT_S,
            idle_connection_timeout=IDLE_TIMEOUT_S,
            decompress_request=False,
        )


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


@tornado.web.stream_request_body
class Answer(tornado.web.RequestHandler):
    """
    What all answers have in common: JSON, nothing about the server, and refusals before the body is read.
    """

    METHODS: tuple[str, ...] = ()

    def initialize(
        self,
        config: Config,
        recorder: Recorder,
        on_test: Callable[[Notice], None],
        health: Health,
        credentials: Credentials,
    ) -> None:
        """
        Take what the listener was built with.
        """
        self.config, self.recorder, self.on_test = config, recorder, on_test
        self.health, self.credentials = health, credentials
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
        if self.credentials.accepts(self.request.headers.get("Authorization", "")):
            return True
        self.set_header("WWW-Authenticate", 'Bearer realm="dynatrace", Basic realm="dynatrace"')
        self.answer(401, accepted=False, reason="no or wrong credentials")
        return False


class Unknown(Answer):
    """
    Any other path.
    """

    def prepare(self) -> None:
        """
        Answer 404, whatever the method.
        """
        self.answer(404, accepted=False, reason="no such path")


class Notifications(Answer):
    """
    ``POST <path>``: a problem notification.
    """

    METHODS = ("POST",)

    def refuse(self) -> None:
        """
        Refuse wrong credentials and a body announced as too large.
        """
        if not self.authorized():
            return
        self.largest = self.config.get("webhook.max_body")
        length = self.request.headers.get("Content-Length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > self.largest:
            self.answer(
                413,
                accepted=False,
                reason=f"the body is larger than {self.largest} bytes (max_body)",
            )

    async def serve(self) -> None:
        """
        Answer 202 when the notification is on disk.
        """
        try:
            # What an API will be asked for need not be read here.
            whole = not self.config.get("api_token")
            notice = parse(bytes(self.body), self.config.get("webhook.keys"), whole)
        except NotificationError as err:
            self.answer(400, accepted=False, reason=str(err))
            return
        try:
            if notice.test:
                self.on_test(notice)
            else:
                await self.recorder.record(notice)
        except LedgerError:
            self.answer(
                503,
                accepted=False,
                reason="the notification could not be recorded; send it again later",
            )
            return
        self.answer(202, accepted=True, **({"test": True} if notice.test else {}))


_PROBES = ThreadPoolExecutor(1, thread_name_prefix="dynatrace-probe")


def _aside(function: Callable[[], Any]) -> Future[Any]:
    """
    Return a future of what ``function`` returns, run in a thread: notifications must not wait for a slow ledger.
    """
    future: Future[Any] = Future()
    tornado.concurrent.chain_future(_PROBES.submit(function), future)
    return future


class Healthz(Answer):
    """
    ``GET /healthz``: whether the engine does its work; without credentials, without secrets.
    """

    METHODS = ("GET", "HEAD")

    async def serve(self) -> None:
        """
        Answer 200 or 503 with plain facts.
        """
        try:
            healthy, facts = await _aside(self.health.check)
        except LedgerError:
            healthy, facts = False, {"ledger": "failing"}
        self.answer(200 if healthy else 503, healthy=healthy, **facts)


class Metrics(Answer):
    """
    ``GET /metrics``: Prometheus text format, with the credentials of the webhook.
    """

    METHODS = ("GET",)

    def refuse(self) -> None:
        """
        Refuse wrong credentials.
        """
        self.authorized()

    async def serve(self) -> None:
        """
        Answer with the counters and gauges.
        """
        try:
            text = await _aside(self.health.metrics)
        except LedgerError:
            self.answer(503, accepted=False, reason="the ledger cannot be read")
            return
        self.send(200, "text/plain; version=0.0.4; charset=utf-8", text)

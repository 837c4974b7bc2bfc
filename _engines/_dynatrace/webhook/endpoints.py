"""
What the listener serves: notifications, ``/healthz`` and ``/metrics``; ``docs/reference/openapi.yaml`` describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tornado.concurrent

from ..api.notification import parse
from ..core.errors import LedgerError, NotificationError
from .unpacking import UNDERSTOOD, TooLarge, coding, unpacked
from .web import Answer

Future = tornado.concurrent.Future


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
        Refuse wrong credentials, a coding that is not understood, and a body announced as too large.
        """
        if not self.authorized():
            return
        self.coding = coding(self.request.headers.get("Content-Encoding", ""))
        if self.coding is None:
            self.set_header("Accept-Encoding", UNDERSTOOD)
            self.answer(
                415,
                accepted=False,
                reason="the Content-Encoding is not understood: send the body as it is, or in one of "
                + UNDERSTOOD,
            )
            return
        self.largest = self.served.config.get("webhook.max_body")
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
            whole = not self.served.config.get("api_token")
            body = bytes(self.body)
            if self.coding:
                body = unpacked(body, self.coding, self.largest)
            notice = parse(body, self.served.config.get("webhook.keys"), whole)
        except NotificationError as err:
            self.answer(413 if isinstance(err, TooLarge) else 400, accepted=False, reason=str(err))
            return
        try:
            if notice.test:
                self.served.on_test(notice)
            else:
                await self.served.recorder.record(notice)
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
            healthy, facts = await _aside(self.served.health.check)
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
            text = await _aside(self.served.health.metrics)
        except LedgerError:
            self.answer(503, accepted=False, reason="the ledger cannot be read")
            return
        self.send(200, "text/plain; version=0.0.4; charset=utf-8", text)

"""
The status page: ``GET /`` serves it whole, ``GET /events`` streams what of it changes, as server-sent events.

Both are read only, and ask for the webhook's credentials by HTTP Basic, so that a browser can log in. The page is made in
the thread of the probes, once for all that look at it, and a stream that is not read holds nothing up.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import tornado.gen
import tornado.ioloop
import tornado.iostream

from .endpoints import Endpoint, Future, Intake, probe

#: How often it is looked whether the page has changed, while somebody has it open.
LOOK_S = 1.0
#: A stream tells that it is alive at least this often; the page calls itself stale after two and a half times that.
BEAT_S = 15.0
#: A stream that takes nothing for so long is closed.
PATIENCE_S = 30.0
MAX_STREAMS = 32
#: Of the kernel's memory for a stream that is not read, beside one message.
SOCKET_BYTES = 65536
_BEAT = b"event: beat\ndata:\n\n"
_Closed = tornado.iostream.StreamClosedError
_TimeoutError = tornado.gen.TimeoutError  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Part:
    """
    One part of the page, which is replaced as a whole: ``html`` is an element whose id is ``name``.
    """

    name: str
    digest: str
    html: str

    @property
    def message(self) -> bytes:
        """
        The event that tells of it.
        """
        return b"event: part\ndata: " + json.dumps(vars(self)).encode() + b"\n\n"


class Page(Protocol):
    """
    What is shown; both are called in the thread of the probes.
    """

    def document(self) -> tuple[str, Mapping[str, str]]:
        """
        Return the whole page, and the headers that it needs.
        """

    def parts(self) -> Iterable[Part]:
        """
        Return the page's parts as they are now; the same object as before if nothing has changed.
        """


class Feed:
    """
    Tells the open streams of what changes; all methods belong to the listener's thread.

    Nothing is made while no stream is open.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.parts: Iterable[Part] = ()
        self._streams: set[Events] = set()
        #: The loop in which the streams are told; None while there are none.
        self._loop: tornado.ioloop.IOLoop | None = None

    @property
    def is_full(self) -> bool:
        self._forget_former()
        return len(self._streams) >= MAX_STREAMS

    def join(self, stream: Events) -> None:
        self._streams.add(stream)
        if self.parts:
            stream.wake()
        if self._loop is None:
            self._loop = tornado.ioloop.IOLoop.current()
            self._loop.spawn_callback(self._follow)

    def leave(self, stream: Events) -> None:
        self._streams.discard(stream)

    def _forget_former(self) -> None:
        """
        Forget the streams of a loop that ended; the listener has started again.
        """
        if self._loop is not None and self._loop is not tornado.ioloop.IOLoop.current():
            self._loop, self.parts = None, ()
            self._streams.clear()

    async def _follow(self) -> None:
        loop, told = self._loop, 0.0
        try:
            while self._streams:
                parts = await probe(self.page.parts)
                if parts is not self.parts or time.monotonic() - told >= BEAT_S:
                    self.parts, told = parts, time.monotonic()
                    for stream in self._streams:
                        stream.wake()
                await tornado.gen.sleep(LOOK_S)
        finally:
            if self._loop is loop:
                self._loop, self.parts = None, ()


@dataclass(frozen=True)
class Watched(Intake):
    """
    What the endpoints of a page need beside the others.
    """

    feed: Feed = field(kw_only=True)


class Reader(Endpoint):
    """
    What a browser asks for.
    """

    METHODS = ("GET",)
    context: Watched
    CHALLENGE = 'Basic realm="dynatrace", charset="UTF-8"'

    def check_headers(self) -> None:
        self.authenticate()

    def accepts(self, header: str) -> bool:
        expected = self.context.authentication
        return expected is None or expected.accepts_reader(header)


class Whole(Reader):
    """
    ``GET /``: the whole page, which works without a script.
    """

    async def serve(self) -> None:
        html, headers = await probe(self.context.feed.page.document)
        for name, value in headers.items():
            self.set_header(name, value)
        self.send(200, "text/html; charset=utf-8", html)


class Events(Reader):
    """
    ``GET /events``: the parts of the page, each when it has changed.

    At most one message waits for a reader: what changes in the meantime is told by the next one.
    """

    async def serve(self) -> None:
        feed = self.context.feed
        if feed.is_full:
            self.set_header("Retry-After", "30")
            self.reject(503, f"{MAX_STREAMS} pages are open already")
            return
        self.set_header("Content-Type", "text/event-stream")
        # Else nginx, where it stands between, would keep it back.
        self.set_header("X-Accel-Buffering", "no")
        stream = self.request.connection.stream  # type: ignore[union-attr]
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        self._woken: Future[None] = Future()
        feed.join(self)
        try:
            await self._tell()
        except (_TimeoutError, _Closed):
            stream.close()
        finally:
            feed.leave(self)

    async def _tell(self) -> None:
        told: dict[str, str] = {}
        while True:
            await self._woken
            self._woken = Future()
            news = [one for one in self.context.feed.parts if told.get(one.name) != one.digest]
            told.update((one.name, one.digest) for one in news)
            self.write(b"".join(one.message for one in news) or _BEAT)
            patience = timedelta(seconds=PATIENCE_S)
            await tornado.gen.with_timeout(patience, self.flush(), quiet_exceptions=_Closed)

    def wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if hasattr(self, "_woken"):
            self.context.feed.leave(self)
            self.wake()


#: By their paths.
ENDPOINTS: Mapping[str, type[Endpoint]] = {"/": Whole, "/events": Events}

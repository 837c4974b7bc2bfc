"""
Requests to one API of the tenant: with which credentials and how often, all pages of a list, and what refusals mean.

Nothing here logs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from ..core.errors import (
    ApiError,
    AuthError,
    RateLimited,
    Refusal,
    Unavailable,
    UnexpectedResponse,
)
from .connection import Connection, Dropped, NotSent, TimedOut
from .credentials import Credentials
from .json_values import typed
from .rate_limiter import Kind, RateLimiter
from .refusals import refused
from .response import decode

MAX_PAGES = 1000
#: Is told of each request: the seconds that it took, its endpoint, and the status or what came in the place of one.
Observe = Callable[[float, str, str], None]
#: All pages of a walk together: the loop waits for them. Ten thousand problems are twenty pages.
WALK_DEADLINE_S = 180.0


class Transport:
    """
    Sends requests below one base URL; may be used from several threads at once: each has its own session.
    """

    def __init__(
        self,
        base: str,
        credentials: Credentials,
        ca_bundle: str | None,
        proxy: str | None,
        rate_limiter: RateLimiter | None,
        observe: Observe = lambda *_: None,
    ) -> None:
        self.base = base
        self._observe = observe
        self._credentials = credentials
        self.redact = credentials.redact
        self._rate_limiter = rate_limiter or RateLimiter()
        self._connection = Connection("the tenant", ca_bundle, proxy, credentials.redact)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base})"

    def close(self) -> None:
        """
        Close all connections; only tests need it.
        """
        self._connection.close()

    def items(self, path: str, kind: Kind, query: Mapping[str, str], name: str) -> Iterator[Any]:
        # All items of the list `name`, page after page.
        seen: set[str] = set()
        asked: Mapping[str, str] = query
        until = time.monotonic() + WALK_DEADLINE_S
        for _ in range(MAX_PAGES):
            if time.monotonic() > until:
                raise Unavailable(f"GET {path}: not all pages came within {WALK_DEADLINE_S:g} s")
            body = typed(self.get(path, kind, asked), dict)
            if not isinstance(body.get(name), list):
                raise UnexpectedResponse(f"GET {path}: the answer has no list `{name}`")
            yield from body[name]
            cursor = body.get("nextPageKey")  # The last page has none, or null.
            if cursor is None:
                return
            if not isinstance(cursor, str) or not cursor or cursor in seen:
                raise UnexpectedResponse(
                    f"GET {path}: the tenant sent a `nextPageKey` that leads nowhere"
                )
            seen.add(cursor)
            asked = {"nextPageKey": cursor}  # Nothing else may accompany it.
        raise UnexpectedResponse(f"GET {path}: more than {MAX_PAGES} pages")

    def get(self, path: str, kind: Kind, query: Mapping[str, str]) -> Any:
        return self.ask("GET", path, kind, query)

    def ask(
        self,
        method: str,
        path: str,
        kind: Kind,
        query: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> Any:
        """
        Return the JSON of an answer to a request that changes nothing: it is made once more if its connection broke.
        """
        try:
            body = self.call(method, path, kind, query, payload)
        except Dropped:  # Connections that are kept alive die.
            body = self.call(method, path, kind, query, payload)
        return decode(body, f"{method} {path}", self.redact)

    def call(
        self,
        method: str,
        path: str,
        kind: Kind,
        query: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> bytes:
        shown = self._authorization()
        try:
            return self._send(shown, method, path, kind, query, payload)
        except AuthError as err:
            rejected = err.refusal is Refusal.REJECTED
            if not (rejected and self._credentials.renew(shown)):
                raise
        return self._send(self._authorization(), method, path, kind, query, payload)

    def _authorization(self) -> str:
        try:
            return self._credentials.authorization()
        except (Unavailable, UnexpectedResponse) as err:
            # Whatever became of the login: the request itself was not made.
            raise NotSent(str(err)) from err

    def _send(
        self,
        authorization: str,
        method: str,
        path: str,
        kind: Kind,
        query: Mapping[str, str] | None,
        payload: Any,
    ) -> bytes:
        what, endpoint = f"{method} {path}", _endpoint(method, path)
        self._rate_limiter.acquire(endpoint, kind)
        response, body = self._measured(
            endpoint,
            what,
            method,
            self.base + path,
            params=query,
            json=payload,
            headers={"Authorization": authorization},
        )
        self._rate_limiter.observe(endpoint, response.headers)
        if 200 <= response.status_code < 300:
            return body
        error = refused(what, response, body, self._credentials, time.time())
        if isinstance(error, RateLimited):
            self._rate_limiter.hold(endpoint, error.retry_after)
        raise error

    def _measured(self, endpoint: str, *sent: Any, **parts: Any) -> tuple[requests.Response, bytes]:
        begun, status = time.monotonic(), "unreadable"
        try:
            response, body = self._connection.request(*sent, **parts)
            status = str(response.status_code)
        except ApiError as err:
            status = _instead_of_status(err)
            raise
        finally:
            self._observe(time.monotonic() - begun, endpoint, status)
        return response, body


def _instead_of_status(err: ApiError) -> str:
    if isinstance(err, UnexpectedResponse):
        return "unreadable"
    return "timeout" if isinstance(err, TimedOut) else "unreachable"


def _endpoint(method: str, path: str) -> str:
    # Without ids: limits are reported for each endpoint.
    return f"{method} " + re.sub(r"(?<=^/problems/|^/entities/)[^/]+", "{id}", path)

"""
One request to the tenant: the session that carries it, its time limits, and the errors that it ends with.

The token goes to the environment's URL and nowhere else: no redirect is followed, and nothing of the surroundings
(proxy variables, ``~/.netrc``, ``REQUESTS_CA_BUNDLE``) changes what is sent or where. Nothing here logs.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from urllib3.util.ssl_match_hostname import CertificateError

from ..core.errors import (
    ApiError,
    AuthError,
    RateLimited,
    Unavailable,
    UnexpectedResponse,
)
from .credentials import Credentials
from .deadline import DeadlineAdapter
from .json_values import typed
from .rate_limiter import Kind, RateLimiter
from .response import decode, read, refused

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
#: A whole response, head and body, must be there by then, however steadily a server trickles.
RESPONSE_DEADLINE_S = 45.0
MAX_PAGES = 1000
#: All pages of a walk together: the loop waits for them. Ten thousand problems are twenty pages.
WALK_DEADLINE_S = 180.0
#: urllib3 compares names itself in its older line.
_CERTIFICATE_ERRORS = (ssl.SSLCertVerificationError, CertificateError)
_TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError)


class NotSent(Unavailable):
    """
    The request did not reach the tenant: it has surely done nothing.
    """


class _Dropped(Unavailable):
    pass


class _Unreached(NotSent, _Dropped):
    pass


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
    ) -> None:
        self.base = base
        self._credentials = credentials
        self._redact = credentials.redact
        self._verify: str | bool = ca_bundle or True
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._rate_limiter = rate_limiter or RateLimiter()
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base})"

    def close(self) -> None:
        """
        Close all connections; only tests need it.
        """
        for session in self._sessions:
            session.close()

    def _items(self, path: str, kind: Kind, query: Mapping[str, str], name: str) -> Iterator[Any]:
        # All items of the list `name`, page after page.
        seen: set[str] = set()
        asked: Mapping[str, str] = query
        until = time.monotonic() + WALK_DEADLINE_S
        for _ in range(MAX_PAGES):
            if time.monotonic() > until:
                raise Unavailable(f"GET {path}: not all pages came within {WALK_DEADLINE_S:g} s")
            body = typed(self._get(path, kind, asked), dict)
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

    def _get(self, path: str, kind: Kind, query: Mapping[str, str]) -> Any:
        try:
            body = self._call("GET", path, kind, query)
        except _Dropped:  # Once more: connections that are kept alive die.
            body = self._call("GET", path, kind, query)
        return decode(body, f"GET {path}", self._redact)

    def _call(
        self,
        method: str,
        path: str,
        kind: Kind,
        query: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> bytes:
        shown = self._credentials.authorization()
        try:
            return self._send(shown, method, path, kind, query, payload)
        except AuthError as err:
            if not (err.rejected and self._credentials.renew(shown)):
                raise
        return self._send(self._credentials.authorization(), method, path, kind, query, payload)

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
        session, adapter = self._session()
        adapter.begin(RESPONSE_DEADLINE_S, READ_TIMEOUT_S)
        try:
            with session.request(
                method,
                self.base + path,
                params=query,
                json=payload,
                headers={"Authorization": authorization},
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._body(what, endpoint, response)
        # What requests raises is an OSError, and so is some of what it lets through: an unreadable `ca_bundle`, for one.
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as err:
            raise self._failed(what, err, adapter.passed) from None

    def _body(self, what: str, endpoint: str, response: requests.Response) -> bytes:
        body = read(response, what)
        self._rate_limiter.observe(endpoint, response.headers)
        if 200 <= response.status_code < 300:
            return body
        error = self._refused(what, response, body)
        if isinstance(error, RateLimited):
            self._rate_limiter.hold(endpoint, error.retry_after)
        raise error

    def _refused(self, what: str, response: requests.Response, body: bytes) -> ApiError:
        error = refused(what, response, body, self._redact, time.time())
        hint = self._credentials.hint
        if hint and isinstance(error, AuthError):
            return AuthError(f"{error}; {hint}: correct `environment_url`", error.rejected)
        return error

    def _failed(self, what: str, err: Exception, late: bool) -> Unavailable:
        if late:
            return Unavailable(
                f"{what}: the answer was not complete after {RESPONSE_DEADLINE_S:g} s"
            )
        causes = list(_causes(err))
        for cause in causes:
            if isinstance(cause, _CERTIFICATE_ERRORS):
                reason = self._redact(getattr(cause, "verify_message", cause))
                return NotSent(
                    f"{what}: the tenant's certificate cannot be verified: {reason}; name its CA in `ca_bundle`"
                )
        if isinstance(err, requests.exceptions.ConnectTimeout):
            return NotSent(f"{what}: no connection within {CONNECT_TIMEOUT_S:g} s")
        if isinstance(err, _TIMEOUTS):
            return Unavailable(f"{what}: no answer within {READ_TIMEOUT_S:g} s")
        reason = self._redact(_innermost(causes[-1]))
        if not isinstance(err, requests.exceptions.ConnectionError):
            return Unavailable(f"{what}: {reason}")
        made = not any(isinstance(c, urllib3.exceptions.NewConnectionError) for c in causes)
        error = _Dropped if made else _Unreached
        return error(f"{what}: no connection to the tenant: {reason}")

    def _session(self) -> tuple[requests.Session, DeadlineAdapter]:
        kept: tuple[requests.Session, DeadlineAdapter] | None = getattr(self._local, "kept", None)
        if kept is None:
            session, adapter = _Session(), DeadlineAdapter()
            for scheme in ("https://", "http://"):
                session.mount(scheme, adapter)
            # A ~/.netrc would replace the token, and proxies from the environment would see it.
            session.trust_env = False
            session.verify = self._verify
            session.proxies.update(self._proxies)
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["Accept"] = "application/json; charset=utf-8"
            session.headers["Accept-Encoding"] = "gzip"
            session.headers["User-Agent"] = "salt-dynatrace"
            kept = self._local.kept = session, adapter
            self._sessions.append(session)
        return kept


class _Session(requests.Session):
    # It knows no redirects: requests would parse where one leads even if told not to follow it.

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _endpoint(method: str, path: str) -> str:
    # Without ids: limits are reported for each endpoint.
    return f"{method} " + re.sub(r"(?<=^/problems/|^/entities/)[^/]+", "{id}", path)


def _causes(err: BaseException) -> Iterator[BaseException]:
    # Outermost first: libraries keep the cause in several places.
    for _ in range(16):
        yield err
        inner = err.args[0] if err.args and isinstance(err.args[0], BaseException) else None
        found = inner or getattr(err, "reason", None) or err.__cause__
        if not isinstance(found, BaseException):
            return
        err = found


def _innermost(err: BaseException) -> str:
    # Without the names of Python objects that libraries put before the text.
    return str(err).rpartition("connection: ")[2].rpartition(">: ")[2] or type(err).__name__

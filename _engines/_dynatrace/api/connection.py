"""
Connections to the tenant and to what vouches for it: the sessions that carry requests, their time limits, and the errors
that they end with.

What is sent goes to the URL that is asked for and nowhere else: no redirect is followed, and nothing of the surroundings
(proxy variables, ``~/.netrc``, ``REQUESTS_CA_BUNDLE``) changes what is sent or where. Nothing here logs.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from urllib3.util.ssl_match_hostname import CertificateError

from ..core.errors import Unavailable
from .deadline import DeadlineAdapter
from .response import Redact, read

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
#: A whole response, head and body, must be there by then, however steadily a server trickles.
RESPONSE_DEADLINE_S = 45.0
#: urllib3 compares names itself in its older line.
_CERTIFICATE_ERRORS = (ssl.SSLCertVerificationError, CertificateError)
_TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError)


class NotSent(Unavailable):
    """
    The request did not reach the tenant: it has surely done nothing.
    """


class TimedOut(Unavailable):
    """
    No answer, or not all of it, came in time.
    """


class Dropped(Unavailable):
    """
    There was no connection, or it ended early, as those do that are kept alive: worth another try at once.
    """


class _Unreached(NotSent, Dropped):
    pass


class _Unconnected(NotSent, TimedOut):
    pass


class Connection:
    """
    Sends requests; may be used from several threads at once: each has its own session. ``peer`` is who answers, for texts.
    """

    def __init__(self, peer: str, ca_bundle: str | None, proxy: str | None, redact: Redact) -> None:
        self._peer, self._redact = peer, redact
        self._verify: str | bool = ca_bundle or True
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def request(
        self, what: str, method: str, url: str, **parts: Any
    ) -> tuple[requests.Response, bytes]:
        """
        Return the response, whatever its status, and its body; ``parts`` are those of ``requests.request``.

        Raises Unavailable, or UnexpectedResponse for a body that cannot be read.
        """
        session, adapter = self._session()
        adapter.begin(RESPONSE_DEADLINE_S, READ_TIMEOUT_S)
        timeouts = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        try:
            with session.request(
                method, url, timeout=timeouts, allow_redirects=False, stream=True, **parts
            ) as response:
                return response, read(response, what)
        # What requests raises is an OSError, and so is some of what it lets through: an unreadable `ca_bundle`, for one.
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as err:
            raise self._failed(what, err, adapter.passed) from None

    def _failed(self, what: str, err: Exception, late: bool) -> Unavailable:
        if late:
            return TimedOut(f"{what}: the answer was not complete after {RESPONSE_DEADLINE_S:g} s")
        causes = list(_causes(err))
        for cause in causes:
            if isinstance(cause, _CERTIFICATE_ERRORS):
                reason = self._redact(getattr(cause, "verify_message", cause))
                return NotSent(
                    f"{what}: {self._peer}'s certificate cannot be verified: {reason}; name its CA in `ca_bundle`"
                )
        if isinstance(err, requests.exceptions.ConnectTimeout):
            return _Unconnected(f"{what}: no connection within {CONNECT_TIMEOUT_S:g} s")
        if isinstance(err, _TIMEOUTS):
            return TimedOut(f"{what}: no answer within {READ_TIMEOUT_S:g} s")
        reason = self._redact(_innermost(causes[-1]))
        if not isinstance(err, requests.exceptions.ConnectionError):
            return Unavailable(f"{what}: {reason}")
        made = not any(isinstance(c, urllib3.exceptions.NewConnectionError) for c in causes)
        error = Dropped if made else _Unreached
        return error(f"{what}: no connection to {self._peer}: {reason}")

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

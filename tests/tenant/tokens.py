"""
Tokens as calls show them: the schemes, the scopes, and what is refused how.

Token shapes, schemes and X-RateLimit headers are Dynatrace documentation's. The 403's text follows
captured answers, the text of the 401 is synthetic. On the platform: a token without the form of
one, a missing scope, and that an expired platform token is a 403, follow captured answers and
documentation; the refusal of another scheme is captured as far as "'Api-Token'."; "jwt expired"
and "Could not parse JWT" were met by clients. The other wordings are synthetic.
"""

from __future__ import annotations

import math
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable

from tests.tenant.core import Switches
from tests.tenant.errors import ApiError
from tests.tenant.platform.logins import (
    OAuthClient,
    Refused,
    Token,
    access_text,
    made_up,
    on_platform,
)
from tests.tenant.platform.phases import has_classic_tokens
from tests.tenant.platform.scopes import platform_scopes
from tests.tenant.wire import ANY, Request, Route

PLATFORM_PATH = "/platform/classic/environment-api"
#: What the gateway of the platform answers itself carries this.
_BY_GATEWAY = {"dynatrace-response-source": "API Gateway"}
_TITLES = {
    "problems.read": "Read problems",
    "problems.write": "Write problems",
    "entities.read": "Read entities",
    "events.ingest": "Ingest events",
    "bizevents.ingest": "Ingest bizevents",
    "settings.read": "Read settings",
    "settings.write": "Write settings",
    "InstallerDownload": "PaaS integration - Installer download",
}
_PREFIXES = {"classic": "dt0c01", "platform": "dt0s16"}
_PLATFORM_TOKEN = re.compile(r"dt0s16\.[A-Z2-7]{24}\.[A-Z2-7]{64}")
_CLASSIC_SCOPE = re.compile(r"^(?:environment-api:)?(\w+)(?::objects)?:(\w+)$")
_PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6}


class TokenBook:
    """
    The tokens and OAuth clients of the tenant.
    """

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self.clients: dict[str, OAuthClient] = {}
        self._tokens: dict[str, Token] = {}
        self._calls: dict[tuple[str, str], deque[float]] = {}
        self._lock = threading.Lock()

    def issue(
        self, scopes: Iterable[str], expired: bool, kind: str, text: str | None = None
    ) -> str:
        """
        Make a token of the documented shape, or take the one that is given.
        """
        text = text or made_up(_PREFIXES[kind])
        spelled = on_platform if kind == "platform" else _classic
        with self._lock:
            self._tokens[text] = Token(kind, spelled(scopes), expired)
        return text

    def issue_access(self, client: OAuthClient, scopes: set[str], seconds: float) -> str:
        """
        Make an access token of a client.
        """
        text, ends = access_text(), time.time() + seconds
        with self._lock:
            self._tokens[text] = Token("access", scopes, ends=ends, client=client)
        return text

    def client_of(self, client_id: str, secret: str) -> OAuthClient:
        """
        Give the client that logs in.
        """
        client = self.clients.get(client_id)
        if client is None or client.revoked or not secrets.compare_digest(client.secret, secret):
            raise Refused(400, "Client authentication failed.", why="invalid_client")
        return client

    def expire(self, token: str, expired: bool) -> None:
        """
        Let a token be expired, or valid again.
        """
        with self._lock:
            self._tokens[token].expired = expired

    def end_access(self, at: float) -> None:
        """
        Let every access token end no later than then.
        """
        with self._lock:
            for token in self._tokens.values():
                if token.kind == "access":
                    token.ends = min(token.ends, at)

    def access_texts(self) -> list[str]:
        """
        Give every access token that is not forgotten.
        """
        with self._lock:
            return [text for text, token in self._tokens.items() if token.kind == "access"]

    def revoke(self, credential: str) -> None:
        """
        Forget a token, or a client with its access tokens.
        """
        with self._lock:
            if client := self.clients.get(credential):
                client.revoked = True
            self._tokens = {
                text: token
                for text, token in self._tokens.items()
                if text != credential and (client is None or token.client is not client)
            }

    def scopes_of(self, credential: str) -> set[str]:
        """
        Give the scopes of a token or a client, to be changed.
        """
        client = self.clients.get(credential)
        return client.scopes if client else self._tokens[credential].scopes

    def check(self, request: Request, route: Route) -> str:
        """
        Give under whose name a call counts; 401 or 403 unless it may use the route.
        """
        scheme, text = _shown(request)
        token = self._tokens.get(text)
        if request.platform:
            token = _let_in(token, scheme, text)
        elif token is None or token.over or not self._fits(token, scheme, request):
            raise Refused(401, "Token Authentication failed")
        request.token = token
        for scope in (route.scope, *route.also):
            if scope != ANY and not token.may(scope, *route.instead):
                raise (_lacks_on_platform if request.platform else _lacks)(scope)
        return token.client.client_id if token.client else text

    def spend(self, token: str, endpoint: str, *, platform: bool = False) -> dict[str, str]:
        """
        Count a call against the limit; give the rate headers, or a 429 that carries them.

        That of the platform says beside them after how many seconds to come back.
        """
        limit = self._switches.calls_per_minute
        if limit is None:
            return {}
        now = time.time()
        with self._lock:
            recent = self._calls.setdefault((token, endpoint), deque())
            while recent and now - recent[0] >= self._switches.rate_window:
                recent.popleft()
            left = limit - len(recent)
            if left > 0:
                recent.append(now)
        reset = recent[0] + self._switches.rate_window
        headers = rate_headers(limit, max(left - 1, 0), reset, self._switches.rate_unit)
        if left <= 0:
            wait = math.ceil(max(reset - now, 0)) if platform else None
            again = {"Retry-After": str(wait)} if platform else {}
            raise ApiError(
                429, "Too many requests.", headers={**headers, **again}, retry_after=wait
            )
        return headers

    def _fits(self, token: Token, scheme: str, request: Request) -> bool:
        wanted = "Api-Token" if token.kind == "classic" else "Bearer"
        if scheme != wanted:
            request.note(f"a token of kind {token.kind} travels as {wanted}, not {scheme}")
            return False
        if token.kind == "classic":
            return has_classic_tokens(self._switches)
        return token.kind == "platform" and self._switches.platform_tokens_on_classic


def rate_headers(limit: int, left: int, reset: float, unit: str) -> dict[str, str]:
    """
    Give the X-RateLimit headers; documentation says microseconds, clients have met others.
    """
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(int(reset * _PER_SECOND[unit])),
    }


def scopes_missing(*scopes: str) -> ApiError:
    """
    Make the platform's 403 that names what a token lacks.
    """
    text = "The authorization token does not provide the necessary permissions."
    return ApiError(403, text, headers=_BY_GATEWAY, details={"missingScopes": list(scopes)})


def _classic(scopes: Iterable[str]) -> set[str]:
    return {_CLASSIC_SCOPE.sub(r"\1.\2", scope) for scope in scopes}


def _shown(request: Request) -> tuple[str, str]:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if "api-token" in request.query:
        request.note("the token must not travel in the query (api-token)")
        if not text:
            scheme, text = "Api-Token", request.query["api-token"]
    return scheme, text.strip()


def _let_in(token: Token | None, scheme: str, text: str) -> Token:
    if scheme != "Bearer":
        raise _unknown(
            f"Unsupported authorization scheme '{scheme}'. The requested endpoint requires the"
            " authorization scheme 'Bearer'.",
            noted=True,
        )
    if token is None or token.kind == "classic":
        raise _unknown(_what_it_is_not(text))
    if token.over and token.kind == "platform":
        raise Refused(403, "The platform token is expired.", headers=_BY_GATEWAY)
    if token.over:
        raise Refused(401, "jwt expired", headers=_BY_GATEWAY)
    return token


def _what_it_is_not(text: str) -> str:
    if _PLATFORM_TOKEN.fullmatch(text):
        return "Platform token is not valid."
    return "Could not parse JWT" if text.count(".") == 2 else "Platform token has invalid format."


def _unknown(message: str, *, noted: bool = False) -> Refused:
    trace = {"traceId": secrets.token_hex(16)}
    return Refused(401, message, headers=_BY_GATEWAY, details=trace, noted=noted)


def _lacks(scope: str) -> ApiError:
    named = f"{scope} ({_TITLES.get(scope, scope)})"
    return ApiError(403, f"Token is missing required scope. Use one of: {named}")


def _lacks_on_platform(scope: str) -> ApiError:
    return scopes_missing(platform_scopes(scope)[0])

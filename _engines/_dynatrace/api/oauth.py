"""
Credentials of an OAuth client: access tokens that the SSO gives for its id and secret, and that end after some minutes.

One thread asks the SSO while the others wait for what it gets, or go on with a token that is still good.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlsplit

from ..core.errors import ApiError, AuthError, RateLimited, Unavailable, UnexpectedResponse
from .connection import Connection, Dropped
from .credentials import Credentials
from .permissions import platform_scopes
from .response import decode
from .secret import Secret
from .sso_refusals import sso_refused

#: Of its life a token is used so much before another one is asked for, while it is still good.
RENEW_AT = 0.9
#: What an SSO says of a token's life is believed within these bounds, in seconds.
LEAST_LIFE_S, MOST_LIFE_S, USUAL_LIFE_S = 10.0, 86400.0, 300.0
#: After a failure the SSO is left alone for so long. A token as young as that is not replaced if the tenant rejects it.
RETRY_S = 10.0
#: More than the one that asks can take.
WAIT_S = 100.0
_URL = "oauth:token_url"
_SSO = {
    "sprint": "https://sso-sprint.dynatracelabs.com/sso/oauth2/token",
    "dev": "https://sso-dev.dynatracelabs.com/sso/oauth2/token",
    "prod": "https://sso.dynatrace.com/sso/oauth2/token",
}


@dataclass(frozen=True)
class OAuthClient:
    """
    An OAuth client as it is configured; ``scope`` (separated by spaces) and ``resource`` are sent only if they are given.
    """

    client_id: str
    secret: Secret
    token_url: str
    scope: str | None = None
    resource: str | None = None


@dataclass(frozen=True)
class _AccessToken:
    text: str = field(repr=False)
    made: float
    life: float
    #: The scopes that the SSO says that it has, None where it does not say.
    scopes: frozenset[str] | None

    @property
    def header(self) -> str:
        return f"Bearer {self.text}"

    def is_fresh(self, now: float) -> bool:
        return now < self.made + self.life * RENEW_AT

    def is_good(self, now: float) -> bool:
        return now < self.made + self.life


class OAuthCredentials(Credentials):
    """
    The access token of an OAuth client, for one environment.
    """

    def __init__(
        self,
        environment_url: str,
        client: OAuthClient,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(environment_url, proxy)
        self._client, self._clock = client, clock
        self._connection = Connection("the SSO", ca_bundle, proxy, self.redact)
        self._asking = threading.Lock()
        self._token: _AccessToken | None = None
        self._issued: list[str] = []
        self._failure: ApiError | None = None
        self._retry_at = 0.0

    def authorization(self) -> str:
        """
        Return the header with an access token; asks the SSO if there is none, or if the last one ends soon.

        Raises AuthError if the SSO does not take the client, and what any request may raise.
        """
        token, now = self._token, self._clock()
        if token is not None and token.is_fresh(now):
            return token.header
        good = token if token is not None and token.is_good(now) else None
        if not self._asking.acquire(timeout=0.0 if good else WAIT_S):
            if good is None:
                raise Unavailable(f"the SSO has not answered another request for {WAIT_S:g} s")
            return good.header
        try:
            return self._renewed().header
        finally:
            self._asking.release()

    def renew(self, refused: str) -> bool:
        """
        Drop the access token that the tenant rejected; the SSO may have given others meanwhile.
        """
        token = self._token
        if token is None or token.header != refused:
            return True
        if self._clock() - token.made < RETRY_S:
            return False
        # Should another thread have put a new one there just now, that costs one more.
        self._token = None
        return True

    def _renewed(self) -> _AccessToken:
        token, now = self._token, self._clock()
        if token is not None and token.is_fresh(now):
            return token  # Another thread was faster.
        left = token if token is not None and token.is_good(now) else None
        if self._failure is None or now >= self._retry_at:
            try:
                self._token, self._failure = self._ask(), None
                return self._token
            except ApiError as err:
                wait = err.retry_after if isinstance(err, RateLimited) else RETRY_S
                self._failure, self._retry_at = err, self._clock() + wait
        if left is None:
            raise self._failure.with_traceback(None)
        return left

    def _ask(self) -> _AccessToken:
        secret = self._client.secret.current()
        try:
            return self._ask_with(secret)
        except AuthError:
            other = self._client.secret.refused()
            if other == secret:
                raise
        return self._ask_with(other)

    def _ask_with(self, secret: str) -> _AccessToken:
        client = self._client
        self._hide("secret", "<secret>", secret, quote_plus(secret), secret.rpartition(".")[2])
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": secret,
        }
        optional = {"scope": client.scope, "resource": client.resource}
        form.update({key: value for key, value in optional.items() if value})
        try:
            return self._post(form)
        except Dropped:  # Once more: a connection may end early.
            return self._post(form)

    def _post(self, form: dict[str, str]) -> _AccessToken:
        url = self._client.token_url
        what = f"POST {url}"
        try:
            response, body = self._connection.request(what, "POST", url, data=form)
        finally:
            # The next token is asked for in minutes, by any thread: each would keep a connection that the SSO has ended.
            self._connection.close()
        if not 200 <= response.status_code < 300:
            raise sso_refused(what, response, body, self.redact, self._client.secret.advice)
        token = self._parsed(what, decode(body, what, self.redact, _URL))
        # Requests that are under way show those before.
        self._issued = [token.text, *self._issued[:2]]
        self._hide("access token", "<token>", *self._issued)
        return token

    def _parsed(self, what: str, answer: Any) -> _AccessToken:
        answer = answer if isinstance(answer, dict) else {}
        text, scope = answer.get("access_token"), answer.get("scope")
        if not isinstance(text, str) or not re.fullmatch("[!-~]{1,16384}", text):
            raise UnexpectedResponse(f"{what}: the answer has no `access_token`; correct `{_URL}`")
        scopes = frozenset(scope.split()) if isinstance(scope, str) else None
        return _AccessToken(text, self._clock(), _life(answer.get("expires_in")), scopes)

    @property
    def granted(self) -> frozenset[str] | None:
        token = self._token
        return token.scopes if token else None

    @property
    def name(self) -> str:
        return "the OAuth client"

    @property
    def fix(self) -> str:
        return "the SSO takes the client: see whether it belongs to the account of this environment"

    def lacking(self, what: str, named: Sequence[str]) -> str:
        needed = tuple(named) or platform_scopes(what)
        granted = self.granted
        if not needed or granted is None:
            return super().lacking(what, named)
        # Of those that the tenant misses all are needed, of those that a request needs one.
        held = granted.intersection(needed)
        if held and (not named or held == set(needed)):
            return (
                f"its access token has the scope {' and '.join(sorted(held))}: give the user of the client a policy that "
                "allows it"
            )
        lacks = " and name it in `oauth:scope`" if self._client.scope else ""
        word = " and " if named else " or "
        missing = [one for one in needed if one not in granted]
        return (
            f"its access token has not got {word.join(missing)}: give the client that scope{lacks}"
        )


def token_url(environment_url: str) -> str:
    """
    Return the URL of the SSO that belongs to an environment, by its host; the public one unless it is Dynatrace's own.
    """
    host = urlsplit(environment_url).hostname or ""
    labels = host.split(".") if host.endswith(".dynatracelabs.com") else []
    return next((url for stage, url in _SSO.items() if stage in labels), _SSO["prod"])


def _life(given: object) -> float:
    try:
        seconds = float(given) if isinstance(given, (int, float, str)) else USUAL_LIFE_S
    except (ValueError, OverflowError):
        seconds = USUAL_LIFE_S
    # What is no number is in no order.
    return min(max(LEAST_LIFE_S, seconds), MOST_LIFE_S)

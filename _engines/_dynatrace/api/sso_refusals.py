"""
The error that an answer of the SSO stands for when it gives no access token, with what an admin can do about it.

Which keys the body has is not documented: all that clients are known to read are looked for.
"""

from __future__ import annotations

import time

import requests

from ..core.errors import (
    ApiError,
    AuthError,
    RateLimited,
    Refusal,
    Unavailable,
    UnexpectedResponse,
)
from .json_values import decoded, is_too_dense
from .refusals import destination, retry_after
from .response import Redact, is_html, start_of

_KEYS = ("error", "error_description", "message")
_URL = "correct `oauth:token_url`, and see what lies between"


def sso_refused(
    what: str, response: requests.Response, body: bytes, redact: Redact, advice: str
) -> ApiError:
    """
    Return the error for a response other than 2xx; ``advice`` tells of the secret's source.
    """
    status = response.status_code
    message = redact(_message(body))
    if status == 429 or (status == 503 and "Retry-After" in response.headers):
        wait = retry_after(response.headers, time.time())
        return RateLimited(
            f"{what}: the SSO limits requests ({status}); waiting {wait:.0f} s", wait
        )
    if status >= 500:
        return Unavailable(f"{what}: the SSO answered {status}: {message}")
    if 300 <= status < 400:
        where = redact(destination(response.headers))
        return UnexpectedResponse(
            f"{what}: the SSO answered {status}, a redirect, which is not followed{where}; {_URL}"
        )
    if status in (400, 401, 403) and not is_html(body):
        text = f"the SSO refused the OAuth client ({status}) on {what}: {message}"
        return AuthError(f"{text}; {_fix(message)}{advice}", Refusal.REJECTED)
    return UnexpectedResponse(
        f"{what}: the answer is {status}, and not the SSO's: {message}; {_URL}"
    )


def _fix(message: str) -> str:
    said = message.lower()
    if "scope" in said:
        return "give the client the scopes that `oauth:scope` names, or correct that"
    if "resource" in said or "invalid_target" in said:
        return "correct `oauth:resource`"
    return "correct `oauth:client_id` and `oauth:client_secret`"


def _message(body: bytes) -> str:
    answer = None if is_too_dense(body) else decoded(body)
    if not isinstance(answer, dict):
        return start_of(body)
    parts = [answer[key] for key in _KEYS if isinstance(answer.get(key), str) and answer[key]]
    return ": ".join(dict.fromkeys(parts)) or start_of(body)

"""
What a refusal tells an admin: each kind of credentials and of refusal has its own advice, and only what is known is said.

The bodies are synthetic, in the shapes of captured and documented ones: the gateway's missing scope, the query API's table
that may not be read, a token of the wrong scheme, and the page of a host that is not the API's.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from _dynatrace.api.client import Client
from _dynatrace.core.errors import (
    ApiError,
    AuthError,
    RateLimited,
    Refusal,
    Unavailable,
    UnexpectedResponse,
)

from tests.functional.client.servers import says, serving

API_TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
PLATFORM_TOKEN = "dt0s16.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
PAGE = b"<html><body>Request forbidden by administrative rules.</body></html>"


def body(code: int, message: str, **more: Any) -> bytes:
    """
    Return the envelope of an error.
    """
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


def refused(token: str, status: int, content: bytes, head: bytes = b"") -> ApiError:
    """
    Return the error that a client with a token raises for an answer.
    """
    answer = says(content, b"%d No" % status, head)
    with serving(answer) as tenant, pytest.raises(ApiError) as caught:
        Client(f"http://127.0.0.1:{tenant.port}", token).list_open()
    return caught.value


FORBIDDEN = body(403, "The authorization token does not provide the necessary permissions.")
SCOPE = body(403, "No permission.", details={"missingScopes": ["environment-api:problems:read"]})
TABLE = body(403, "NOT_AUTHORIZED_FOR_TABLE", details={"arguments": ["`dt.davis.problems`"]})
SCHEME = body(401, "Unsupported authorization scheme 'Api-Token'.")
EXPIRED = body(403, "Platform token has expired.")
FORMAT = body(401, "Platform token has invalid format.", details={"traceId": "t"})
OLD_FORM = b'{"error": {"message": "jwt expired"}}'

REFUSALS = [
    (API_TOKEN, 403, FORBIDDEN, Refusal.FORBIDDEN, "give the token that scope (problems.read)"),
    (
        PLATFORM_TOKEN,
        403,
        SCOPE,
        Refusal.FORBIDDEN,
        "give the platform token that scope (environment-api:problems:read)",
    ),
    (
        PLATFORM_TOKEN,
        403,
        FORBIDDEN,
        Refusal.FORBIDDEN,
        "(environment-api:problems:read); an expired platform token is refused by 403 too",
    ),
    (
        PLATFORM_TOKEN,
        403,
        TABLE,
        Refusal.FORBIDDEN,
        "give the user of the platform token a policy that lets it read `dt.davis.problems` and its bucket",
    ),
    (PLATFORM_TOKEN, 403, EXPIRED, Refusal.REJECTED, "rejected the platform token (403)"),
    (PLATFORM_TOKEN, 401, FORMAT, Refusal.REJECTED, "invalid format.; set a valid `api_token`"),
    (PLATFORM_TOKEN, 401, OLD_FORM, Refusal.REJECTED, "jwt expired; set a valid `api_token`"),
    (API_TOKEN, 401, SCHEME, Refusal.REJECTED, "takes a platform token or `oauth`, and no API"),
    (API_TOKEN, 403, PAGE, Refusal.FOREIGN, "not the tenant's own: '<html>"),
    (PLATFORM_TOKEN, 403, PAGE, Refusal.FOREIGN, "see `environment_url`, and what lies between"),
    (API_TOKEN, 401, PAGE, Refusal.REJECTED, "see `environment_url`, and what lies between"),
]


@pytest.mark.parametrize(("token", "status", "content", "refusal", "advice"), REFUSALS)
def test_a_refusal_names_the_fix(
    token: str, status: int, content: bytes, refusal: Refusal, advice: str
) -> None:
    """By what the answer itself says, and by what the request needs."""
    error = refused(token, status, content)
    assert isinstance(error, AuthError)
    assert (error.refusal, advice in str(error)) == (refusal, True), str(error)
    assert str(status) in str(error)


def test_a_page_in_place_of_an_answer_is_told_as_one() -> None:
    """Such as a portal's login, which comes with 200."""
    error = refused(API_TOKEN, 200, PAGE)
    assert isinstance(error, UnexpectedResponse)
    assert str(error).endswith("see `environment_url`, and what lies between")
    assert "see `environment_url`" not in str(refused(API_TOKEN, 200, b"no JSON"))


@pytest.mark.parametrize("details", [None, 7, [], {"missingScopes": 7}, {"missingScopes": [7, ""]}])
def test_details_of_any_form_are_survived(details: Any) -> None:
    """What is not understood there is passed over."""
    error = refused(PLATFORM_TOKEN, 403, body(403, "No permission.", details=details))
    assert "give the platform token that scope (environment-api:problems:read)" in str(error)


@pytest.mark.parametrize(
    ("status", "asked", "head", "wait"),
    [
        (429, 7, b"", 7.0),
        (503, 7, b"", 7.0),
        (503, 7.5, b"Retry-After: 9\r\n", 9.0),
        (429, 10**400, b"", 60.0),
        (429, 0, b"", 1.0),
        (429, "7", b"", 5.0),
        (429, True, b"", 5.0),
    ],
)
def test_the_wait_in_the_body_is_kept(status: int, asked: Any, head: bytes, wait: float) -> None:
    """The platform's gateway writes it there (``retryAfterSeconds``), within the same bounds."""
    error = refused(API_TOKEN, status, body(status, "Wait.", retryAfterSeconds=asked), head)
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


def test_another_server_error_is_no_limit() -> None:
    """A 503 that asks for nothing, or something that is no number."""
    for asked in ("7", None, float("nan")):
        error = refused(API_TOKEN, 503, body(503, "No.", retryAfterSeconds=asked))
        assert type(error) is Unavailable

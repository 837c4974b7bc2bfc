"""
What is made of the tenant's answers, and what is said of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import private

TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE." + "MADEUPMADEUP" * 5 + "1234"


def tenant(**given: Any) -> Any:
    settings = {
        "dynatrace:environment_url": "https://abc12345.live.dynatrace.com",
        "dynatrace:settings_token": TOKEN,
        "dynatrace:webhook_token": "w3bh00k",
        **{f"dynatrace:{key}": value for key, value in given.items()},
    }
    salt: dict[str, Any] = {"config.get": lambda key, default=None: settings.get(key, default)}
    return private(salt=salt).tenant


def answering(*answers: tuple[int, dict[str, str], Any], **given: Any) -> Any:
    """
    Return the module with these answers to come; its ``requests`` are what was sent, ``modules`` its siblings.
    """
    modules = tenant(**given)
    left = list(answers)
    modules.http.modules = modules
    modules.http.requests = requests = []

    @contextmanager
    def asked(what: str, url: str, headers: Any, *_: Any, **sent: Any) -> Iterator[SimpleNamespace]:
        requests.append((what, url, headers.get("Authorization"), sent.get("data")))
        status, headers, body = left.pop(0)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        yield SimpleNamespace(
            status_code=status, headers=headers, iter_content=lambda _: iter([body])
        )

    modules.connection.asked = asked
    return modules.http


def refusal(*answers: tuple[int, dict[str, str], Any]) -> str:
    with pytest.raises(CommandExecutionError) as raised:
        answering(*answers).call("POST", "/api/v2/settings/objects", "settings.write", pause_s=0)
    return str(raised.value)


def violation(message: str, path: str = "x/0/url") -> dict[str, Any]:
    found = [{"path": path, "message": message, "parameterLocation": "PAYLOAD_BODY"}]
    error = {"code": 400, "message": "Constraints violated.", "constraintViolations": found}
    return {"code": 400, "error": error}


def test_one_refused_part_of_a_207_refuses_the_whole() -> None:
    """What was good and what was not is told by each part's own code."""
    good = {"code": 200, "objectId": "a"}
    assert answering((207, {}, [good, good])).call("POST", "/x", "s") == [good, good]
    assert "answered 207: x/0/url: not this" in refusal((207, {}, [good, violation("not this")]))


def test_violations_are_told_and_not_the_value_that_violates() -> None:
    """The value may hold a secret."""
    body = [{**violation("too long"), "invalidValue": {"secretValue": "Bearer w3bh00k"}}]
    text = refusal((400, {}, body))
    assert text == "POST /api/v2/settings/objects answered 400: x/0/url: too long"


@pytest.mark.parametrize("body", [b"", b"<html>", [], None, {"error": "x"}, {"error": {}}, [7]])
def test_an_answer_of_any_form_is_told(body: Any) -> None:
    """A proxy answers in words of its own."""
    assert refusal((400, {}, body)).startswith("POST /api/v2/settings/objects answered 400")


def test_a_text_of_the_server_is_one_line_without_our_secrets() -> None:
    """Nor without end."""
    text = refusal((403, {}, {"error": {"message": f"no\n{TOKEN} w3bh00k" + "x" * 1000}}))
    assert "settings_token needs the scope settings.write. It says: no (a token) (a secret)" in text
    assert len(text) < 450
    assert "\n" not in text


def test_load_is_waited_out_so_often_and_no_longer() -> None:
    """The last refusal says how often it was tried."""
    busy: tuple[int, dict[str, str], Any] = (429, {}, {})
    assert answering(busy, (503, {}, b""), (200, {}, {"a": 1})).call(
        "GET", "/x", "s", pause_s=0
    ) == {"a": 1}
    assert "answered 429 (5 times)" in refusal(*[busy] * 5)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 0, 0),
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0, 0),
        ({"X-RateLimit-Reset": "{seconds}"}, 25, 30),
        ({"X-RateLimit-Reset": "{milliseconds}"}, 25, 30),
        ({"X-RateLimit-Reset": "{microseconds}"}, 25, 30),
        ({"X-RateLimit-Reset": "0"}, 0, 0),
        ({"X-RateLimit-Reset": "-1"}, 0, 0),
    ],
)
def test_what_the_tenant_asks_for_is_read(headers: Any, least: float, most: float) -> None:
    """Clients have seen the moment of the reset in three units; its size tells."""
    until = time.time() + 30
    units = {"seconds": 1, "milliseconds": 1e3, "microseconds": 1e6}
    moments = {name: str(int(until * factor)) for name, factor in units.items()}
    given = {key: value.format(**moments) for key, value in headers.items()}
    assert least <= tenant().answer._asked_to_wait(given) <= most


def test_a_platform_token_goes_as_bearer() -> None:
    """A classic one as Api-Token."""
    classic = tenant().access.headers("settings_token")
    assert classic == {"Authorization": f"Api-Token {TOKEN}"}
    platform = TOKEN.replace("dt0c01", "dt0s16")
    access = tenant(settings_token=platform).access
    assert access.headers("settings_token") == {"Authorization": f"Bearer {platform}"}


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://abc12345.live.dynatrace.com/", True),
        ("https://dynatrace.example.com/e/0000-1111", True),
        ("http://127.0.0.1:8080", True),
        ("http://127.0.0.1.example.com", False),
        ("http://abc12345.live.dynatrace.com", False),
        ("https://user@abc12345.live.dynatrace.com", False),
        ("https://abc12345.live.dynatrace.com/?a=b", False),
        ("https://abc:port/", False),
        ("abc12345", False),
        (None, False),
    ],
)
def test_the_token_goes_to_no_doubtful_url(url: Any, good: bool) -> None:
    """In the clear only to this machine."""
    access = tenant(environment_url=url).access
    if good:
        assert access.environment() == url.rstrip("/")
    else:
        with pytest.raises(CommandExecutionError, match="is no https:// URL such as"):
            access.environment()

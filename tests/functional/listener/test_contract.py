"""
The listener answers as `docs/reference/openapi.yaml` says, whatever is sent: requests are generated from the document.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from _dynatrace.webhook.page import Part
from hypothesis import HealthCheck, settings

from tests.functional.listener.conftest import PASSWORD, TOKEN, USER, Served, notification

schemathesis = pytest.importorskip("schemathesis", reason="the extra `tests` brings it")

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "openapi.yaml"
SCHEMA = schemathesis.openapi.from_path(str(DOCUMENT))
#: All but the stream, whose answer does not end.
ENDING = SCHEMA.exclude(path="/events")
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
RIGHT = {"bearer": f"Bearer {TOKEN}", "basic": f"Basic {BASIC}"}
#: Bounded: a few seconds for each operation.
BOUNDED = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class Page:
    """
    A status page of one part.
    """

    def document(self) -> tuple[str, dict[str, str]]:
        policy = {"Content-Security-Policy": "default-src 'none'"}
        return "<!DOCTYPE html>", {"Referrer-Policy": "no-referrer", **policy}

    def parts(self) -> tuple[Part, ...]:
        return PARTS


PARTS = (Part("head", "1", '<p id="head">text\nmore</p>'),)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """
    One listener for all generated requests.
    """
    one = Served(tmp_path_factory.mktemp("contract"), Page())
    yield one


def documented(case: Any, response: Any) -> None:
    """
    Fail when status, headers, content type or body of an answer are not in the document.
    """
    named = (
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
    case.validate_response(response, checks=[getattr(schemathesis.checks, name) for name in named])


@ENDING.parametrize()
@BOUNDED
def test_generated_requests_get_documented_answers(case: Any, listener: Served) -> None:
    """
    With whatever credentials are generated, right ones among them.
    """
    for authorization in (None, *RIGHT.values()):
        headers = {} if authorization is None else {"Authorization": authorization}
        documented(case, case.call(base_url=listener.url, headers=headers, timeout=10))


def ask(
    listener: Served, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Any, bytes]:
    """
    Send a request; return status, headers and body.
    """
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/dynatrace", "/healthz", "/metrics", "/", "/events"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_the_described_methods_are_allowed(listener: Served, method: str, path: str) -> None:
    """
    Any other gets 405 and is told which are.
    """
    described = {name.upper() for name in SCHEMA.raw_schema["paths"][path] if name != "description"}
    described |= {"HEAD"} if path == "/healthz" else set()
    status, headers, _ = ask(listener, method, path)
    assert (status == 405) == (method not in described)
    if status == 405:
        assert set(headers["Allow"].split(", ")) == described


@pytest.mark.parametrize(
    "path", ["/index.html", "/dynatrace/", "/dynatracex", "/Healthz", "/..", "/%ff", "/a?dynatrace"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_is_not_found(listener: Served, method: str, path: str) -> None:
    """
    Also with the right credentials.
    """
    status, _, body = ask(listener, method, path, notification(1), Authorization=RIGHT["bearer"])
    assert (status, json.loads(body)) == (404, {"accepted": False, "reason": "no such path"})


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", gzip.compress(notification(3)), 202),
        ("deflate", zlib.compress(notification(3)), 202),
        ("gzip", notification(3), 400),
        ("gzip", gzip.compress(b" " * 2_000_000), 413),
        ("br", notification(3), 415),
        ("gzip, gzip", notification(3), 415),
    ],
)
def test_the_answer_to_each_coding_is_described(
    listener: Served, coding: str, body: bytes, status: int
) -> None:
    """
    Status, headers and body.
    """
    case = SCHEMA["/dynatrace"]["POST"].Case(body=body, media_type="application/json")
    headers = {"Authorization": RIGHT["bearer"], "Content-Encoding": coding}
    answer = requests.post(f"{listener.url}/dynatrace", body, headers=headers, timeout=10)
    assert answer.status_code == status
    documented(case, answer)


@pytest.mark.parametrize("scheme", RIGHT)
def test_either_scheme_is_accepted(listener: Served, scheme: str) -> None:
    """
    A bearer token or basic credentials, as they are configured.
    """
    status, _, body = ask(
        listener, "POST", "/dynatrace", notification(2), Authorization=RIGHT[scheme]
    )
    assert (status, json.loads(body)) == (202, {"accepted": True})


def test_the_stream_of_the_page_is_as_it_is_described(listener: Served) -> None:
    """
    Its type, and an event in the documented form.
    """
    headers = {"Authorization": RIGHT["basic"]}
    with requests.get(f"{listener.url}/events", headers=headers, stream=True, timeout=10) as stream:
        described = SCHEMA.raw_schema["paths"]["/events"]["get"]["responses"]["200"]["content"]
        assert [stream.headers["Content-Type"]] == list(described)
        lines = stream.iter_lines()
        assert next(lines) == b"event: part"
        name, _, data = next(lines).partition(b": ")
        assert (name, json.loads(data)) == (b"data", vars(PARTS[0]))
        assert next(lines) == b""


def test_health_that_is_asked_for_twice_is_no_304(listener: Served) -> None:
    """
    There is no entity tag to ask with.
    """
    status, headers, _ = ask(listener, "GET", "/healthz")
    assert "ETag" not in headers
    assert ask(listener, "GET", "/healthz", **{"If-None-Match": "*"})[0] == status


@pytest.mark.parametrize(("path", "schema"), [("/metrics", "Refused"), ("/healthz", "Health")])
def test_a_ledger_that_cannot_be_read_is_503(served: Served, path: str, schema: str) -> None:
    """
    And not an error of the listener.
    """
    served.ledger.database.connection = _Broken()  # type: ignore[assignment]
    status, _, body = ask(served, "GET", path, Authorization=RIGHT["bearer"])
    assert status == 503
    required = SCHEMA.raw_schema["components"]["schemas"][schema]["required"]
    assert set(required) <= set(json.loads(body))


class _Broken:
    """
    A connection to a disk that is gone.
    """

    in_transaction = False

    def execute(self, *_: Any) -> Any:
        raise sqlite3.OperationalError("disk I/O error")

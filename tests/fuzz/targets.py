"""
What is fuzzed: each target takes bytes and lets out only what is not documented.

`TARGETS` also look at what comes out; `TIMED` are the single calls that a body costs the engine.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from typing import Any

import requests
from _dynatrace.api import client, davis, entities, json_values
from _dynatrace.api import problems as api_problems
from _dynatrace.api.credentials import TokenCredentials
from _dynatrace.api.decompression import CODINGS
from _dynatrace.api.rate_limiter import Kind
from _dynatrace.api.refusals import refused
from _dynatrace.core import problem as problems
from _dynatrace.core.errors import ApiError, NotificationError, UnexpectedResponse
from _dynatrace.core.notification import Notification
from _dynatrace.core.plain import plain, restored
from _dynatrace.webhook import payload as notifications

#: What a body may be, packed and unpacked.
MIB = 2**20
#: With every field mapped, so that this way is taken too.
KEYS = {
    "pid": "my pid",
    "problem_id": "number",
    "state": "S",
    "title": "subject",
    "details": "blob",
}


def notification(data: bytes) -> None:
    """
    Parse a notification with and without mapped keys; what is understood must survive the ledger.
    """
    for keys, whole in ((None, True), (KEYS, True), (None, False)):
        with contextlib.suppress(NotificationError):
            notice = notifications.parse(data, keys, whole)
            assert restored(Notification, plain(notice)) == notice
            assert notice.test or notice.problem_id or notice.display_id or notice.old_pid


def packed(data: bytes) -> None:
    """
    Unpack a body as if it were either coding, and parse what comes of it.
    """
    for name in CODINGS:
        with contextlib.suppress(NotificationError):
            body = notifications.decompressed(data, name, MIB)
            assert len(body) <= MIB
            notification(body)


def api(data: bytes) -> None:
    """
    Parse any JSON as what the API answers.
    """
    if json_values.is_too_dense(data):
        return
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    for parse in (api_problems.parse_problem, api_problems.parse_problem_v1, davis.parse_record):
        with contextlib.suppress(UnexpectedResponse):
            problem = parse(body)
            assert restored(problems.Problem, plain(problem)) == problem
    with contextlib.suppress(UnexpectedResponse):
        entities.parse_entity(body)
    if isinstance(body, dict):
        davis.parse_event(body)


def answer(data: bytes) -> None:
    """
    Hand the client an answer: the first byte chooses the status, the rest is the body.
    """
    status = (200, 200, 200, 200, 400, 401, 404, 429, 500, 503)[data[0] % 10] if data else 200
    for source in (None, "grail"):
        asked = _Answering(status, data[1:], source)
        for call in (
            asked.list_open,
            functools.partial(asked.problem, "1_1V2"),
            functools.partial(asked.find_by_display_id, "P-1"),
            functools.partial(asked.entity, "HOST-0000000000000000"),
            lambda own=asked: list(own.comments("1_1V2")),
        ):
            with contextlib.suppress(ApiError):
                call()


class _Answering(client.Client):
    """
    A client whose tenant always gives the same answer; on the platform if so told.
    """

    def __init__(self, status: int, body: bytes, source: str | None = None) -> None:
        self._made = TokenCredentials("http://127.0.0.1:1", "dt0c01.FUZZ.FUZZ")
        url = "http://127.0.0.1:1" + ("/apps/fuzz" if source else "")
        super().__init__(url, "", credentials=self._made, source=source)
        self._answer = requests.Response()
        self._answer.status_code = status
        self._body = body
        for transport in self._transports:
            transport.call = self._called  # type: ignore[method-assign]

    def _called(
        self, method: str, path: str, kind: Any, query: Any = None, payload: Any = None
    ) -> bytes:
        if self._answer.status_code != 200:
            what = f"{method} {path}"
            raise refused(what, self._answer, self._body, self._made, 0.0)
        return self._body


def _api_call(parse: Callable[[Any], object]) -> Callable[[bytes], None]:
    """
    Return what the client does with an answer: decode it, unless it is too dense, and parse it.
    """

    def call(data: bytes) -> None:
        with contextlib.suppress(ApiError):
            parse(_Answering(200, data)._transports[0].get("/x", Kind.READING, {}))

    return call


def _notification_call(data: bytes) -> None:
    with contextlib.suppress(NotificationError):
        notifications.parse(data)


def _packed_call(data: bytes) -> None:
    """
    A body that claims to be packed and is none, or is all that unpacks to much of the same.
    """
    for name in CODINGS:
        with contextlib.suppress(NotificationError):
            notifications.decompressed(data, name, MIB)


def _listing(data: bytes) -> None:
    with contextlib.suppress(ApiError):
        _Answering(200, data).list_open()


def _comments(data: bytes) -> None:
    with contextlib.suppress(ApiError):
        list(_Answering(200, data).comments("1_1V2"))


def _refusal(data: bytes) -> None:
    with contextlib.suppress(ApiError):
        _Answering(500, data).list_open()


TIMED: dict[str, tuple[Callable[[bytes], None], ...]] = {
    "notification": (_notification_call,),
    "packed": (_packed_call,),
    "api": tuple(
        _api_call(parse)
        for parse in (
            api_problems.parse_problem,
            api_problems.parse_problem_v1,
            davis.parse_record,
            entities.parse_entity,
        )
    ),
    "answer": (_listing, _comments, _refusal),
}
TARGETS: dict[str, Callable[[bytes], None]] = {
    "notification": notification,
    "packed": packed,
    "api": api,
    "answer": answer,
}

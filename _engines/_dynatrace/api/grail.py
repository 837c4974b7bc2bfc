"""
Queries of Grail: executed, polled until they end, and cancelled if they do not.

A result that a limit cut says so, since what is missing in it may be there all the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import ApiError, Unavailable, UnexpectedResponse
from .json_values import objects_of, typed
from .rate_limiter import Kind
from .transport import Transport

#: How long one request waits for the end of a query; and how long a query may take, after which it is cancelled.
WAIT_MS = 5000
QUERY_S = 60.0
#: Between two polls that are answered at once.
PAUSE_S = 0.5
MAX_RECORDS = 20_000
MAX_BYTES = 30_000_000
_RUNNING = ("NOT_STARTED", "RUNNING")
_ENDED = ("CANCELLED", "FAILED", "RESULT_GONE")
#: In the type of a notification, whatever its severity is.
_CUT = ("LIMIT", "SAMPL", "TIMEOUT")


@dataclass(frozen=True)
class Result:
    """
    The records of a query, and why others may be missing.
    """

    records: list[dict[str, Any]]
    cut: tuple[str, ...] = ()


class Grail:
    """
    Asks one environment; may be used from several threads at once.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._sleep = sleep

    def query(self, text: str, kind: Kind) -> Result:
        """
        Return the result of a query in DQL. Raises Unavailable where it ends without one, and other errors of a request.
        """
        payload = {
            "query": text,
            "requestTimeoutMilliseconds": WAIT_MS,
            "maxResultRecords": MAX_RECORDS,
            "maxResultBytes": MAX_BYTES,
            "timezone": "UTC",
        }
        until = self._clock() + QUERY_S
        answer = self._transport.ask("POST", "/query:execute", kind, payload=payload)
        body: Mapping[str, Any] = typed(answer, dict)
        token = body.get("requestToken")
        while body.get("state") in _RUNNING:
            if not isinstance(token, str) or not token:
                raise UnexpectedResponse("POST /query:execute: a query runs and has no token")
            body = self._polled(token, kind, until)
        return _result(body)

    def _polled(self, token: str, kind: Kind, until: float) -> Mapping[str, Any]:
        begun = self._clock()
        try:
            if begun > until:
                raise Unavailable(f"a query did not end within {QUERY_S:g} s and is cancelled")
            query = {"request-token": token, "request-timeout-milliseconds": str(WAIT_MS)}
            body = typed(self._transport.get("/query:poll", kind, query), dict)
        except ApiError:
            self._cancel(token, kind)
            raise
        if body.get("state") in _RUNNING:
            self._sleep(max(PAUSE_S - (self._clock() - begun), 0.0))
        return body

    def _cancel(self, token: str, kind: Kind) -> None:
        try:
            self._transport.call("POST", "/query:cancel", kind, {"request-token": token})
        except ApiError:
            return  # It ends by itself; the tenant has its own limit.


def quoted(ids: Iterable[str]) -> str:
    """
    Return an array of texts in DQL.
    """
    return "array({})".format(", ".join(json.dumps(one) for one in ids))


def _result(body: Mapping[str, Any]) -> Result:
    state = body.get("state")
    if state in _ENDED:
        raise Unavailable(f"POST /query:execute: the query ended as {state}")
    result = body.get("result")
    records = result.get("records") if isinstance(result, dict) else None
    if state != "SUCCEEDED" or not isinstance(records, list):
        raise UnexpectedResponse("POST /query:execute: the answer has no state or no records")
    grail = typed(typed(typed(result, dict).get("metadata"), dict).get("grail"), dict)
    return Result(objects_of(records), tuple(_cuts(grail, len(records))))


def _cuts(grail: Mapping[str, Any], count: int) -> list[str]:
    found = []
    for note in objects_of(grail.get("notifications")):
        kind = typed(note.get("notificationType"), str)[:80]
        if note.get("severity") != "INFO" or any(mark in kind for mark in _CUT):
            found.append(f"the result is not whole: {kind or 'a notification without a type'}")
    if grail.get("sampled") is True:
        found.append("the result is not whole: it is a sample")
    if count >= MAX_RECORDS and not found:
        found.append(f"the result is not whole: it has {count} records")
    return found

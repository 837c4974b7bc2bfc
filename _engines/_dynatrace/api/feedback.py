"""
What is reported to the tenant: comments on problems, their end, and events on entities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import AuthError, NotFound, Refusal, UnexpectedResponse
from .classic_entities import checked
from .classic_problems import problem_path
from .json_values import objects_of, typed
from .rate_limiter import Kind
from .response import decode
from .transport import Transport

PAGE_SIZE = 500
#: Of the event types, one that opens no problem: the engine must not feed itself.
EVENT_TYPE = "CUSTOM_INFO"


class Feedback:
    """
    Reports to one environment by its API v2; ``ingest`` is another way for business events, tried where the first refuses.
    """

    def __init__(self, transport: Transport, ingest: Transport | None = None) -> None:
        self._transport, self._ingest = transport, ingest

    def comments(self, problem_id: str) -> Iterator[str]:
        """
        Yield the texts of all comments on a problem.
        """
        path = problem_path(problem_id, "/comments")
        query = {"pageSize": str(PAGE_SIZE)}
        for item in self._transport.items(path, Kind.FEEDBACK, query, "comments"):
            text = typed(item, dict).get("content")
            if isinstance(text, str):
                yield text

    def comment(self, problem_id: str, message: str, context: str) -> None:
        """
        Comment on a problem. Not idempotent: after Unavailable (other than NotSent) it may have been stored all the same.
        """
        payload = {"message": message, "context": context}
        self._post(problem_path(problem_id, "/comments"), payload)

    def close_problem(self, problem_id: str, message: str) -> None:
        """
        Close a problem, with a comment.
        """
        self._post(problem_path(problem_id, "/close"), {"message": message})

    def ingest_event(
        self,
        entity_id: str,
        title: str,
        properties: Mapping[str, str],
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> None:
        """
        Put a ``CUSTOM_INFO`` event on one entity. Not idempotent, and there is no way to look whether it is there.

        Raises UnexpectedResponse also for a 201 that says that the entity did not take it.
        """
        payload: dict[str, Any] = {
            "eventType": EVENT_TYPE,
            "title": title,
            # Without a selector the event would be the whole environment's.
            "entitySelector": f'entityId("{checked(entity_id)}")',
            "properties": dict(properties),
        }
        times = {"startTime": start_ms, "endTime": end_ms}
        payload.update({name: at for name, at in times.items() if at is not None})
        what, redact = "POST /events/ingest", self._transport.redact
        body = decode(self._post("/events/ingest", payload), what, redact)
        results = objects_of(typed(body, dict).get("eventIngestResults"))
        states = [result.get("status") for result in results]
        if "OK" not in states:
            reason = redact(states[:5] or "no result")
            raise UnexpectedResponse(f"{what}: no entity took the event: {reason}")

    def business_event(self, keys: Mapping[str, str] | Sequence[Mapping[str, str]]) -> None:
        """
        Write a business event with flat keys, or several, which open no problem. Not idempotent.
        """
        path = "/bizevents/ingest"
        try:
            self._post(path, keys)
        except (AuthError, NotFound, UnexpectedResponse) as err:
            rejected = isinstance(err, AuthError) and err.refusal is Refusal.REJECTED
            if self._ingest is None or rejected:
                raise
            self._ingest.call("POST", path, Kind.FEEDBACK, payload=keys)

    def _post(self, path: str, payload: Any) -> bytes:
        return self._transport.call("POST", path, Kind.FEEDBACK, payload=payload)

"""
What the credentials may not tell the tenant: said once, and done without until it is tried again.

Where comments, events or closings are refused, their text goes to the tenant as a business event, which opens no problem
and needs another permission.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from ..core.records import Comment

log = logging.getLogger(__name__)

#: What was refused is tried again after so many seconds: a permission may be given at any time.
RECHECK_S = 600.0
BUSINESS_EVENT = "business event"
EVENT_TYPE = "salt.dynatrace.outcome"
PROVIDER = "salt"
_NOT_CLOSED = "Salt healed this, and may not close it."
_INSTEAD = {
    "comment": "comments are refused, and what they would say is written as business events",
    "event": "events are refused, and written as business events",
    "close": "closing is refused, and that a problem is healed is written as a business event",
    BUSINESS_EVENT: "business events are not taken either: what would stand in them is dropped",
}


class Refusals:
    """
    The kinds of reports that the tenant refuses, each with the time of the last refusal.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._since: dict[str, float] = {}
        self._said: set[str] = set()

    def holds(self, what: str, now: float) -> bool:
        """
        Return whether a kind of report was refused just recently.
        """
        return 0 <= now - self._since.get(what, -RECHECK_S) < RECHECK_S

    def note(self, what: str, why: Exception, now: float) -> None:
        """
        Note a refusal, and say it the first time.
        """
        level = logging.DEBUG if what in self._said else logging.WARNING
        self._since[what] = now
        self._said.add(what)
        log.log(level, "%s: %s; repeats are not logged: %s", self._name, _INSTEAD[what], why)

    def lifted(self, what: str) -> None:
        """
        Note that a kind of report was taken.
        """
        self._since.pop(what, None)
        if what in self._said:
            self._said.discard(what)
            log.info("%s: the tenant takes a %s again", self._name, what)


def business_event(
    instance: str, record: Comment, what: str, message: str, display_id: str | None
) -> dict[str, str]:
    """
    Return the flat keys of the business event for a report; ``salt.report`` is the same however often it is written.
    """
    if what == "event":
        given: dict[str, Any] = json.loads(message)
    else:
        given = {"title": _NOT_CLOSED if what == "close" else message}
    keys: dict[str, str] = {
        "event.type": EVENT_TYPE,
        "event.provider": PROVIDER,
        "salt.instance": instance,
        "salt.report": record.marker,
        "salt.kind": what,
        "problem.id": record.problem_id,
        "problem": display_id or "",
        "entity": given.get("entity_id", ""),
        "message": given["title"],
        **given.get("properties", {}),
    }
    return {key: value for key, value in keys.items() if value}

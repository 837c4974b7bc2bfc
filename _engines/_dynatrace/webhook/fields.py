"""
The fields of a notification's body by what they hold, whatever their keys are named, in the body and in known envelopes.

``ProblemID``, ``problemId`` and ``problem_id`` are one key here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from ..api.json_values import decoded, is_too_deep, typed
from ..api.problems import MAX_ENTITIES
from ..core.errors import NotificationError

#: Of one object; a template has 5000 characters.
MAX_KEYS = 1000
#: One in another: a relay's event around a workflow's.
MAX_ENVELOPES = 3
_ENVELOPES = ("eventData", "event_data", "data", "event", "payload", "body")

#: What every record of a problem has, spelled as only a record has it.
_RECORD = frozenset({"event.id", "event.status"})

#: By what they hold, the keys under which payloads have it, flattened.
KEYS = {
    "pid": ("pid", "eventid", "problemid", "id"),
    "problem_id": ("problemid", "displayid", "problemdisplayid", "problemnumber"),
    "state": ("state", "problemstate", "status", "eventstatus"),
    "title": ("problemtitle", "title", "eventname"),
    "details": ("problemdetailsjsonv2", "problemdetailsjson", "problemdetails", "details"),
    "severity": ("problemseverity", "eventcategory", "severity"),
    "impact": ("problemimpact", "impact"),
    "url": ("problemurl", "url"),
    "impacted": ("impactedentities",),
    # In the field names of Grail.
    "affected": ("affectedentityids",),
    "root_cause": ("rootcauseentityid",),
    "root_cause_name": ("rootcauseentityname",),
    "start": ("eventstart",),
    "end": ("eventend",),
    "tags": ("entitytags",),
    "maintenance": ("maintenanceisundermaintenance",),
}


class Fields:
    """
    The fields of one body; ``keys`` maps names in ``KEYS`` to keys that the tenant uses instead, which come first.
    """

    def __init__(self, body: Mapping[str, Any], keys: Mapping[str, str]) -> None:
        levels = list(_levels(body))
        self._records = [one for one in levels if one.keys() >= _RECORD]
        self._levels = [_flat(level) for level in levels]
        own = {field: (_flat_name(key), *KEYS[field]) for field, key in keys.items()}
        self._keys = {**KEYS, **own}

    def records(self) -> Iterator[Mapping[str, Any]]:
        """
        Yield what is a whole record of Grail, the innermost first.
        """
        yield from self._records

    def values(self, field: str) -> Iterator[Any]:
        for level in self._levels:
            for key in self._keys[field]:
                yield from level.get(key, ())

    def texts(self, field: str) -> Iterator[str]:
        for value in self.values(field):
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
                value = str(value)
            if isinstance(value, str) and 0 < len(value) <= 1000:
                yield value.strip()

    def items(self, field: str) -> Iterator[Any]:
        values = (decoded(one) if isinstance(one, str) else one for one in self.values(field))
        lists = (typed(value, list) for value in values)
        yield from islice(chain.from_iterable(lists), MAX_ENTITIES)


def json_object(value: Any) -> Mapping[str, Any] | None:
    """
    Return a JSON object, also one that a template put in quotes.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        text = value
        value = decoded(text)
        if not isinstance(value, dict) or is_too_deep(value, text):
            return None
    return value if isinstance(value, dict) else None


def _levels(body: Mapping[str, Any], depth: int = MAX_ENVELOPES) -> Iterator[Mapping[str, Any]]:
    # Innermost first: an outer `id` is the envelope's.
    for name in _ENVELOPES if depth else ():
        inner = json_object(body.get(name))
        if inner is not None:
            yield from _levels(inner, depth - 1)
    yield body


@lru_cache(1024)
def _flat_name(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _flat(level: Mapping[str, Any]) -> Mapping[str, list[Any]]:
    if len(level) > MAX_KEYS:
        raise NotificationError(f"an object of the body has more than {MAX_KEYS} keys")
    found: dict[str, list[Any]] = {}
    for key, value in level.items():
        found.setdefault(_flat_name(str(key)[:200]), []).append(value)
    return found

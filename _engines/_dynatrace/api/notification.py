"""
Recognises the problem in a notification, whatever the tenant's template names its keys.

A problem notification's template is free text of the tenant's admin: keys may have any name and case, JSON
placeholders may stand in quotes, keys may be doubled. So values are recognised by their form as much as by their key.
Also read: workflow bodies (``{"eventData": {…}}``, Grail field names), CloudEvents (``{"data": {…}}``), and bodies
whose custom Content-Type made Dynatrace skip the escaping, as far as they are still JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ..core.errors import NotificationError, UnexpectedAnswer
from ..core.problem import DISPLAY_ID, PROBLEM_ID, Entity, Problem, entity_type, is_entity_id
from . import grail
from .fields import (
    MAX_DEPTH,
    Level,
    flat,
    flat_name,
    is_too_dense,
    json_object,
    levels,
    texts,
    too_deep,
)
from .parsing import MAX_ENTITIES, parse_problem, parse_problem_v1

TEST_TITLE = "Dynatrace problem notification test run"
#: What Dynatrace's "Send test notification" has been seen to send.
TEST_PIDS = frozenset({"99999", "999999"})
TEST_DISPLAY_IDS = frozenset({"999", "TESTID"})
TEST_ENTITY = re.compile(r"[A-Z_]+-X{13,16}")

_OLD_PID = re.compile(r"-?[0-9]{15,20}")
_STATES = {
    "OPEN": "OPEN",
    "ACTIVE": "OPEN",
    "RESOLVED": "RESOLVED",
    "CLOSED": "RESOLVED",
    "MERGED": "MERGED",
}
_DETAILS = ("problemdetailsjsonv2", "problemdetailsjson", "problemdetails", "details")
_PID_KEYS = ("pid", "eventid", "problemid", "id")
_DISPLAY_KEYS = ("problemid", "displayid", "problemdisplayid", "problemnumber")
_STATE_KEYS = ("state", "problemstate", "status", "eventstatus")
_TITLE_KEYS = ("problemtitle", "title", "eventname")


@dataclass(frozen=True)
class Notice:
    """
    What a notification says: ``state`` is OPEN, RESOLVED, MERGED or None; ``problem`` is what its details hold.

    ``old_pid`` is a PID without the ``_<ms>V2`` suffix, as older tenants send it: it cannot be used with the API.
    """

    problem_id: str | None = None
    display_id: str | None = None
    old_pid: str | None = None
    state: str | None = None
    title: str = ""
    test: bool = False
    problem: Problem | None = None


def parse(body: bytes, keys: Mapping[str, str] | None = None, whole: bool = True) -> Notice:
    """
    Return what a request body says; ``keys`` maps ``pid``, ``problem_id``, ``state``, ``title``, ``details`` to names.

    Unless ``whole``, the notice only names the problem, for an engine that reads it from the API all the same.
    Raises NotificationError with a reason that is safe to send back: it quotes nothing of the body.
    """
    if is_too_dense(body):
        raise NotificationError("the body has too many values for its size")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotificationError("the body is not UTF-8") from None
    try:
        data = json.loads(text)
    except RecursionError:
        raise NotificationError(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:
        # Also raised for integers of thousands of digits.
        raise NotificationError(
            "the body is not JSON: send the payload with Content-Type application/json, and JSON placeholders such as "
            "{ProblemDetailsJSONv2} and {ImpactedEntities} without quotes"
        ) from None
    return parse_data(data, keys, text, whole)


def parse_data(
    data: Any,
    keys: Mapping[str, str] | None = None,
    text: str | None = None,
    whole: bool = True,
) -> Notice:
    """
    Return what an already decoded body says, e.g. the ``post`` of a salt-api hook event; ``text`` is what it was.
    """
    if not isinstance(data, dict):
        raise NotificationError("the body is not a JSON object")
    if too_deep(data, text):
        raise NotificationError(f"the body is nested deeper than {MAX_DEPTH} levels")
    found = [flat(level) for level in levels(data)]
    named = {field: flat_name(name) for field, name in (keys or {}).items()}
    notice = _notice(found, named, whole)
    if _is_test(notice, found, named):
        return replace(notice, test=True, problem=None)
    if notice.problem_id is None and notice.display_id is None and notice.old_pid is None:
        raise NotificationError(
            "no problem can be recognised in the body: it needs the PID ({PID}) or the problem number ({ProblemID}); "
            "use the recommended template, or name your keys in `webhook:keys`"
        )
    return notice


def _details(levels: list[Level], named: Mapping[str, str]) -> Problem | None:
    own = (named["details"],) if "details" in named else ()
    for level in levels:
        for name in (*own, *_DETAILS):
            for value in level.get(name, ()):
                problem = _problem(json_object(value))
                if problem is not None:
                    return problem
    return None


def _problem(body: Mapping[str, Any] | None) -> Problem | None:
    if body is None:
        return None
    try:
        if "problemId" in body:
            return parse_problem(body, source="notification")
        return parse_problem_v1(body)
    except UnexpectedAnswer:
        return None


def _notice(levels: list[Level], named: Mapping[str, str], whole: bool) -> Notice:
    pids = list(texts(levels, (named.get("pid"), *_PID_KEYS)))
    numbers = list(texts(levels, (named.get("problem_id"), *_DISPLAY_KEYS)))
    states = list(texts(levels, (named.get("state"), *_STATE_KEYS)))
    titles = list(texts(levels, (named.get("title"), *_TITLE_KEYS)))
    problem_id = next((text for text in pids if PROBLEM_ID.fullmatch(text)), None)
    display_id = next(
        (text for text in numbers if DISPLAY_ID.fullmatch(text) and len(text) < 15), None
    )
    state = next((_STATES[text.upper()] for text in states if text.upper() in _STATES), None)
    needed = whole or problem_id is None or state is None
    details = _details(levels, named) if needed else None
    if details is not None:
        problem_id = problem_id or details.problem_id
        display_id = display_id or details.display_id
        state = state or ("OPEN" if details.is_open else "RESOLVED")
    title = titles[0] if titles else ""
    return Notice(
        problem_id=problem_id,
        display_id=display_id,
        old_pid=next((text for text in pids if _OLD_PID.fullmatch(text)), None),
        state=state,
        title=title,
        problem=_complete(details, levels, problem_id, display_id, title, state) if whole else None,
    )


def _complete(
    details: Problem | None,
    levels: list[Level],
    problem_id: str | None,
    display_id: str | None,
    title: str,
    state: str | None,
) -> Problem | None:
    """
    Return all that the notification tells of the problem, for an engine that has no API to ask.
    """
    if problem_id is None and display_id is None:
        return None
    status = "OPEN" if state == "OPEN" else "CLOSED"
    problem = details or Problem(None, None, source="notification")
    affected = problem.affected or tuple(_impacted(levels))
    told = replace(
        problem,
        problem_id=problem_id,
        display_id=display_id,
        title=problem.title or title,
        severity=_known(problem.severity, levels, ("problemseverity", "eventcategory", "severity")),
        impact=_known(problem.impact, levels, ("problemimpact", "impact")),
        status=status,
        merged=state == "MERGED",
        affected=affected,
        url=next(iter(texts(levels, ("problemurl", "url"))), None),
        source="notification",
    )
    return grail.complete(told, levels)


def _known(value: str, levels: list[Level], names: tuple[str, ...]) -> str:
    if value != "UNKNOWN":
        return value
    found = (text for text in texts(levels, names) if re.fullmatch(r"[A-Z][A-Z_]{0,63}", text))
    return next(found, value)


def _impacted(levels: list[Level]) -> Iterator[Entity]:
    for item in islice(_entities(levels), MAX_ENTITIES):
        entity_id = item.get("entity")
        if isinstance(entity_id, str) and is_entity_id(entity_id):
            name = item.get("name")
            yield Entity(entity_id, entity_type(entity_id), name if isinstance(name, str) else "")


def _entities(levels: list[Level]) -> Iterator[Mapping[str, Any]]:
    for level in levels:
        for value in level.get("impactedentities", ()):
            if isinstance(value, str):
                try:
                    value = json.loads(value)
                except (ValueError, RecursionError):
                    continue
            yield from (
                (item for item in value if isinstance(item, dict))
                if isinstance(value, list)
                else ()
            )


def _is_test(notice: Notice, levels: list[Level], named: Mapping[str, str]) -> bool:
    if notice.problem_id is not None:
        return notice.title == TEST_TITLE
    pids = set(texts(levels, (named.get("pid"), *_PID_KEYS)))
    numbers = set(texts(levels, (named.get("problem_id"), *_DISPLAY_KEYS)))
    entities = (item.get("entity") for item in _entities(levels))
    return (
        notice.title == TEST_TITLE
        or bool(pids & TEST_PIDS)
        or bool(numbers & TEST_DISPLAY_IDS)
        or any(isinstance(entity, str) and TEST_ENTITY.fullmatch(entity) for entity in entities)
    )

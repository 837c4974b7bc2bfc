"""
Recognises the problem in the payload of a notification.

A payload is free text of the tenant's admin: keys may have any name and case, JSON placeholders may stand in quotes,
keys may be doubled. So values are recognised by their form as much as by their key, which ``fields`` lists.
Workflow bodies (a record of ``dt.davis.problems``, flat or as ``{"eventData": {…}}``) and CloudEvents (``{"data": {…}}``)
are read too, a whole record as ``api.davis`` reads it. Smartscape ids are not: they look like entity ids and name others.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..api.davis import SEVERITIES, moment, parse_record
from ..api.decompression import DecompressionError, decompress
from ..api.json_values import MAX_DEPTH, is_too_deep, is_too_dense, typed
from ..api.problems import parse_problem, parse_problem_v1
from ..core.errors import NotificationError, UnexpectedResponse
from ..core.notification import Notification
from ..core.problem import DISPLAY_ID, PROBLEM_ID, Entity, Problem, entity_type, is_entity_id
from .fields import Fields, json_object

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


class BodyTooLarge(NotificationError):
    """
    A body is too large when it is decompressed.
    """


def decompressed(body: bytes, coding: str, limit: int) -> bytes:
    """
    Return a body without its coding. Dynatrace sends none; a proxy or a relay on the way may.
    """
    try:
        return decompress([body], coding, limit)
    except DecompressionError as err:
        if err.reason == "too large":
            wrong = f"the body is larger than {limit} bytes when it is unpacked (max_body)"
            raise BodyTooLarge(wrong) from None
        wrong = {
            "incomplete": f"the body is not one whole stream of {coding}",
            "invalid": f"the body is not {coding}, as its Content-Encoding says",
        }[err.reason]
        raise NotificationError(wrong) from None


def parse(body: bytes, keys: Mapping[str, str] | None = None, whole: bool = True) -> Notification:
    """
    Return what a request body says; ``keys`` maps ``pid``, ``problem_id``, ``state``, ``title``, ``details`` to names.

    Unless ``whole``, only the problem's name is read, for an engine that reads the problem from the API all the same.
    Raises NotificationError with a reason that is safe to send back: it quotes nothing of the body.
    """
    if is_too_dense(body):
        raise NotificationError("the body has too many values for its size")
    try:
        text = body.decode("utf-8-sig")
        data = json.loads(text)
    except UnicodeDecodeError:
        raise NotificationError("the body is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # Also raised for integers of thousands of digits.
        raise NotificationError(
            "the body is not JSON: send the payload with Content-Type application/json, and JSON placeholders such as "
            "{ProblemDetailsJSONv2} and {ImpactedEntities} without quotes"
        ) from None
    return parse_data(data, keys, text, whole)


def parse_data(
    data: Any, keys: Mapping[str, str] | None = None, text: str | None = None, whole: bool = True
) -> Notification:
    """
    Return what an already decoded body says, e.g. the ``post`` of a salt-api hook event; ``text`` is what it was.
    """
    if not isinstance(data, dict):
        raise NotificationError("the body is not a JSON object")
    if is_too_deep(data, text):
        raise _too_deep()
    fields = Fields(data, keys or {})
    notification = _recognised(fields, whole)
    if _is_test(notification, fields):
        return replace(notification, test=True, problem=None)
    if not (notification.problem_id or notification.display_id or notification.old_pid):
        raise NotificationError(
            "no problem can be recognised in the body: it needs the PID ({PID}) or the problem number ({ProblemID}); "
            "use the recommended template, or name your keys in `webhook:keys`"
        )
    return notification


def _too_deep() -> NotificationError:
    return NotificationError(f"the body is nested deeper than {MAX_DEPTH} levels")


def _recognised(fields: Fields, whole: bool) -> Notification:
    numbers = (text for text in fields.texts("problem_id") if len(text) < 15)
    states = (_STATES.get(text.upper()) for text in fields.texts("state"))
    notification = Notification(
        problem_id=next(filter(PROBLEM_ID.fullmatch, fields.texts("pid")), None),
        display_id=next(filter(DISPLAY_ID.fullmatch, numbers), None),
        old_pid=next(filter(_OLD_PID.fullmatch, fields.texts("pid")), None),
        state=next(filter(None, states), None),
        title=next(fields.texts("title"), ""),
    )
    if not whole and notification.problem_id and notification.state:
        return notification
    details = next(_details(fields), None)
    if details is not None:
        notification = replace(
            notification,
            problem_id=notification.problem_id or details.problem_id,
            display_id=notification.display_id or details.display_id,
            state=notification.state or ("OPEN" if details.is_open else "RESOLVED"),
        )
    if whole and (notification.problem_id or notification.display_id):
        return replace(notification, problem=_problem(notification, details, fields))
    return notification


def _details(fields: Fields) -> Iterator[Problem]:
    for body in filter(None, map(json_object, fields.values("details"))):
        try:
            if "problemId" in body:
                yield parse_problem(body, source="notification")
            else:
                yield parse_problem_v1(body)
        except UnexpectedResponse:
            continue
    for record in fields.records():
        with contextlib.suppress(UnexpectedResponse):
            yield parse_record(record, source="notification")


def _problem(notification: Notification, details: Problem | None, fields: Fields) -> Problem:
    # All that the notification holds, for an engine that has no API to ask; the details come first.
    problem = details or Problem(None, None)
    status = "OPEN" if notification.state == "OPEN" else "CLOSED"
    severity = _known(problem.severity, fields, "severity")
    tags = (tag for tag in fields.items("tags") if isinstance(tag, str))
    return replace(
        problem,
        problem_id=notification.problem_id,
        display_id=notification.display_id,
        title=problem.title or notification.title,
        severity=SEVERITIES.get(severity, severity),
        impact=_known(problem.impact, fields, "impact"),
        status=status,
        start=problem.start if problem.start is not None else _moment(fields, "start"),
        end=problem.end or (None if status == "OPEN" else _moment(fields, "end")),
        root_cause=problem.root_cause or _root_cause(fields),
        affected=problem.affected or tuple(_impacted(fields)) or tuple(_affected(fields)),
        tags=problem.tags or tuple(tags),
        under_maintenance=problem.under_maintenance
        or any(value is True for value in fields.values("maintenance")),
        merged=problem.merged or notification.state == "MERGED",
        url=next(fields.texts("url"), None),
        source="notification",
    )


def _known(value: str, fields: Fields, field: str) -> str:
    if value != "UNKNOWN":
        return value
    found = (text for text in fields.texts(field) if re.fullmatch(r"[A-Z][A-Z_]{0,63}", text))
    return next(found, value)


def _impacted(fields: Fields) -> Iterator[Entity]:
    for entity_id, name in _impacted_names(fields):
        if is_entity_id(entity_id):
            yield Entity(entity_id, entity_type(entity_id), name)


def _impacted_names(fields: Fields) -> Iterator[tuple[str, str]]:
    for item in fields.items("impacted"):
        if isinstance(item, dict):
            yield typed(item.get("entity"), str), typed(item.get("name"), str)


def _affected(fields: Fields) -> Iterator[Entity]:
    ids = (item for item in fields.items("affected") if is_entity_id(item))
    for entity_id in dict.fromkeys(ids):
        yield Entity(entity_id, entity_type(entity_id))


def _root_cause(fields: Fields) -> Entity | None:
    for entity_id in filter(is_entity_id, fields.values("root_cause")):
        names = (name for name in fields.values("root_cause_name") if isinstance(name, str))
        return Entity(entity_id, entity_type(entity_id), next(names, ""))
    return None


def _moment(fields: Fields, field: str) -> int | None:
    return next(filter(None, map(moment, fields.values(field))), None)


def _is_test(notification: Notification, fields: Fields) -> bool:
    if notification.title == TEST_TITLE or notification.problem_id is not None:
        return notification.title == TEST_TITLE
    return (
        not TEST_PIDS.isdisjoint(fields.texts("pid"))
        or not TEST_DISPLAY_IDS.isdisjoint(fields.texts("problem_id"))
        or any(TEST_ENTITY.fullmatch(entity_id) for entity_id, _ in _impacted_names(fields))
    )

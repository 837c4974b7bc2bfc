"""
Valid values of settings, and what the tests of them share.
"""

from __future__ import annotations

import copy
from typing import Any

import requests

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client, Receiver

OBJECTS = "/api/v2/settings/objects"
PROFILE = "builtin:alerting.profile"
NOTIFICATION = "builtin:problem.notifications"
WINDOW = "builtin:alerting.maintenance-window"
AVAILABILITY = "builtin:availability.process-group-alerting"

FAST = {"interval": 0.02, "open_after": 0.05, "close_after": 0.05, "timeout": 1.0}

_RULE = {"severityLevel": "AVAILABILITY", "delayInMinutes": 0, "tagFilterIncludeMode": "NONE"}


def profile(**changes: Any) -> dict[str, Any]:
    return {"name": "Salt", "severityRules": [_RULE], "eventFilters": [], **changes}


def rule(**changes: Any) -> dict[str, Any]:
    return {**_RULE, **changes}


def webhook(profile_id: str, url: str = "https://salt.example.com/x", **changes: Any) -> Any:
    hidden = {"name": "Authorization", "secret": True, "secretValue": "Bearer s3cret"}
    plain = {"name": "X-Plain", "secret": False, "value": "seen"}
    inner = {
        "url": url,
        "acceptAnyCertificate": False,
        "notifyClosedProblems": True,
        "notifyEventMergesEnabled": False,
        "headers": [hidden, plain],
        "payload": '{"state": "{State}", "pid": "{PID}"}',
        **changes,
    }
    return {
        "enabled": True,
        "type": "WEBHOOK",
        "displayName": "Salt",
        "alertingProfile": profile_id,
        "webHookNotification": {name: one for name, one in inner.items() if one is not None},
    }


def window(schedule: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    once = {"startTime": "2030-01-01T10:00:00", "endTime": "2030-01-01T11:00:00", "timeZone": "UTC"}
    return {
        "enabled": True,
        "generalProperties": {
            "name": "Highstate",
            "maintenanceType": "PLANNED",
            "suppression": "DONT_DETECT_PROBLEMS",
            "disableSyntheticMonitorExecution": False,
        },
        "schedule": schedule or {"scheduleType": "ONCE", "onceRecurrence": once},
        "filters": [],
        **changes,
    }


def post(
    client: Client, schema: str, *values: Any, scope: str = "environment", **query: Any
) -> requests.Response:
    body = [{"schemaId": schema, "scope": scope, "value": value} for value in values]
    return client.call("POST", OBJECTS, body, **query)


def violations(answer: requests.Response, number: int = 0) -> dict[str, str]:
    """
    Return the message of each violated path.
    """
    body = answer.json()
    one = body[number] if isinstance(body, list) else body
    assert one["code"] == one["error"]["code"] == 400, one
    return {each["path"]: each["message"] for each in one["error"]["constraintViolations"]}


def changed(value: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    """
    Return a copy in which what `path` names, with slashes, is another one; `None` takes it away.
    """
    whole = copy.deepcopy(value)
    *way, last = path.split("/")
    inner: Any = whole
    for part in way:
        inner = inner[int(part)] if part.isdigit() else inner[part]
    key = int(last) if isinstance(inner, list) else last
    if new is None:
        del inner[key]
    else:
        inner[key] = new
    return whole


def told(receiver: Receiver) -> list[tuple[str, str]]:
    return [(body["state"], body["pid"]) for body in receiver.bodies()]


def sent(tenant: Tenant, count: int) -> None:
    tenant.wait_for(lambda: len(tenant.deliveries) >= count)


def notify(tenant: Tenant, receiver: Receiver, *rules: dict[str, Any], **changes: Any) -> str:
    """
    Make a profile of these rules and a notification that has it; return its id.
    """
    made = tenant.put_settings(PROFILE, profile(severityRules=list(rules or (rule(),))))
    return tenant.put_settings(NOTIFICATION, webhook(made, receiver.url, **changes))

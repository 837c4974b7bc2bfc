"""
The endpoints of the Automation API that keep workflows: list, show, create, change, delete, preview.

Paths, scopes, codes, bodies and what the server adds are those of the API's own description; newer
properties are those of official clients. That a tenant refuses what it does not know of a trigger,
was met by clients of `onProblemClose` and `maintenanceWindowTriggerBehavior`; the body of that
refusal is constructed. Not modelled: owners, private workflows, schedules, history.
"""

from __future__ import annotations

import datetime
import re
import uuid
from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError
from tests.tenant.platform.dql.errors import DqlError
from tests.tenant.platform.dql.matching import matcher
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

WORKFLOWS = "/platform/automation/v1/workflows"
_PREVIEW = "/platform/automation/v1/event-triggers/filter-preview"
_READ, _WRITE = "automation:workflows:read", "automation:workflows:write"
_SENT = frozenset(
    {
        *("id", "title", "description", "tasks", "taskDefaults", "trigger", "actor", "owner"),
        *("ownerType", "isPrivate", "schemaVersion", "throttle", "type", "isDeployed"),
        "hourlyExecutionLimit",
    }
)
_CATEGORIES = frozenset(
    {
        *("monitoringUnavailable", "availability", "error", "slowdown", "resource", "custom"),
        "info",
    }
)
_TRIGGER = frozenset(
    {
        *("categories", "entityTags", "entityTagsMatch", "onProblemClose", "customFilter"),
        "severityThreshold",
    }
)
_LONGEST_TITLE = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
#: Of the trigger, what only some tenants take.
NEWER = ("analysisReady", "maintenanceWindowTriggerBehavior")
_UNIQUE = (
    '{{ event()["event.id"] }}-{{ "open" if event()["event.status"] == "ACTIVE" else "resolved" }}'
    '-{{ event()["dt.davis.last_reopen_timestamp"] }}'
)
_ACTOR = "5f3b7c9e-0000-4000-8000-000000000001"


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    one = WORKFLOWS + r"/(?P<workflow>[^/]+)"
    walk = frozenset({"limit", "offset", "search", "ordering", "adminAccess"})
    return [
        Route("GET", WORKFLOWS, _READ, list_workflows, walk),
        Route("POST", WORKFLOWS, _WRITE, create_workflow),
        Route("GET", one, _READ, show_workflow),
        Route("PATCH", one, _WRITE, change_workflow),
        Route("PUT", one, _WRITE, replace_workflow),
        Route("DELETE", one, _WRITE, delete_workflow),
        Route("POST", _PREVIEW, _READ, preview),
    ]


def list_workflows(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /workflows.
    """
    size = request.number("limit", 100, 1000)
    begin = int(request.query.get("offset", "0"))
    word = request.query.get("search", "").lower()
    found = sorted(
        (one for one in tenant.workflows.values() if word in one["title"].lower()),
        key=lambda one: str(one["id"]),
    )
    return Answer(200, {"count": len(found), "results": found[begin : begin + size]})


def show_workflow(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /workflows/{id}.
    """
    return Answer(200, _known(tenant, request))


def create_workflow(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /workflows.
    """
    return Answer(201, _saved(tenant, _whole(tenant, request, str(uuid.uuid4()), 0)))


def change_workflow(tenant: Tenant, request: Request) -> Answer:
    """
    Answer PATCH /workflows/{id}: each property that is sent replaces the one that there is.
    """
    known = _known(tenant, request)
    return Answer(200, _saved(tenant, {**known, **_checked(tenant, request)}))


def replace_workflow(tenant: Tenant, request: Request) -> Answer:
    """
    Answer PUT /workflows/{id}: what is not sent is as if it had never been.
    """
    known = _known(tenant, request)
    return Answer(200, _saved(tenant, _whole(tenant, request, known["id"], known["version"])))


def delete_workflow(tenant: Tenant, request: Request) -> Answer:
    """
    Answer DELETE /workflows/{id}.
    """
    del tenant.workflows[_known(tenant, request)["id"]]
    return Answer(204)


def preview(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /event-triggers/filter-preview: the filter of a trigger of which nothing is kept.
    """
    configuration: Any = request.json().get("triggerConfiguration")
    _check_trigger(tenant, configuration)
    return Answer(
        200, {"triggerConfiguration": configuration, "filterQuery": _filter(configuration)}
    )


def _known(tenant: Tenant, request: Request) -> dict[str, Any]:
    found = tenant.workflows.get(request.parts["workflow"])
    if found is None:
        raise ApiError(404, "No Workflow matches the given query.")
    return found


def _whole(tenant: Tenant, request: Request, workflow_id: str, version: int) -> dict[str, Any]:
    body = _checked(tenant, request)
    if not body.get("title"):
        raise _wrong({"title": ["This field is required."]})
    return {"isPrivate": True, "tasks": {}, **body, "id": workflow_id, "version": version}


def _checked(tenant: Tenant, request: Request) -> dict[str, Any]:
    body = request.json()
    for name in body.keys() - _SENT:
        request.note(f"there is no property {name} of a workflow that can be set; it is ignored")
    if len(body.get("title") or "") > _LONGEST_TITLE:
        raise _wrong({"title": ["Ensure this field has no more than 200 characters."]})
    event = (body.get("trigger") or {}).get("eventTrigger")
    if event is not None:
        for name in event.keys() - {"isActive", "triggerConfiguration"}:
            request.note(f"there is no property {name} of a trigger that can be set")
        _check_trigger(tenant, event.get("triggerConfiguration"))
    for name, task in (body.get("tasks") or {}).items():
        if (
            task.get("name") != name
            or not _NAME.fullmatch(name)
            or ":" not in str(task.get("action"))
        ):
            raise _wrong({"tasks": [f"{name} has no name and action"]})
        if (task.get("position") or {}).get("y", 0) < 1:
            raise _wrong({"tasks": [f"{name}: position.y must be at least 1"]})
    return {key: one for key, one in body.items() if key in _SENT}


def _check_trigger(tenant: Tenant, configuration: Any) -> None:
    if not isinstance(configuration, dict) or configuration.get("type") != "davis-problem":
        raise _wrong({"triggerConfiguration": ["only davis-problem is modelled"]})
    value = configuration.get("value") or {}
    taken = _TRIGGER | set(tenant.switches.trigger_takes)
    unknown = [f"`{name}` not permitted" for name in sorted(value.keys() - taken)]
    categories, tags = value.get("categories"), value.get("entityTags", {})
    if "customFilter" in value:
        unknown += _unreadable(value["customFilter"])
    if not isinstance(categories, dict) or not _CATEGORIES.issuperset(categories):
        unknown.append("`categories` must be a dictionary")
    if not isinstance(tags, dict) or not all(isinstance(one, list) for one in tags.values()):
        unknown.append("`entityTags` must be a dictionary")
    if unknown:
        raise _wrong({"triggerConfiguration": unknown})


def _unreadable(text: Any) -> list[str]:
    try:
        matcher(str(text))
    except DqlError as err:
        return [f"`customFilter` is no matcher: {err}"]
    return []


def _wrong(details: dict[str, Any]) -> ApiError:
    return ApiError(400, "Validation failed.", details=details)


def _filter(configuration: dict[str, Any]) -> str:
    wanted = [name for name, on in sorted(configuration["value"]["categories"].items()) if on]
    return f'event.kind == "DAVIS_PROBLEM" AND category in ({", ".join(wanted)})'


def _saved(tenant: Tenant, workflow: dict[str, Any]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    event = (workflow.get("trigger") or {}).get("eventTrigger")
    if event:
        made = {
            "filterQuery": _filter(event["triggerConfiguration"]),
            "uniqueExpression": _UNIQUE,
        }
        workflow = {**workflow, "trigger": {"schedule": None, "eventTrigger": {**event, **made}}}
    tasks = {name: {"active": True, **task} for name, task in workflow["tasks"].items()}
    saved = {
        **workflow,
        "tasks": tasks,
        "version": workflow["version"] + 1,
        "actor": _ACTOR,
        "owner": _ACTOR,
        "ownerType": "USER",
        "triggerType": "Event",
        "lastExecution": None,
        "modificationInfo": {"lastModifiedTime": now, "lastModifiedBy": _ACTOR},
    }
    tenant.workflows[saved["id"]] = saved
    return saved

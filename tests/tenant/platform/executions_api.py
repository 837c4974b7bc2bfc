"""
The endpoints of executions: list, show, their tasks, and to run a workflow by hand.

Paths, parameters, scopes and states are those of the API's own description, of bodies a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError
from tests.tenant.platform.automation_api import WORKFLOWS
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_EXECUTIONS = "/platform/automation/v1/executions"
_READ, _RUN = "automation:workflows:read", "automation:workflows:run"


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    one = _EXECUTIONS + r"/(?P<execution>[^/]+)"
    run = WORKFLOWS + r"/(?P<workflow>[^/]+)/run"
    walk = frozenset({"limit", "offset", "workflow", "state", "ordering", "adminAccess"})
    return [
        Route("GET", _EXECUTIONS, _READ, list_executions, walk),
        Route("GET", one, _READ, show_execution),
        Route("GET", f"{one}/tasks", _READ, list_tasks),
        Route("POST", run, _RUN, run_now, locked=False),
    ]


def list_executions(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /executions: the latest first.
    """
    size = request.number("limit", 100, 1000)
    begin = int(request.query.get("offset", "0"))
    found = [
        _shown(one)
        for one in reversed(tenant.executions.values())
        if request.query.get("workflow", one["workflow"]) == one["workflow"]
        and request.query.get("state", one["state"]) == one["state"]
    ]
    return Answer(200, {"count": len(found), "results": found[begin : begin + size]})


def show_execution(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /executions/{id}.
    """
    return Answer(200, _shown(_known(tenant, request)))


def list_tasks(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /executions/{id}/tasks.
    """
    return Answer(200, _known(tenant, request)["tasks"])


def run_now(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /workflows/{id}/run: an execution with the event that is given.
    """
    workflow = request.parts["workflow"]
    if workflow not in tenant.workflows:
        raise ApiError(404, "No Workflow matches the given query.")
    params = request.json().get("params") or {}
    return Answer(201, _shown(tenant.run_workflow(workflow, params.get("event") or {})))


def _known(tenant: Tenant, request: Request) -> dict[str, Any]:
    found = tenant.executions.get(request.parts["execution"])
    if found is None:
        raise ApiError(404, "No Execution matches the given query.")
    return found


def _shown(execution: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in execution.items() if name != "tasks"}

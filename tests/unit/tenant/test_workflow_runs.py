"""
Workflows that run: when they fire, what they send, and what keeps them from it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.tenant.newer_schemas import OUTBOUND
from tests.unit.tenant.conftest import Receiver, on_platform

TOKEN = "listener-token"


def done(tenant: Tenant, count: int = 1) -> list[str]:
    """Wait for executions; give their states."""
    tenant.wait_for(
        lambda: sum(one["state"] != "RUNNING" for one in tenant.executions.values()) >= count
    )
    return [one["state"] for one in tenant.executions.values()]


def test_a_problem_is_posted_as_its_record(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Flat, with the token of the vault, and without a content type."""
    tenant.add_workflow(receiver.url, TOKEN)
    problem = tenant.open_problem(process)
    assert done(tenant) == ["SUCCESS"]
    [(headers, raw)] = receiver.taken
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert "content-type" not in headers
    body = json.loads(raw)
    assert body["event.id"] == problem.problem_id
    assert (body["event.status"], body["event.severity"]) == ("ACTIVE", 3)
    assert body["dt.entity.process_group_instance"] == [process]
    assert body["timestamp"].endswith("Z") and "eventData" not in body
    [delivery] = tenant.deliveries
    assert (delivery.state, delivery.status) == ("OPEN", 202)
    assert TOKEN not in repr(tenant.journal) + repr(tenant.executions)


def test_the_action_for_ansible_wraps_it(tenant: Tenant, process: str, receiver: Receiver) -> None:
    """As captured, to the very URL of an event stream."""
    tenant.add_workflow(receiver.url, TOKEN, ansible=True)
    problem = tenant.open_problem(process)
    assert done(tenant) == ["SUCCESS"]
    [(headers, raw)] = receiver.taken
    assert headers["authorization"] == f"Bearer {TOKEN}"
    body = json.loads(raw)
    assert body.keys() == {"eventData"}
    assert body["eventData"]["event.id"] == problem.problem_id


def test_a_close_and_a_reopening_fire_an_update_does_not(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Each once, under one id; the reopening has its time."""
    tenant.add_workflow(receiver.url, TOKEN)
    problem = tenant.open_problem(process)
    tenant.update_problem(problem, title="Multiple problems")
    tenant.close_problem(problem)
    tenant.reopen_problem(problem)
    assert done(tenant, 3) == ["SUCCESS"] * 3
    bodies = receiver.bodies()
    assert [one["event.status"] for one in bodies] == ["ACTIVE", "CLOSED", "ACTIVE"]
    assert {one["event.id"] for one in bodies} == {problem.problem_id}
    assert ["dt.davis.last_reopen_timestamp" in one for one in bodies] == [False, False, True]


@pytest.mark.parametrize(
    ("trigger", "fires"),
    [
        ({}, True),
        ({"categories": {"error": True}}, False),
        ({"entityTags": {"salt": ["on"]}}, True),
        ({"entityTags": {"salt": ["off"]}}, False),
        ({"entityTags": {"salt": [], "other": []}}, False),
        ({"entityTags": {"salt": [], "other": []}, "entityTagsMatch": "any"}, True),
        ({"severityThreshold": 3}, True),
        ({"severityThreshold": 2}, False),
        ({"maintenanceWindowTriggerBehavior": "outside"}, True),
        ({"maintenanceWindowTriggerBehavior": "inside"}, False),
        ({"customFilter": 'matchesValue(affected_entity_types, "dt.entity.process*")'}, True),
        ({"customFilter": 'event.name == "Something else"'}, False),
    ],
)
def test_a_trigger_chooses(
    tenant: Tenant, receiver: Receiver, trigger: dict[str, Any], fires: bool
) -> None:
    """By category, tags, severity, maintenance and a matcher."""
    process = tenant.add_process(tenant.add_host(), tags=["salt:on"])
    tenant.add_workflow(receiver.url, TOKEN, title="chosen", **trigger)
    tenant.add_workflow(receiver.url, TOKEN, title="all")
    tenant.open_problem(process)
    done(tenant, 1 + fires)
    tenant.wait_for("workflow succeeded", count=1 + fires)
    titles = sorted(one["title"] for one in tenant.executions.values())
    assert titles == (["all", "chosen"] if fires else ["all"])


def test_maintenance_decides_inside_and_outside(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Under maintenance the one fires, else the other."""
    for when in ("inside", "outside"):
        tenant.add_workflow(receiver.url, TOKEN, title=when, maintenanceWindowTriggerBehavior=when)
    tenant.open_problem(process, under_maintenance=True)
    tenant.wait_for("workflow succeeded")
    assert [one["title"] for one in tenant.executions.values()] == ["inside"]


def test_a_close_is_told_only_if_asked_for(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """A second workflow, which asks, proves that it was the trigger."""
    tenant.add_workflow(receiver.url, TOKEN, title="quiet", on_close=False)
    tenant.add_workflow(receiver.url, TOKEN, title="all")
    tenant.close_problem(tenant.open_problem(process))
    done(tenant, 3)
    titles = sorted(one["title"] for one in tenant.executions.values())
    assert titles == ["all", "all", "quiet"]


def test_the_analysis_is_waited_for_unless_it_is_not(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Who does not wait gets a record that says so; what closes meanwhile is told neither way."""
    tenant.switches.analysis_seconds = 600.0
    tenant.add_workflow(receiver.url, TOKEN, title="early")
    tenant.add_workflow(receiver.url, TOKEN, title="late", analysisReady=True)
    tenant.close_problem(tenant.open_problem(process))
    done(tenant, 2)
    assert {one["title"] for one in tenant.executions.values()} == {"early"}
    assert receiver.bodies()[0]["dt.analysis.ready"] is False


def test_what_closes_before_its_analysis_is_never_told_as_open(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Nor by a workflow that is not told of what closes."""
    tenant.switches.analysis_seconds = 0.2
    tenant.add_workflow(receiver.url, TOKEN, on_close=False, analysisReady=True)
    tenant.close_problem(tenant.open_problem(process))
    later = tenant.open_problem(process)
    assert done(tenant) == ["SUCCESS"]
    assert [one["event.id"] for one in receiver.bodies()] == [later.problem_id]


def test_a_problem_is_told_on_request(tenant: Tenant, process: str, receiver: Receiver) -> None:
    """As often as asked, with the state that is asked for."""
    problem = tenant.open_problem(process)
    tenant.add_workflow(receiver.url, TOKEN)
    sent = tenant.notify(problem, "RESOLVED", times=2)
    assert [(one.state, one.status) for one in sent] == [("RESOLVED", 202)] * 2
    assert [one["event.status"] for one in receiver.bodies()] == ["CLOSED"] * 2


def test_a_host_that_is_not_allowed_is_not_called(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Nothing is sent, and the execution says why."""
    tenant.add_workflow(receiver.url, TOKEN)
    value = {"allowedOutboundConnections": {"enforced": True, "hostList": ["*.example.com"]}}
    tenant.put_settings(OUTBOUND, value)
    tenant.open_problem(process)
    assert done(tenant) == ["ERROR"]
    [execution] = tenant.executions.values()
    assert "127.0.0.1 is not allowed" in execution["tasks"]["tell_salt"]["stateInfo"]
    assert receiver.taken == []


@pytest.mark.parametrize("missing", ["entry", "scope"])
def test_a_credential_must_be_there_for_functions(
    tenant: Tenant, process: str, receiver: Receiver, missing: str
) -> None:
    """A deleted entry, and one for other users."""
    tenant.add_workflow(receiver.url, TOKEN)
    [entry_id] = tenant.vault
    if missing == "entry":
        del tenant.vault[entry_id]
    else:
        tenant.vault[entry_id]["scopes"] = ["SYNTHETIC"]
    tenant.open_problem(process)
    assert done(tenant) == ["ERROR"]
    assert receiver.taken == []


def test_a_refusing_listener_fails_the_task_and_is_asked_again(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """As often as the task's retry says."""
    receiver.status, tenant.switches.workflow_second = 503, 0.001
    workflow = tenant.workflows[tenant.add_workflow(receiver.url, TOKEN)]
    workflow["tasks"]["tell_salt"]["retry"] = {"count": 2, "delay": 30}
    tenant.open_problem(process)
    assert done(tenant) == ["ERROR"]
    assert len(receiver.taken) == 3
    assert [one.status for one in tenant.deliveries] == [503] * 3


def test_a_field_that_is_not_there_fails_the_task(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """`event().get` does not."""
    workflow = tenant.workflows[tenant.add_workflow(receiver.url, TOKEN)]
    given = workflow["tasks"]["tell_salt"]["input"]
    given["payload"] = '{"id": "{{ event()["event.id"] }}", "x": "{{ event()["nothing"] }}"}'
    problem = tenant.open_problem(process)
    assert done(tenant) == ["ERROR"]
    given["payload"] = '{"id": "{{ event()["event.id"] }}", "x": "{{ event().get("nothing") }}"}'
    tenant.close_problem(problem)
    done(tenant, 2)
    assert receiver.bodies() == [{"id": problem.problem_id, "x": "None"}]


def test_the_faults_of_notifications_strike_workflows(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """One is lost, one comes twice."""
    tenant.add_workflow(receiver.url, TOKEN)
    tenant.fault("lost_notification")
    problem = tenant.open_problem(process)
    tenant.wait_for("notification lost")
    tenant.fault("duplicate_notification")
    tenant.close_problem(problem)
    done(tenant, 2)
    assert [one["event.status"] for one in receiver.bodies()] == ["CLOSED"] * 2


def test_an_inactive_workflow_does_nothing(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Nor one that is not deployed."""
    for title in ("off", "undeployed", "all"):
        tenant.add_workflow(receiver.url, TOKEN, title=title)
    by_title = {one["title"]: one for one in tenant.workflows.values()}
    by_title["off"]["trigger"]["eventTrigger"]["isActive"] = False
    by_title["undeployed"]["isDeployed"] = False
    tenant.open_problem(process)
    tenant.wait_for("workflow succeeded")
    assert [one["title"] for one in tenant.executions.values()] == ["all"]


def test_executions_are_listed_and_started_by_hand(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Each scope for itself."""
    workflow_id = tenant.add_workflow(receiver.url, TOKEN)
    problem = tenant.open_problem(process)
    done(tenant)
    base = "/platform/automation/v1"
    client = on_platform(tenant, "automation:workflows:read", "automation:workflows:run")
    [execution] = client.get(f"{base}/executions", workflow=workflow_id).json()["results"]
    assert (execution["state"], execution["title"]) == ("SUCCESS", "Salt")
    assert execution["params"]["event"]["event.id"] == problem.problem_id
    one = f"{base}/executions/{execution['id']}"
    assert client.get(one).json() == execution
    assert client.get(f"{one}/tasks").json()["tell_salt"]["result"] == {"status_code": 202}
    body = {"params": {"event": {"event.id": "x"}}}
    ran = client.call("POST", f"{base}/workflows/{workflow_id}/run", body)
    assert (ran.status_code, ran.json()["state"]) == (201, "SUCCESS")
    assert receiver.bodies()[-1] == {"event.id": "x"}
    assert client.get(f"{base}/executions", state="ERROR").json()["count"] == 0
    assert client.get(f"{base}/executions/none").status_code == 404
    reader = on_platform(tenant, "automation:workflows:read")
    assert reader.call("POST", f"{base}/workflows/{workflow_id}/run", {}).status_code == 403
    tenant.check()


def test_a_workflow_of_the_api_runs(tenant: Tenant, process: str, receiver: Receiver) -> None:
    """Made as a client makes it, replaced, and taken away."""
    base = "/platform/automation/v1/workflows"
    made = tenant.workflows.pop(tenant.add_workflow(receiver.url, TOKEN))
    body = {name: made[name] for name in ("title", "tasks", "trigger")}
    scopes = ("automation:workflows:read", "automation:workflows:write")
    writer = on_platform(tenant, *scopes)
    workflow_id = writer.call("POST", base, body).json()["id"]
    problem = tenant.open_problem(process)
    assert done(tenant) == ["SUCCESS"]
    assert writer.get(base, search="sALT").json()["count"] == 1
    assert writer.get(base, search="other").json()["count"] == 0
    assert writer.call("PUT", f"{base}/{workflow_id}", {"title": "Bare"}).json()["tasks"] == {}
    assert writer.call("DELETE", f"{base}/{workflow_id}").status_code == 204
    tenant.close_problem(problem)
    assert len(tenant.executions) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x" * 201},
        {"title": ""},
        {"tasks": {"a b": {"name": "a b", "action": "a:b", "position": {"x": 0, "y": 1}}}},
    ],
)
def test_a_workflow_is_checked(tenant: Tenant, change: dict[str, Any]) -> None:
    """Its title, and the names of its tasks."""
    writer = on_platform(tenant, "automation:workflows:write")
    body = {"title": "One", **change}
    assert writer.call("POST", "/platform/automation/v1/workflows", body).status_code == 400

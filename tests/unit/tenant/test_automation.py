"""
Workflows, the credential vault, and the schemas that only some tenants have.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.tenant import Tenant
from tests.tenant.newer_schemas import NEWER_WINDOW
from tests.tenant.schemas import NOTIFICATION, PROFILE
from tests.unit.tenant.conftest import Client, on_platform

AUTOMATION = "/platform/automation/v1"
GATEWAY = "/platform/classic/environment-api/v2"
VALUE: dict[str, Any] = {"categories": {"availability": True}, "entityTags": {}}
TRIGGER = {"type": "davis-problem", "value": VALUE}


def writer(tenant: Tenant) -> Client:
    return on_platform(tenant, "automation:workflows:read", "automation:workflows:write")


def workflow(**more: Any) -> dict[str, Any]:
    task = {"name": "tell", "action": "a:b", "position": {"x": 0, "y": 1}}
    event = {"isActive": True, "triggerConfiguration": TRIGGER}
    return {"title": "One", "tasks": {"tell": task}, "trigger": {"eventTrigger": event}, **more}


def test_a_workflow_is_made_changed_and_deleted(tenant: Tenant) -> None:
    """A change replaces what is sent and nothing else; the server adds keys of its own."""
    client = writer(tenant)
    made = client.call("POST", f"{AUTOMATION}/workflows", workflow(description="ours"))
    assert made.status_code == 201
    one = f"{AUTOMATION}/workflows/{made.json()['id']}"
    assert made.json()["isPrivate"] is True
    assert client.call("PATCH", one, {"title": "Two", "isPrivate": False}).status_code == 200
    found = client.get(one).json()
    assert (found["title"], found["description"], found["isPrivate"]) == ("Two", "ours", False)
    assert found["version"] == 2
    assert "last_reopen_timestamp" in found["trigger"]["eventTrigger"]["uniqueExpression"]
    assert client.get(f"{AUTOMATION}/workflows").json() == {"count": 1, "results": [found]}
    assert client.call("DELETE", one).status_code == 204
    assert client.get(one).status_code == 404
    tenant.check()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"maintenanceWindowTriggerBehavior": "always"}, "not permitted"),
        ({"categories": ["error"]}, "`categories` must be a dictionary"),
        ({"entityTags": []}, "`entityTags` must be a dictionary"),
    ],
)
def test_a_trigger_that_the_tenant_does_not_take_is_a_400(
    tenant: Tenant, value: Any, message: str
) -> None:
    """From the preview as from the workflow itself."""
    tenant.switches.trigger_takes = ("analysisReady",)
    client = writer(tenant)
    trigger = {**TRIGGER, "value": {**VALUE, **value}}
    event = {"isActive": True, "triggerConfiguration": trigger}
    for path, body in (
        ("event-triggers/filter-preview", {"triggerConfiguration": trigger}),
        ("workflows", workflow(trigger={"eventTrigger": event})),
    ):
        answer = client.call("POST", f"{AUTOMATION}/{path}", body)
        assert answer.status_code == 400
        assert message in str(answer.json()["error"]["details"])
    assert tenant.workflows == {}
    fine = {"triggerConfiguration": {**TRIGGER, "value": {**VALUE, "analysisReady": False}}}
    answer = client.call("POST", f"{AUTOMATION}/event-triggers/filter-preview", fine)
    assert "availability" in answer.json()["filterQuery"]


def test_automation_is_on_the_platform_alone(tenant: Tenant) -> None:
    """A classic token opens nothing there."""
    assert Client(tenant, tenant.add_token()).get(f"{AUTOMATION}/workflows").status_code == 403
    refused = on_platform(tenant, "automation:workflows:read").call(
        "POST", f"{AUTOMATION}/workflows", workflow()
    )
    assert refused.json()["error"]["details"] == {"missingScopes": ["automation:workflows:write"]}


def test_a_token_of_the_vault_never_comes_back(tenant: Tenant) -> None:
    """It can be replaced, with all of its entry."""
    scopes = ("environment-api:credentials:read", "environment-api:credentials:write")
    client = on_platform(tenant, *scopes)
    entry = {"name": "one", "type": "TOKEN", "token": "s3cret", "scopes": ["APP_ENGINE"]}
    made = client.call("POST", f"{GATEWAY}/credentials", entry)
    assert made.status_code == 201
    [shown] = client.get(f"{GATEWAY}/credentials", type="TOKEN").json()["credentials"]
    assert shown["name"] == "one"
    assert "token" not in shown
    one = f"{GATEWAY}/credentials/{made.json()['id']}"
    assert client.call("PUT", one, {**entry, "token": "an0ther"}).status_code == 204
    assert tenant.vault[made.json()["id"]]["token"] == "an0ther"
    assert client.call("PUT", one, {**entry, "token": ""}).status_code == 400
    assert client.call("DELETE", one).status_code == 204
    assert client.call("DELETE", one).status_code == 404


def test_a_tenant_tells_which_schemas_it_has(tenant: Tenant) -> None:
    """What it lacks is not there for any call."""
    tenant.switches.lacks_schemas = frozenset({NOTIFICATION, PROFILE})
    client = on_platform(tenant, "settings:objects:read", "settings:schemas:read")
    answer = client.get(f"{GATEWAY}/settings/schemas").json()
    names = {one["schemaId"] for one in answer["items"]}
    assert names.isdisjoint({NOTIFICATION, PROFILE})
    assert NEWER_WINDOW in names
    assert answer["totalCount"] == len(names)
    objects = client.get(f"{GATEWAY}/settings/objects", schemaIds=NOTIFICATION)
    assert objects.status_code == 404
    refused = on_platform(tenant, "settings:objects:read").get(f"{GATEWAY}/settings/schemas")
    assert refused.json()["error"]["details"] == {"missingScopes": ["settings:schemas:read"]}


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"filter": 'matchesValue(dt.entity.host, "HOST-0000000000000001")'}, True),
        ({"filter": "host is web01"}, False),
        ({"filter": "x" * 501}, False),
        ({"schedule": {"duration": 0}}, False),
        ({"suppression": "DONT_DETECT_PROBLEMS"}, False),
    ],
)
def test_a_newer_window_keeps_to_its_schema(tenant: Tenant, change: Any, good: bool) -> None:
    """It has a filter, and knows no suppression."""
    schedule = {
        "duration": 30,
        "timezone": "UTC",
        "trigger": {"type": "once", "once": {"date": "2026-11-27T08:00:00"}},
    }
    window = {"name": "one", "enabled": True, "autoDelete": True, "filter": "true"}
    schedule.update(change.pop("schedule", {}))
    body = [
        {
            "schemaId": NEWER_WINDOW,
            "scope": "environment",
            "value": {**window, "schedule": schedule, **change},
        }
    ]
    client = on_platform(tenant, "settings:objects:write", "settings:objects:read")
    answer = client.call("POST", f"{GATEWAY}/settings/objects", body)
    assert (answer.status_code == 200) is good, answer.text

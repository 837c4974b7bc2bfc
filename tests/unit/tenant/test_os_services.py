"""
OS services: what a host tells of them, which policy decides, and what it raises.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.tenant import Tenant
from tests.tenant.conditions import ConditionError, parse_condition
from tests.tenant.schemas import OS_SERVICES
from tests.unit.tenant.conftest import Client
from tests.unit.tenant.settings import changed, post, violations

DOWN = "$or($eq(inactive),$eq(failed))"
NAMED = {"salt_remedy": "nginx", "dt.osservice.name": "{dt.osservice.name}"}


@pytest.fixture
def host(tenant: Tenant) -> str:
    return tenant.add_host("web01.example.com", group="web")


def services(client: Client, host: str) -> Any:
    answer = client.get(f"/api/v2/entities/{host}", fields="+properties.osServices").json()
    return answer["properties"]["osServices"]


def properties(client: Client, problem: Any) -> dict[str, str]:
    """
    Return the properties of the one event of a problem.
    """
    body = client.problem(problem, fields="evidenceDetails").json()
    [event] = [one for one in body["evidenceDetails"]["details"] if one["evidenceType"] == "EVENT"]
    assert event["eventType"] == "AVAILABILITY_EVENT"
    return {one["key"]: one["value"] for one in event["data"]["properties"]}


def test_a_host_tells_of_its_services_in_three_forms(
    tenant: Tenant, client: Client, host: str
) -> None:
    """Every value is a text, booleans too; the process is told while the unit runs."""
    process = tenant.add_process(host, "nginx", "NGINX")
    tenant.add_os_service(host, "nginx", process, path="/usr/sbin/nginx")
    tenant.add_os_service(host, "cron", form="short", display_name="Cron")
    tenant.add_os_service(host, "rsync", form="text")
    whole, short, text = services(client, host)
    assert whole == {
        "dt.osservice.name": "nginx",
        "dt.osservice.display_name": "nginx",
        "dt.osservice.startup_type": "enabled",
        "dt.osservice.path": "/usr/sbin/nginx",
        "dt.osservice.status": "active",
        "dt.osservice.alerting": "true",
        "dt.entity.process_group_instance": process,
    }
    assert (len(short), short["dt.osservice.display_name"], text) == (3, "Cron", "rsync")
    tenant.set_os_service_status(host, "nginx", "inactive")
    down = services(client, host)[0]
    assert down["dt.osservice.status"] == "inactive"
    assert "dt.entity.process_group_instance" not in down
    tenant.set_os_service_status(host, "nginx", "active")
    assert services(client, host)[0] == whole


def test_an_os_service_is_an_entity_on_its_host(tenant: Tenant, client: Client, host: str) -> None:
    """Its id is taken by the API, and adding it again changes the entity that is there."""
    service = tenant.add_os_service(host, "nginx")
    assert tenant.add_os_service(host, "nginx", status="failed") == service
    body = client.get(f"/api/v2/entities/{service}").json()
    assert body["type"] == "OS:SERVICE"
    assert (body["properties"]["name"], body["properties"]["status"]) == ("nginx", "failed")
    assert body["fromRelationships"] == {"runsOn": [{"id": host, "type": "HOST"}]}
    assert tenant.os_service(host, "nginx") == service
    assert len(services(client, host)) == 1
    assert tenant.problems == []


@pytest.mark.parametrize("about", ["service", "host"])
def test_a_policy_raises_a_problem_about_a_unit_that_is_down(
    tenant: Tenant, client: Client, host: str, about: str
) -> None:
    """With its metadata among the properties; it closes when the unit is back."""
    tenant.switches.os_service_events_on = about
    service = tenant.add_os_service(host, "nginx", tenant.add_process(host, "nginx", "NGINX"))
    assert tenant.set_os_service_status(host, "nginx", "failed") is None
    tenant.os_service_policy("Web", "$eq(nginx)", DOWN, NAMED)
    problem = tenant.set_os_service_status(host, "nginx", "inactive")
    assert problem is not None
    assert (problem.severity, problem.impact) == ("AVAILABILITY", "INFRASTRUCTURE")
    assert problem.affected == [service if about == "service" else host]
    told = properties(client, problem)
    assert (told["salt_remedy"], told["dt.osservice.name"]) == ("nginx", "nginx")
    assert tenant.set_os_service_status(host, "nginx", "failed") is problem
    tenant.set_os_service_status(host, "nginx", "active")
    assert problem.status == "CLOSED"
    again = tenant.set_os_service_status(host, "nginx", "failed")
    assert again not in (None, problem)


def test_what_a_policy_does_not_say_is_not_told(tenant: Tenant, client: Client, host: str) -> None:
    """No metadata, no name of the unit; a placeholder that cannot be filled takes its key with it."""
    tenant.add_os_service(host, "nginx")
    bad = {
        "a": "{dt.osservice.manufacturer}",
        "b": "is {dt.osservice.status}",
        "dt.event.title": "x",
    }
    tenant.os_service_policy("Web", "$eq(nginx)", metadata=bad)
    problem = tenant.set_os_service_status(host, "nginx", "failed")
    assert problem is not None
    told = properties(client, problem)
    assert told["b"] == "is failed"
    assert problem.title == "x"
    assert {"a", "dt.osservice.name"}.isdisjoint(told)


def test_the_first_policy_of_the_closest_scope_decides_alone(tenant: Tenant, host: str) -> None:
    """Whatever one behind it would say; one that is off or about others is passed over."""
    group = tenant.entities[host].links["isInstanceOf"][0]
    tenant.add_os_service(host, "nginx")

    def named() -> str | None:
        found = tenant.os_policy(host, "nginx")
        return found.value["name"] if found else None

    assert named() is None
    tenant.default_os_policies()
    assert named() == "Auto-start Linux OS Services"
    assert tenant.set_os_service_status(host, "nginx", "inactive") is None
    tenant.os_service_policy("last", "$prefix(ng)")
    assert named() == "Auto-start Linux OS Services"
    tenant.os_service_policy("first", "$prefix(ng)", first=True)
    assert named() == "first"
    tenant.os_service_policy("group", "$suffix(inx)", scope=group)
    assert named() == "group"
    tenant.os_service_policy("off", "$eq(nginx)", scope=host, enabled=False)
    tenant.os_service_policy("other", "$contains(apache)", scope=host)
    assert named() == "group"
    tenant.os_service_policy("silent", "$not($eq(cron))", scope=host, alerting=False)
    assert named() == "silent"
    assert tenant.set_os_service_status(host, "nginx", "failed") is None


def test_the_cycles_of_a_policy_pass_before_it_raises(tenant: Tenant, host: str) -> None:
    """What is back before that was no outage."""
    tenant.switches.os_service_cycle = 0.05
    tenant.add_os_service(host, "nginx")
    tenant.os_service_policy("Web", "$eq(nginx)", alertActivationDuration=2)
    assert tenant.set_os_service_status(host, "nginx", "failed") is None
    opened = tenant.wait_for("problem opened")
    seen = tenant.wait_for("os service seen")
    assert opened.at - seen.at >= 0.09
    tenant.switches.os_service_cycle = 600
    tenant.set_os_service_status(host, "nginx", "active")
    assert [one.status for one in tenant.problems] == ["CLOSED"]
    assert tenant.set_os_service_status(host, "nginx", "failed") is None


@pytest.mark.parametrize("about", ["host", "service"])
def test_a_maintenance_window_of_the_host_covers_its_services(
    tenant: Tenant, host: str, about: str
) -> None:
    """As it covers its processes."""
    tenant.switches.os_service_events_on = about
    tenant.add_os_service(host, "nginx")
    tenant.os_service_policy("Web", "$eq(nginx)")
    tenant.maintenance(host)
    assert tenant.set_os_service_status(host, "nginx", "failed") is None
    assert tenant.wait_for("problem not raised").detail["reason"] == "maintenance window"


def test_the_monitor_tells_what_it_sees_of_a_unit(tenant: Tenant, host: str) -> None:
    """As a demo or a test on real systemd does."""
    status = ["active\n"]
    tenant.add_os_service(host, "nginx")
    tenant.os_service_policy("Web", "$eq(nginx)")
    tenant.watch_os_service(host, "nginx", lambda: status[0], interval=0.01)
    status[0] = "failed\n"
    tenant.wait_for("problem opened")
    status[0] = "active\n"
    tenant.wait_for("problem closed")


def test_a_process_availability_rule_tells_its_metadata(
    tenant: Tenant, client: Client, host: str
) -> None:
    """It is about the host, and names no process."""
    problem = tenant.raise_process_rule(host, "nginx", {"salt_remedy": "nginx"})
    told = properties(client, problem)
    assert told["Event source"] == "Process availability"
    assert told["Message"] == "Missing process matching rule nginx"
    assert told["salt_remedy"] == "nginx"
    assert problem.affected == [host]


def test_a_process_carries_what_tells_it_from_another(
    tenant: Tenant, client: Client, host: str
) -> None:
    """Several technologies, names of its own and of its group, tags, custom properties, a container."""
    process = tenant.add_process(
        host,
        "orders-api web01",
        ["PHP", "NGINX"],
        group="orders-api",
        tags=["salt_remedy:orders"],
        container="cart-1",
        custom={"salt_remedy": "orders"},
    )
    body = client.get(f"/api/v2/entities/{process}").json()
    known = body["properties"]
    assert [one["type"] for one in known["softwareTechnologies"]] == ["DOCKER", "PHP", "NGINX"]
    assert known["customPgMetadata"] == [{"key": "salt_remedy", "value": "orders"}]
    assert {"key": "CONTAINER_NAME", "value": "cart-1"} in known["metadata"]
    assert body["tags"][0]["value"] == "orders"
    [group] = body["fromRelationships"]["isInstanceOf"]
    assert tenant.entities[group["id"]].name == "orders-api"


POLICY = {
    "enabled": True,
    "system": "LINUX",
    "name": "Web",
    "alerting": True,
    "monitoring": False,
    "alertActivationDuration": 1,
    "statusConditionLinux": "$not($eq(active))",
    "detectionConditionsLinux": [{"property": "ServiceName", "condition": "$eq(a~(b~))"}],
    "metadata": [{"metadataKey": "salt_remedy", "metadataValue": "nginx"}],
}
RULE = "detectionConditionsLinux/0"


@pytest.mark.parametrize(
    ("path", "new", "where", "words"),
    [
        ("name", None, "name", "required NonNull"),
        ("system", "AIX", "system", "not a valid value"),
        ("statusConditionLinux", None, "statusConditionLinux", "must be given where alerting"),
        ("statusConditionLinux", "failed", "statusConditionLinux", "an operator is missing"),
        ("statusConditionLinux", "$eq(dead)", "statusConditionLinux", "dead is none of reloading"),
        ("system", "WINDOWS", "statusConditionLinux", "must not be set"),
        (f"{RULE}/property", "Path", f"{RULE}/property", "not a valid value"),
        (f"{RULE}/condition", "$eq(a", f"{RULE}/condition", "')' is missing at position 5"),
        (f"{RULE}/condition", "$is(a)", f"{RULE}/condition", "an operator is missing"),
        (f"{RULE}/condition", "$eq(a)x", f"{RULE}/condition", "unexpected 'x'"),
        (f"{RULE}/condition", "$eq()", f"{RULE}/condition", "a text is missing"),
        ("metadata/0/metadataKey", "", "metadata/0/metadataKey", "between 1 and"),
        ("alertActivationDuration", 0, "alertActivationDuration", "must be between 1"),
    ],
)
def test_a_wrong_policy_is_refused(
    tenant: Tenant, path: str, new: Any, where: str, words: str
) -> None:
    """With the path of what is wrong."""
    client = Client(tenant, tenant.add_token(["settings.write"]))
    with client.session:
        assert post(client, OS_SERVICES, POLICY, validateOnly="true").ok
        answer = post(client, OS_SERVICES, changed(POLICY, path, new))
        found = violations(answer)
    assert words in found[f"{OS_SERVICES}/0/{where}"]
    assert tenant.settings_objects(OS_SERVICES) == []


@pytest.mark.parametrize(
    ("text", "fits", "not_"),
    [
        ("$eq(a~(b~)~~)", ["a(b)~"], ["a(b)", "A(B)~"]),
        ("$prefix(app-)", ["app-", "app-x"], ["xapp-", "App-x"]),
        ("$suffix(-x)", ["a-x"], ["-xa"]),
        ("$contains(b)", ["abc"], ["ac"]),
        ("$and($prefix(a),$suffix(b))", ["ab", "a1b"], ["a", "b"]),
        ("$or($eq(a),$and($eq(b),$not($eq(c))))", ["a", "b"], ["c"]),
        ("$match(.*)", [], ["a"]),
    ],
)
def test_a_condition_fits(text: str, fits: list[str], not_: list[str]) -> None:
    """As its operators say."""
    condition = parse_condition(text)
    assert [one for one in [*fits, *not_] if condition.fits(one)] == fits


@pytest.mark.parametrize(
    "text", ["", "$eq", "$not($eq(a),$eq(b))", "$or()", "$or($eq(a),)", "$eq(~)"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    """With the place where it stops being one."""
    with pytest.raises(ConditionError, match="at position"):
        parse_condition(text)


def test_objects_of_an_ordered_schema_go_where_a_call_says(tenant: Tenant) -> None:
    """Behind another one, first or last; one of another schema or scope is no place."""
    client = Client(tenant, tenant.add_token(["settings.read", "settings.write"]))
    path = "/api/v2/settings/objects"

    def put(name: str, **more: Any) -> Any:
        item = {"schemaId": OS_SERVICES, "scope": "environment", "value": {**POLICY, "name": name}}
        return client.call("POST", path, [{**item, **more}]).json()[0]

    def names() -> list[str]:
        items = client.get(path, schemaIds=OS_SERVICES).json()["items"]
        return [one["value"]["name"] for one in items]

    with client.session:
        one, two = put("one")["objectId"], put("two")["objectId"]
        put("zero", insertAfter="")
        put("half", insertAfter=one)
        assert names() == ["zero", "one", "half", "two"]
        body = {"value": {**POLICY, "name": "two"}, "insertAfter": ""}
        assert client.call("PUT", f"{path}/{two}", body).ok
        assert names() == ["two", "zero", "one", "half"]
        assert put("x", insertAfter="unknown")["code"] == 400
        profile = tenant.settings_objects()[0].object_id
        assert put("x", insertAfter=profile)["code"] == 400
        rule = {"name": "x", "severityRules": [], "eventFilters": []}
        item = {"schemaId": "builtin:alerting.profile", "scope": "environment", "value": rule}
        answer = client.call("POST", path, [{**item, "insertAfter": ""}]).json()[0]
        assert "is not ordered" in answer["error"]["message"]
        assert names() == ["two", "zero", "one", "half"]

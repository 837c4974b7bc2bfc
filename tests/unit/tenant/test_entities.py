"""
Entities: relationships, selectors, fields, windows.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client

_LIST = "/api/v2/entities"


def _ids(client: Client, selector: str, **query: Any) -> list[str]:
    answer = client.get(_LIST, entitySelector=selector, **query)
    assert answer.ok, answer.text
    return [one["entityId"] for one in answer.json()["entities"]]


def test_relationships_are_seen_from_both_ends(tenant: Tenant, client: Client) -> None:
    """Process, group, host and service point at each other as documented."""
    hosts = [tenant.add_host(f"web0{number}.example.com") for number in (1, 2)]
    processes = [tenant.add_process(host) for host in hosts]
    service = tenant.add_service(processes)

    def ends(entity: str, side: str) -> dict[str, list[str]]:
        body = client.get(f"{_LIST}/{entity}").json()[side]
        return {name: [end["id"] for end in found] for name, found in body.items()}

    group = ends(processes[0], "fromRelationships")["isInstanceOf"][0]
    assert ends(processes[0], "fromRelationships")["isProcessOf"] == [hosts[0]]
    assert ends(processes[0], "toRelationships") == {"runsOnProcessGroupInstance": [service]}
    assert ends(group, "fromRelationships") == {"runsOn": hosts}
    assert ends(group, "toRelationships") == {"isInstanceOf": processes, "runsOn": [service]}
    assert ends(service, "fromRelationships") == {
        "runsOn": [group],
        "runsOnHost": hosts,
        "runsOnProcessGroupInstance": processes,
    }
    assert ends(hosts[0], "toRelationships") == {
        "isProcessOf": [processes[0]],
        "runsOn": [group],
        "runsOnHost": [service],
    }


def test_a_host_has_documented_properties_and_its_own(tenant: Tenant, client: Client) -> None:
    """What Dynatrace knows of a host is a property, all else custom metadata."""
    host = tenant.add_host(
        "web01",
        detected_name="web01.internal",
        ip=("192.0.2.1", "2001:db8::1"),
        dns_names=("www.example.com",),
        properties={"osType": "WINDOWS", "salt_minion": "web01"},
        host_id="HOST-5FD609AD6757BE7D",
    )
    assert host == "HOST-5FD609AD6757BE7D"
    body = client.get(f"{_LIST}/{host}").json()
    properties = body["properties"]
    assert (body["displayName"], properties["detectedName"]) == ("web01", "web01.internal")
    assert properties["ipAddress"] == ["192.0.2.1", "2001:db8::1"]
    assert properties["dnsNames"] == ["www.example.com"]
    assert properties["osType"] == "WINDOWS"
    assert properties["customHostMetadata"] == [{"key": "salt_minion", "value": "web01"}]


def test_processes_of_one_name_share_a_group_unless_told_otherwise(tenant: Tenant) -> None:
    """The group follows from name and technology, or is named."""
    host = tenant.add_host()
    one, two = tenant.add_process(host), tenant.add_process(tenant.add_host("web02"))
    other = tenant.add_process(host, group="blue")
    groups = [tenant.entities[each].links["isInstanceOf"][0] for each in (one, two, other)]
    assert groups[0] == groups[1] != groups[2]
    assert tenant.entities[groups[2]].name == "blue"
    again = tenant.add_process(host, group=groups[2])
    assert tenant.entities[again].links["isInstanceOf"] == [groups[2]]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ('type("HOST")', ["web01", "web010"]),
        ('type("HOST"),entityName("WEB01")', ["web01", "web010"]),
        ('type("HOST"),entityName.equals("web01")', ["web01"]),
        ('type("HOST"),entityName.startsWith("web010")', ["web010"]),
        ('type("HOST"),entityName.in("web01","db")', ["web01"]),
        ('type("HOST"),tag("[Environment]salt_minion:web01")', ["web01"]),
        ('type("HOST"),tag("[Environment]salt_minion:WEB01")', []),
        (r'type("HOST"),tag("a\:b:c:d")', ["web010"]),
        ('entityId("{web01}","{web010}")', ["web01", "web010"]),
        ('type("HOST"),toRelationships.isProcessOf(type("PROCESS_GROUP_INSTANCE"))', ["web01"]),
        ('type("HOST"),toRelationships.isProcessOf(entityId("{process}"))', ["web01"]),
        ('type("HOST"),toRelationships.isDiskOf(entityId("{process}"))', []),
    ],
)
def test_the_entity_selector_selects(
    tenant: Tenant, client: Client, selector: str, found: list[str]
) -> None:
    """Names match without case, tag values with it."""
    web01 = tenant.add_host("web01", tags=["[Environment]salt_minion:web01"])
    web010 = tenant.add_host("web010", tags=[r"a\:b:c:d"])
    process = tenant.add_process(web01)
    names = {web01: "web01", web010: "web010"}
    text = selector.replace("{web01}", web01).replace("{web010}", web010)
    text = text.replace("{process}", process)
    assert [names[one] for one in _ids(client, text)] == found


def test_process_groups_are_selected_by_technology_and_zone(tenant: Tenant, client: Client) -> None:
    """Both compare whole values, with their case; several values are one or the other."""
    host = tenant.add_host()
    groups = {}
    for name, technology in (("shop", "APACHE_HTTPD"), ("proxy", "NGINX"), ("own", None)):
        process = tenant.add_process(host, name, technology)
        [groups[name]] = tenant.entities[process].links["isInstanceOf"]
    tenant.entities[groups["shop"]].zones.append({"id": "1", "name": "Zone 1"})
    of = 'type("PROCESS_GROUP"),'
    assert _ids(client, of + 'softwareTechnologies("NGINX")') == [groups["proxy"]]
    either = _ids(client, of + 'softwareTechnologies("NGINX","APACHE_HTTPD")')
    assert set(either) == {groups["proxy"], groups["shop"]}
    assert _ids(client, of + 'softwareTechnologies("nginx")') == []
    assert _ids(client, of + 'mzName("Zone 1")') == [groups["shop"]]
    assert _ids(client, of + 'mzName("Zone")') == []


@pytest.mark.parametrize(
    "selector",
    [
        "",
        'entityName("web")',
        'type("HOST","SERVICE")',
        'type("HOST"),entityId("SERVICE-0000000000000000")',
        'type("HOST"),owner("me")',
        "type(HOST)",
        'type("HOST"',
        f'type("HOST"),entityName("{"x" * 2000}")',
    ],
)
def test_a_wrong_entity_selector_is_refused(client: Client, selector: str) -> None:
    """One type a query, and only documented criteria."""
    answer = client.get(_LIST, entitySelector=selector)
    assert answer.status_code == 400
    assert answer.json()["error"]["constraintViolations"][0]["path"] == "entitySelector"


def test_a_list_carries_little_unless_fields_ask_for_more(tenant: Tenant, client: Client) -> None:
    """Single properties and relationships can be asked for; the rest stays away."""
    host = tenant.add_host("web01")
    tenant.add_process(host)
    plain = client.get(_LIST, entitySelector='type("HOST")').json()["entities"][0]
    assert plain == {"entityId": host, "type": "HOST", "displayName": "web01"}
    fields = "+properties.detectedName,+properties.ipAddress,+tags,+toRelationships.isProcessOf"
    full = client.get(_LIST, entitySelector='type("HOST")', fields=fields).json()["entities"][0]
    assert set(full["properties"]) == {"detectedName", "ipAddress"}
    assert set(full["toRelationships"]) == {"isProcessOf"}
    assert full["tags"] == []
    tenant.switches.entity_type_key = False
    assert "type" not in client.get(_LIST, entitySelector='type("HOST")').json()["entities"][0]
    tenant.check()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("properties.detectedName", "must begin with '+'"),
        ("+properties.ipAddresses", "'ipAddresses' is not a valid property for type 'HOST'"),
        ("+nonsense", "not a valid field"),
    ],
)
def test_wrong_fields_are_refused(
    tenant: Tenant, client: Client, fields: str, message: str
) -> None:
    """A field has a leading plus and a name that the type knows."""
    host = tenant.add_host()
    for answer in (
        client.get(f"{_LIST}/{host}", fields=fields),
        client.get(_LIST, entitySelector='type("HOST")', fields=fields),
    ):
        assert answer.status_code == 400
        assert message in answer.json()["error"]["constraintViolations"][0]["message"]


def test_a_plus_that_is_not_encoded_arrives_as_a_blank(tenant: Tenant, client: Client) -> None:
    """It is refused, and `check` says why."""
    host = tenant.add_host()
    url = f"{tenant.url}{_LIST}/{host}?fields=+tags"
    headers = {"Authorization": f"Api-Token {client.token}"}
    assert requests.get(url, headers=headers, timeout=5).status_code == 400
    with pytest.raises(AssertionError, match="percent-encoded"):
        tenant.check()


def test_an_entity_that_was_not_active_lately_is_not_found(tenant: Tenant, client: Client) -> None:
    """The window is three days unless `from` says more, in the list and in the detail."""
    host = tenant.add_host("web01")
    tenant.last_seen(host, time.time() - 5 * 86400)
    assert client.get(f"{_LIST}/{host}").status_code == 404
    assert _ids(client, 'type("HOST")') == []
    tenant.entities[host].first_seen -= 30 * 86_400_000
    assert client.get(f"{_LIST}/{host}", from_="now-6d").status_code == 200
    assert _ids(client, 'type("HOST")', from_="now-6d") == [host]
    assert client.get(f"{_LIST}/HOST-1").status_code == 400


def test_a_cursor_of_entities_goes_with_nothing_not_even_fields(
    tenant: Tenant, client: Client
) -> None:
    """The fields of page one hold for all pages and must not be repeated."""
    tenant.switches.page_cap = 2
    for number in range(5):
        tenant.add_host(f"web{number}")
    query = {"entitySelector": 'type("HOST")', "fields": "+tags", "sort": "-name"}
    pages = client.walk(_LIST, "entities", **query)
    assert [one["displayName"] for page in pages for one in page] == [
        f"web{number}" for number in range(4, -1, -1)
    ]
    assert all("tags" in one for page in pages for one in page)
    tenant.check()
    key = client.get(_LIST, **query).json()["nextPageKey"]
    refused = client.get(_LIST, nextPageKey=key, fields="+tags")
    assert refused.json()["error"]["constraintViolations"][0]["path"] == "fields"

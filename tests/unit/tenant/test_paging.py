"""
Page walks: their rules, and what can go wrong in them.
"""

from __future__ import annotations

import base64

import pytest
import requests

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client

_LIST = "/api/v2/problems"


def test_120_problems_come_in_pages_of_50(tenant: Tenant, client: Client, process: str) -> None:
    """Every problem is on exactly one page, and the last page has no key."""
    raised = {tenant.open_problem(process).problem_id for _ in range(120)}
    pages = client.walk(_LIST, "problems", problemSelector='status("open")')
    assert [len(page) for page in pages] == [50, 50, 20]
    assert {one["problemId"] for page in pages for one in page} == raised
    first = client.problems().json()
    assert (first["totalCount"], first["pageSize"], first["warnings"]) == (120, 50, [])
    tenant.check()


def test_the_documented_page_sizes_hold_when_the_tenant_has_none_of_its_own() -> None:
    """50 unless asked, and 500 at most."""
    with Tenant(page_size=None) as tenant:
        process = tenant.add_process(tenant.add_host())
        for _ in range(60):
            tenant.open_problem(process)
        client = Client(tenant, tenant.add_token())
        assert len(client.display_ids()) == 50
        assert len(client.display_ids(pageSize=500)) == 60
        assert client.problems(pageSize=501).status_code == 400


@pytest.mark.parametrize("name", ["pageSize", "from", "problemSelector", "sort"])
def test_a_cursor_goes_with_no_other_parameter(
    tenant: Tenant, client: Client, process: str, name: str
) -> None:
    """The violation names the parameter, with the captured wording."""
    for _ in range(51):
        tenant.open_problem(process)
    key = client.problems().json()["nextPageKey"]
    answer = client.get(_LIST, **{"nextPageKey": key, name: "5"})
    violation = answer.json()["error"]["constraintViolations"][0]
    assert answer.status_code == 400
    assert violation["path"] == name
    assert violation["message"] == (
        "must not be used in combination with nextPageKey query parameter."
    )
    with pytest.raises(AssertionError, match=name):
        tenant.check()


def test_fields_go_with_the_cursor_and_hold_for_one_page(process: str, tenant: Tenant) -> None:
    """A page that is asked for without `fields` does not carry them, though page one did."""
    tenant.switches.page_cap = 1
    client = Client(tenant, tenant.add_token())
    for _ in range(3):
        tenant.open_problem(process)
    first = client.problems(fields="recentComments").json()
    assert "recentComments" in first["problems"][0]
    with_fields = client.problems(nextPageKey=first["nextPageKey"], fields="recentComments")
    assert "recentComments" in with_fields.json()["problems"][0]
    without = client.problems(nextPageKey=first["nextPageKey"]).json()
    assert "recentComments" not in without["problems"][0]
    tenant.check()


def test_a_cursor_freezes_the_window(tenant: Tenant, client: Client, process: str) -> None:
    """A problem that begins after page one is on no later page."""
    tenant.switches.page_cap = 2
    for _ in range(3):
        tenant.open_problem(process)
    key = client.problems(sort="startTime").json()["nextPageKey"]
    late = tenant.open_problem(process, start=tenant.problems[0].start / 1000 + 60)
    rest = client.problems(nextPageKey=key).json()
    assert late.display_id not in {one["displayId"] for one in rest["problems"]}
    assert len(rest["problems"]) == 1


def test_a_problem_that_closes_during_the_walk_is_missed_by_it(
    tenant: Tenant, client: Client, process: str
) -> None:
    """The walk is over keys, not over a snapshot."""
    tenant.switches.page_cap = 2
    for _ in range(4):
        tenant.open_problem(process)
    first = client.problems(problemSelector='status("open")').json()
    seen = {one["problemId"] for one in first["problems"]}
    unseen = [one for one in tenant.problems if one.problem_id not in seen]
    tenant.close_problem(unseen[0])
    rest = client.problems(nextPageKey=first["nextPageKey"]).json()["problems"]
    assert [one["problemId"] for one in rest] == [unseen[1].problem_id]


def test_a_cursor_expires_and_that_is_not_the_clients_fault(
    tenant: Tenant, client: Client, process: str
) -> None:
    """An old key is a 400 that `check` does not hold against the client."""
    tenant.switches.page_cap = 1
    tenant.open_problem(process), tenant.open_problem(process)
    key = client.problems().json()["nextPageKey"]
    tenant.switches.cursor_lifetime = -1
    assert client.problems(nextPageKey=key).status_code == 400
    tenant.check()


def test_an_altered_cursor_and_one_of_another_list_are_refused(
    tenant: Tenant, client: Client, process: str
) -> None:
    """Keys are opaque: they work unchanged and where they came from, or not at all."""
    tenant.switches.page_cap = 1
    tenant.open_problem(process), tenant.open_problem(process)
    key = client.problems().json()["nextPageKey"]
    raw = bytearray(base64.b64decode(key))
    raw[-1] ^= 1
    altered = base64.b64encode(bytes(raw)).decode()
    assert client.problems(nextPageKey=altered).status_code == 400
    assert client.get("/api/v2/entities", nextPageKey=key).status_code == 400


def test_a_cursor_must_be_percent_encoded(tenant: Tenant, process: str) -> None:
    """Keys hold characters that a URL does not take as they are."""
    tenant.switches.page_cap = 1
    tenant.open_problem(process), tenant.open_problem(process)
    client = Client(tenant, tenant.add_token())
    for _ in range(200):
        key = client.problems().json()["nextPageKey"]
        assert "=" in key
        if "+" in key:
            break
    url = f"{tenant.url}{_LIST}?nextPageKey={key}"
    headers = {"Authorization": f"Api-Token {client.token}"}
    assert requests.get(url, headers=headers, timeout=5).status_code == 400


@pytest.mark.parametrize("way", ["switch", "fault"])
def test_the_last_page_can_carry_a_null_key(
    tenant: Tenant, client: Client, process: str, way: str
) -> None:
    """Documentation says null, captures say absent; both can be had."""
    tenant.open_problem(process)
    assert "nextPageKey" not in client.problems().json()
    if way == "switch":
        tenant.switches.last_page_key = "null"
    else:
        tenant.fault("null_cursor")
    body = client.problems().json()
    assert "nextPageKey" in body and body["nextPageKey"] is None


def test_some_tenants_take_only_ten_a_page_with_fields(
    tenant: Tenant, client: Client, process: str
) -> None:
    """The 400 names pageSize; ten are accepted, and more without fields."""
    tenant.switches.fields_page_limit = 10
    for _ in range(12):
        tenant.open_problem(process)
    refused = client.problems(fields="recentComments", pageSize=11)
    assert refused.json()["error"]["constraintViolations"][0]["path"] == "pageSize"
    assert len(client.display_ids(fields="recentComments", pageSize=10)) == 10
    assert len(client.display_ids(fields="recentComments")) == 10
    assert len(client.display_ids(pageSize=50)) == 12
    tenant.check()


def test_a_problem_can_be_announced_before_it_is_listed(
    tenant: Tenant, client: Client, process: str
) -> None:
    """It appears after so many calls of the list; the detail may know it at once."""
    tenant.fault("notification_before_list", calls=2)
    problem = tenant.open_problem(process)
    assert client.problem(problem).status_code == 200
    assert [len(client.display_ids()) for _ in range(3)] == [0, 0, 1]
    tenant.fault("notification_before_list", calls=1, detail=True)
    hidden = tenant.open_problem(process)
    assert client.problem(hidden).status_code == 404
    client.problems()
    assert client.problem(hidden).status_code == 200

"""
The list and the detail of problems, over real HTTP.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client

_HOUR = 3600


def test_a_process_problem_has_the_shape_of_the_captured_one(
    tenant: Tenant, client: Client, process: str
) -> None:
    """All keys of a problem, its evidence and its event are there, and no host entity."""
    problem = tenant.open_problem(process)
    fields = "evidenceDetails,recentComments,impactAnalysis"
    body = client.problem(problem, fields=fields).json()
    assert set(body) == {
        *("problemId", "displayId", "title", "impactLevel", "severityLevel", "status"),
        *("affectedEntities", "impactedEntities", "rootCauseEntity", "managementZones"),
        *("entityTags", "problemFilters", "startTime", "endTime"),
        *("evidenceDetails", "recentComments", "impactAnalysis"),
    }
    assert (body["status"], body["endTime"]) == ("OPEN", -1)
    assert body["problemId"] == f"{problem.number}_{body['startTime']}V2"
    assert body["rootCauseEntity"]["entityId"]["type"] == "PROCESS_GROUP"
    availability, event = body["evidenceDetails"]["details"]
    assert availability["evidenceType"] == "AVAILABILITY_EVIDENCE"
    assert event["eventId"] + "V2" == body["problemId"]
    assert event["data"]["eventType"] == event["eventType"] == "PGI_UNAVAILABLE"
    assert "web01.example.com" in event["data"]["properties"][0]["value"]
    assert body["recentComments"] == {"totalCount": 0, "comments": []}


def test_fields_are_only_there_when_asked_for(tenant: Tenant, client: Client, process: str) -> None:
    """Without `fields` neither list nor detail carries evidence, impact or comments."""
    problem = tenant.open_problem(process)
    extra = {"evidenceDetails", "recentComments", "impactAnalysis"}
    assert not extra & set(client.problem(problem).json())
    assert not extra & set(client.problems().json()["problems"][0])
    listed = client.problems(fields="recentComments").json()["problems"][0]
    assert extra & set(listed) == {"recentComments"}


def test_problem_ids_may_begin_with_a_dash(tenant: Tenant, client: Client, process: str) -> None:
    """Of two problems one id is negative, and the detail is found by it."""
    both = [tenant.open_problem(process) for _ in range(2)]
    assert sorted(one.problem_id.startswith("-") for one in both) == [False, True]
    assert [client.problem(one).status_code for one in both] == [200, 200]


def test_a_service_problem_is_older_in_its_id_than_in_its_start(
    tenant: Tenant, client: Client, process: str
) -> None:
    """A service has SERVICES as impact, an impact, and no root cause by itself."""
    service = tenant.add_service([process])
    body = client.problem(tenant.open_problem(service), fields="impactAnalysis").json()
    assert int(body["problemId"].split("_")[1].removesuffix("V2")) < body["startTime"]
    assert (body["impactLevel"], body["severityLevel"]) == ("SERVICES", "ERROR")
    assert body["rootCauseEntity"] is None
    assert body["impactAnalysis"]["impacts"][0]["impactType"] == "SERVICE"


def test_the_root_cause_of_a_service_problem_can_be_a_process(
    tenant: Tenant, client: Client, process: str
) -> None:
    """Only the process that is the root cause has root-cause-relevant evidence."""
    service = tenant.add_service([process])
    problem = tenant.open_problem(service, root_cause=process)
    details = client.problem(problem, fields="evidenceDetails").json()["evidenceDetails"]["details"]
    relevant = {one["entity"]["entityId"]["id"] for one in details if one["rootCauseRelevant"]}
    assert relevant == {process}


def test_given_evidence_replaces_the_usual_one(
    tenant: Tenant, client: Client, process: str
) -> None:
    """An entity id stands for an event about it, a dictionary for itself, nothing for nothing."""
    problem = tenant.open_problem(process, evidence=[process, {"evidenceType": "NEW_KIND"}])
    bare = tenant.open_problem(process, evidence=[])
    shown = client.problem(problem, fields="evidenceDetails").json()["evidenceDetails"]
    assert [one["evidenceType"] for one in shown["details"]] == ["EVENT", "NEW_KIND"]
    empty = client.problem(bare, fields="evidenceDetails").json()["evidenceDetails"]
    assert empty == {"totalCount": 0, "details": []}


def test_an_entity_that_is_not_known_has_no_name(
    tenant: Tenant, client: Client, process: str
) -> None:
    """The stub of a forgotten entity holds its id only."""
    problem = tenant.open_problem(process)
    tenant.forget_entity(process)
    stub = client.problem(problem).json()["affectedEntities"][0]
    assert stub == {"entityId": {"id": process, "type": "PROCESS_GROUP_INSTANCE"}}


def test_tags_come_from_the_affected_entity_and_not_from_its_host(
    tenant: Tenant, client: Client
) -> None:
    """A tag without value has no `value`, a colon in a key is escaped, host tags stay away."""
    host = tenant.add_host(tags=["[Environment]salt_minion:web01"])
    process = tenant.add_process(host, tags=[r"[AWS]ACE\:CREATED-BY:ops", "lonely"])
    tags = client.problem(tenant.open_problem(process)).json()["entityTags"]
    assert tags == [
        {
            "context": "AWS",
            "key": "ACE:CREATED-BY",
            "value": "ops",
            "stringRepresentation": r"[AWS]ACE\:CREATED-BY:ops",
        },
        {"context": "CONTEXTLESS", "key": "lonely", "stringRepresentation": "lonely"},
    ]


def test_a_problem_closes_reopens_changes_merges_and_vanishes(
    tenant: Tenant, client: Client, process: str
) -> None:
    """The same id goes through all of its life."""
    problem, other = tenant.open_problem(process), tenant.open_problem(process)
    tenant.close_problem(problem)
    closed = client.problem(problem).json()
    assert closed["status"] == "CLOSED" and closed["endTime"] >= closed["startTime"]
    tenant.reopen_problem(problem)
    assert client.problem(problem).json()["endTime"] == -1
    tenant.update_problem(problem, title="Multiple problems", severity="ERROR", tags=["a:b"])
    changed = client.problem(problem).json()
    assert (changed["title"], changed["severityLevel"]) == ("Multiple problems", "ERROR")
    assert changed["entityTags"][0]["value"] == "b"
    tenant.merge_problem(problem, other)
    merged = client.problem(problem).json()
    assert merged["linkedProblemInfo"]["problemId"] == other.problem_id
    tenant.forget_problem(problem)
    assert client.problem(problem).status_code == 404
    with pytest.raises(ValueError, match="nonsense"):
        tenant.update_problem(other, nonsense=1)


def test_a_body_can_carry_what_nobody_knows_yet(
    tenant: Tenant, client: Client, process: str
) -> None:
    """`extra` is laid over the body, in list and detail."""
    problem = tenant.open_problem(process, severity="NEW_SEVERITY")
    tenant.update_problem(problem, extra={"k8s.cluster.name": ["blue"], "impactLevel": None})
    for body in (client.problem(problem).json(), client.problems().json()["problems"][0]):
        assert body["k8s.cluster.name"] == ["blue"]
        assert (body["severityLevel"], body["impactLevel"]) == ("NEW_SEVERITY", None)


def test_open_problems_older_than_from_are_listed(
    tenant: Tenant, client: Client, process: str
) -> None:
    """An open problem of last week is in the default window, a closed one is not."""
    week = time.time() - 7 * 24 * _HOUR
    still_open = tenant.open_problem(process, start=week)
    closed = tenant.open_problem(process, start=week)
    tenant.close_problem(closed)
    tenant.update_problem(closed, end=closed.start + 60_000)
    assert client.display_ids() == [still_open.display_id]
    assert len(client.display_ids(from_="now-8d")) == 2


@pytest.mark.parametrize(
    ("begin", "found"),
    [
        ("now-3h", True),
        ("now-90m", False),
        ("now-1d/d", True),
        ("now-1w", True),
        ("now-1M/M", True),
        ("now-1y/y", True),
        ("2021-01-25T05:57:01.123+01:00", True),
        ("2021-01-25 05:57", True),
        ("2021-01-25T05:57:01Z", True),
        ("1611550621123", True),
    ],
)
def test_from_takes_every_documented_format(
    tenant: Tenant, client: Client, process: str, begin: str, found: bool
) -> None:
    """A problem that began and ended two hours ago is listed only when `from` lies before."""
    problem = tenant.open_problem(process, start=time.time() - 2 * _HOUR)
    tenant.close_problem(problem)
    tenant.update_problem(problem, end=problem.start + 1000)
    assert bool(client.display_ids(from_=begin)) is found


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"from_": "yesterday"}, "from"),
        ({"from_": "now-2x"}, "from"),
        ({"to": "2021-13-45"}, "to"),
        ({"from_": "now", "to": "now-1h"}, "from"),
        ({"pageSize": 501}, "pageSize"),
        ({"pageSize": 0}, "pageSize"),
        ({"fields": "evidence"}, "fields"),
        ({"sort": "title"}, "sort"),
        ({"sort": "relevance"}, "sort"),
        ({"nextPageKey": "AQAN"}, "nextPageKey"),
        ({"problemSelector": "status(open"}, "problemSelector"),
        ({"problemSelector": 'status("open","closed")'}, "problemSelector"),
        ({"problemSelector": "status(open)"}, "problemSelector"),
        ({"problemSelector": 'status("broken")'}, "problemSelector"),
        ({"problemSelector": 'state("open")'}, "problemSelector"),
        ({"problemSelector": 'status("open"),'}, "problemSelector"),
        ({"problemSelector": 'status("open") displayId("P-1")'}, "problemSelector"),
        ({"problemSelector": 'text("a~b")'}, "problemSelector"),
        ({"problemSelector": f'text("{"x" * 31}")'}, "problemSelector"),
        ({"problemSelector": 'underMaintenance("true")'}, "problemSelector"),
        ({"entitySelector": 'tag("a")'}, "entitySelector"),
    ],
)
def test_a_wrong_parameter_is_a_constraint_violation(
    client: Client, query: dict[str, Any], path: str
) -> None:
    """The envelope names the parameter and its place, and `check` names the call."""
    answer = client.problems(**query)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (400, "Constraints violated.")
    violation = error["constraintViolations"][0]
    assert set(violation) == {"path", "message", "parameterLocation", "location"}
    assert (violation["path"], violation["parameterLocation"]) == (path, "QUERY")
    with pytest.raises(AssertionError, match=path):
        client.tenant.check()


def test_the_list_is_sorted_as_asked(tenant: Tenant, client: Client, process: str) -> None:
    """Several levels sort one after the other, without prefix means ascending."""
    now = time.time()
    for age, display_id in ((30, "P-1"), (20, "P-2"), (10, "P-3")):
        tenant.open_problem(process, start=now - age, display_id=display_id)
    tenant.close_problem(tenant.problems[1])
    assert client.display_ids(sort="startTime") == ["P-1", "P-2", "P-3"]
    assert client.display_ids(sort="+status,-startTime") == ["P-3", "P-1", "P-2"]
    assert client.display_ids(sort="-status,-startTime") == ["P-2", "P-3", "P-1"]


@pytest.mark.parametrize("wrong", ["P-24071", "999", "1_2", "1_2V3", "-_5V2"])
def test_what_is_no_problem_id_is_a_400_and_an_unknown_one_a_404(
    client: Client, wrong: str
) -> None:
    """The display id cannot be used in a path."""
    answer = client.get(f"/api/v2/problems/{wrong}")
    assert answer.status_code == 400
    assert answer.json()["error"]["constraintViolations"] == [
        {
            "path": "problemId",
            "message": "Invalid format.",
            "parameterLocation": "PATH",
            "location": None,
        }
    ]
    assert client.get("/api/v2/problems/-12_34V2").status_code == 404

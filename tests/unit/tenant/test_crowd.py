"""
What makes a tenant with thousands of problems quick changes none of its answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tenant import Tenant
from tests.tenant.crowd import KINDS, add_machines, host_id, open_problems
from tests.unit.tenant.conftest import Client

ALL = 'status("open")'


@pytest.fixture
def keeping() -> Iterator[Client]:
    """A tenant that makes each body once."""
    with Tenant(page_size=2, keep_bodies=True) as tenant:
        client = Client(tenant, tenant.add_token())
        with client.session:
            yield client
    tenant.check()


def _crowd(tenant: Tenant, count: int) -> list[str]:
    return [tenant.add_process(tenant.add_host(f"web{number}")) for number in range(count)]


def _bodies(client: Client) -> list[object]:
    problem, process = client.tenant.problems[0], client.tenant.problems[0].affected[0]
    fields = {"fields": "evidenceDetails"}
    entities = {"entitySelector": f'entityId("{process}")', "fields": "+properties,+tags"}
    return [
        client.problems(problemSelector=ALL, sort="+startTime", **fields).json(),
        client.problem(problem, **fields).json(),
        client.get("/api/v2/entities", **entities).json(),
        client.get(f"/api/v2/entities/{process}", fields="+properties").json(),
    ]


def _without_keys(bodies: list[object]) -> list[object]:
    # A key holds the time at which it was made.
    for body in bodies:
        assert isinstance(body, dict)
        body.pop("nextPageKey", None)
    return bodies


def test_kept_bodies_are_those_that_are_made_each_time(keeping: Client) -> None:
    """Lists and single bodies are the same with and without keeping them, at the first and the second time."""
    for process in _crowd(keeping.tenant, 3):
        keeping.tenant.open_problem(process)
    first, second = (_without_keys(_bodies(keeping)) for _ in range(2))
    keeping.tenant.switches.keep_bodies = False
    assert first == second == _without_keys(_bodies(keeping))


def test_a_kept_body_is_made_anew_when_its_problem_changes(keeping: Client) -> None:
    """A title and a comment that come later are seen."""
    tenant = keeping.tenant
    problem = tenant.open_problem(_crowd(tenant, 1)[0])
    assert keeping.problems(fields="recentComments").json()["problems"][0]["title"] == problem.title
    tenant.update_problem(problem, title="Another one")
    tenant.add_comment(problem, "seen")
    [body] = keeping.problems(fields="recentComments").json()["problems"]
    assert body["title"] == "Another one"
    assert body["recentComments"]["totalCount"] == 1


def test_a_walk_over_pages_sees_what_changes_meanwhile(client: Client, tenant: Tenant) -> None:
    """A problem that is closed, forgotten or opened behind the cursor changes the next page, as it always did."""
    tenant.switches.page_cap = 2
    processes = _crowd(tenant, 7)
    problems = [tenant.open_problem(one, start=1000 + n) for n, one in enumerate(processes[:6])]
    answer = client.problems(problemSelector=ALL, sort="+startTime").json()
    assert [one["displayId"] for one in answer["problems"]] == [p.display_id for p in problems[:2]]
    tenant.close_problem(problems[2])
    tenant.forget_problem(problems[3])
    late = tenant.open_problem(processes[6], start=1010)
    pages = []
    while key := answer.get("nextPageKey"):
        answer = client.problems(nextPageKey=key).json()
        pages.append([one["displayId"] for one in answer["problems"]])
    assert pages == [[problems[4].display_id, problems[5].display_id], [late.display_id]]


def test_selectors_by_id_give_what_exists_once(client: Client, tenant: Tenant) -> None:
    """Ids that are named twice or not known change nothing, and the other criteria still count."""
    processes = _crowd(tenant, 3)
    one, two, three = (tenant.open_problem(process) for process in processes)
    tenant.close_problem(three)
    ids = ",".join(f'"{p.problem_id}"' for p in (two, one, two, three))
    named = f'problemId({ids},"1_1V2")'
    assert set(client.display_ids(problemSelector=f"{ALL},{named}")) == {
        one.display_id,
        two.display_id,
    }
    wanted = ",".join(f'"{process}"' for process in [*processes[:2], processes[0]])
    unknown = "PROCESS_GROUP_INSTANCE-00000000000000FF"
    answer = client.get("/api/v2/entities", entitySelector=f'entityId({wanted},"{unknown}")').json()
    assert {entity["entityId"] for entity in answer["entities"]} == set(processes[:2])


def test_a_host_that_is_added_again_is_linked_again(client: Client, tenant: Tenant) -> None:
    """Its relations are those of the new entity."""
    host = tenant.add_host("web01")
    process = tenant.add_process(host)
    tenant.add_process(host, process_id=process)
    assert tenant.entities[process].links["isProcessOf"] == [host]


def test_a_limit_is_of_each_endpoint_and_is_counted(client: Client, tenant: Tenant) -> None:
    """Each answer tells the limit; calls beyond it are refused at that endpoint alone, and are in the record."""
    tenant.switches.calls_per_minute = 2
    problem = tenant.open_problem(_crowd(tenant, 1)[0])
    answers = [client.problems() for _ in range(3)] + [client.problem(problem)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"2"}
    assert [call.status for call in tenant.requests].count(429) == 1


def test_a_crowd_is_made_of_processes_on_hosts_of_their_own(tenant: Tenant, client: Client) -> None:
    """Each problem has the severity and the event of its kind, and evidence of its own process."""
    problems = open_problems(tenant, add_machines(tenant, 5), mixed=True)
    assert [one.severity for one in problems] == [*KINDS, "AVAILABILITY"]
    for number, problem in enumerate(problems):
        body = client.problem(problem, fields="evidenceDetails").json()
        [event] = [
            one for one in body["evidenceDetails"]["details"] if one["evidenceType"] == "EVENT"
        ]
        assert event["eventType"] == KINDS[problem.severity][0]
        process = tenant.entities[event["entity"]["entityId"]["id"]]
        assert process.links["isProcessOf"] == [host_id(number)]

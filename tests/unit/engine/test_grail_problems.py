"""
Problems by Grail: what the Problems API would tell, by one query a poll, and nothing closed by what is missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _dynatrace.api import grail_problems
from _dynatrace.api.client import Client
from _dynatrace.api.grail_problems import ABSENT_S, GrailProblems
from _dynatrace.api.rate_limiter import Kind
from _dynatrace.core.errors import (
    ApiError,
    AuthError,
    BadRequest,
    NotFound,
    Unavailable,
    UnexpectedResponse,
)
from _dynatrace.core.problem import Problem, summary

from tests.tenant import Problem as Opened
from tests.tenant import Tenant
from tests.unit.engine.bodies import PID
from tests.unit.engine.platform import READS, PlatformClient


@pytest.fixture
def platform(tenant: Tenant) -> PlatformClient:
    """
    A client that reads from Grail alone.
    """
    return PlatformClient(tenant, source="grail")


def opened(tenant: Tenant, count: int = 1, **more: Any) -> list[Opened]:
    """
    Open problems, each of a process of its own on one host.
    """
    host = tenant.add_host("web01.example.com")
    processes = [tenant.add_process(host, name=f"p{number}") for number in range(count)]
    return [tenant.open_problem(one, **more) for one in processes]


def one_of(found: dict[str, Problem | ApiError], problem_id: str) -> Problem:
    """
    Return a problem that was read.
    """
    problem = found[problem_id]
    assert isinstance(problem, Problem), problem
    return problem


def source_of(client: Client) -> GrailProblems:
    """
    Return what a client reads problems from.
    """
    source = client._problems
    assert isinstance(source, GrailProblems)
    return source


# -- as the Problems API tells -----------------------------------------------------------------------------------------


def test_a_problem_is_the_same_by_both_ways(
    tenant: Tenant, client: Client, platform: PlatformClient
) -> None:
    """
    One identity, and one evidence; Grail tells more of hosts, and of tags' and zones' origin less.
    """
    [own] = opened(tenant)
    by_api, by_grail = client.problem(own.problem_id), platform.problem(own.problem_id)
    assert by_grail.evidence
    assert by_grail.hosts == tuple(one.host for one in by_grail.evidence)
    assert by_grail.url != by_api.url
    told = {"url": None, "hosts": (), "host_names": (), "processes": (), "container": None}
    bare = replace(by_grail, **told, management_zones=by_api.management_zones)  # type: ignore[arg-type]
    bare = replace(bare, evidence=tuple(replace(one, host=None) for one in bare.evidence))
    # Beside the events the API has evidence of other kinds.
    events = tuple(one for one in by_api.evidence if one.event_type)
    assert bare == replace(by_api, url=None, evidence=events)


def test_the_list_shows_what_the_details_show(tenant: Tenant, platform: PlatformClient) -> None:
    """
    Else each problem would be read again at each poll.
    """
    opened(tenant, 3)
    for listed in platform.list_open().problems:
        assert summary(listed) == summary(platform.problem(listed.key))


def test_only_open_problems_are_listed(tenant: Tenant, platform: PlatformClient) -> None:
    """
    The closed ones come in the same result.
    """
    closed, own = opened(tenant, 2)
    tenant.close_problem(closed)
    listing = platform.list_open()
    assert [one.problem_id for one in listing.problems] == [own.problem_id]
    assert listing.unreadable == ()


def test_what_is_under_maintenance_comes_with_the_list(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    It costs no query.
    """
    held, _ = opened(tenant, 2)
    held.under_maintenance = True
    held.changed += 1
    assert platform.list_open().in_maintenance == {held.problem_id}
    assert platform.problem(held.problem_id).under_maintenance
    assert platform.calls() == ["/query:execute"] * 2


def test_a_problem_is_found_by_its_number(tenant: Tenant, platform: PlatformClient) -> None:
    """
    A number that nothing has, or that is none, finds nothing.
    """
    [own] = opened(tenant)
    found = platform.find_by_display_id(own.display_id)
    assert found is not None
    assert found.problem_id == own.problem_id
    assert platform.find_by_display_id("P-1") is None
    assert platform.find_by_display_id('" or true') is None
    assert platform.calls() == ["/query:execute"] * 2


# -- how much is asked -------------------------------------------------------------------------------------------------


def test_a_poll_is_one_query(tenant: Tenant, platform: PlatformClient) -> None:
    """
    However many problems are open.
    """
    opened(tenant, 40)
    for _ in range(3):
        platform.list_open()
    assert platform.calls() == ["/query:execute"] * 3


def test_new_problems_are_read_by_one_query_for_each_500(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    Their evidence is named by the list, and comes in the same query.
    """
    ids = [one.problem_id for one in opened(tenant, 30)]
    platform.list_open()
    assert platform.batch == 500
    found = platform.problems(ids)
    assert all(one_of(found, own_id).evidence for own_id in ids)
    assert platform.calls() == ["/query:execute"] * 2


def test_a_problem_that_was_not_listed_takes_a_query_for_its_evidence(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    Its record names it.
    """
    [own] = opened(tenant)
    assert platform.problem(own.problem_id).evidence
    assert platform.calls() == ["/query:execute"] * 2


def test_a_tenant_that_takes_no_long_query_is_asked_for_fewer(
    tenant: Tenant, platform: PlatformClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing is read one by one meanwhile.
    """
    ids = [one.problem_id for one in opened(tenant, 10)]
    grail = source_of(platform)._grail

    def refuse(text: str, kind: Kind) -> Any:
        raise BadRequest("the query is too long")

    monkeypatch.setattr(grail, "query", refuse)
    with pytest.raises(Unavailable, match="too long"):
        platform.problems(ids)
    assert platform.batch == 2


# -- what is missing ---------------------------------------------------------------------------------------------------


def test_a_closed_problem_is_found_by_id(tenant: Tenant, platform: PlatformClient) -> None:
    """
    So what vanished from the list is known to be closed.
    """
    [own] = opened(tenant)
    tenant.close_problem(own)
    assert not platform.problem(own.problem_id).is_open


def test_a_cut_list_is_not_whole(tenant: Tenant, platform: PlatformClient) -> None:
    """
    What it does not show may be open.
    """
    opened(tenant, 3)
    tenant.fault("grail_truncated", keep=1)
    listing = platform.list_open()
    assert len(listing.problems) == 1
    assert listing.unreadable == ("the result is not whole: API_RECORDS_LIMIT_ADDED",)


def test_cut_details_are_not_taken(tenant: Tenant, platform: PlatformClient) -> None:
    """
    Of a problem whose events were cut off it is not known what fails.
    """
    ids = [one.problem_id for one in opened(tenant, 3)]
    platform.list_open()
    tenant.fault("grail_truncated", keep=3)
    with pytest.raises(Unavailable, match="not whole"):
        platform.problems(ids)
    assert all(one_of(platform.problems(ids), own_id) for own_id in ids)


@pytest.mark.parametrize(
    "changes", [{"event.status": "NEW"}, {"event.id": "x"}, {"event.category": "a b"}]
)
def test_a_row_that_cannot_be_read_makes_the_list_incomplete(
    tenant: Tenant, platform: PlatformClient, changes: dict[str, Any]
) -> None:
    """
    The others are taken.
    """
    odd, own = opened(tenant, 2)
    odd.record.update(changes)
    odd.changed += 1
    listing = platform.list_open()
    assert [one.problem_id for one in listing.problems] == [own.problem_id]
    assert len(listing.unreadable) == 1


def test_an_open_problem_without_all_of_its_events_is_not_taken(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    Neither by itself nor among others; a closed one needs none.
    """
    odd, own = opened(tenant, 2)
    for event_ids in ([f"{number}_{odd.start}" for number in (1, 2)], ["x"], []):
        odd.record["dt.davis.event_ids"] = event_ids
        odd.changed += 1
        with pytest.raises(UnexpectedResponse, match="evidence is not whole"):
            platform.problem(odd.problem_id)
        found = platform.problems([odd.problem_id, own.problem_id])
        assert isinstance(found[odd.problem_id], UnexpectedResponse)
        assert one_of(found, own.problem_id).evidence
    odd.record["event.status"] = "CLOSED"
    assert not platform.problem(odd.problem_id).is_open


def test_a_problem_of_too_many_events_is_not_taken(
    tenant: Tenant, platform: PlatformClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What would be left out may be what matters.
    """
    monkeypatch.setattr(grail_problems, "MAX_EVIDENCE", 0)
    [own] = opened(tenant)
    with pytest.raises(UnexpectedResponse, match="more than 0 events"):
        platform.problem(own.problem_id)


def test_events_that_the_tenant_has_deleted_are_done_without(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    Of a problem that is open for months the first events are gone.
    """
    [own] = opened(tenant)
    known = platform.problem(own.problem_id)
    own.record["dt.davis.event_ids"] = [own.problem_id.removesuffix("V2"), "5_1600000000000"]
    own.changed += 1
    assert platform.problem(own.problem_id).evidence == known.evidence


def test_a_right_that_is_lost_closes_nothing(tenant: Tenant, platform: PlatformClient) -> None:
    """
    Without the right to the bucket results are empty, and no error tells of it.
    """
    now = [1e9]
    source = source_of(platform)
    source._clock = lambda: now[0]
    [own] = opened(tenant)
    platform.list_open()
    tenant.lose_scope(platform.token, "storage:buckets:read")
    assert platform.list_open().problems == ()
    for _ in range(3):
        with pytest.raises(Unavailable, match="storage:buckets:read"):
            platform.problem(own.problem_id)
        now[0] += ABSENT_S
    tenant.gain_scope(platform.token, "storage:buckets:read")
    assert platform.problem(own.problem_id).is_open


def test_a_problem_that_nothing_shows_is_unknown_after_a_while(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    As long as others are shown: then the rights are there.
    """
    now = [1e9]
    source = source_of(platform)
    source._clock = lambda: now[0]
    opened(tenant)
    platform.list_open()
    with pytest.raises(Unavailable, match="does not mean that it is closed"):
        platform.problem(PID)
    now[0] += ABSENT_S - 1
    with pytest.raises(Unavailable):
        platform.problem(PID)
    now[0] += 1
    with pytest.raises(NotFound):
        platform.problem(PID)


def test_what_is_missing_is_looked_for_far_back_only_once(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    What a query scans is paid for.
    """
    for _ in range(3):
        with pytest.raises(Unavailable):
            platform.problem(PID)
    assert [one.partition("from:now()-")[2].partition(" ")[0] for one in tenant.dql] == [
        *("24h", "2160h", "24h", "24h"),
    ]


def test_what_a_notification_invents_is_unknown_at_once(
    tenant: Tenant, platform: PlatformClient
) -> None:
    """
    And is not looked for far back: anybody can invent it.
    """
    with pytest.raises(NotFound):
        platform.problem(PID, Kind.NOTIFIED)
    with pytest.raises(NotFound):
        platform.problem("P-1", Kind.NOTIFIED)
    assert len(tenant.dql) == 1


def test_a_merged_problem_lives_on_in_another(tenant: Tenant, platform: PlatformClient) -> None:
    """
    Davis marks it as a duplicate, and it is no longer listed.
    """
    [own] = opened(tenant)
    own.record["dt.davis.is_duplicate"] = True
    own.changed += 1
    assert platform.list_open().problems == ()
    found = platform.problem(own.problem_id)
    assert found.merged
    assert not found.is_open


# -- which source ------------------------------------------------------------------------------------------------------


def test_grail_is_asked_first_and_said_once(tenant: Tenant) -> None:
    """
    A platform token may read it, and today not the Problems API.
    """
    opened(tenant)
    client = PlatformClient(tenant)
    for _ in range(2):
        assert len(client.list_open().problems) == 1
    assert client.calls() == ["/query:execute"] * 2
    assert client.said == ["problems are read from Grail"]
    assert client.batch == 500


def test_who_may_not_ask_grail_asks_the_problems_api(tenant: Tenant) -> None:
    """
    Through the platform's gateway, and from then on at once; why is said.
    """
    [own] = opened(tenant)
    client = PlatformClient(tenant, ("environment-api:problems:read",))
    for _ in range(2):
        assert [one.problem_id for one in client.list_open().problems] == [own.problem_id]
    assert client.problem(own.problem_id).is_open
    assert [path.rpartition("/")[2] for path in client.calls()] == [
        *("query:execute", "problems", "problems", own.problem_id),
    ]
    [said] = client.said
    assert said.startswith("problems are read from the Problems API; ")
    assert "NOT_AUTHORIZED_FOR_TABLE" in said
    assert client.batch == 40


def test_the_choice_is_made_again_when_a_right_is_lost(tenant: Tenant) -> None:
    """
    Without a restart, there and back.
    """
    opened(tenant)
    client = PlatformClient(tenant, (*READS, "environment-api:problems:read"))
    client.list_open()
    tenant.lose_scope(client.token, "storage:events:read")
    with pytest.raises(AuthError):
        client.list_open()
    assert len(client.list_open().problems) == 1
    tenant.gain_scope(client.token, "storage:events:read")
    tenant.lose_scope(client.token, "environment-api:problems:read")
    with pytest.raises(AuthError):
        client.list_open()
    assert len(client.list_open().problems) == 1
    assert [one.partition(";")[0] for one in client.said] == [
        "problems are read from Grail",
        "problems are read from the Problems API",
        "problems are read from Grail",
    ]


def test_who_may_ask_neither_hears_what_grail_needs(tenant: Tenant) -> None:
    """
    The other would need an OAuth client.
    """
    client = PlatformClient(tenant, ("storage:buckets:read",))
    with pytest.raises(AuthError, match="query:execute"):
        client.list_open()


def test_trouble_is_no_reason_to_choose_another(tenant: Tenant) -> None:
    """
    Only a refusal is.
    """
    client = PlatformClient(tenant, (*READS, "environment-api:problems:read"))
    tenant.fault("grail_500")
    with pytest.raises(Unavailable):
        client.list_open()
    client.list_open()
    assert client.said == ["problems are read from Grail"]


@pytest.mark.parametrize("source", ["problems", None])
def test_a_selector_is_the_problems_apis(tenant: Tenant, source: str | None) -> None:
    """
    It narrows what is listed, and Grail does not know it.
    """
    kept, _ = opened(tenant, 1)[0], opened(tenant, severity="PERFORMANCE")
    client = PlatformClient(
        tenant,
        (*READS, "environment-api:problems:read"),
        source,
        problem_selector='severityLevel("AVAILABILITY")',
    )
    assert [one.problem_id for one in client.list_open().problems] == [kept.problem_id]
    assert not tenant.dql

"""
Parsing of problems and entities: total, tolerant of the unknown, strict about what the engine needs.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.api.entities import parse_entity
from _dynatrace.api.problems import parse_problem, parse_problem_v1
from _dynatrace.core.errors import UnexpectedResponse
from _dynatrace.core.plain import plain, restored
from _dynatrace.core.problem import DISPLAY_ID, PROBLEM_ID, Entity, Problem, is_entity_id
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.bodies import (
    DISPLAY_ID as NUMBER,
)
from tests.unit.engine.bodies import (
    GROUP,
    HOST,
    MINUS_PID,
    OTHER_HOST,
    PID,
    PROCESS,
    SERVICE,
    START,
    TITLE,
    event_v2,
    problem_v1,
    problem_v2,
    stub,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_a_documented_problem_is_read_whole() -> None:
    """
    All that decisions and events need comes out of one body.
    """
    problem = parse_problem(problem_v2())
    assert (problem.problem_id, problem.display_id, problem.title) == (PID, NUMBER, TITLE)
    assert (problem.severity, problem.impact, problem.status) == (
        "AVAILABILITY",
        "INFRASTRUCTURE",
        "OPEN",
    )
    assert (problem.start, problem.end, problem.is_open) == (START, None, True)
    assert problem.root_cause == Entity(GROUP, "PROCESS_GROUP", "Apache Web Server apache2")
    assert [item.id for item in problem.affected] == [PROCESS]
    assert problem.tags == ("[AWS]owner:web",)
    assert problem.management_zones == ("web",)
    assert problem.event_types == ("PGI_UNAVAILABLE",)
    (own,) = problem.evidence
    assert (own.entity.id, own.root_cause, own.is_open) == (PROCESS, True, True)
    assert own.grouping is not None
    assert own.grouping.id == GROUP
    assert (problem.source, problem.merged, problem.under_maintenance) == ("api", False, False)


def test_a_problem_comes_back_from_its_plain_form() -> None:
    """
    The ledger stores JSON, and what it gives back is the same value.
    """
    problem = parse_problem(problem_v2())
    assert restored(Problem, plain(problem)) == problem


def test_a_closed_problem_has_an_end() -> None:
    """
    ``endTime`` is -1 while a problem is open, and then the time.
    """
    problem = parse_problem(problem_v2(status="CLOSED", endTime=START + 60000))
    assert (problem.is_open, problem.end) == (False, START + 60000)


@pytest.mark.parametrize("status", ["CLOSED", "PROCESSING", "open"])
def test_what_is_not_open_may_not_be_acted_on(status: str) -> None:
    """
    An unknown status passes through, and is not taken for open.
    """
    problem = parse_problem(problem_v2(status=status))
    assert (problem.status, problem.is_open) == (status, False)


def test_an_unknown_severity_passes_through() -> None:
    """
    A new enum value is no reason to miss a problem.
    """
    assert parse_problem(problem_v2(severityLevel="SOMETHING_NEW")).severity == "SOMETHING_NEW"


NEEDED = [
    ({"problemId": None}, "a problem has no usable `problemId`"),
    ({"problemId": "P-12"}, "a problem has no usable `problemId`"),
    ({"problemId": PID + "\n"}, "a problem has no usable `problemId`"),
    ({"problemId": "\u0663_\u0664V2"}, "a problem has no usable `problemId`"),
    ({"status": None}, "a problem has no usable `status`"),
    ({"status": ["OPEN"]}, "a problem has no usable `status`"),
    ({"severityLevel": "A B"}, "a problem has no usable `severityLevel`"),
    ({"severityLevel": "{{ 7 * 7 }}"}, "a problem has no usable `severityLevel`"),
    ({"impactLevel": "x/y"}, "a problem has no usable `impactLevel`"),
]


@pytest.mark.parametrize(("changes", "message"), NEEDED)
def test_a_misshapen_field_is_named(changes: dict[str, Any], message: str) -> None:
    """
    What the engine cannot do without raises an error that says which field it is.
    """
    with pytest.raises(UnexpectedResponse) as caught:
        parse_problem(problem_v2(**changes))
    assert str(caught.value) == message


@pytest.mark.parametrize("body", [None, [], "a problem", 5])
def test_what_is_no_object_is_no_problem(body: Any) -> None:
    """
    Arrays and texts are refused in words.
    """
    with pytest.raises(UnexpectedResponse, match="a problem is not a JSON object"):
        parse_problem(body)


def test_misshapen_parts_that_are_not_needed_are_left_out() -> None:
    """
    One bad entity, tag or evidence does not hide the rest of a problem.
    """
    problem = parse_problem(
        problem_v2(
            title=None,
            displayId="P-\u0663",
            rootCauseEntity={"entityId": {"id": "PROCESS_GROUP-../../etc"}},
            affectedEntities=[
                None,
                stub("HOST-xyz"),
                {"entityId": HOST},
                {"entityId": {"id": HOST}},
                stub(HOST),
            ],
            evidenceDetails={
                "details": [None, {"entity": stub("x")}, event_v2(eventType="a b", data=5)]
            },
            entityTags=[
                5,
                {"context": "CONTEXTLESS", "key": "k"},
                {"context": "AWS", "key": "a", "value": "b"},
            ],
            managementZones=[{"id": 1}, "zone"],
            startTime="soon",
        )
    )
    assert (problem.title, problem.display_id, problem.root_cause, problem.start) == (
        "",
        None,
        None,
        None,
    )
    assert [item.id for item in problem.affected] == [
        HOST,
        HOST,
    ]  # Once without and once with a name.
    assert [(item.event_type, item.is_open) for item in problem.evidence] == [("", None)]
    assert problem.tags == ("k", "[AWS]a:b")


@pytest.mark.parametrize("start", [True, -1, 0, 10**14, 1.5, "1721545199999", None])
def test_a_start_that_is_no_time_is_none(start: Any) -> None:
    """
    Times reach a date conversion, which must not fail.
    """
    assert parse_problem(problem_v2(startTime=start)).start is None


MAINTENANCE = [
    ([event_v2()], False),
    ([event_v2(data={"underMaintenance": True})], True),
    ([event_v2(data={"underMaintenance": False, "suppressAlert": True})], True),
    ([event_v2(data={"underMaintenance": False, "suppressProblem": True})], True),
    ([event_v2(data={"suppressAlert": False, "suppressProblem": None})], False),
    ([event_v2(), {"evidenceType": "MAINTENANCE_WINDOW", "entity": stub(HOST)}], True),
    ([event_v2(data={"underMaintenance": "true"})], False),
]


@pytest.mark.parametrize(("details", "expected"), MAINTENANCE)
def test_maintenance_stands_in_the_evidence(details: list[Any], expected: bool) -> None:
    """
    The API marks events, not problems.
    """
    assert (
        parse_problem(problem_v2(evidenceDetails={"details": details})).under_maintenance
        is expected
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (event_v2(data={"underMaintenance": True, "status": "CLOSED"}), False),
        (event_v2(data={"underMaintenance": True, "status": "OPEN"}), True),
        ({"evidenceType": "MAINTENANCE_WINDOW", "entity": stub(HOST), "endTime": -1}, True),
        ({"evidenceType": "MAINTENANCE_WINDOW", "entity": stub(HOST), "endTime": 2000}, False),
        ({"evidenceType": "MAINTENANCE_WINDOW", "entity": stub(HOST), "endTime": 2001}, True),
    ],
)
def test_maintenance_that_is_over_holds_nothing(item: dict[str, Any], expected: bool) -> None:
    """
    Neither a window that ended, nor an event that is closed.
    """
    body = problem_v2(evidenceDetails={"details": [item]})
    assert parse_problem(body, now_ms=2000).under_maintenance is expected


def test_evidence_of_2021_has_no_status() -> None:
    """
    Captures of that time have events without data.
    """
    old = event_v2(eventType="PROCESS_UNAVAILABLE")
    del old["data"], old["endTime"]
    (own,) = parse_problem(problem_v2(evidenceDetails={"details": [old]})).evidence
    assert (own.event_type, own.is_open) == ("PROCESS_UNAVAILABLE", None)


def test_a_v1_problem_is_read() -> None:
    """
    Entity ids are flat there, and the root cause is a flag on an event.
    """
    problem = parse_problem_v1(problem_v1())
    assert (problem.problem_id, problem.display_id, problem.status) == (PID, NUMBER, "OPEN")
    assert [item.id for item in problem.affected] == [PROCESS]
    (own,) = problem.evidence
    assert (own.event_type, own.root_cause, own.is_open) == ("PROCESS_UNAVAILABLE", True, True)
    assert problem.tags == ("web",)
    assert problem.source == "notification"


def test_a_v1_id_without_suffix_is_not_used() -> None:
    """
    The API would not know it.
    """
    assert parse_problem_v1(problem_v1(id="-1113367559322804549")).problem_id is None


def test_a_v1_problem_without_any_name_is_refused() -> None:
    """
    There would be nothing to call it by.
    """
    with pytest.raises(UnexpectedResponse, match="neither `id` nor `displayName`"):
        parse_problem_v1(problem_v1(id=5, displayName=None))


@pytest.mark.parametrize("text", [PID, MINUS_PID, "0_0V2"])
def test_problem_ids_may_begin_with_a_minus(text: str) -> None:
    """
    Half of all problem ids do.
    """
    assert PROBLEM_ID.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P-1",
        "7_1",
        "7_1V3",
        "--7_1V2",
        "7_1V2/../x",
        "7_1V2 ",
        "\u0667_\u0661V2",
        "7" * 21 + "_1V2",
    ],
)
def test_what_only_resembles_a_problem_id_is_none(text: str) -> None:
    """
    Ids get into paths of requests; only digits of ASCII are digits.
    """
    assert not PROBLEM_ID.fullmatch(text)


def test_display_ids_are_ascii() -> None:
    """
    They stand in event tags.
    """
    assert DISPLAY_ID.fullmatch("P-2407114")
    assert DISPLAY_ID.fullmatch("503")
    for text in ("P-", "p-1", "P-1/x", "P-\u0663", "\u0665\u0660\u0663", "P-1\n"):
        assert not DISPLAY_ID.fullmatch(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (HOST, True),
        ("PROCESS_GROUP_INSTANCE-6907346AD756DDE1", True),
        ("HOST-XXXXXXXXXXXXX", False),
        ("HOST-00000000000000a1", False),
        ("HOST-" + "0" * 17, False),
        (HOST + "\n", False),
        ("../HOST-00000000000000A1", False),
        (None, False),
    ],
)
def test_entity_ids_have_one_form(value: Any, expected: bool) -> None:
    """
    They get into paths of requests.
    """
    assert is_entity_id(value) is expected


def host_body(**properties: Any) -> dict[str, Any]:
    """
    Return a HOST of the Entities API v2.
    """
    return {
        "entityId": HOST,
        "displayName": "web01",
        "properties": {
            "detectedName": "web01.example.com",
            "ipAddress": ["192.0.2.10"],
            **properties,
        },
        "tags": [{"context": "ENVIRONMENT", "key": "salt_minion", "value": "web01"}],
        "toRelationships": {"isProcessOf": [{"id": PROCESS, "type": "PROCESS_GROUP_INSTANCE"}]},
    }


def test_a_host_is_read() -> None:
    """
    Names, addresses, and who says which minion it is.
    """
    host = parse_entity(host_body(dnsNames=["web01.example.com", 5]))
    assert (host.id, host.name, host.detected_name) == (HOST, "web01", "web01.example.com")
    assert (host.addresses, host.dns_names) == (("192.0.2.10",), ("web01.example.com",))
    assert host.salt_minions == ("web01",)
    assert host.relations == {"to.isProcessOf": (PROCESS,)}


METADATA = [
    [{"key": "salt_minion", "value": "web02"}],
    {"salt_minion": "web02"},
]


@pytest.mark.parametrize("metadata", METADATA)
def test_a_custom_property_is_read_in_both_shapes(metadata: Any) -> None:
    """
    A list of pairs was seen, a mapping is documented.
    """
    assert parse_entity(host_body(customHostMetadata=metadata)).salt_minions == ("web02", "web01")


def test_a_custom_property_that_is_a_text_is_left_out() -> None:
    """
    The shape is not documented, so none may break the reading.
    """
    assert parse_entity(host_body(customHostMetadata="salt_minion=web02")).salt_minions == (
        "web01",
    )


def test_the_other_spelling_of_addresses_is_read() -> None:
    """
    One example of the documentation has ``ipAddresses``.
    """
    body = host_body(ipAddresses=["192.0.2.11"])
    del body["properties"]["ipAddress"]
    assert parse_entity(body).addresses == ("192.0.2.11",)


def test_relations_and_technologies_of_a_process_are_read() -> None:
    """
    Technologies become keys of events: only plain words are taken.
    """
    body = {
        "entityId": PROCESS,
        "properties": {
            "softwareTechnologies": [
                {"type": "APACHE_HTTPD", "version": "2.4"},
                {"type": "APACHE_HTTPD"},
                {"version": "1"},
                {"type": "{{ x }}"},
                {"type": "a/b"},
            ]
        },
        "fromRelationships": {"isProcessOf": [{"id": HOST}, {"id": "HOST-x"}, 5], "odd": None},
    }
    process = parse_entity(body)
    assert process.technologies == ("APACHE_HTTPD",)
    assert process.relations == {"from.isProcessOf": (HOST,), "from.odd": ()}


def test_a_service_runs_on_many_hosts() -> None:
    """
    All of them are kept.
    """
    body = {
        "entityId": SERVICE,
        "fromRelationships": {"runsOnHost": [{"id": HOST}, {"id": OTHER_HOST}]},
    }
    assert parse_entity(body).relations["from.runsOnHost"] == (HOST, OTHER_HOST)


@pytest.mark.parametrize("body", [None, [], {}, {"entityId": "x"}, {"entityId": 5}])
def test_an_entity_without_id_is_refused(body: Any) -> None:
    """
    Nothing could be looked up by it.
    """
    with pytest.raises(UnexpectedResponse):
        parse_entity(body)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(problem_v2())), JSON), JSON)
def test_parsing_raises_only_what_is_documented(changes: dict[str, Any], other: Any) -> None:
    """
    Whatever stands in the fields of an answer, it is a problem or UnexpectedResponse.
    """
    v1 = dict(zip(sorted(problem_v1()), changes.values(), strict=False))
    for parse, body in (
        (parse_problem, problem_v2(**changes)),
        (parse_problem_v1, problem_v1(**v1)),
        (parse_problem, other),
        (parse_entity, {**host_body(), **changes}),
        (
            parse_entity,
            {"entityId": HOST, "properties": other, "tags": other, "fromRelationships": other},
        ),
        (parse_problem, problem_v2(evidenceDetails={"details": [event_v2(data=other), other]})),
    ):
        try:
            parse(body)
        except UnexpectedResponse:
            continue

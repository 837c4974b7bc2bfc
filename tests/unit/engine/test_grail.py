"""
Bodies of workflows: what a problem record in Grail's names tells an engine that has no API to ask.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from _dynatrace.api.problems import MAX_ENTITIES
from _dynatrace.core.plain import plain, restored
from _dynatrace.core.problem import Entity, Problem
from _dynatrace.webhook.payload import parse
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.bodies import DISPLAY_ID, GROUP, HOST, MINUS_PID, PROCESS, problem_v2

#: In the documented shape; the values are synthetic.
RECORD: dict[str, Any] = {
    "event.id": MINUS_PID,
    "display_id": DISPLAY_ID,
    "event.kind": "DAVIS_PROBLEM",
    "event.name": "Process unavailable",
    "event.status": "ACTIVE",
    "event.category": "AVAILABILITY",
    "event.start": "2024-07-21T06:59:59.999000000Z",
    "affected_entity_ids": [PROCESS, HOST],
    "affected_entity_types": ["dt.entity.process_group_instance", "dt.entity.host"],
    "root_cause_entity_id": GROUP,
    "root_cause_entity_name": "Apache Web Server apache*",
    "entity_tags": ["owner:web"],
    "maintenance.is_under_maintenance": False,
}


def told(**changes: Any) -> Problem:
    """
    Return the problem that a workflow's body tells.
    """
    body = {key: value for key, value in {**RECORD, **changes}.items() if value is not ...}
    problem = parse(json.dumps({"eventData": body}).encode()).problem
    assert problem is not None
    return problem


def test_a_record_tells_whom_the_problem_concerns() -> None:
    """
    Entities, root cause, tags and times, as the Problems API would tell them.
    """
    problem = told()
    assert problem.affected == (
        Entity(PROCESS, "PROCESS_GROUP_INSTANCE"),
        Entity(HOST, "HOST"),
    )
    assert problem.root_cause == Entity(GROUP, "PROCESS_GROUP", "Apache Web Server apache*")
    assert problem.tags == ("owner:web",)
    assert (problem.start, problem.end) == (1721545199999, None)
    assert not problem.under_maintenance


@pytest.mark.parametrize("key", ["affected_entity_ids", "affectedEntityIds", "AffectedEntityIDs"])
def test_templates_spell_the_list_in_many_ways(key: str) -> None:
    """
    A workflow's body is free text, as a notification's is; a list in quotes is one too.
    """
    for value in ([PROCESS], json.dumps([PROCESS])):
        problem = told(**{"affected_entity_ids": ..., key: value})
        assert [entity.id for entity in problem.affected] == [PROCESS]


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "[",
        {},
        [None, 5, {}],
        ["CLUSTER-123456789"],
        ["../HOST", "web01"],
        [[PROCESS]],
        "[" * 100_000,
    ],
)
def test_what_is_no_list_of_entities_names_nobody(value: Any) -> None:
    """
    Nothing but an id in its full form is taken.
    """
    assert told(affected_entity_ids=value).affected == ()


def test_one_entity_may_stand_without_a_list() -> None:
    """
    Records have arrays or scalars under the same key.
    """
    assert [entity.id for entity in told(affected_entity_ids=PROCESS).affected] == [PROCESS]


#: In the shape of a captured record of a stopped process, which names its host beside it; the values are synthetic.
STOPPED: dict[str, Any] = {
    **{key: RECORD[key] for key in ("event.id", "display_id", "event.kind", "event.name")},
    **{key: RECORD[key] for key in ("event.status", "event.category", "event.start")},
    "event.severity": "3",
    "event.status_transition": "UPDATED",
    "dt.davis.is_duplicate": False,
    "dt.davis.mute.status": "NOT_MUTED",
    "dt.davis.impact_level": ["Infrastructure"],
    "affected_entity_ids": [PROCESS],
    "affected_entity_names": ["Apache Web Server httpd"],
    "affected_entity_types": ["dt.entity.process_group_instance"],
    "related_entity_ids": [HOST, "HOST_GROUP-00000000000000A1"],
    "host.name": ["web01.example.com"],
    "dt.entity.host": [HOST],
    "dt.entity.process_group_instance": [PROCESS],
    "root_cause_entity_id": None,
    "maintenance.is_under_maintenance": False,
}


@pytest.mark.parametrize(
    "body", [STOPPED, {"eventData": STOPPED}, {"eventData": json.dumps(STOPPED)}]
)
def test_a_record_names_host_and_process_itself(body: Any) -> None:
    """
    Flat, as an HTTP action sends it, or as the action for event-driven Ansible does; nothing is to be looked up.
    """
    problem = parse(json.dumps(body).encode()).problem
    assert problem is not None
    assert (problem.hosts, problem.host_names) == ((HOST,), ("web01.example.com",))
    assert problem.processes == (PROCESS,)
    assert problem.affected == (
        Entity(PROCESS, "PROCESS_GROUP_INSTANCE", "Apache Web Server httpd"),
    )
    assert (problem.impact, problem.source) == ("INFRASTRUCTURE", "notification")
    assert problem.is_open


def test_a_record_that_reaches_an_engine_with_an_api_says_only_which_problem_it_is() -> None:
    """
    What it is, the API is asked.
    """
    found = parse(json.dumps(STOPPED).encode(), whole=False)
    assert (found.problem_id, found.state, found.problem) == (MINUS_PID, "OPEN", None)


def test_a_reopening_tells_itself_by_its_time() -> None:
    """
    The id is that of before; a first opening has none.
    """
    assert told().reopened is None
    again = {"dt.davis.last_reopen_timestamp": "2024-07-21T08:00:00.000000001Z"}
    assert told(**again).reopened == 1721548800000


def test_a_duplicate_is_merged_into_another() -> None:
    """
    Nobody acts on it beside the other.
    """
    assert told(**{"dt.davis.is_duplicate": True}).is_open is False
    assert told(**{"dt.davis.is_duplicate": None}).is_open


@pytest.mark.parametrize("key", ["event.status", "event.category"])
def test_a_record_that_is_none_is_read_as_a_template(key: str) -> None:
    """
    Free text may spell what a record spells, with values of its own.
    """
    body = {**STOPPED, key: "odd value", "state": "OPEN"}
    problem = parse(json.dumps(body).encode()).problem
    assert problem is not None
    assert problem.affected[0].id == PROCESS
    assert problem.hosts == ()


def test_each_entity_is_taken_once_and_not_too_many() -> None:
    """
    The body's size is bounded, and so is what is made of it.
    """
    many = [f"HOST-{number:016X}" for number in range(MAX_ENTITIES + 5)]
    assert len(told(affected_entity_ids=[*many, *many]).affected) == MAX_ENTITIES
    assert [entity.id for entity in told(affected_entity_ids=[HOST, HOST]).affected] == [HOST]


def test_smartscape_ids_are_not_taken() -> None:
    """
    They have the same form and are other ids.
    """
    problem = told(
        affected_entity_ids=...,
        **{
            "smartscape.affected_entity.ids": [HOST],
            "dt.smartscape_source.id": HOST,
            "related_entity_ids": [HOST],
        },
    )
    assert problem.affected == ()


def test_a_record_under_maintenance_says_so() -> None:
    """
    The policy holds it then, as it would if the API said so.
    """
    assert told(**{"maintenance.is_under_maintenance": True}).under_maintenance
    assert not told(**{"maintenance.is_under_maintenance": "yes"}).under_maintenance


def test_a_category_is_told_in_the_words_of_the_api() -> None:
    """
    Reactors match on the severity in the tag.
    """
    assert told(**{"event.category": "SLOWDOWN"}).severity == "PERFORMANCE"
    assert told(**{"event.category": "ERROR"}).severity == "ERROR"
    assert told(**{"event.category": "RESOURCE"}).severity == "RESOURCE_CONTENTION"
    assert told(**{"event.category": "CUSTOM"}).severity == "CUSTOM_ALERT"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-21T06:59:59Z", 1721545199000),
        ("2024-07-21T06:59:59.9Z", 1721545199900),
        ("2024-07-21T06:59:59.999999999Z", 1721545199999),
        ("2024-13-21T06:59:59Z", None),
        ("2024-07-21T06:59:59", None),
        ("9999-07-21T06:59:59Z", None),
        ("now", None),
        (1721545199, None),
    ],
)
def test_the_start_is_a_time_or_nothing(text: Any, expected: int | None) -> None:
    """
    The lookback of a first start goes by it.
    """
    assert told(**{"event.start": text}).start == expected


def test_a_closed_record_has_an_end() -> None:
    """
    An open one has none, whatever it says.
    """
    end = {"event.end": "2024-07-21T07:00:00.000000000Z"}
    assert told(**end, **{"event.status": "CLOSED"}).end == 1721545200000
    assert told(**end).end is None


def test_the_details_of_the_api_win() -> None:
    """
    A body that has both is believed where it says more.
    """
    body = {**RECORD, "ProblemDetailsJSONv2": problem_v2(), "affected_entity_ids": [HOST]}
    problem = parse(json.dumps(body).encode()).problem
    assert problem is not None
    assert problem.affected[0].id == PROCESS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.just(PROCESS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(set(RECORD) - {"event.id"})), JSON))
def test_a_record_of_anything_is_a_problem(changes: dict[str, Any]) -> None:
    """
    Whatever stands in it, what comes out is well formed and survives the ledger.
    """
    problem = told(**changes)
    assert restored(Problem, plain(problem)) == problem
    assert all(isinstance(tag, str) for tag in problem.tags)

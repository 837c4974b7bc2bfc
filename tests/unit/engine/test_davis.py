"""
Records of Grail: a problem and an event, in arrays or scalars, with null or nothing. All of them are synthetic.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.api.davis import event_ids, moment, parse_event, parse_record
from _dynatrace.core.errors import UnexpectedResponse
from _dynatrace.core.plain import plain, restored
from _dynatrace.core.problem import Entity, Evidence, Problem, summary
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.bodies import (
    DISPLAY_ID,
    GROUP,
    HOST,
    MINUS_PID,
    OTHER_HOST,
    OTHER_PROCESS,
    PROCESS,
    START,
)

EVENT_ID = MINUS_PID.removesuffix("V2")
RECORD: dict[str, Any] = {
    "event.id": MINUS_PID,
    "event.kind": "DAVIS_PROBLEM",
    "display_id": DISPLAY_ID,
    "event.name": "Process unavailable",
    "event.category": "AVAILABILITY",
    "event.status": "ACTIVE",
    "event.start": "2024-07-21T06:59:59.999000000Z",
    "event.end": None,
    "dt.davis.impact_level": ["Infrastructure"],
    "dt.davis.event_ids": [EVENT_ID],
    "dt.davis.is_duplicate": False,
    "dt.davis.mute.status": "NOT_MUTED",
    "affected_entity_ids": [PROCESS],
    "affected_entity_names": ["Apache Web Server httpd"],
    "root_cause_entity_id": GROUP,
    "root_cause_entity_name": "Apache Web Server httpd*",
    "related_entity_ids": [HOST, "HOST_GROUP-00000000000000E1"],
    "entity_tags": ["owner:web"],
    "host.name": ["web01.example.com"],
    "dt.entity.host": [HOST],
    "dt.entity.process_group_instance": [PROCESS],
    "maintenance.is_under_maintenance": False,
}
EVENT: dict[str, Any] = {
    "event.id": EVENT_ID,
    "event.kind": "DAVIS_EVENT",
    "event.type": "PGI_UNAVAILABLE",
    "event.status": "ACTIVE",
    "event.start": "2024-07-21T06:59:59.999000000Z",
    "dt.source_entity": PROCESS,
    "dt.davis.is_rootcause_relevant": True,
    "dt.entity.host": HOST,
    "dt.entity.process_group": GROUP,
    "dt.entity.process_group.name": "Apache Web Server httpd*",
    "dt.entity.process_group_instance": PROCESS,
    "dt.entity.process_group_instance.name": "Apache Web Server httpd",
}


def told(**changes: Any) -> Problem:
    """
    Return the problem of a record with other values; ``...`` leaves one out.
    """
    record = {**RECORD, **{key.replace("__", "."): value for key, value in changes.items()}}
    return parse_record({key: value for key, value in record.items() if value is not ...})


def event(**changes: Any) -> Evidence | None:
    """
    Return the evidence of an event with other values.
    """
    return parse_event({**EVENT, **{key.replace("__", "."): one for key, one in changes.items()}})


# -- problems ----------------------------------------------------------------------------------------------------------


def test_a_record_is_the_problem_of_the_api() -> None:
    """
    One identity: the id is the API's, and so are the spellings, whoever tells.
    """
    assert told() == Problem(
        problem_id=MINUS_PID,
        display_id=DISPLAY_ID,
        title="Process unavailable",
        severity="AVAILABILITY",
        impact="INFRASTRUCTURE",
        status="OPEN",
        start=START,
        root_cause=Entity(GROUP, "PROCESS_GROUP", "Apache Web Server httpd*"),
        affected=(Entity(PROCESS, "PROCESS_GROUP_INSTANCE", "Apache Web Server httpd"),),
        tags=("owner:web",),
        hosts=(HOST,),
        host_names=("web01.example.com",),
        processes=(PROCESS,),
    )
    assert event_ids(RECORD) == (EVENT_ID,)


@pytest.mark.parametrize(
    ("category", "severity"),
    [
        ("SLOWDOWN", "PERFORMANCE"),
        ("RESOURCE", "RESOURCE_CONTENTION"),
        ("RESOURCE_CONTENTION", "RESOURCE_CONTENTION"),
        ("CUSTOM", "CUSTOM_ALERT"),
        ("CUSTOM_ALERT", "CUSTOM_ALERT"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
        (None, "UNKNOWN"),
        (..., "UNKNOWN"),
    ],
)
def test_categories_are_severities_of_the_api(category: Any, severity: str) -> None:
    """
    Both vocabularies are in use.
    """
    assert told(event__category=category).severity == severity


@pytest.mark.parametrize(
    ("level", "impact"),
    [
        (["Infrastructure"], "INFRASTRUCTURE"),
        ("Services", "SERVICES"),
        (["Infrastructure", "Application"], "APPLICATION"),
        (None, "UNKNOWN"),
        (["Moon"], "UNKNOWN"),
    ],
)
def test_impact_levels_are_spelled_as_the_api_does(level: Any, impact: str) -> None:
    """
    A problem may have several; a workflow's event has one as a text.
    """
    assert told(dt__davis__impact_level=level).impact == impact


def test_an_array_may_be_a_scalar_and_a_scalar_an_array() -> None:
    """
    The same key comes as both.
    """
    scalars = {
        "affected_entity_ids": PROCESS,
        "affected_entity_names": "Apache Web Server httpd",
        "root_cause_entity_id": [GROUP],
        "root_cause_entity_name": ["Apache Web Server httpd*"],
        "entity_tags": "owner:web",
        "host.name": "web01.example.com",
        "dt.entity.host": HOST,
        "dt.entity.process_group_instance": PROCESS,
        "event.category": ["AVAILABILITY"],
    }
    assert parse_record({**RECORD, **scalars}) == told()


def test_null_and_absent_are_the_same() -> None:
    """
    Under ``fields`` what is absent comes as null.
    """
    least = ("event.id", "event.status")
    absent = parse_record({name: RECORD[name] for name in least})
    null = {name: value if name in least else None for name, value in RECORD.items()}
    assert parse_record(null) == absent == Problem(MINUS_PID, None)


def test_a_closed_record_has_an_end() -> None:
    """
    Its last transition may be called anything: the status decides.
    """
    problem = told(
        event__status="CLOSED",
        event__status_transition="UPDATED",
        event__end="2024-07-21T07:00:00.999000000Z",
    )
    assert not problem.is_open
    assert problem.end == START + 1000


@pytest.mark.parametrize("status", [None, ..., "OPEN", "RESOLVED", 5, []])
def test_a_record_without_a_known_status_decides_nothing(status: Any) -> None:
    """
    It is neither open nor closed.
    """
    with pytest.raises(UnexpectedResponse, match=r"event\.status"):
        told(event__status=status)


@pytest.mark.parametrize(
    "changes",
    [
        {"event.id": None, "display_id": None},
        {"event.id": "…", "display_id": 5},
        {"event.category": "two words"},
        {"event.category": "<b>"},
    ],
)
def test_what_cannot_be_used_raises(changes: dict[str, Any]) -> None:
    """
    Only a plain word may get into a tag.
    """
    with pytest.raises(UnexpectedResponse):
        parse_record({**RECORD, **changes})
    with pytest.raises(UnexpectedResponse):
        parse_record([RECORD])


def test_a_duplicate_lives_on_in_another_problem() -> None:
    """
    Davis marks the later of two problems of one cause.
    """
    problem = told(dt__davis__is_duplicate=True)
    assert problem.merged
    assert not problem.is_open


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({}, False),
        ({"maintenance.is_under_maintenance": True}, True),
        ({"maintenance.is_under_maintenance": "true"}, True),
        ({"dt.davis.mute.status": "MUTED"}, True),
    ],
)
def test_a_window_and_a_muted_problem_hold(changes: dict[str, Any], held: bool) -> None:
    """
    Somebody told Dynatrace to be silent about it; a manual close mutes too.
    """
    assert parse_record({**RECORD, **changes}).under_maintenance is held


def test_a_reopening_changes_the_summary() -> None:
    """
    A problem that closed and opened between two polls looks open in both.
    """
    at = "2024-07-21T08:00:00.000000000Z"
    problem = told(dt__davis__last_reopen_timestamp=at)
    assert problem.reopened == moment(at)
    assert summary(problem) != summary(told())


@pytest.mark.parametrize(
    ("changes", "hosts"),
    [
        ({}, (HOST,)),
        ({"dt.entity.host": None}, ()),
        ({"dt.entity.host": [HOST, OTHER_HOST]}, (HOST, OTHER_HOST)),
        ({"related_entity_ids": [OTHER_HOST]}, (HOST, OTHER_HOST)),
        ({"affected_entity_ids": [PROCESS, OTHER_HOST]}, (HOST, OTHER_HOST)),
        ({"dt.entity.host": ["HOST_GROUP-00000000000000E1", "x", 5, {}]}, ()),
        (
            {
                "dt.entity.host": None,
                "dt.smartscape.host": HOST,
                "smartscape.affected_entity.ids": [HOST],
            },
            (),
        ),
    ],
)
def test_the_hosts_are_those_that_the_record_names(
    changes: dict[str, Any], hosts: tuple[str, ...]
) -> None:
    """
    A related host alone is no host of the process; beside the named one it makes it doubtful. Smartscape's ids are no ids.
    """
    assert parse_record({**RECORD, **changes}).hosts == hosts


def test_what_runs_in_a_container_is_marked() -> None:
    """
    The host's own service is not what is meant then.
    """
    assert told().container is None
    assert told(k8s__pod__name=["shop-1"]).container == "k8s.pod.name: shop-1"


def test_names_count_only_if_there_is_one_for_each_id() -> None:
    """
    Else they may be another one's.
    """
    problem = told(affected_entity_ids=[PROCESS, OTHER_PROCESS], affected_entity_names=["one"])
    assert [(one.id, one.name) for one in problem.affected] == [(PROCESS, ""), (OTHER_PROCESS, "")]


def test_the_ledger_keeps_what_the_record_names() -> None:
    """
    And an episode of an older version, which knew none of it, is read all the same.
    """
    problem = told(dt__davis__last_reopen_timestamp="2024-07-21T08:00:00.000000000Z")
    assert restored(Problem, plain(problem)) == problem
    assert restored(Problem, '{"problem_id": null, "display_id": "P-1"}').hosts == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-21T06:59:59.999000000Z", START),
        ("2024-07-21T06:59:59.999Z", START),
        ("2024-07-21T08:59:59.999000000+02:00", START),
        ("2024-07-21T01:59:59.999000000-0500", START),
        ("2024-07-21T06:59:59Z", START - 999),
        ("2024-07-21T06:59:59", None),
        ("2024-13-21T06:59:59Z", None),
        ("9999-07-21T06:59:59Z", None),
        ("2024-07-21", None),
        (START, None),
        (None, None),
    ],
)
def test_times_are_read_in_any_zone(text: Any, expected: int | None) -> None:
    """
    Nine digits of a second, and mostly UTC.
    """
    assert moment(text) == expected


# -- events ------------------------------------------------------------------------------------------------------------


def test_an_event_is_evidence() -> None:
    """
    As the Problems API would tell it, with the host that it names.
    """
    assert event() == Evidence(
        entity=Entity(PROCESS, "PROCESS_GROUP_INSTANCE", "Apache Web Server httpd"),
        kind="EVENT",
        event_type="PGI_UNAVAILABLE",
        root_cause=True,
        is_open=True,
        grouping=Entity(GROUP, "PROCESS_GROUP", "Apache Web Server httpd*"),
        start=START,
        host=HOST,
    )


@pytest.mark.parametrize(("status", "is_open"), [("ACTIVE", True), ("CLOSED", False), (None, None)])
def test_an_event_tells_whether_it_is_over(status: Any, is_open: bool | None) -> None:
    """
    A process that is back is not down.
    """
    found = event(event__status=status)
    assert found is not None
    assert found.is_open is is_open


def test_an_event_tells_of_a_unit_and_a_remedy() -> None:
    """
    By properties of these names.
    """
    found = event(
        dt__osservice__name="apache2.service",
        salt_remedy="web",
        **{"Event source": "OS services"},
    )
    assert found is not None
    assert found.source == "OS services"
    assert (found.unit, found.remedies) == ("apache2.service", ("web",))


@pytest.mark.parametrize("hosts", [None, [], [HOST, OTHER_HOST], ["web01"]])
def test_an_event_names_one_host_or_none(hosts: Any) -> None:
    """
    Of two nobody knows on which it is.
    """
    found = event(dt__entity__host=hosts)
    assert found is not None
    assert found.host is None


def test_an_event_of_no_entity_is_none() -> None:
    """
    The environment has events too.
    """
    assert event(dt__source_entity=None) is None
    assert event(dt__source_entity="web01") is None
    found = event(dt__source_entity=None, affected_entity_ids=[PROCESS])
    assert found is not None
    assert found.entity.id == PROCESS


# -- whatever comes ----------------------------------------------------------------------------------------------------

_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_values = st.recursive(_leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted({*RECORD, *EVENT})), _values, max_size=6))
def test_nothing_breaks_the_parsing(changes: dict[str, Any]) -> None:
    """
    A tenant may send anything: it is refused by the one error, or it can be kept.
    """
    parse_event({**EVENT, **changes})
    try:
        problem = parse_record({**RECORD, **changes})
    except UnexpectedResponse:
        return
    assert restored(Problem, plain(problem)) == problem

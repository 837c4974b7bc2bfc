"""
Recognising the problem in whatever a tenant's template makes of it; all bodies are synthetic.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from _dynatrace.core.errors import NotificationError
from _dynatrace.core.notification import Notification
from _dynatrace.webhook.payload import TEST_TITLE, parse, parse_data
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tenant import DEFAULT_TEMPLATE, RECOMMENDED_TEMPLATE, Tenant
from tests.tenant.placeholders import problem_values
from tests.tenant.templates import expand, probe_values
from tests.unit.engine.bodies import (
    DISPLAY_ID,
    GROUP,
    MINUS_PID,
    PID,
    PROCESS,
    TITLE,
    probe,
    problem_v1,
    problem_v2,
    recommended,
)

OLD_PID = "-1113367559322804549"
NO_PROBLEM = (
    "no problem can be recognised in the body: it needs the PID ({PID}) or the problem number ({ProblemID}); "
    "use the recommended template, or name your keys in `webhook:keys`"
)
NOT_JSON = (
    "the body is not JSON: send the payload with Content-Type application/json, and JSON placeholders such as "
    "{ProblemDetailsJSONv2} and {ImpactedEntities} without quotes"
)
TOO_DEEP = "the body is nested deeper than 64 levels"


def read(body: Any, keys: dict[str, str] | None = None) -> Notification:
    """
    Return what a body says, over the same bytes that a sender would send.
    """
    return parse(json.dumps(body).encode(), keys)


def test_the_recommended_template_tells_all() -> None:
    """
    With it the engine could work without an API.
    """
    notice = read(recommended())
    assert (notice.problem_id, notice.display_id, notice.state) == (PID, DISPLAY_ID, "OPEN")
    assert (notice.title, notice.test, notice.old_pid) == (TITLE, False, None)
    problem = notice.problem
    assert problem is not None
    assert (problem.source, problem.status, problem.severity) == (
        "notification",
        "OPEN",
        "AVAILABILITY",
    )
    assert problem.root_cause is not None
    assert problem.root_cause.id == GROUP
    assert [item.id for item in problem.affected] == [PROCESS]
    assert problem.evidence[0].root_cause
    assert problem.url is not None
    assert problem.url.endswith(PID)


def test_the_default_template_gives_the_number_only() -> None:
    """
    It has neither PID nor entities, and the problem is found by its number.
    """
    notice = read({"State": "OPEN", "ProblemID": DISPLAY_ID, "ProblemTitle": TITLE})
    assert (notice.problem_id, notice.display_id, notice.state) == (None, DISPLAY_ID, "OPEN")
    assert notice.problem is not None
    assert notice.problem.affected == ()


@pytest.mark.parametrize(
    "key", ["ProblemDetailsJSON", "ProblemDetails", "problemDetails", "details"]
)
def test_v1_details_are_read(key: str) -> None:
    """
    Entities, severity and status come from the older object too.
    """
    notice = read({"PID": PID, "State": "OPEN", key: problem_v1()})
    assert notice.problem is not None
    assert (notice.problem.severity, notice.display_id) == ("AVAILABILITY", DISPLAY_ID)
    assert [item.id for item in notice.problem.affected] == [PROCESS]


def test_v1_details_alone_are_enough() -> None:
    """
    State and ids follow from the object when no key gives them.
    """
    notice = read({"ProblemDetailsJSON": problem_v1(status="CLOSED")})
    assert (notice.problem_id, notice.display_id, notice.state) == (PID, DISPLAY_ID, "RESOLVED")


def test_v2_details_alone_are_enough() -> None:
    """
    A template may hold nothing but the object.
    """
    notice = read({"ProblemDetailsJSONv2": problem_v2()})
    assert (notice.problem_id, notice.display_id, notice.state) == (PID, DISPLAY_ID, "OPEN")


def test_v2_details_win_over_v1_details() -> None:
    """
    They carry evidence with root causes as the API has it.
    """
    notice = read(
        {
            "ProblemDetailsJSON": problem_v1(severityLevel="ERROR"),
            "ProblemDetailsJSONv2": problem_v2(),
        }
    )
    assert notice.problem is not None
    assert notice.problem.severity == "AVAILABILITY"


def test_json_in_quotes_is_read() -> None:
    """
    Templates quote JSON placeholders by mistake.
    """
    body = recommended(
        ProblemDetailsJSONv2=json.dumps(problem_v2()),
        ImpactedEntities=json.dumps(recommended()["ImpactedEntities"]),
    )
    notice = read(body)
    assert notice.problem is not None
    assert notice.problem.evidence
    del body["ProblemDetailsJSONv2"]
    notice = read(body)
    assert notice.problem is not None
    assert [item.id for item in notice.problem.affected] == [PROCESS]


def test_doubled_keys_are_taken_as_one() -> None:
    """
    Both the same key twice and two spellings of one key occur.
    """
    text = f'{{"State": "OPEN", "State": "OPEN", "state": "nonsense", "PID": "", "pid": "{PID}", "P_I_D": 5}}'
    notice = parse(text.encode())
    assert (notice.problem_id, notice.state) == (PID, "OPEN")


SPELLINGS = [
    {"problemId": PID, "status": "OPEN"},
    {"problem_id": PID, "problem-state": "OPEN"},
    {"PROBLEMID": PID, "State": "open"},
    {"event.id": PID, "event.status": "ACTIVE"},
    {"id": PID, "state": "OPEN"},
]


@pytest.mark.parametrize("body", SPELLINGS)
def test_keys_are_recognised_by_sense_and_form(body: dict[str, str]) -> None:
    """
    Names differ from tenant to tenant in case and punctuation.
    """
    notice = read(body)
    assert (notice.problem_id, notice.state) == (PID, "OPEN")


def test_custom_key_names_are_mapped() -> None:
    """
    What ``webhook:keys`` names is looked at first.
    """
    keys = {
        "pid": "dedup_key",
        "problem_id": "ticket",
        "state": "what",
        "title": "summary",
        "details": "custom",
    }
    body = {
        "dedup_key": PID,
        "ticket": DISPLAY_ID,
        "what": "OPEN",
        "summary": TITLE,
        "custom": problem_v2(),
    }
    with pytest.raises(NotificationError):
        read(body)
    notice = read(body, keys)
    assert (notice.problem_id, notice.display_id, notice.state, notice.title) == (
        PID,
        DISPLAY_ID,
        "OPEN",
        TITLE,
    )
    assert notice.problem is not None
    assert notice.problem.evidence


ENVELOPES = [
    {"specversion": "1.0", "id": "1234", "type": "problem", "source": "/x", "data": recommended()},
    {"specversion": "1.0", "id": "1234", "data": json.dumps(recommended())},
    {"eventData": recommended()},
    {"event_data": recommended()},
    {"event": recommended()},
    {"payload": recommended()},
    {"body": json.dumps(recommended())},
    {"headers": {"Host": "x"}, "post": {}, "body": json.dumps({"eventData": recommended()})},
    {"specversion": "1.0", "id": "1234", "event": {"id": 5, "data": json.dumps(recommended())}},
]


@pytest.mark.parametrize("body", ENVELOPES, ids=[next(reversed(body)) for body in ENVELOPES])
def test_envelopes_are_opened(body: dict[str, Any]) -> None:
    """
    CloudEvents, workflows and relays wrap the body; the id of an envelope is none of a problem.
    """
    notice = read(body)
    assert (notice.problem_id, notice.display_id, notice.state) == (PID, DISPLAY_ID, "OPEN")
    assert notice.problem is not None
    assert notice.problem.evidence


GRAIL = {
    "event.id": MINUS_PID,
    "display_id": DISPLAY_ID,
    "event.kind": "DAVIS_PROBLEM",
    "event.name": TITLE,
    "event.status": "ACTIVE",
    "event.status_transition": "CREATED",
    "event.category": "AVAILABILITY",
    "affected_entity_ids": [PROCESS],
}


def test_grail_names_are_read() -> None:
    """
    A workflow posts the record as it stands in Grail.
    """
    notice = read({"eventData": GRAIL})
    assert (notice.problem_id, notice.display_id, notice.state) == (MINUS_PID, DISPLAY_ID, "OPEN")
    assert notice.problem is not None
    assert (notice.title, notice.problem.severity) == (TITLE, "AVAILABILITY")


def test_a_grail_record_that_is_closed_is_resolved() -> None:
    """
    The transition may say UPDATED on a closed record; the status counts.
    """
    closed = {**GRAIL, "event.status": "CLOSED", "event.status_transition": "UPDATED"}
    assert read(closed).state == "RESOLVED"


TESTS = [
    probe(),
    probe(PID="999999"),
    probe(ProblemID="TESTID", PID="12"),
    probe(ProblemDetails={"id": "99999"}),
    {"State": "OPEN", "ProblemID": "999", "ProblemTitle": TEST_TITLE},
    {"pid": "99999", "title": "changed"},
    {"PID": 99999},
    {"summary": "x", "ImpactedEntities": [{"entity": "HOST-XXXXXXXXXXXXX"}]},
    {"summary": "x", "ImpactedEntities": '[{"entity": "HOST-XXXXXXXXXXXXX"}]'},
    {"eventData": probe()},
]


@pytest.mark.parametrize("body", TESTS)
def test_a_test_notification_is_recognised(body: dict[str, Any]) -> None:
    """
    Nothing else may come of it, so no problem is handed on.
    """
    notice = read(body)
    assert notice.test
    assert notice.problem is None


def test_a_test_notification_is_recognised_by_custom_key_names() -> None:
    """
    The button sends the same values, under the names of the template.
    """
    assert read({"ref": "99999", "what": "OPEN"}, {"pid": "ref"}).test
    assert read({"ref": "TESTID", "what": "OPEN"}, {"problem_id": "ref"}).test


@pytest.mark.parametrize("template", [DEFAULT_TEMPLATE, RECOMMENDED_TEMPLATE])
def test_what_the_button_sends_is_a_test(template: str) -> None:
    """
    Both templates, filled with the documented values.
    """
    assert parse(expand(template, probe_values(), escape=True).encode()).test


def test_a_real_problem_is_no_test_whatever_its_number() -> None:
    """
    A number 999 exists once in a tenant's life.
    """
    assert not read(recommended(ProblemID="999")).test


def test_merged_is_a_state_of_its_own() -> None:
    """
    It ends the problem, and nothing may be done about it.
    """
    notice = read(recommended(State="MERGED"))
    assert notice.state == "MERGED"
    assert notice.problem is not None
    assert notice.problem.merged
    assert not notice.problem.is_open


def test_resolved_closes_whatever_the_details_say() -> None:
    """
    The details of a resolved notification may lag behind.
    """
    notice = read(recommended(State="RESOLVED"))
    assert notice.state == "RESOLVED"
    assert notice.problem is not None
    assert not notice.problem.is_open


def test_an_unknown_state_is_not_taken_for_open() -> None:
    """
    A problem is acted on only when a notification says OPEN.
    """
    notice = read({"PID": PID, "State": "{State}"})
    assert notice.state is None
    assert notice.problem is not None
    assert not notice.problem.is_open


def test_an_old_pid_is_kept_apart() -> None:
    """
    Without its suffix the API does not know it.
    """
    notice = read({"PID": OLD_PID, "ProblemID": "503", "State": "OPEN"})
    assert (notice.problem_id, notice.old_pid, notice.display_id) == (None, OLD_PID, "503")
    assert read({"PID": OLD_PID}).old_pid == OLD_PID


def test_a_pid_with_a_minus_is_read() -> None:
    """
    Half of all ids begin with one.
    """
    assert read(recommended(PID=MINUS_PID)).problem_id == MINUS_PID


def test_numbers_in_place_of_texts_are_read() -> None:
    """
    A template may leave out the quotes.
    """
    assert read({"State": "OPEN", "ProblemID": 503}).display_id == "503"
    assert parse(f'{{"PID": {OLD_PID}}}'.encode()).old_pid == OLD_PID


def test_a_byte_order_mark_is_no_obstacle() -> None:
    """
    Some relays write one.
    """
    assert parse(b"\xef\xbb\xbf" + json.dumps(recommended()).encode()).problem_id == PID


HOSTILE_TITLE = (
    "a\nb\"c'd{{ 7 * 7 }}{% set x = 1 %}: - &a *b !!python/object \u2028\u0085\U0001f4a5"
)


def test_a_hostile_title_stays_a_text() -> None:
    """
    It changes the title and nothing else.
    """
    plain, hostile = read(recommended()), read(recommended(ProblemTitle=HOSTILE_TITLE))
    assert hostile.title == HOSTILE_TITLE
    assert (hostile.problem_id, hostile.display_id, hostile.state) == (
        plain.problem_id,
        plain.display_id,
        plain.state,
    )


def test_a_lone_surrogate_is_no_obstacle() -> None:
    """
    JSON can spell it, though UTF-8 cannot hold it.
    """
    assert parse(b'{"PID": "%s", "ProblemTitle": "x\\ud800y"}' % PID.encode()).title == "x\ud800y"


DEEP = [
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"PID": "7_1V2", "x": ' + b"[" * 100 + b"]" * 100 + b"}",
    b'{"a":' * 65 + b"1" + b"}" * 65,
    b'{"PID": "7_1V2", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
]


@pytest.mark.parametrize(
    "body", DEEP, ids=["arrays", "objects", "inside", "just too deep", "whole"]
)
def test_deep_nesting_is_refused(body: bytes) -> None:
    """
    It would exhaust the stack of whoever walks it later.
    """
    with pytest.raises(NotificationError) as caught:
        parse(body)
    assert str(caught.value) in (TOO_DEEP, NOT_JSON)


def test_deep_nesting_in_quotes_is_left_out() -> None:
    """
    What stands in quoted details is checked like the body.
    """
    nested = "[" * 100 + "]" * 100
    deep = f'{{"problemId": "{PID}", "x": {nested}}}'
    notice = read(
        {
            "PID": PID,
            "State": "OPEN",
            "ProblemDetailsJSONv2": deep,
            "ImpactedEntities": "[" * 100_000,
        }
    )
    assert notice.problem is not None
    assert notice.problem.evidence == ()


REFUSED = [
    (b"", NOT_JSON),
    (b"State: OPEN", NOT_JSON),
    (b'{"State": "OPEN"', NOT_JSON),
    (b'{"x": ' + b"1" * 5000 + b"}", NOT_JSON),
    (b'{"State": "OPEN", "details": Process\nunavailable}', NOT_JSON),
    (b"[]", "the body is not a JSON object"),
    (b'[{"PID": "7_1V2"}]', "the body is not a JSON object"),
    (b"NaN", "the body is not a JSON object"),
    (b'"PID"', "the body is not a JSON object"),
    (b"null", "the body is not a JSON object"),
    (b"{}", NO_PROBLEM),
    (b'{"State": "OPEN", "ProblemTitle": "x"}', NO_PROBLEM),
    (b'{"PID": NaN, "ProblemID": Infinity}', NO_PROBLEM),
    (b'{"PID": true}', NO_PROBLEM),
    (b'{"PID": "{PID}", "ProblemID": "{ProblemID}"}', NO_PROBLEM),
    (b'{"PID": "7_1V2/../../x"}', NO_PROBLEM),
    (b'{"PID": ["7_1V2"]}', NO_PROBLEM),
    ('{"PID": "\u0663_\u0664V2"}'.encode(), NO_PROBLEM),
    (
        b'{"eventData": {"event.status": "ACTIVE", "affected_entity_ids": ["CLUSTER-123456789"]}}',
        NO_PROBLEM,
    ),
    (b'{"ProblemTitle": "\xe4"}', "the body is not UTF-8"),
    (json.dumps(recommended()).encode("utf-16"), "the body is not UTF-8"),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED, ids=[repr(body[:30]) for body, _ in REFUSED])
def test_the_sender_is_told_why_it_is_refused(body: bytes, reason: str) -> None:
    """
    The reason says what to do and quotes nothing of the body.
    """
    with pytest.raises(NotificationError) as caught:
        parse(body)
    assert str(caught.value) == reason


def test_an_integer_beyond_64_bits_is_no_id() -> None:
    """
    The ledger and the bus could not hold it.
    """
    with pytest.raises(NotificationError):
        parse(b'{"PID": 99999999999999999999999}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"' + b"a" * 1_000_000 + b'": 1}',
        b'{"a": [' + b"0," * 500_000 + b"0]}",
        b'{"a": "' + b"\\u0000" * 170_000 + b'"}',
        b'{"details": "' + b"{" * 1_000_000 + b'"}',
        b"{" + b",".join(b'"de_t_ails%s": "{"' % (b"_" * n) for n in range(1300)) + b"}",
        b'{"ImpactedEntities": [' + b'{"entity": 1},' * 70_000 + b"{}]}",
        b"{" + b",".join(b'"%d": {}' % n for n in range(90_000)) + b"}",
    ],
    ids=["key", "numbers", "escapes", "braces", "spellings", "entities", "keys"],
)
def test_a_large_body_is_read_in_a_moment(body: bytes) -> None:
    """
    One MiB of anything must not stop the listener.
    """
    begin = time.perf_counter()
    with pytest.raises(NotificationError):
        parse(body)
    assert time.perf_counter() - begin < 10  # It takes a few hundredths; only what hangs fails.


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            PID,
            DISPLAY_ID,
            OLD_PID,
            "OPEN",
            "{",
            "[",
            '{"problemId": 5}',
            "99999",
            "HOST-XXXXXXXXXXXXX",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "PID",
                    "ProblemID",
                    "State",
                    "data",
                    "body",
                    "ProblemDetailsJSON",
                    "ProblemDetailsJSONv2",
                    "ImpactedEntities",
                    "entity",
                    "name",
                    "eventData",
                    "rankedEvents",
                    "entityId",
                    "id",
                    "status",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)
KEYS = st.none() | st.dictionaries(
    st.sampled_from(["pid", "problem_id", "state", "title", "details"]), st.text()
)


def never_raises_anything_else(body: bytes, keys: dict[str, str] | None) -> None:
    """
    Fail when parsing raises something that is not documented.
    """
    try:
        notice = parse(body, keys)
    except NotificationError as err:
        assert 0 < len(str(err)) < 400
    else:
        assert notice.test or notice.problem_id or notice.display_id or notice.old_pid


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*recommended(), "data", "eventData"]), JSON), KEYS)
def test_no_body_that_is_json_raises_anything_else(
    changes: dict[str, Any], keys: dict[str, str] | None
) -> None:
    """
    NotificationError is all that a sender can provoke.
    """
    never_raises_anything_else(json.dumps(changes).encode(), keys)
    never_raises_anything_else(json.dumps(recommended(**changes)).encode(), keys)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
@example(b'{"a":"\xed\xa0\x80"}')
@example(b"\xff\xfe{\x00}\x00")
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """
    Nor what is no JSON at all.
    """
    never_raises_anything_else(body, None)
    never_raises_anything_else(b'{"PID": "' + body + b'"}', None)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_no_title_changes_what_is_recognised(title: str) -> None:
    """
    Text is text, whatever it holds.
    """
    notice = read(recommended(ProblemTitle=title))
    assert (notice.problem_id, notice.state, notice.test) == (
        PID,
        "OPEN",
        title.strip() == TEST_TITLE,
    )


def test_a_body_that_salt_api_decoded_is_read() -> None:
    """
    Its hook hands on what it decoded itself.
    """
    assert parse_data(recommended()).problem_id == PID
    with pytest.raises(NotificationError):
        parse_data(["x"])


def test_what_the_tenant_sends_is_read() -> None:
    """
    The simulated tenant fills the templates as a real one does; here without a network.
    """
    tenant = Tenant()
    process = tenant.add_process(tenant.add_host("web01.example.com"))
    problem = tenant.open_problem(process, title=HOSTILE_TITLE)
    values = problem_values(problem, "OPEN", "https://abc12345.live.dynatrace.com", tenant)
    notice = parse(expand(RECOMMENDED_TEMPLATE, values, escape=True).encode())
    assert (notice.problem_id, notice.display_id, notice.title) == (
        problem.problem_id,
        problem.display_id,
        HOSTILE_TITLE,
    )
    assert notice.problem is not None
    assert [item.id for item in notice.problem.affected] == [process]
    notice = parse(expand(DEFAULT_TEMPLATE, values, escape=True).encode())
    assert (notice.problem_id, notice.display_id) == (None, problem.display_id)

"""
How a minion's return is judged.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.master.job_results import (
    ENDS,
    MAX_CHARS,
    TESTED,
    Result,
    judge,
    judge_orchestration,
)
from hypothesis import given
from hypothesis import strategies as st


def state(
    result: bool | None, comment: Any = "", number: int = 0, changes: Any = None
) -> dict[str, Any]:
    """
    Return what one state of a run returns.
    """
    return {
        "result": result,
        "comment": comment,
        "changes": changes or {},
        "__run_num__": number,
        "__id__": "x",
    }


GOOD_RUN = {
    "test_|-config_|-config_|-run": state(True, "configuration is good", 0),
    "service_|-restart_|-apache2_|-running": state(True, "restarted", 1, {"apache2": True}),
    "http_|-prove_|-url_|-query": state(True, "it  answers\nagain", 2),
}
FAILED = state(False, "AH00526: Syntax error", 0)
SKIPPED = state(False, "One or more requisite failed: config", 1)

JUDGED = [
    # Good ones.
    ({"return": GOOD_RUN, "retcode": 0, "success": True}, Result("good", "it answers again")),
    ({"return": GOOD_RUN}, Result("good", "it answers again")),
    (
        {"return": dict(reversed(GOOD_RUN.items())), "retcode": 0},
        Result("good", "it answers again"),
    ),
    ({"return": True, "retcode": 0}, Result("good", "")),
    ({"return": "done", "retcode": 0}, Result("good", "")),
    ({"return": {}, "retcode": 0}, Result("good", "")),
    # Bad ones.
    ({"return": {"a": state(None, "would restart")}, "retcode": 0}, Result("bad", TESTED)),
    ({"return": {**GOOD_RUN, "a": state(None, "would restart")}}, Result("bad", TESTED)),
    (
        {"return": {"a": FAILED}, "retcode": 2, "success": True},
        Result("bad", "AH00526: Syntax error"),
    ),
    (
        {"return": {"a": FAILED}, "retcode": 0, "success": True},
        Result("bad", "AH00526: Syntax error"),
    ),
    ({"return": {"b": SKIPPED, "a": FAILED}, "retcode": 2}, Result("bad", "AH00526: Syntax error")),
    (
        {"return": {"b": SKIPPED}, "retcode": 2},
        Result("bad", "One or more requisite failed: config"),
    ),
    ({"return": {**GOOD_RUN, "z": FAILED}, "retcode": 2}, Result("bad", "AH00526: Syntax error")),
    (
        {"return": {"a": FAILED, "b": state(False, ["no", "answer"], 1)}},
        Result("bad", "AH00526: Syntax error; no; answer"),
    ),
    ({"return": GOOD_RUN, "retcode": 2}, Result("bad", "the job returned code 2")),
    (
        {"return": GOOD_RUN, "retcode": 0, "success": False},
        Result("bad", "the job returned code 0"),
    ),
    ({"return": False, "retcode": 0, "success": True}, Result("bad", "the job returned code 0")),
    ({"return": True, "retcode": 1}, Result("bad", "the job returned code 1")),
    ({"return": True, "success": False}, Result("bad", "the job returned code None")),
    (
        {"return": "'state.apply' is not available.", "retcode": 254, "success": False},
        Result("bad", "'state.apply' is not available."),
    ),
    # Rendering errors and refused runs come as a list of texts, once with a retcode and once without.
    (
        {
            "return": ["Rendering SLS 'base:x' failed: Jinja variable 'y' is undefined"],
            "retcode": 1,
        },
        Result("bad", "Rendering SLS 'base:x' failed: Jinja variable 'y' is undefined"),
    ),
    (
        {"return": ["No matching sls found", "in env 'base'"]},
        Result("bad", "No matching sls found; in env 'base'"),
    ),
    # What cannot be read is not taken for good.
    (None, Result("bad", "the return could not be read")),
    ("done", Result("bad", "the return could not be read")),
    ({}, Result("bad", "the return could not be read")),
    ({"retcode": 0, "success": True}, Result("bad", "the return could not be read")),
]


@pytest.mark.parametrize(("returned", "expected"), JUDGED)
def test_a_return_is_judged_by_all_that_it_says(returned: Any, expected: Result) -> None:
    """
    Good needs a zero retcode, no ``success: False``, and no state with a false result.
    """
    assert judge(returned) == expected


def test_a_comment_stays_short() -> None:
    """
    It goes into an event and a comment on the problem.
    """
    long = "x" * 5000
    many = {str(n): state(False, long, n) for n in range(50)}
    assert len(judge({"return": {"a": state(False, long)}}).comment) == MAX_CHARS
    assert len(judge({"return": {"a": state(True, long)}}).comment) == MAX_CHARS
    assert len(judge({"return": long, "retcode": 1}).comment) == MAX_CHARS
    assert len(judge({"return": many}).comment) == MAX_CHARS


@pytest.mark.parametrize("comment", [None, "", [], 5, b"\xff", {"a": 1}, "a\ud800b"])
def test_a_comment_of_any_shape_can_be_stored(comment: Any) -> None:
    """
    Minions return what they like; the ledger needs a text that is UTF-8.
    """
    for result in (True, False):
        told = judge({"return": {"a": state(result, comment)}}).comment
        told.encode()
        assert told != "None"
    judge({"return": "a\ud800b", "retcode": 1}).comment.encode()


@pytest.mark.parametrize("number", [None, "x", 1.5, [1]])
def test_a_strange_run_number_is_no_obstacle(number: Any) -> None:
    """
    It only orders the comments.
    """
    assert judge(
        {"return": {"a": {"result": True, "comment": "x", "__run_num__": number}, "b": 5}}
    ).ok


TAKEN, HEALED, FINISHED = (
    f"dynatrace_|-x_|-apache2_|-{name}" for name in ("attempt_taken", "healed", "attempt_finished")
)


def ours(outcome: Any, result: bool = True, **told: Any) -> dict[str, Any]:
    """
    Return what our state returns, made by hand in the shape of salt/_states/dynatrace.py.
    """
    attempt = told.pop("attempt", None)
    return {
        **state(result, "said", changes=told.pop("changes", None)),
        "dynatrace": {"attempt": attempt, "outcome": outcome, **told},
    }


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({HEALED: ours("healed", changes={"apache2": "started"})}, "good"),
        ({HEALED: ours("healthy")}, "healthy"),
        ({HEALED: ours("failed", False)}, "bad"),
        ({HEALED: ours("refused", False)}, "refused"),
        ({HEALED: ours("unproved", False, changes={"apache2": "started"})}, "unproved"),
        # What the state leaves to others, as `attempt_taken` does.
        ({TAKEN: ours(None), "cmd_|-a_|-b_|-run": state(True, changes={"pid": 1})}, "good"),
        ({TAKEN: ours(None), FINISHED: ours(None, changes={"finished": "now"})}, "healthy"),
        # Another state of the same run did something.
        ({HEALED: ours("healthy"), "cmd_|-a_|-b_|-run": state(True, changes={"pid": 1})}, "good"),
        # Of two ends the worse one, and only what all say.
        ({"a": ours("refused", False), "b": ours("unproved", False)}, "bad"),
        ({"a": ours("refused", False), "b": FAILED}, "bad"),
        ({"a": ours("refused", False), "b": SKIPPED}, "refused"),
        ({"a": ours("healed"), "b": ours("healthy")}, "good"),
        # Words that contradict the result, or are none.
        ({HEALED: ours("healed", False)}, "bad"),
        ({HEALED: ours("repeated", False)}, "bad"),
        ({HEALED: ours("refused", True)}, "refused"),
        ({HEALED: ours("cured")}, "bad"),
        ({HEALED: ours(["healed"])}, "bad"),
        ({HEALED: ours({"healed": 1})}, "bad"),
        ({HEALED: {**state(True), "dynatrace": "healed"}}, "bad"),
        ({HEALED: {**state(True), "dynatrace": 7}}, "bad"),
    ],
)
def test_our_states_tell_the_outcome_themselves(states: Any, expected: str) -> None:
    """
    By words that the engine knows; any other counts as failed.
    """
    assert judge({"return": states, "retcode": 0}).state == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"cmd_|-a_|-b_|-run": state(True, changes={"pid": 1})}, "good"),
        ({"cmd_|-a_|-b_|-run": state(True, "already running")}, "healthy"),
        ({TAKEN: state(True, changes={"attempt": "9f0c"}), "a": state(True)}, "healthy"),
        ({FINISHED: state(True, changes={"finished": "now"}), "a": state(True)}, "healthy"),
        ({"a": {**state(True), "changes": "yes"}}, "good"),
    ],
)
def test_a_site_that_changed_nothing_has_healed_nothing(states: Any, expected: str) -> None:
    """
    Its own SLS has no word for it: what its states changed tells, beside taking and finishing the attempt.
    """
    assert judge({"return": states, "retcode": 0}).state == expected


def test_a_run_that_only_waits_for_another_has_no_outcome() -> None:
    """
    Salt 3008 says `result: True` of a run that it has put into its queue.
    """
    queued = {"result": True, "comment": "Job queued for execution", "queued": True, "changes": {}}
    assert judge({"return": queued, "retcode": 0, "success": True}).state == "waiting"


def test_a_run_that_could_not_be_queued_has_failed() -> None:
    """
    Salt 3008 leaves the return code 0 then.
    """
    why = "Failed to queue job: unable to write queue file"
    returned = {"return": {"result": False, "comment": why, "changes": {}}, "retcode": 0}
    assert judge(returned) == Result("bad", why)


def test_the_return_of_another_attempt_heals_nothing() -> None:
    """
    A run by hand has no attempt, and may be what a site's reactor starts.
    """
    for attempt, expected in (("a1", "good"), (None, "good"), ("a2", "bad"), (["a1"], "bad")):
        returned = {"return": {HEALED: ours("healed", attempt=attempt)}}
        assert judge(returned, "a1").state == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"ago": 30, "before": "healed"}, ("good", 30.0)),
        ({"ago": 30.5, "before": "healthy"}, ("healthy", 30.5)),
        ({"ago": 30}, ("good", 30.0)),
        ({"ago": 30, "before": "refused"}, ("refused", 30.0)),
        ({"ago": 30, "before": "cured"}, ("bad", 30.0)),
        ({"ago": 30, "before": {}}, ("bad", 30.0)),
        ({"before": "healed"}, ("good", 0.0)),
        ({"ago": -1, "before": "healed"}, ("good", 0.0)),
        ({"ago": True, "before": "healed"}, ("good", 0.0)),
        ({"ago": "unknown", "before": "healed"}, ("good", 0.0)),
        ({"ago": float("nan"), "before": "healed"}, ("good", 0.0)),
        ({"ago": 10**400, "before": "healed"}, ("good", 0.0)),
    ],
)
def test_an_attempt_that_was_over_before_ends_as_it_did(told: Any, expected: Any) -> None:
    """
    As long ago as the minion says, if that is a time at all.
    """
    result = judge({"return": {TAKEN: ours("repeated", **told)}})
    assert (result.state, result.ago) == expected


def orchestrated(success: bool, **steps: Any) -> dict[str, Any]:
    """
    Return what the master files of an orchestration whose steps changed this, made by hand in the shape of Salt 3008.
    """
    ran = {
        f"salt_|-{name}_|-{name}_|-state": {"result": success, "comment": "", "changes": changes}
        for name, changes in steps.items()
    }
    told = {"data": {"master_master": ran}, "outputter": "highstate", "retcode": int(not success)}
    return {"fun": "runner.state.orchestrate", "success": success, "return": told}


@pytest.mark.parametrize(
    ("ended", "state", "said"),
    [
        (orchestrated(True, one={"ret": {"web01": {HEALED: ours("healed")}}}), "good", "said"),
        (orchestrated(True, one={"ret": {"web01": {HEALED: ours("healthy")}}}), "healthy", "said"),
        # Of a minion on which nothing changed Salt hands on nothing.
        (orchestrated(True, one={}), "healthy", "the orchestration succeeded"),
        (orchestrated(True, one={"ret": {"web02": {HEALED: ours("healed")}}}), "healthy", ""),
        (orchestrated(True, one={}, two={"pid": 5}), "good", ""),
        (
            orchestrated(False, one={"ret": {"web01": {HEALED: ours("refused", False)}}}),
            "refused",
            "",
        ),
        (orchestrated(False, one={"ret": {"web01": {HEALED: ours("failed", False)}}}), "bad", ""),
        (orchestrated(False, one={"ret": {"web02": {HEALED: ours("refused", False)}}}), "bad", ""),
        (orchestrated(False, one={"ret": {"web01": False}}), "bad", "the orchestration failed"),
        (orchestrated(True, one={"ret": {"web01": {"queued": True, "result": True}}}), "bad", ""),
        # Of what was done nothing is told.
        ({"success": True, "return": {}}, "good", "the orchestration succeeded"),
        ({"success": True, "return": {"data": {"m": ["an error"]}}}, "good", ""),
        ({"success": "yes"}, "bad", "the orchestration failed"),
        (None, "bad", "the orchestration failed"),
        ("done", "bad", ""),
    ],
)
def test_an_orchestration_heals_only_where_its_steps_did_something(
    ended: Any, state: str, said: str
) -> None:
    """
    It has one return for all, in which each step tells of each minion.
    """
    result = judge_orchestration(ended, "web01")
    assert result.state == state
    assert said in result.comment


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
TOLD = st.fixed_dictionaries(
    {},
    optional={
        "result": ANYTHING,
        "comment": ANYTHING,
        "changes": ANYTHING,
        "__run_num__": ANYTHING,
        "dynatrace": ANYTHING
        | st.fixed_dictionaries(
            {"outcome": st.sampled_from([*ENDS, "repeated", "cured"]) | ANYTHING},
            optional={"attempt": ANYTHING, "ago": ANYTHING, "before": ANYTHING},
        ),
    },
)
RUN = ANYTHING | st.dictionaries(st.sampled_from([TAKEN, HEALED, FINISHED, "a"]), TOLD | ANYTHING)


@given(
    st.fixed_dictionaries({"return": RUN}, optional={"retcode": ANYTHING, "success": ANYTHING})
    | ANYTHING
)
def test_whatever_a_minion_returns_is_judged(returned: Any) -> None:
    """
    As one of the known ends, with a text that can be stored and a time that is one; so is what a step tells of it.
    """
    for result in (
        judge(returned, "a1"),
        judge_orchestration(returned, "web01"),
        judge_orchestration(orchestrated(True, one={"ret": {"web01": returned}}), "web01"),
    ):
        assert result.state in ("waiting", *ENDS.values())
        assert len(result.comment.encode()) <= 4000
        assert result.ago is None or result.ago >= 0

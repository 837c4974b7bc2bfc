"""
How a minion's return is judged.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace_jobs import TESTED, Result, judge


def state(result: bool | None, comment: Any = "", number: int = 0) -> dict[str, Any]:
    """
    Return what one state of a run returns.
    """
    return {
        "result": result,
        "comment": comment,
        "changes": {},
        "__run_num__": number,
        "__id__": "x",
    }


GOOD_RUN = {
    "test_|-config_|-config_|-run": state(True, "configuration is good", 0),
    "service_|-restart_|-apache2_|-running": state(True, "restarted", 1),
    "http_|-prove_|-url_|-query": state(True, "it  answers\nagain", 2),
}
FAILED = state(False, "AH00526: Syntax error", 0)
SKIPPED = state(False, "One or more requisite failed: config", 1)

JUDGED = [
    # Good ones.
    ({"return": GOOD_RUN, "retcode": 0, "success": True}, Result(True, "it answers again")),
    ({"return": GOOD_RUN}, Result(True, "it answers again")),
    ({"return": dict(reversed(GOOD_RUN.items())), "retcode": 0}, Result(True, "it answers again")),
    ({"return": True, "retcode": 0}, Result(True, "")),
    ({"return": "done", "retcode": 0}, Result(True, "")),
    ({"return": {}, "retcode": 0}, Result(True, "")),
    # Bad ones.
    ({"return": {"a": state(None, "would restart")}, "retcode": 0}, Result(False, TESTED)),
    ({"return": {**GOOD_RUN, "a": state(None, "would restart")}}, Result(False, TESTED)),
    (
        {"return": {"a": FAILED}, "retcode": 2, "success": True},
        Result(False, "AH00526: Syntax error"),
    ),
    (
        {"return": {"a": FAILED}, "retcode": 0, "success": True},
        Result(False, "AH00526: Syntax error"),
    ),
    ({"return": {"b": SKIPPED, "a": FAILED}, "retcode": 2}, Result(False, "AH00526: Syntax error")),
    (
        {"return": {"b": SKIPPED}, "retcode": 2},
        Result(False, "One or more requisite failed: config"),
    ),
    ({"return": {**GOOD_RUN, "z": FAILED}, "retcode": 2}, Result(False, "AH00526: Syntax error")),
    (
        {"return": {"a": FAILED, "b": state(False, ["no", "answer"], 1)}},
        Result(False, "AH00526: Syntax error; no; answer"),
    ),
    ({"return": GOOD_RUN, "retcode": 2}, Result(False, "the job returned code 2")),
    (
        {"return": GOOD_RUN, "retcode": 0, "success": False},
        Result(False, "the job returned code 0"),
    ),
    ({"return": False, "retcode": 0, "success": True}, Result(False, "the job returned code 0")),
    ({"return": True, "retcode": 1}, Result(False, "the job returned code 1")),
    ({"return": True, "success": False}, Result(False, "the job returned code None")),
    (
        {"return": "'state.apply' is not available.", "retcode": 254, "success": False},
        Result(False, "'state.apply' is not available."),
    ),
    # Rendering errors and refused runs come as a list of texts, once with a retcode and once without.
    (
        {
            "return": ["Rendering SLS 'base:x' failed: Jinja variable 'y' is undefined"],
            "retcode": 1,
        },
        Result(False, "Rendering SLS 'base:x' failed: Jinja variable 'y' is undefined"),
    ),
    (
        {"return": ["No matching sls found", "in env 'base'"]},
        Result(False, "No matching sls found; in env 'base'"),
    ),
    # What cannot be read is not taken for good.
    (None, Result(False, "the return could not be read")),
    ("done", Result(False, "the return could not be read")),
    ({}, Result(False, "the return could not be read")),
    ({"retcode": 0, "success": True}, Result(False, "the return could not be read")),
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
    assert len(judge({"return": {"a": state(False, long)}}).comment) == 1000
    assert len(judge({"return": {"a": state(True, long)}}).comment) == 1000
    assert len(judge({"return": long, "retcode": 1}).comment) == 1000
    assert len(judge({"return": many}).comment) == 1000


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

"""
What minions remember of an attempt: read from what the real module and state give, and asked without being waited for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.core.errors import JobCacheError
from _dynatrace.core.records import Attempt
from _dynatrace.master import attempt_records, minion_queries
from _dynatrace.master.attempt_records import AttemptRecords
from _dynatrace.master.job_cache import Jobs
from _dynatrace.master.job_results import judge
from _dynatrace.master.minion_queries import MinionQueries

from tests.unit.minion.loading import load, private

OWN = "9f0c2a41d7e85b36"
JID = "20240721065959123456"
NOW = 1_800_000_000.0
TOLD = "2024-07-21T08:00:00Z"


class Asker:
    """
    Asks about a job that went to `sent`; the answers are `returns`, which may be changed.
    """

    def __init__(
        self, returns: Mapping[str, Any], sent: list[str] | None, error: Exception | None = None
    ) -> None:
        self.returned, self.error = returns, error
        self.readable = True
        self.woken = 0
        self.now = NOW
        self.queries = MinionQueries(
            "test", self._publish, self._returns, self._wake, lambda: self.now
        )
        jobs = Jobs(lambda _: sent, self._returns)
        self.of = AttemptRecords(self.queries.ask, jobs).of

    def _publish(self, minions: list[str], *_: str) -> str:
        if self.error:
            raise self.error
        return "a question"

    def _returns(self, jid: str) -> Mapping[str, Any]:
        if not self.readable:
            raise JobCacheError("gone")
        return self.returned if jid == "a question" else {}

    def _wake(self) -> None:
        self.woken += 1


def attempt() -> Attempt:
    return Attempt(OWN, "P", 1, 1, JID, "running", 0.0)


def test_the_record_of_the_real_module_is_understood(tmp_path: Path) -> None:
    """
    Only what is finished is a good end; the minion's clock does not count.
    """
    module = load("_utils/_dynatrace_utils/remedy/attempts.py", opts={"cachedir": str(tmp_path)})
    module.claim(OWN)
    assert attempt_records.memory({"return": module.attempt(OWN)}, OWN, NOW) is None
    module.finish(OWN)
    record = module.attempt(OWN)
    known = attempt_records.memory({"return": record}, OWN, NOW)
    assert known is not None
    assert NOW - 5 < known.taken <= known.finished <= NOW
    assert attempt_records.memory({"return": record}, "0" * 16, NOW) is None
    assert attempt_records.memory({"return": {**record, "now": None}}, OWN, NOW) is None


@pytest.mark.parametrize(
    ("outcome", "finished", "expected"),
    [
        (None, TOLD, "good"),
        ("healed", TOLD, "good"),
        ("healthy", TOLD, "healthy"),
        ("failed", None, "bad"),
        ("refused", None, "refused"),
        ("unproved", None, "unproved"),
        # A good end without its time, and what is no word for an end.
        ("healed", None, None),
        ("cured", TOLD, None),
        (["healed"], TOLD, None),
    ],
)
def test_a_bad_end_is_remembered_too(outcome: Any, finished: Any, expected: str | None) -> None:
    """
    Else a service that was brought back, and whose return was lost, would be restarted once more.
    """
    record = {"id": OWN, "taken": TOLD, "finished": finished, "now": TOLD, "outcome": outcome}
    known = attempt_records.memory({"return": record}, OWN, NOW)
    assert (known.state if known else None) == expected


@pytest.mark.parametrize(
    "returned",
    [
        None,
        "Minion did not return",
        {},
        {"return": None},
        {"return": True},
        {"return": {"id": OWN, "taken": None, "finished": None, "now": TOLD}},
        {"return": {"id": OWN, "taken": "2024-07-21T06:59:59Z", "finished": True, "now": TOLD}},
        {
            "return": {
                "id": OWN,
                "taken": "2024-07-21T06:59:59",
                "finished": "2024-07-21T07:00:00",
                "now": TOLD,
            }
        },
        {"return": {"id": OWN, "taken": {}, "finished": [], "now": TOLD}},
    ],
)
def test_whatever_else_a_minion_returns_is_no_good_end(returned: Any) -> None:
    """
    An error, an older module, a cut record, a lie without a time zone.
    """
    assert attempt_records.memory(returned, OWN, NOW) is None


def test_the_refusal_of_the_real_state_is_understood() -> None:
    """
    It tells how the attempt ended before, and how long ago; what came to no good end then has failed.
    """
    times = {"finished": "2024-07-21T07:00:00.123Z", "now": "2024-07-21T08:00:00.000Z"}
    for outcome, expected in ((None, "good"), ("healed", "good"), ("healthy", "healthy")):
        told = judge({"return": taken_again({**times, "outcome": outcome})})
        assert (told.state, told.ago) == (expected, 3599.0)
    told = judge({"return": taken_again({"finished": None, "taken": times["now"]})})
    assert (told.state, told.ago) == ("bad", None)


def taken_again(record: dict[str, Any]) -> dict[str, Any]:
    """
    Return what a minion tells of an attempt that it had taken before.
    """
    order = {
        "id": OWN,
        "jid": "20240721065959123456",
        "valid_until": "2100-01-01T00:00:00Z",
        "processes": {"web01": {}},
    }
    opts = {"id": "web01", "test": False, "cachedir": "/nonexistent"}
    remedy = private(opts=opts, pillar={"dynatrace_attempt": order}, salt={}).remedy
    remedy.attempts.claim = lambda *_: False
    remedy.attempts.attempt = lambda _: record
    remedy.order.others = lambda opts, jid: ""
    state = load("_states/dynatrace.py")
    return {"dynatrace_|-a_|-apache2_|-attempt_taken": state.attempt_taken("apache2")}


def test_a_question_is_asked_once_and_settled_when_all_answered() -> None:
    """
    Of those that the job went to; the loop is woken then.
    """
    ended = "2024-07-21T07:00:00Z"
    good = {"id": OWN, "taken": "2024-07-21T06:59:59Z", "finished": ended, "now": ended}
    returns: dict[str, Any] = {"web01": {"return": good}}
    asker = Asker(returns, ["web01", "web02", "db01"])
    assert asker.of(attempt(), {"web01", "web02"}) is None
    asker.queries.step()
    assert (asker.of(attempt(), {"web01", "web02"}), asker.woken) == (None, 0)
    returns["web02"] = {"return": None}
    asker.queries.step()
    assert asker.woken == 1
    found = asker.of(attempt(), {"web01", "web02"})
    assert found is not None and list(found) == ["web01"]


@pytest.mark.parametrize("sent", [None, [], ["master.example.com_master"]])
def test_nobody_is_asked_about_a_job_that_is_not_a_minions(sent: list[str] | None) -> None:
    """
    No such job, or an orchestration.
    """
    assert Asker({}, sent).of(attempt(), {"web01"}) == {}


def test_a_question_that_cannot_be_asked_has_no_answer() -> None:
    """
    The attempt is lost then, as it would be without asking.
    """
    asker = Asker({}, ["web01"], OSError("no socket"))
    assert asker.of(attempt(), {"web01"}) is None
    asker.queries.step()
    assert asker.of(attempt(), {"web01"}) == {}


def test_a_question_that_blocks_holds_nothing_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Publishing may never come back; after a while the attempt is lost.
    """
    asker = Asker({}, ["web01"])
    assert asker.of(attempt(), {"web01"}) is None
    later = time.monotonic() + attempt_records.GIVE_UP_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert asker.of(attempt(), {"web01"}) == {}


def test_an_answer_that_cannot_be_read_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The question is asked again then, and the attempt is not lost for it.
    """
    ended = "2024-07-21T07:00:00Z"
    record = {"id": OWN, "taken": ended, "finished": ended, "now": ended}
    asker = Asker({"web01": {"return": record}}, ["web01"])
    asker.readable = False
    assert asker.of(attempt(), {"web01"}) is None
    asker.queries.step()
    later = time.monotonic() + minion_queries.ANSWER_S + 1
    asker.now += minion_queries.ANSWER_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    asker.queries.step()
    assert asker.of(attempt(), {"web01"}) is None
    asker.readable = True
    assert asker.of(attempt(), {"web01"}) is None
    asker.queries.step()
    found = asker.of(attempt(), {"web01"})
    assert found is not None and list(found) == ["web01"]

"""
The steps of the orchestrations, and how each refuses.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.unit.minion.loading import load
from tests.unit.sls.test_reactor import HOSTILE

TARGET = {"minion": "web01", "remedy": "dynatrace.remedy.apache2", "order": None}
GOOD = {
    "attempt": 2,
    "state": "good",
    "jid": "2026",
    "ended": "2026-11-26T20:30:03.560Z",
    "minions": {"web01": "good, it serves"},
}
FIRST = {**GOOD, "attempt": 1, "state": "bad"}
PROBLEM = {"state": "escalated: spent", "minions": ["web01"], "attempts": [FIRST]}


class Master:
    """
    Runners and minions that answer what they are told to; `ran` holds what a minion was asked.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.minion: dict[str, Any] = {}
        self.says: dict[str, Any] = {
            "dynatrace_orch.target": TARGET,
            "dynatrace_orch.may_break": {**TARGET, "may": True, "reasons": [], "instance": "dt"},
            "dynatrace_orch.attempts": {"attempts": [{**GOOD, "problem": "P-1", "took_ms": 5}]},
            "dynatrace.status": {"dt": {"paused": False, "dry_run": False}},
            "dynatrace.show": {"dt": PROBLEM},
            "dynatrace.retry": {"dt": {"retry": "P-1"}},
        }
        self.states: ModuleType = load(
            "_states/dynatrace_orch.py",
            opts={"test": False},
            salt={"saltutil.cmd": self._cmd},
        )
        runners = {name: self._runner(name) for name in self.says}
        monkeypatch.setattr(self.states.steps.salt.loader, "runner", lambda *_, **__: runners)
        monkeypatch.setattr(self.states, "PROOF_S", 0)
        monkeypatch.setattr(self.states, "SHORTEST_S", 0)
        monkeypatch.setattr(self.states, "LOOK_S", 0.01)

    def _runner(self, name: str) -> Any:
        def run(*_: Any, **__: Any) -> Any:
            self.asked.append(name)
            says = self.says[name]
            return says.pop(0) if isinstance(says, list) else says

        return run

    def _cmd(self, tgt: list[str], fun: str, arg: Any, kwarg: Any, tgt_type: str) -> Any:
        assert tgt_type == "list"
        [minion] = tgt
        self.ran.append((minion, fun))
        return {minion: {"ret": self.minion[fun]}} if fun in self.minion else {}

    def step(self, name: str, **given: Any) -> tuple[Any, str, dict[str, Any]]:
        told = getattr(self.states, name)("x", **given)
        return told["result"], told["comment"], told["changes"]


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> Master:
    return Master(monkeypatch)


def remedy(result: Any = True, **changes: str) -> dict[str, Any]:
    """
    Return what a minion gives of a remedy's run.
    """
    return {
        "dynatrace_|-a_|-x_|-attempt_taken": {
            "result": True,
            "comment": "Run by hand",
            "changes": {"attempt": "by hand"},
            "__run_num__": 0,
        },
        "dynatrace_|-b_|-x_|-answers": {
            "result": result,
            "comment": "It serves",
            "changes": changes,
            "__run_num__": 2,
        },
        "dynatrace_|-c_|-x_|-restarted": {
            "result": True,
            "comment": "State was not run",
            "changes": {},
            "__state_ran__": False,
            "__run_num__": 1,
        },
    }


@pytest.mark.parametrize("result", [True, False, None])
def test_a_remedy_by_hand_tells_what_its_steps_said(master: Master, result: Any) -> None:
    """The result is the worst of theirs; bookkeeping and skipped steps are left out."""
    master.minion["state.apply"] = remedy(result, apache2="started")
    told = master.step("remedied", minion="web01", service="apache2")
    assert told == (result, "apache2 on web01: It serves", {"web01": {"apache2": "started"}})


def test_a_remedy_that_changed_nothing_is_no_change(master: Master) -> None:
    """Also not because a run by hand is noted as one."""
    master.minion["state.apply"] = remedy()
    assert master.step("remedied", minion="web01", service="apache2")[2] == {}


@pytest.mark.parametrize("answer", [["The function is running"], "no such state", {}])
def test_a_remedy_that_did_not_run_is_a_failure(master: Master, answer: Any) -> None:
    """Errors of a minion come as lists and texts."""
    master.minion["state.apply"] = answer
    result, comment, _ = master.step("remedied", minion="web01", service="apache2")
    assert (result, "did not run" in comment) == (False, True)


def test_a_minion_that_does_not_answer_is_a_failure(master: Master) -> None:
    """It is said as that."""
    assert "does not answer" in master.step("remedied", minion="web01", service="apache2")[1]


@pytest.mark.parametrize("step", ["remedied", "may_be_broken", "outage_healed"])
def test_what_the_runner_refuses_touches_no_minion(master: Master, step: str) -> None:
    """Its sentence is the comment."""
    refused = {"error": "no minion with the id", "retcode": 1}
    master.says["dynatrace_orch.target"] = master.says["dynatrace_orch.may_break"] = refused
    told = master.step(step, minion="*", service="apache2")
    assert told == (False, "no minion with the id", {})
    assert master.ran == []


def test_what_the_engine_would_not_heal_may_not_be_broken(master: Master) -> None:
    """With all its reasons; what requires this state does not run then."""
    answer = {**TARGET, "may": False, "reasons": ["it is paused", "in dry run"], "instance": "dt"}
    master.says["dynatrace_orch.may_break"] = answer
    told = master.step("may_be_broken", minion="web01", service="apache2")
    assert told == (False, "apache2 on web01 is not broken: it is paused; in dry run", {})


def test_a_problem_is_retried_and_its_new_attempt_told(master: Master) -> None:
    """What was tried before is not taken for the outcome."""
    later = {**PROBLEM, "attempts": [FIRST, {**GOOD, "state": "running", "ended": None}]}
    end = {**PROBLEM, "attempts": [FIRST, GOOD]}
    master.says["dynatrace.show"] = [{"dt": one} for one in (PROBLEM, PROBLEM, later, end)]
    result, comment, changes = master.step("problem_healed", display_id="P-1")
    assert result is True
    assert comment == "Attempt 2 on P-1 (job 2026): web01: good, it serves"
    assert changes == {"P-1": {"attempt": 2, "state": "good"}}
    assert master.asked.count("dynatrace.retry") == 1


def test_an_attempt_that_runs_already_is_waited_for(master: Master) -> None:
    """The engine is not asked for another one."""
    running = {**PROBLEM, "attempts": [{**GOOD, "state": "fired", "ended": None}]}
    master.says["dynatrace.show"] = [{"dt": running}, {"dt": {**PROBLEM, "attempts": [GOOD]}}]
    assert master.step("problem_healed", display_id="P-1")[0] is True
    assert "dynatrace.retry" not in master.asked


def test_a_bad_attempt_is_a_failure(master: Master) -> None:
    """With what the minion said."""
    end = {**PROBLEM, "attempts": [FIRST, {**GOOD, "state": "bad"}]}
    master.says["dynatrace.show"] = [{"dt": PROBLEM}, {"dt": end}]
    assert master.step("problem_healed", display_id="P-1")[0] is False


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"dynatrace.show": {"error": "no engine answered", "retcode": 1}}, "no engine answered"),
        ({"dynatrace.show": {"dt": {"error": "no problem 'P-1'"}, "retcode": 1}}, "no problem"),
        ({"dynatrace.show": {"dt": PROBLEM, "b": PROBLEM}}, "several engines"),
        ({"dynatrace.status": {"dt": {"paused": {"reason": "CH-1"}}}}, "paused: CH-1"),
        ({"dynatrace.status": {"dt": {"dry_run": True}}}, "dry run"),
        ({"dynatrace.retry": {"dt": {"error": "it is closed"}}}, "it is closed"),
        ({}, "not healed in time; the engine says of it: escalated: spent, on web01"),
    ],
)
def test_a_problem_that_cannot_be_healed_says_why(
    master: Master, change: dict[str, Any], why: str
) -> None:
    """No engine, no such problem, two engines, a pause, or nothing came of it."""
    master.says.update(change)
    result, comment, changes = master.step("problem_healed", display_id="P-1", timeout=0.05)
    assert (result, changes) == (False, {})
    assert why in comment


def test_a_closed_problem_needs_no_healing(master: Master) -> None:
    """That is no failure."""
    master.says["dynatrace.show"] = {"dt": {**PROBLEM, "state": "closed"}}
    assert master.step("problem_healed", display_id="P-1")[0] is True
    assert "dynatrace.retry" not in master.asked


NO_IDS = [text for text in HOSTILE if text != "010"]


@pytest.mark.parametrize("text", [*NO_IDS, None, True, ["P-1"], {"P-1": 1}, 1.5])
def test_a_hostile_display_id_is_not_asked_for(master: Master, text: Any) -> None:
    """The engine does not see it."""
    assert master.step("problem_healed", display_id=text)[0] is False
    assert master.asked == []


@pytest.mark.parametrize("timeout", ["5", None, [], True])
def test_a_hostile_timeout_breaks_nothing(master: Master, timeout: Any) -> None:
    """Checked before the minion is asked for anything."""
    told = master.step("outage_healed", minion="web01", service="apache2", timeout=timeout)
    assert told[:2] == (False, "`timeout` is a number of seconds")
    assert master.ran == []


@pytest.mark.parametrize("how", [*HOSTILE, None, ["stop"]])
def test_a_hostile_way_breaks_nothing(master: Master, how: Any) -> None:
    """There are two ways."""
    told = master.step("outage_healed", minion="web01", service="apache2", how=how)
    assert told[:2] == (False, "`how` is stop or kill")
    assert master.ran == []


def test_an_outage_is_reported_with_the_attempt_that_ended_it(master: Master) -> None:
    """The seconds are the minion's, the attempt the engine's."""
    master.minion["dynatrace.outage"] = {
        "service": "apache2",
        "seconds": 1.5,
        "healed": True,
        "restored": None,
    }
    told = master.step("outage_healed", minion="web01", service="apache2")
    comment = "apache2 on web01 was out for 1.50 s (stop); attempt 2 on P-1 (job 2026) is good."
    assert told == (True, comment, {"web01": {"apache2": "out for 1.50 s"}})
    master.says["dynatrace_orch.attempts"] = {"attempts": []}
    result, comment, _ = master.step("outage_healed", minion="web01", service="apache2")
    assert (result, "no attempt of the engine did it" in comment) == (False, True)


def test_an_outage_that_chaos_ended_itself_is_a_failure(master: Master) -> None:
    """It says so."""
    master.minion["dynatrace.outage"] = {
        "service": "apache2",
        "seconds": 121.0,
        "healed": False,
        "restored": "not healed within 120 s; the remedy was applied",
    }
    result, comment, _ = master.step("outage_healed", minion="web01", service="apache2")
    assert (result, "the remedy was applied" in comment) == (False, True)


def test_an_outage_that_the_minion_refuses_is_a_failure_and_no_more(master: Master) -> None:
    """Nothing was broken, so nothing is brought back."""
    master.minion["dynatrace.outage"] = {"refused": "nothing has been done: it is down"}
    told = master.step("outage_healed", minion="web01", service="apache2")
    assert told == (False, "apache2 on web01: nothing has been done: it is down", {})
    assert master.ran == [("web01", "dynatrace.outage")]


@pytest.mark.parametrize("answer", ["ERROR: apache2 still serves", None])
def test_a_minion_that_does_not_tell_is_sent_the_remedy(master: Master, answer: Any) -> None:
    """It may have died with the service down."""
    if answer:
        master.minion["dynatrace.outage"] = answer
    master.minion["state.apply"] = remedy()
    result, comment, _ = master.step("outage_healed", minion="web01", service="apache2")
    assert (result, "its remedy was applied: It serves" in comment) == (False, True)
    assert master.ran == [("web01", "dynatrace.outage"), ("web01", "state.apply")]


def test_with_test_true_nothing_is_broken_or_asked_for(master: Master) -> None:
    """Only the remedy runs on the minion, with test=True itself."""
    master.states.__opts__["test"] = True  # type: ignore[attr-defined]
    assert master.step("outage_healed", minion="web01", service="apache2")[0] is None
    assert master.step("problem_healed", display_id="P-1")[0] is None
    assert master.step("may_be_broken", minion="web01", service="apache2")[0] is True
    assert master.ran == []
    assert "dynatrace.retry" not in master.asked


@pytest.mark.parametrize("test", [True, False])
def test_a_refusal_is_told_with_test_true_as_well(master: Master, test: bool) -> None:
    """It fails either way, and changes nothing."""
    master.states.__opts__["test"] = test  # type: ignore[attr-defined]
    assert master.step("refused", comment="say what to heal") == (False, "say what to heal", {})

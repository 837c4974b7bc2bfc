"""
What a job's return says of an attempt.

A return is data from a minion: whatever its shape it is judged, and what is not understood is no good end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.policy import HOPELESS
from ..core.states import SERVING, ActionState

TESTED = "nothing was done: the minion runs states with test=True, see `test` in its configuration"
QUEUED = "it waits on the minion until another state run is over"
#: What our states call an outcome, and what the ledger calls the end of an action.
ENDS = {
    "healed": ActionState.GOOD,
    "healthy": ActionState.HEALTHY,
    "failed": ActionState.BAD,
    "refused": ActionState.REFUSED,
    "unproved": ActionState.UNPROVED,
}
#: Those after which another attempt would do nothing.
_UNDONE = ("refused", "unproved")
#: An attempt that had come to a good end before: this time nothing ran.
_REPEATED = "repeated"
#: These begin and end an attempt, and do nothing to a service.
_BRACKETS = ("|-attempt_taken", "|-attempt_finished")
#: Of a comment: what was done, the path of the evidence and its lines.
MAX_CHARS = 2000
#: No minion remembers an attempt for longer.
_LONGEST_S = 1e9


@dataclass(frozen=True)
class Result:
    """
    How an attempt ended on one minion: ``state`` is that of an action, ``waiting`` where it did not end yet.

    ``ago`` tells for how many seconds it was over already, where this job did nothing for that; else it is None.
    """

    state: ActionState
    comment: str
    ago: float | None = None

    @property
    def ok(self) -> bool:
        return self.state in SERVING


def judge(returned: Any, attempt_id: str | None = None) -> Result:
    """
    Return how a job went from what a minion returned: ``{"return": …, "retcode": …, "success": …}``.

    Good needs a zero retcode, no ``success: False``, and for state runs no state with a false result. Nor one with
    None: then the minion only said what it would do, as ``test: True`` in its configuration has it for all runs. Our
    states tell the outcome themselves, and of which attempt; of another one than ``attempt_id`` it is none of this one.
    """
    if not isinstance(returned, Mapping) or "return" not in returned:
        return Result(ActionState.BAD, "the return could not be read")
    value = returned["return"]
    if isinstance(value, Mapping) and value.get("queued") is True:
        # Salt 3008 puts a run with `queue: True` into a file when another one is in progress, and runs it later.
        return Result(ActionState.WAITING, QUEUED)
    states = _states(value)
    bad = _bad_states(states.values())
    if bad:
        words = {_word(state) for state in bad}
        word = words.pop() if len(words) == 1 else None
        end = ENDS[word] if word in _UNDONE else ActionState.BAD
        return Result(end, _fit("; ".join(filter(None, map(_comment, bad)))) or "a state failed")
    if any(state["result"] is None for state in states.values()):
        return Result(ActionState.BAD, TESTED)
    failed = bool(returned.get("retcode")) or returned.get("success") is False or value is False
    if failed or _is_errors(value):
        told = "; ".join(map(str, value)) if isinstance(value, list) else value
        text = told if isinstance(told, str) else ""
        return Result(
            ActionState.BAD, _fit(text) or f"the job returned code {returned.get('retcode')}"
        )
    if any(_attempt(state) not in (None, attempt_id) for state in states.values() if attempt_id):
        return Result(ActionState.BAD, "the return tells of another attempt")
    return _good(states)


def judge_orchestration(ended: Any, minion: str) -> Result:
    """
    Return how an orchestration went for one minion, from what the master filed: ``{"success": …, "return": …}``.

    It succeeds or fails as a whole. What was done on this minion its steps tell, each of which holds the returns of
    those minions on which something changed or failed.
    """
    good = isinstance(ended, Mapping) and ended.get("success") is True
    steps = _steps(ended.get("return") if isinstance(ended, Mapping) else None)
    returns = [ret for step in steps if isinstance(ret := step.get("ret"), Mapping)]
    told = [judge({"return": ret[minion]}) for ret in returns if minion in ret]
    words = {one.state for one in told if not one.ok}
    said = [one.comment for one in told if one.comment][-1:]
    if not good or ActionState.WAITING in words:
        state = words.pop() if len(words) == 1 else ActionState.BAD
        state = state if state in HOPELESS else ActionState.BAD
        return Result(state, _fit(": ".join(["the orchestration failed", *said])))
    by_others = any(step and not isinstance(step.get("ret"), Mapping) for step in steps)
    done = not steps or by_others or any(one.state != ActionState.HEALTHY for one in told)
    state = ActionState.GOOD if done else ActionState.HEALTHY
    return Result(state, _fit(": ".join(["the orchestration succeeded", *said])))


def seconds_of_run(returned: Any) -> float | None:
    """
    Return for how many seconds the states of a run ran, as the minion tells; None: it does not tell, or no state ran.
    """
    value = returned.get("return") if isinstance(returned, Mapping) else None
    told = [state.get("duration") for state in _states(value).values()]
    known = [one for one in told if isinstance(one, (int, float)) and 0 <= one <= _LONGEST_S]
    return sum(known) / 1000 if known else None


def _steps(value: Any) -> list[Mapping[str, Any]]:
    """
    Return what each step of an orchestration changed.
    """
    data = value.get("data") if isinstance(value, Mapping) else None
    masters = data.values() if isinstance(data, Mapping) else ()
    changes = [step.get("changes") for one in masters for step in _states(one).values()]
    return [one if isinstance(one, Mapping) else {} for one in changes]


def _good(states: Mapping[str, Mapping[str, Any]]) -> Result:
    """
    Return the good end of a run: as it was before, as our state tells, or by whether any state changed something.
    """
    for state in states.values():
        if _word(state) == _REPEATED:
            told = state["dynatrace"]
            before = told.get("before", "healed")
            end = ENDS.get(before, ActionState.BAD) if isinstance(before, str) else ActionState.BAD
            return Result(end, _comment(state), _seconds(told.get("ago")))
    done = not states or any(
        _word(state) == "healed" or (_word(state) is None and bool(state.get("changes")))
        for name, state in states.items()
        if not name.endswith(_BRACKETS)
    )
    return Result(ActionState.GOOD if done else ActionState.HEALTHY, _last_comment(states))


def _states(value: Any) -> dict[str, Mapping[str, Any]]:
    """
    Return the states of a run by their names, in the order in which they ran.
    """
    if not isinstance(value, Mapping):
        return {}
    items = ((str(name), item) for name, item in value.items() if isinstance(item, Mapping))
    found = {name: item for name, item in items if "result" in item}
    if not found and value.get("result") is False:
        # A run that could not even be queued returns what looks like one state.
        return {"": value}
    return dict(sorted(found.items(), key=lambda one: _run_number(one[1])))


def _run_number(state: Mapping[str, Any]) -> int:
    number = state.get("__run_num__")
    return number if isinstance(number, int) else 0


def _word(state: Mapping[str, Any]) -> str | None:
    """
    Return what a state calls the outcome: None if it is none of ours, or leaves that to others; ``failed`` if that is
    none of our words.
    """
    told = state.get("dynatrace", {})
    word = told.get("outcome") if isinstance(told, Mapping) else "none of a mapping"
    return word if word is None or word in (*ENDS, _REPEATED) else "failed"


def _attempt(state: Mapping[str, Any]) -> Any:
    told = state.get("dynatrace")
    return told.get("attempt") if isinstance(told, Mapping) else None


def _seconds(value: Any) -> float:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if known and 0 <= value <= _LONGEST_S else 0.0


def _bad_states(states: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    ends = ("failed", *_UNDONE)
    bad = [state for state in states if state["result"] is False or _word(state) in ends]
    # A state that failed only because of another says nothing new.
    own = [one for one in bad if "One or more requisite failed" not in str(one.get("comment"))]
    return own or bad


def _is_errors(value: Any) -> bool:
    # So a state run returns when it could not be rendered.
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _last_comment(states: Mapping[str, Mapping[str, Any]]) -> str:
    """
    Return what the last state said that did something: of a remedy, its proof.
    """
    told = [
        _comment(state)
        for name, state in states.items()
        if state.get("comment")
        and not name.endswith("attempt_finished")
        and state.get("__state_ran__", True)
        and "onchanges" not in str(state["comment"])
    ]
    return told[-1] if told else ""


def _comment(state: Mapping[str, Any]) -> str:
    comment = state.get("comment")
    text = "; ".join(map(str, comment)) if isinstance(comment, list) else str(comment or "")
    return _fit(" ".join(text.split()))


def _fit(text: str) -> str:
    """
    Return a text that the ledger can store: in UTF-8, so without lone surrogates, and not too long.
    """
    return text.encode("utf-8", "replace").decode()[:MAX_CHARS]

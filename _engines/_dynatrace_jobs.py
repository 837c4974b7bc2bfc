"""
What Salt's jobs say of an attempt: the master's job cache as the source, and how a return is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TESTED = "nothing was done: the minion runs states with test=True, see `test` in its configuration"


@dataclass(frozen=True)
class Jobs:
    """
    What the master's job cache knows; events only say that it is worth looking.

    ``minions`` returns whom a job was sent to, or None when there is no such job; ``returns`` maps minions to
    ``{"return": …, "retcode": …, "success": …}``. ``cached`` is False where the master keeps no job cache.
    """

    minions: Callable[[str], list[str] | None]
    returns: Callable[[str], Mapping[str, Any]]
    cached: bool = True


@dataclass(frozen=True)
class Result:
    """
    How an attempt ended on one minion.
    """

    ok: bool
    comment: str


def judge(returned: Any) -> Result:
    """
    Return how a job went from what a minion returned: ``{"return": …, "retcode": …, "success": …}``.

    Good needs a zero retcode, no ``success: False``, and for state runs no state with a false result. Nor one with
    None: then the minion only said what it would do, as ``test: True`` in its configuration has it for all runs.
    """
    if not isinstance(returned, Mapping) or "return" not in returned:
        return Result(False, "the return could not be read")
    value = returned["return"]
    bad_states = _bad_states(value)
    failed = bool(returned.get("retcode")) or returned.get("success") is False or value is False
    if bad_states:
        return Result(False, _fit("; ".join(filter(None, bad_states))) or "a state failed")
    if any(item["result"] is None for item in _states(value)):
        return Result(False, TESTED)
    if failed or _is_errors(value):
        text = (
            value
            if isinstance(value, str)
            else "; ".join(map(str, value))
            if isinstance(value, list)
            else ""
        )
        return Result(False, _fit(text) or f"the job returned code {returned.get('retcode')}")
    return Result(True, _last_comment(value))


def _states(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        return []
    states = [item for item in value.values() if isinstance(item, Mapping) and "result" in item]
    return sorted(states, key=_run_number)


def _run_number(state: Mapping[str, Any]) -> int:
    number = state.get("__run_num__")
    return number if isinstance(number, int) else 0


def _bad_states(value: Any) -> list[str]:
    bad = [item for item in _states(value) if item["result"] is False]
    # A state that failed only because of another says nothing new.
    first = [item for item in bad if "One or more requisite failed" not in str(item.get("comment"))]
    return [_comment(item) for item in first or bad]


def _is_errors(value: Any) -> bool:
    """
    Tell whether a state run returned the list of errors that it gives when it could not be rendered.
    """
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _last_comment(value: Any) -> str:
    """
    Return what the last state said that did something: of a remedy, its proof.
    """
    told = (
        [
            item
            for name, item in value.items()
            if isinstance(item, Mapping)
            and item.get("comment")
            and not str(name).endswith("attempt_finished")
        ]
        if isinstance(value, Mapping)
        else []
    )
    told = [
        item
        for item in told
        if item.get("__state_ran__", True) and "onchanges" not in str(item["comment"])
    ]
    told.sort(key=_run_number)
    return _comment(told[-1]) if told else ""


def _comment(state: Mapping[str, Any]) -> str:
    comment = state.get("comment")
    text = "; ".join(map(str, comment)) if isinstance(comment, list) else str(comment or "")
    return _fit(" ".join(text.split()))


def _fit(text: str) -> str:
    """
    Return a text that the ledger can store: in UTF-8, so without lone surrogates, and not too long.
    """
    return text.encode("utf-8", "replace").decode()[:1000]

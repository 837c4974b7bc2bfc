"""
Puts what the ledger knows of a problem's attempts and decisions into steps: when what happened, in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.records import Action, Attempt, Entry
from ..core.states import ActionState
from ..master.envelope import iso

#: In this order what happened within one millisecond.
KINDS = (
    *("failed", "problem", "notified", "seen", "paused", "resumed", "retried", "decided"),
    *("ordered", "fired", "taken", "returned", "lost", "withdrawn"),
    *("escalated", "commented", "closed"),
)
_NAMED = 5
_RETURNED = {
    ActionState.GOOD: "is brought back and proved to serve",
    ActionState.HEALTHY: "serves already, nothing was done",
    ActionState.BAD: "is not healed, the remedy failed",
    ActionState.REFUSED: "is not touched, the remedy refused",
    ActionState.UNPROVED: "is brought back, and nothing proved that it serves",
}
_ORDERS = {"pause": "paused", "resume": "resumed", "retry": "retried"}


@dataclass(frozen=True)
class Step:
    """
    What happened at a moment, in epoch seconds; ``what`` is one of KINDS, ``attempt`` the number of an attempt, ``outcome``
    how it ended on the minion.
    """

    at: float
    what: str
    text: str
    minion: str | None = None
    attempt: int | None = None
    outcome: str | None = None

    def row(self) -> dict[str, Any]:
        return {**vars(self), "at": iso(self.at)}


def ordered(steps: Iterable[Step]) -> list[Step]:
    """
    Return steps with the oldest first.
    """
    return sorted(steps, key=lambda one: (round(one.at, 3), _place(one)))


def _place(step: Step) -> int:
    # The engine takes in returns, and decides at the same moment who is held because of them.
    if step.what == "decided" and step.attempt is None:
        return KINDS.index("withdrawn")
    return KINDS.index(step.what)


def of_attempt(attempt: Attempt, actions: Sequence[Action]) -> Iterator[Step]:
    """
    Yield what happened to an attempt: it was ordered, fired, taken by a job, and returned by each minion.
    """
    number = attempt.number
    by = f" by the remedy {attempt.remedy}" if attempt.remedy else ""
    where = named(dict.fromkeys(one.minion for one in actions))
    text = f"attempt {number} is ordered{f' for {where}' if where else ''}{by}"
    yield Step(attempt.created, "ordered", text, attempt=number)
    if attempt.first_fired is not None:
        text = f"the event of attempt {number} is on the bus"
        yield Step(attempt.first_fired, "fired", text, attempt=number)
    if attempt.started is not None:
        yield Step(attempt.started, "taken", f"job {attempt.jid} took it", attempt=number)
    ended = {(one.minion, one.ended, one.state, one.comment) for one in actions if one.ended}
    for minion, at, state, comment in ended:
        # What was given up has an entry in the journal.
        if state is not ActionState.LOST:
            yield _ended(number, minion, at or 0.0, state, comment)


def _ended(number: int, minion: str, at: float, state: ActionState, comment: str) -> Step:
    if state is ActionState.NOT_EXECUTED:
        text = f"nothing was executed on {minion}: {comment}"
        return Step(at, "withdrawn", text, minion, number)
    text = f"{minion} {_RETURNED[state]}" + (f": {comment}" if comment else "")
    return Step(at, "returned", text, minion, number, str(state))


def of_entry(entry: Entry, numbers: Mapping[str, int]) -> Step | None:
    """
    Return what an entry of the journal tells, None for a kind that is none of the steps.

    ``numbers`` are those of the attempts by their ids.
    """
    told = entry.told
    if entry.kind == "decision":
        number = numbers.get(told.get("attempt_id") or "")
        return Step(entry.at, "decided", decision(told), attempt=number)
    if entry.kind == "escalated":
        return Step(entry.at, "escalated", f"a person is called: {told['reason']}")
    if entry.kind == "lost":
        minions = told["minions"]
        alone = minions[0] if len(minions) == 1 else None
        text = f"{named(minions)} did not return: {told['why']}"
        return Step(entry.at, "lost", text, alone, numbers.get(told["attempt_id"]))
    if entry.kind == "notified":
        return Step(entry.at, "notified", "the notification is accepted")
    if entry.kind in _ORDERS:
        what = _ORDERS[entry.kind]
        why = f": {told['reason']}" if told.get("reason") else ""
        return Step(entry.at, what, f"{what} by {told.get('who')}{why}")
    return None


def decision(told: Mapping[str, Any]) -> str:
    """
    Return a recorded decision as a sentence: on whom it acts, and who is held by which reason.
    """
    acting: dict[str, list[str]] = {}
    held: dict[str, list[str]] = {}
    for one in told["targets"]:
        if one["reason"] is None:
            by = f" by the remedy {one['remedy']}" if one["remedy"] else ""
            acting.setdefault(by, []).append(one["minion"])
        else:
            held.setdefault(_why(one), []).append(one["minion"])
    parts = [f"acts on {named(dict.fromkeys(minions))}{by}" for by, minions in acting.items()]
    parts += [f"holds {named(dict.fromkeys(minions))}: {why}" for why, minions in held.items()]
    left = told["count"] - len(told["targets"])
    parts += [f"and {left} more"] if left > 0 else []
    return "; ".join(parts) or "nobody is known to act on"


def _why(target: Mapping[str, Any]) -> str:
    until = f" until {time_of(target['until'])}" if target["until"] else ""
    detail = f" ({target['detail']})" if target["detail"] else ""
    return f"{target['reason']}{until}{detail}"


def time_of(at: float) -> str:
    """
    Return a time in UTC, to the second, as it stands in a sentence.
    """
    return str(iso(at))[:19].replace("T", " ")


def named(names: Iterable[str]) -> str:
    """
    Return a text that names some, and tells how many there are beside them.
    """
    every = list(names)
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")

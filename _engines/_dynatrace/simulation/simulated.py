"""
What a simulation found for each process, and how it is told: a row for each, and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..core.explanation import Result
from ..core.records import Episode
from ..core.resolution import Target
from ..facts.story import process_name
from ..remediation.decision import Decision
from ..remediation.explained import Explained
from .trial import Trial


@dataclass(frozen=True)
class Outcome:
    """
    What would be done about one process: how often it is ordered, else the reason why not, and the rule's sentence.
    """

    process: str | None
    remedy: str | None
    orders: int
    reason: str | None
    told: str | None = None

    @property
    def text(self) -> str:
        if not self.orders:
            return self.reason or ""
        return "ordered" if self.orders == 1 else f"ordered {self.orders} times"


#: A problem, a minion, and the key of the target on it; None: nobody is known.
Key = tuple[str, "str | None", "str | None"]
Outcomes = dict[Key, Outcome]


def decided(decision: Decision, explained: Iterable[Explained]) -> Outcomes:
    """
    Return what a decision does, with the rule that holds whom it does not act on.
    """
    told = {(one.target.minion, one.target.key): _held_by(one) for one in explained}
    acting = [(target, None) for target in decision.acting]
    held = [(target, verdict.reason) for target, verdict in decision.held]
    found: Outcomes = {}
    for target, reason in [*acting, *held]:
        text = told.get((target.minion, target.key)) if reason else None
        name = _name(decision.episode, target)
        outcome = Outcome(name, target.remedy, int(reason is None), reason and reason.value, text)
        found[decision.episode.name, target.minion, target.key] = outcome
    return found or nobody(decision.episode)


def replayed(trial: Trial, episode: Episode) -> Outcomes:
    """
    Return what was done about an episode of a replay, by the journal of its ledger.
    """
    targets = {(one.minion, one.key): one for one in trial.verdicts.targets(episode)}
    found: Outcomes = {}
    for entry in trial.ledger.journal.of(episode):
        for one in entry.told["targets"] if entry.kind == "decision" else ():
            target = targets.get((one["minion"], one["process"]))
            name = _name(episode, target) if target else one["process"]
            key = episode.name, one["minion"], one["process"]
            before = found.get(key) or Outcome(name, None, 0, None)
            orders = before.orders + (one["reason"] is None)
            found[key] = Outcome(name, one["remedy"] or before.remedy, orders, one["reason"])
    return found or nobody(episode)


def nobody(episode: Episode) -> Outcomes:
    """
    Return what is told of an episode that concerns no minion.
    """
    why = "; ".join(f"{one.entity}: {one.reason}" for one in episode.resolution.unmatched[:5])
    return {(episode.name, None, None): Outcome(None, None, 0, "no minion", why or None)}


def rows(now: Outcomes, other: Outcomes | None) -> list[dict[str, Any]]:
    """
    Return a row for each process, with what is done under today's policy and, if there is one, under the other.
    """
    return [_row(key, now, other) for key in dict.fromkeys([*now, *(other or ())])]


def counts(found: Outcomes) -> dict[str, Any]:
    """
    Return how many processes are ordered, by how many orders, and how many are held by reason.
    """
    every = list(found.values())
    return {
        "ordered": sum(1 for one in every if one.orders),
        "orders": sum(one.orders for one in every),
        "held": dict(Counter(one.reason for one in every if not one.orders and one.reason)),
    }


def _held_by(one: Explained) -> str | None:
    held = (step for step in one.steps if step.result is Result.HELD)
    return next((f"{step.rule}: {step.told}" for step in held), None)


def _name(episode: Episode, target: Target) -> str:
    return f"{process_name(episode.problem, target)} {target.about}".strip()


def _row(key: Key, now: Outcomes, other: Outcomes | None) -> dict[str, Any]:
    problem, minion, target = key
    # Under the other catalogue a host may be told apart in other parts.
    none = Outcome(None, None, 0, "no target")
    mine, theirs = now.get(key, none), (other or {}).get(key, none)
    row: dict[str, Any] = {"problem": problem, "minion": minion}
    row |= {"process": mine.process or theirs.process}
    row |= {"entity": target.partition(" ")[0] if target else None, "remedy": mine.remedy}
    row |= {"now": mine.text, "orders": mine.orders, "told": mine.told}
    if other is not None:
        row |= {"other_remedy": theirs.remedy, "other": theirs.text}
        row |= {"other_orders": theirs.orders, "other_told": theirs.told}
    return row

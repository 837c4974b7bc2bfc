"""
Decisions that are made together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .decision import Capacity, Decision
from .verdicts import Verdicts


@dataclass
class Group:
    """
    Decisions that are recorded by one commit, and what they are made by: the capacity that is left, the minions on which
    nothing was ever tried, and those that an order of this group is for.
    """

    now: float
    capacity: Capacity
    untried: set[str]
    ordered: set[str] = field(default_factory=set)
    ready: list[Decision] = field(default_factory=list)
    #: A few words for what happened.
    said: list[str] = field(default_factory=list)

    def takes(self, decision: Decision, verdicts: Verdicts) -> bool:
        """
        Take in a decision and the capacity that it needs; False when an order of this group on the same minion must be
        recorded first.
        """
        minions = {target.minion for target in decision.acting}
        if minions & self.ordered:
            return False
        if minions:
            self.ordered |= minions
            first = decision.acting[0]
            self.capacity.take(minions, verdicts.doubts(decision.episode, first), first.remedy)
        self.ready.append(decision)
        return True

"""
What is decided about an episode: on which of its targets is acted now, and why the others are held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.policy import Verdict
from ..core.reasons import Escalation, Reason
from ..core.records import Episode
from ..core.resolution import Target

Held = tuple[Target, Verdict]


@dataclass(frozen=True)
class Capacity:
    """
    The minions that are being healed, and how many may be at once.
    """

    limit: int
    busy: set[str]

    @property
    def left(self) -> int:
        return self.limit - len(self.busy)


@dataclass(frozen=True)
class Decision:
    """
    The targets of an episode on which one attempt acts, and those that are held.
    """

    episode: Episode
    acting: Sequence[Target]
    held: Sequence[Held]

    def first(self, reasons: Mapping[Reason, Escalation]) -> Escalation | None:
        found = (one.reason for _, one in self.held if one.reason)
        return next((reasons[reason] for reason in found if reason in reasons), None)

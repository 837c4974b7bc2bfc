"""
What is decided about an episode: on which of its targets is acted now, and why the others are held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.policy import Verdict
from ..core.reasons import Escalation, Reason
from ..core.records import Episode
from ..core.resolution import Target

Held = tuple[Target, Verdict]


@dataclass(frozen=True)
class Capacity:
    """
    The minions that are being healed, and how many may be at once; ``doubtful`` are those whose orders perhaps nobody
    takes, which have a half of the places. ``shares`` are the capacities of the remedies that have a limit of their own.
    """

    limit: int
    busy: set[str]
    doubtful: set[str] = field(default_factory=set)
    shares: Mapping[str, Capacity] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return self.limit - len(self.busy)

    def left_for(self, doubtful: bool, remedy: str | None = None) -> int:
        """
        Return how many more minions an order may be given to. One doubtful order is always let through: it may be about
        more minions than the share, and cannot be given in parts.
        """
        share = self.shares.get(remedy) if remedy is not None else None
        left = self.left if share is None else min(self.left, share.left)
        if not doubtful or not self.doubtful:
            return left
        return min(left, self.limit // 2 - len(self.doubtful))

    def has(self, minion: str, remedy: str | None = None) -> bool:
        """
        Tell whether a minion has its place already.
        """
        share = self.shares.get(remedy) if remedy is not None else None
        return minion in self.busy and (share is None or minion in share.busy)

    def take(self, minions: Iterable[str], doubtful: bool, remedy: str | None = None) -> None:
        named = set(minions)
        self.busy.update(named)
        if doubtful:
            self.doubtful.update(named)
        if remedy is not None and remedy in self.shares:
            self.shares[remedy].busy.update(named)

    def copy(self) -> Capacity:
        shares = {remedy: one.copy() for remedy, one in self.shares.items()}
        return Capacity(self.limit, set(self.busy), set(self.doubtful), shares)


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

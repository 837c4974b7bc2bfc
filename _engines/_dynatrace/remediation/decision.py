"""
What is decided about an episode: on which of its targets is acted now, and why the others are held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.policy import Verdict
from ..core.reasons import Escalation, Reason
from ..core.records import Attempt, Episode
from ..core.resolution import Target
from ..store.journal import Journal

Held = tuple[Target, Verdict]
#: Of a decision so many targets are kept in the journal.
KEPT = 50


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

    def told(self, doubtful: bool, remedy: str | None = None) -> str:
        """
        Return in a few words how many minions are being healed, and of how many.
        """
        text = f"{len(self.busy)} of {self.limit} minions are being healed"
        share = self.shares.get(remedy) if remedy is not None else None
        if share is not None:
            text += f", {len(share.busy)} of {share.limit} by {remedy}"
        if doubtful and self.doubtful:
            text += (
                f"; perhaps nobody takes its order: {len(self.doubtful)} of {self.limit // 2} such"
            )
        return text

    def copy(self) -> Capacity:
        shares = {remedy: one.copy() for remedy, one in self.shares.items()}
        return Capacity(self.limit, set(self.busy), set(self.doubtful), shares)


@dataclass(frozen=True)
class Decision:
    """
    The targets of an episode on which one attempt acts, and those that are held; ``attempt`` is it, once it is recorded.
    """

    episode: Episode
    acting: Sequence[Target]
    held: Sequence[Held]
    attempt: Attempt | None = None

    def first(self, reasons: Mapping[Reason, Escalation]) -> Escalation | None:
        found = (one.reason for _, one in self.held if one.reason)
        return next((reasons[reason] for reason in found if reason in reasons), None)

    @property
    def why_nobody(self) -> str | None:
        """
        Why nobody is acted on, by the first that is held.
        """
        if self.acting or not self.held:
            return None
        reason = self.held[0][1].reason
        return reason.value if reason else None

    def told(self) -> dict[str, Any]:
        """
        Return the decision as the journal has it: ``attempt_id``, ``targets``, how many they are, and how many are held by
        reason.
        """
        every = [*((target, Verdict()) for target in self.acting), *self.held]
        reasons = (verdict.reason.value for _, verdict in self.held if verdict.reason)
        return {
            "attempt_id": self.attempt.attempt_id if self.attempt else None,
            "targets": [_told(target, verdict) for target, verdict in every[:KEPT]],
            "count": len(every),
            "held": dict(Counter(reasons)),
        }


def _told(target: Target, verdict: Verdict) -> dict[str, Any]:
    return {
        "minion": target.minion,
        "entity": target.entity,
        "process": target.key,
        "matched_by": target.matched_by,
        "remedy": target.remedy,
        "by": target.choice.by,
        "reason": verdict.reason.value if verdict.reason else None,
        "until": verdict.until,
        "detail": verdict.detail,
    }


def note(journal: Journal, decision: Decision, before: Episode, now: float) -> None:
    """
    Write a decision into the journal if it differs from the last one about its episode in more than its times.
    """
    told = decision.told()
    # An episode that was not announced was never decided.
    last = journal.latest(before, "decision") if before.announced else None
    if last is None or untimed(told) != untimed(last.told):
        journal.add("decision", now, told, before)


def untimed(told: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a decision as the journal has it, without the times until which it holds.
    """
    return {**told, "targets": [{**one, "until": None} for one in told["targets"]]}

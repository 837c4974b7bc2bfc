"""
What a decision is made by, as values: the policy of the admin, the situation, earlier attempts. The rules are ``core.rules``.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .reasons import Reason
from .resolution import Resolution, Target
from .states import ActionState
from .unhealable import in_container

_BACK_OR_SLOW = "no open event says that this process is down: it is slow, or back already"
_ONLY_THE_HOST = "the host is meant, and no process on it is said to be down"


#: Ends after which another attempt in the same episode would do nothing that the first did not.
HOPELESS = {ActionState.REFUSED: Reason.REFUSED, ActionState.UNPROVED: Reason.UNPROVED}


@dataclass(frozen=True)
class Past:
    """
    An earlier attempt on the same minion and process: ``state`` is that of its action; times in epoch seconds.
    """

    state: ActionState
    started: float
    ended: float | None = None


@dataclass(frozen=True)
class Situation:
    """
    What the decision must know beyond the target itself; ``capacity`` is how many more minions may be healed at once.

    ``since`` is when this episode began: failures in a row from then on count, however far apart they are. ``serves`` is
    as what the process is held if it is known to serve. ``untaken`` says why no reactor takes it. ``called``: a person was
    called for good after something was tried on it.
    """

    now: float
    paused: bool = False
    accepted: bool = True
    maintenance: bool = False
    serves: Reason | None = None
    busy: bool = False
    capacity: int = 1
    connected: bool = True
    since: float = math.inf
    untaken: str | None = None
    called: bool = False


@dataclass(frozen=True)
class Policy:
    """
    The rules, as the admin configured them; times in seconds. ``only`` are the globs of a remedy beside ``allow``: a minion
    must fit both.
    """

    dry_run: bool = False
    act_on: tuple[str, ...] = ("host_id", "property")
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    cooldown: float = 300
    max_attempts: int = 3
    attempt_window: float = 3600
    outcome_timeout: float = 120
    max_minions: int | str = 10
    hold_in_maintenance: bool = True
    escalate_without_remedy: bool = False
    only: tuple[str, ...] = ("*",)

    def of_remedy(self, own: Mapping[str, Any]) -> Policy:
        """
        Return the policy for a remedy that has ``own`` rules. They win, but never let through what the engine's forbid: no
        minion, and nothing in a dry run.
        """
        if not own:
            return self
        numbers = ("cooldown", "max_attempts", "max_minions")
        return replace(
            self,
            dry_run=self.dry_run or own.get("dry_run", False),
            only=tuple(own.get("allow", self.only)),
            deny=(*self.deny, *own.get("deny", ())),
            **{name: own[name] for name in numbers if name in own},
        )

    def limit(self, accepted: int) -> int:
        """
        Return how many minions may be healed at once, given how many are accepted; never less than one.
        """
        if isinstance(self.max_minions, int):
            return self.max_minions
        return max(1, accepted * int(self.max_minions.rstrip("%")) // 100)

    def forbids(self, targets: Iterable[Target]) -> bool:
        """
        Tell whether nothing may be ordered now for all of these targets, whatever was decided under another policy.
        """
        return self.dry_run or any(
            one.matched_by not in self.act_on or forbidden(one.minion, self) or unfit(one)
            for one in targets
        )

    def awaits(self, found: Resolution) -> bool:
        """
        Tell whether a minion that is accepted, or a grain that appears, may change who is acted on.
        """
        return any(not one.final for one in found.unmatched) or any(
            one.matched_by not in self.act_on for one in found.targets
        )


@dataclass(frozen=True)
class Verdict:
    """
    May act (``reason`` is None), or is held: why, until when if that is known, and what is known beyond the reason.
    """

    reason: Reason | None = None
    until: float | None = None
    detail: str | None = None


def unfit(target: Target) -> Verdict | None:
    """
    Return why nothing on the host is to be brought back for a target, whoever might take it; None: something may be.
    """
    choice = target.choice
    if choice.remedy is not None:
        return None
    if choice.reason is not None:
        return Verdict(choice.reason, detail=choice.detail)
    if target.advice is not None:
        return Verdict(Reason.NO_REMEDY, detail=target.advice)
    if not target.down:
        process = not target.entity.startswith("HOST-")
        return Verdict(Reason.NOT_DOWN, detail=_BACK_OR_SLOW if process else _ONLY_THE_HOST)
    if target.process.container is not None:
        return Verdict(Reason.ANOTHER_PROCESS, detail=in_container(target.process.container))
    return None


def forbidden(minion: str, policy: Policy) -> str | None:
    """
    Return which globs of a policy keep a minion from being acted on; None: it may be.
    """
    denied = lets_in(minion, policy.deny) if policy.deny else None
    if denied is not None:
        return f"`deny` has {denied}"
    if lets_in(minion, policy.allow) is None:
        return f"`allow` has only {', '.join(policy.allow[:5]) or 'nothing'}"
    if lets_in(minion, policy.only) is None:
        return f"`allow` of its remedy has only {', '.join(policy.only[:5]) or 'nothing'}"
    return None


def lets_in(minion: str, globs: Sequence[str]) -> str | None:
    """
    Return the first glob that a minion fits, or None.
    """
    # A crowd asks for each process, and most policies name all.
    for glob in globs:
        if glob == "*" or fnmatch.fnmatchcase(minion, glob):
            return glob
    return None

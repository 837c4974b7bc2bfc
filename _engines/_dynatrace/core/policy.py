"""
Decides whether one minion and process may be acted on now: a pure function that returns a named reason.

No clock, no I/O: everything it judges by is an argument, so that each rule can be tested as a table.
"""

from __future__ import annotations

import fnmatch
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .backoff import backoff
from .reasons import Reason
from .resolution import Resolution, Target
from .states import FAILED, ActionState
from .unhealable import in_container

#: No backoff grows beyond a day.
BACKOFF_CAP_S = 86400.0
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
    as what the process is held if it is known to serve. ``untaken`` says why no reactor takes it.
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
            one.matched_by not in self.act_on or not _allowed(one.minion, self) or unfit(one)
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


def decide(target: Target, past: Sequence[Past], situation: Situation, policy: Policy) -> Verdict:
    """
    Return whether ``target`` may be acted on now; ``past`` holds its attempts, oldest first, over the window at least.

    What no waiting changes comes first, then what a person decided, then what time or capacity will change.
    """
    if not target.actionable:
        return Verdict(Reason.ONE_OF_MANY)
    if target.matched_by not in policy.act_on:
        return Verdict(Reason.MATCHED_BY_NAME)
    if not _allowed(target.minion, policy):
        return Verdict(Reason.NOT_ALLOWED)
    if not situation.accepted:
        return Verdict(Reason.NOT_ACCEPTED)
    if any(attempt.state == ActionState.WAITING for attempt in past):
        return Verdict(Reason.IN_PROGRESS)
    if (held := unfit(target)) is not None:
        return held
    if situation.serves is not None:
        # Healthy here, still open there: Dynatrace closes in its own time, and a second restart would harm.
        return Verdict(situation.serves)
    for attempt in reversed(past):
        if attempt.state in HOPELESS and attempt.started >= situation.since:
            return Verdict(HOPELESS[attempt.state])
    if situation.untaken is not None and not policy.dry_run:
        return Verdict(Reason.NO_REMEDY, detail=situation.untaken)
    if situation.maintenance and policy.hold_in_maintenance:
        return Verdict(Reason.MAINTENANCE)
    if situation.paused:
        return Verdict(Reason.PAUSED)
    return _by_time(past, situation, policy)


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


def _by_time(past: Sequence[Past], situation: Situation, policy: Policy) -> Verdict:
    counted = [
        attempt for attempt in past if attempt.started > situation.now - policy.attempt_window
    ]
    if len(counted) >= policy.max_attempts:
        return Verdict(
            Reason.ATTEMPTS_SPENT, counted[-policy.max_attempts].started + policy.attempt_window
        )
    # Doubled cooldowns may spread the attempts so that the window never has all of them.
    if _failures([one for one in past if one.started >= situation.since]) >= policy.max_attempts:
        return Verdict(Reason.ATTEMPTS_SPENT)
    until = _cooldown_until(past, policy)
    if until > situation.now:
        return Verdict(Reason.COOLDOWN, until)
    if not situation.busy and situation.capacity <= 0:
        return Verdict(Reason.STORM)
    if policy.dry_run:
        return Verdict(Reason.DRY_RUN, detail=situation.untaken)
    if not situation.connected:
        # Last, since finding out costs a job: nobody is asked who would be held anyway.
        return Verdict(Reason.NOT_CONNECTED)
    return Verdict()


def _allowed(minion: str, policy: Policy) -> bool:
    if any(fnmatch.fnmatchcase(minion, glob) for glob in policy.deny):
        return False
    lets_in = (policy.allow, policy.only)
    return all(any(fnmatch.fnmatchcase(minion, glob) for glob in globs) for globs in lets_in)


def _cooldown_until(past: Sequence[Past], policy: Policy) -> float:
    """
    Return when the next attempt may start: the cooldown after the last, doubled for each failure in a row.
    """
    if not past:
        return 0.0
    last = past[-1]
    wait = backoff(policy.cooldown, _failures(past), BACKOFF_CAP_S)
    return (last.ended or last.started) + wait


def _failures(past: Sequence[Past]) -> int:
    failed = (attempt.state in FAILED for attempt in reversed(past))
    return sum(1 for _ in itertools.takewhile(bool, failed))

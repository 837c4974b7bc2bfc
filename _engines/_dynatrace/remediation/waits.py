"""
Tells when an episode is to be decided again, and what it waits for that no time tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.policy import Policy, Reason, Verdict
from ..core.resolution import Target
from ..core.states import Waiting
from ..store.ledger import Episode, Ledger
from .recurrence import NOTICES_S, serves_for

RECHECK_S = 60.0
#: What is unmatched may be matched later: a minion is accepted, a grain appears. The longer it lasts, the rarer.
REMATCH_FIRST_S = 30.0
REMATCH_CAP_S = 300.0
#: Held since the process is known to serve.
SERVES = (Reason.HEALED, Reason.HEALTHY)

_WAITING = {
    Reason.STORM: Waiting.CAPACITY,
    Reason.IN_PROGRESS: Waiting.CAPACITY,
    Reason.PAUSED: Waiting.PAUSED,
    Reason.NOT_CONNECTED: Waiting.MINION,
}


def until_next(
    ledger: Ledger,
    policy: Policy,
    episode: Episode,
    held: Sequence[tuple[Target, Verdict]],
    now: float,
) -> Episode:
    """
    Return the episode with the time at which, or the thing for which, it is to be decided again.
    """
    times: list[float] = []
    waiting = None
    for target, verdict in held:
        if verdict.reason in _WAITING:
            waiting = _WAITING[verdict.reason]
        timed = (Reason.COOLDOWN, Reason.STORM, Reason.JOB_CACHE)
        if verdict.reason in timed and verdict.until is not None:
            times.append(verdict.until)
        if verdict.reason in (Reason.MAINTENANCE, Reason.NOT_ACCEPTED, Reason.NOT_CONNECTED):
            times.append(now + RECHECK_S)
        if _may_change(episode, target, verdict):
            times.append(now + min(max(now - episode.opened, RECHECK_S), REMATCH_CAP_S))
        if verdict.reason in SERVES:
            since = serves_for(ledger, episode, target, now)
            wait = min(max(since, RECHECK_S), REMATCH_CAP_S)
            # Then what the minion found is compared with what the evidence shows.
            left = NOTICES_S - since
            times.append(now + (min(wait, left) if left > 0 else wait))
    if policy.awaits(episode.resolution):
        times.append(now + min(max(now - episode.opened, REMATCH_FIRST_S), REMATCH_CAP_S))
    return replace(episode, due=min(times, default=None), waiting=waiting)


def may_have_changed(episode: Episode, held: Sequence[tuple[Target, Verdict]]) -> bool:
    """
    Tell whether a reading may show what the list of problems does not: the end of a maintenance window, a new failure.

    An episode that was never read, since it was ignored at first, is read too.
    """
    hidden = (Reason.MAINTENANCE, *SERVES)
    return not episode.read or any(
        verdict.reason in hidden or _may_fail_again(episode, target, verdict)
        for target, verdict in held
    )


def _may_fail_again(episode: Episode, target: Target, verdict: Verdict) -> bool:
    """
    Tell whether what is not down may go down without a sign in the list: the severity of the problem is the highest.
    """
    fit = verdict.reason is Reason.NOT_DOWN and not target.entity.startswith("HOST-")
    return fit and episode.problem.severity == "AVAILABILITY"


def _may_change(episode: Episode, target: Target, verdict: Verdict) -> bool:
    """
    Tell whether a target that needs nothing now is looked at again: it may fail, or a reactor may be written for it.
    """
    untaken = verdict.reason is Reason.NO_REMEDY and target.advice is None
    return untaken or _may_fail_again(episode, target, verdict)

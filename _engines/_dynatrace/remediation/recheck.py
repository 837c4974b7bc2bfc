"""
Tells when an episode is to be decided again, and what it waits for that no time tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..core.policy import Policy, Verdict
from ..core.reasons import Reason
from ..core.records import Episode
from ..core.resolution import Target
from ..core.states import Waiting
from ..store.attempts import Attempts
from .decision import Decision
from .recurrence import NOTICES_S, serves_for

RECHECK_S = 60.0
#: What is unmatched may be matched later: a minion is accepted, a grain appears. The longer it lasts, the rarer.
REMATCH_FIRST_S = 30.0
REMATCH_CAP_S = 300.0
#: Held since the process is known to serve.
SERVES = (Reason.HEALED, Reason.HEALTHY)
_TIMED = (Reason.COOLDOWN, Reason.STORM, Reason.JOB_CACHE)
_PASSING = (Reason.MAINTENANCE, Reason.NOT_ACCEPTED, Reason.NOT_CONNECTED)
_WAITING = {
    Reason.STORM: Waiting.CAPACITY,
    Reason.IN_PROGRESS: Waiting.CAPACITY,
    Reason.PAUSED: Waiting.PAUSED,
    Reason.NOT_CONNECTED: Waiting.MINION,
}


def until_next(attempts: Attempts, policy: Policy, decision: Decision, now: float) -> Episode:
    """
    Return the episode with the time at which, or the thing for which, it is to be decided again.
    """
    episode = decision.episode
    times: list[float] = []
    waiting = None
    for target, verdict in decision.held:
        waiting = _WAITING.get(verdict.reason, waiting) if verdict.reason else waiting
        times += _times(attempts, episode, target, verdict, now)
    if policy.awaits(episode.resolution):
        times.append(_rarer(episode, REMATCH_FIRST_S, now))
        waiting = waiting or Waiting.MATCH
    return replace(episode, due=min(times, default=None), waiting=waiting)


def _times(
    attempts: Attempts, episode: Episode, target: Target, verdict: Verdict, now: float
) -> Iterator[float]:
    if verdict.reason in _TIMED and verdict.until is not None:
        yield verdict.until
    if verdict.reason in _PASSING:
        yield now + RECHECK_S
    if _may_change(episode, target, verdict):
        yield _rarer(episode, RECHECK_S, now)
    if verdict.reason in SERVES:
        since = serves_for(attempts, episode, target, now)
        yield now + min(max(since, RECHECK_S), REMATCH_CAP_S)
        if since < NOTICES_S:
            # Then what the minion found is compared with what the evidence shows.
            yield now + NOTICES_S - since


def _rarer(episode: Episode, first_s: float, now: float) -> float:
    return now + min(max(now - episode.opened, first_s), REMATCH_CAP_S)


def may_have_changed(decision: Decision) -> bool:
    """
    Tell whether a reading may show what the list of problems does not: the end of a maintenance window, a new failure.

    An episode that was never read, since it was ignored at first, is read too.
    """
    hidden = (Reason.MAINTENANCE, *SERVES)
    episode = decision.episode
    return not episode.read or any(
        verdict.reason in hidden or _may_fail_again(episode, target, verdict)
        for target, verdict in decision.held
    )


def _may_fail_again(episode: Episode, target: Target, verdict: Verdict) -> bool:
    # The list of problems does not show it: their severity is the highest already.
    fit = verdict.reason is Reason.NOT_DOWN and not target.entity.startswith("HOST-")
    return fit and episode.problem.severity == "AVAILABILITY"


def _may_change(episode: Episode, target: Target, verdict: Verdict) -> bool:
    # A reactor may be written for it.
    untaken = verdict.reason is Reason.NO_REMEDY and target.advice is None
    return untaken or _may_fail_again(episode, target, verdict)

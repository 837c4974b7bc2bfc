"""
Tells one failure of a process from the next: what serves counts as serving until the evidence shows a later failure.

A process serves since an attempt brought it back (``good``), or because the minion found it so (``healthy``). To find
it so heals nothing: where Dynatrace goes on to see the failure, one of the two is wrong, and a person must say which.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.measures import BY_OTHERS, BY_SALT, RELAPSES
from ..core.policy import Policy
from ..core.reasons import BESIDE, Escalation, Reason
from ..core.records import Action, Episode, Executed
from ..core.resolution import Target
from ..core.states import SERVING, ActionState
from ..store.attempts import Attempts
from .decision import Decision

#: Dynatrace closes a problem within minutes of the end of its last event.
CLOSES_S = 3600.0
#: By then its evidence shows that a process is back.
NOTICES_S = 300.0


def last_good(attempts: Attempts, episode: Episode, target: Target) -> Action | None:
    """
    Return the end by which the process serves; None: no attempt ended so, or it has failed again since.

    Healthy here and still open there is the usual state after a heal, and no reason to act. It failed again only where
    an event of the evidence is open that began after the heal, and after every failure that was known before it: the
    clocks of tenant and master may differ, and one failure must not be taken for two.

    One dead process has several problems, which show the same event: what was healed for one is healed for all whose
    evidence has no later failure, by the tenant's clock alone. A problem that was closed and opened again is none.
    """
    heal = attempts.last_heal(episode, target.minion, target.key)
    if heal is not None:
        again = target.last_failure(episode.problem, still_open=True)
        if again is None or heal.seen is None or heal.ended is None:
            return heal
        return None if again > heal.seen and again > heal.ended * 1000 else heal
    heal = attempts.last_heal(episode, target.minion, target.key, by_others=True)
    latest = target.last_failure(episode.problem)
    if heal is None or heal.seen is None or latest is None:
        return None
    return heal if episode.episode == 1 and latest <= heal.seen else None


def serves(attempts: Attempts, episode: Episode, target: Target) -> Reason | None:
    """
    Return as what a process is held that is known to serve, or None.
    """
    last = last_good(attempts, episode, target)
    if last is None:
        return None
    return Reason.HEALED if last.state == ActionState.GOOD else Reason.HEALTHY


def recovered_by(attempts: Attempts, episode: Episode, targets: Iterable[Target]) -> str:
    """
    Return to whom it is owed that an episode is over: BY_SALT where each process that was tried was brought back at last,
    or served already; where none was tried, where one was brought back for another problem that showed the same failure.
    """
    made = attempts.of(episode) if episode.attempts else []
    actions = [action for one in made for action in attempts.actions(one.attempt_id)]
    tried = [one for one in actions if one.state is not ActionState.NOT_EXECUTED]
    if not tried:
        healed = any(serves(attempts, episode, one) is Reason.HEALED for one in targets)
        return BY_SALT if healed else BY_OTHERS
    return BY_SALT if brought_back(tried) else BY_OTHERS


def brought_back(tried: Iterable[Action | Executed]) -> bool:
    """
    Tell whether what was executed, oldest first, brought something back and left each process serving at last.
    """
    ends = {(one.minion, one.process): one.state for one in tried}.values()
    return ActionState.GOOD in ends and all(end in SERVING for end in ends)


def relapses(before: Action | Executed | None, failed: int | None) -> list[str]:
    """
    Return within which times a process failed again that ``before`` brought back; ``failed`` is when, in UTC milliseconds.

    It is a relapse only where Dynatrace tells of a failure that began after the one that was healed.
    """
    if before is None or before.state is not ActionState.GOOD or before.ended is None:
        return []
    if failed is None or before.seen is None or failed <= before.seen:
        return []
    served = failed / 1000 - before.ended
    return [within for within, most in RELAPSES.items() if served <= most]


def may_call(episode: Episode, why: Escalation) -> bool:
    """
    Tell whether a person is called for a reason: they were not yet, or the engine went on, and now that goes wrong.
    """
    return episode.escalated is None if why in BESIDE else not person_called(episode)


def person_called(episode: Episode) -> bool:
    """
    Tell whether a person was called for good: the engine does not go on beside them.
    """
    return episode.escalated is not None and episode.escalated not in BESIDE


def serves_for(attempts: Attempts, episode: Episode, target: Target, now: float) -> float:
    """
    Return for how many seconds of this episode a process counts as serving; 0.0: it does not.
    """
    place = (episode, target.minion, target.key)
    heal = attempts.last_heal(*place) or attempts.last_heal(*place, by_others=True)
    if heal is None or heal.ended is None:
        return 0.0
    return now - max(heal.ended, episode.opened)


def contradicted(
    attempts: Attempts, decision: Decision, policy: Policy, now: float
) -> Escalation | None:
    """
    Return why a person is called to what serves, or None.

    Either the minion found it so, and the evidence goes on to show the failure; or Dynatrace had long enough to close
    what was healed, and perhaps means another instance of the service than the one that the remedy looked at.
    """
    episode = decision.episode
    wait = max(policy.attempt_window, CLOSES_S)
    why: Escalation | None = None
    for target, verdict in decision.held:
        if verdict.reason not in (Reason.HEALED, Reason.HEALTHY):
            continue
        since = serves_for(attempts, episode, target, now)
        if verdict.reason is Reason.HEALED and since > wait:
            why = why or Escalation.STILL_OPEN
        if verdict.reason is Reason.HEALTHY and since >= NOTICES_S:
            down = target.last_failure(episode.problem, still_open=True) is not None
            why = Escalation.DISAGREE if down or since > wait else why
    return why

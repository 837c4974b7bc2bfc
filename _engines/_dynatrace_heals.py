"""
Tells one failure of a process from the next: what was healed stays healed until the evidence shows a later one.
"""

from __future__ import annotations

from _dynatrace_ledger import Episode, Ledger
from _dynatrace_policy import Policy
from _dynatrace_targets import Target, last_failure

#: Why a person is called to what was healed; the engine goes on beside them, and may call again when that goes wrong.
STILL_OPEN = "still open"
#: Dynatrace closes a problem within minutes of the end of its last event.
CLOSES_S = 3600.0


def is_healed(ledger: Ledger, episode: Episode, target: Target) -> bool:
    """
    Tell whether an attempt brought the process back, and it has not failed again since.

    Healthy here and still open there is the usual state after a heal, and no reason to act. It failed again only where
    an event of the evidence is open that began after the heal, and after every failure that was known before it: the
    clocks of tenant and master may differ, and one failure must not be taken for two.

    One dead process has several problems, which show the same event: what was healed for one is healed for all whose
    evidence has no later failure, by the tenant's clock alone. A problem that was closed and opened again is none.
    """
    heal = ledger.last_heal(episode, target.minion, target.entity)
    if heal is not None:
        again = last_failure(episode.problem, target.entity, still_open=True)
        if again is None or heal.seen is None or heal.ended is None:
            return True
        return not (again > heal.seen and again > heal.ended * 1000)
    heal = ledger.last_heal_by_others(episode, target.minion, target.entity)
    latest = last_failure(episode.problem, target.entity)
    if heal is None or heal.seen is None or latest is None:
        return False
    return episode.episode == 1 and latest <= heal.seen


def person_called(episode: Episode) -> bool:
    """
    Tell whether a person was called for good: the engine does not go on beside them.
    """
    return episode.escalated not in (None, STILL_OPEN)


def healed_for(ledger: Ledger, episode: Episode, target: Target, now: float) -> float:
    """
    Return for how many seconds of this episode a process counts as healed; 0.0: it does not.
    """
    place = (episode, target.minion, target.entity)
    heal = ledger.last_heal(*place) or ledger.last_heal_by_others(*place)
    if heal is None or heal.ended is None:
        return 0.0
    return now - max(heal.ended, episode.opened)


def stays_open(
    ledger: Ledger, episode: Episode, healed: list[Target], policy: Policy, now: float
) -> str | None:
    """
    Return why a person is called where Dynatrace had long enough to close what was healed; None: it had not.

    Perhaps it means another instance of the service than the one that the remedy looked at.
    """
    wait = max(policy.attempt_window, CLOSES_S)
    late = any(healed_for(ledger, episode, target, now) > wait for target in healed)
    return STILL_OPEN if late else None

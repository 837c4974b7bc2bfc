"""
Tells one failure of a process from the next: what was healed stays healed until the evidence shows a later one.
"""

from __future__ import annotations

from _dynatrace_ledger import Episode, Ledger
from _dynatrace_targets import Target, last_failure


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


def healed_for(ledger: Ledger, episode: Episode, target: Target, now: float) -> float:
    """
    Return for how many seconds a process counts as healed by this episode's own attempt; 0.0: it does not.
    """
    heal = ledger.last_heal(episode, target.minion, target.entity)
    return now - heal.ended if heal is not None and heal.ended is not None else 0.0

"""
Makes the next attempt of an episode, unless the job cache shows that it was made in a life that the ledger lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from ..core.evidence import last_failure
from ..core.policy import Reason, Verdict
from ..core.resolution import Target
from ..core.states import AttemptState
from ..master.event import attempt_id, carried, job_id
from ..store.ledger import Attempt, Episode, Ledger
from .announcements import name_of

log = logging.getLogger(__name__)

#: Of a process whose technology nobody knows: it may be any.
_ANY = frozenset({""})


class Recovery:
    """
    What the job cache knows of attempts and the ledger does not.

    ``sent_to`` returns whom a job was sent to, None if the job cache has no such job; it is None without a cache.
    """

    def __init__(
        self,
        instance: str,
        ledger: Ledger,
        is_accepted: Callable[[str], bool],
        sent_to: Callable[[str], list[str] | None] | None,
    ) -> None:
        self._instance = instance
        self._ledger = ledger
        self._is_accepted = is_accepted
        self._sent_to = sent_to

    def sent_to(self, episode: Episode, now: float) -> list[str] | None:
        """
        Return whom the job of the next attempt was sent to already; None: there is no such job.

        Raises JobCacheError.
        """
        return None if self._sent_to is None else self._sent_to(next_attempt(episode, now).jid)

    def take_over(self, episode: Episode, go: list[Target], now: float) -> Episode | None:
        """
        Take over the next attempt if its job exists already, and return the episode as it then is; None: it does not.

        An attempt is recorded before its job can exist. So the ledger was lost, or is an old one: to order it again
        would heal nothing, since no minion runs an attempt twice, and the old outcome would pass for the new one. Raises
        JobCacheError.
        """
        attempt = next_attempt(episode, now)
        minions = self.sent_to(episode, now)
        if minions is None:
            return None
        # An orchestration is filed under the master's own id, and concerns all.
        all_of_them = not any(map(self._is_accepted, minions))
        theirs = [target for target in go if all_of_them or target.minion in minions]
        state = AttemptState.RUNNING if theirs else AttemptState.NOT_EXECUTED
        with self._ledger.transaction():
            record(self._ledger, replace(attempt, state=state, started=now), theirs, episode)
            episode = replace(episode, attempts=attempt.number)
            self._ledger.save_episode(episode)
        log.warning(
            "%s: job %s of attempt %s for %s is in the job cache, but not in the ledger, which was lost or is old; "
            "its outcome is taken over and nothing is ordered under its id",
            self._instance,
            attempt.jid,
            attempt.number,
            name_of(episode),
        )
        return episode


def next_attempt(episode: Episode, now: float) -> Attempt:
    """
    Return the attempt that comes next in an episode, with its derived ids.
    """
    number = episode.attempts + 1
    own_id = attempt_id(episode.problem_key, episode.episode, number)
    jid = job_id(own_id, episode.problem.start)
    return Attempt(
        own_id, episode.problem_key, episode.episode, number, jid, AttemptState.PLANNED, now
    )


def together(
    targets: list[Target], held: list[tuple[Target, Verdict]], now: float
) -> tuple[list[Target], list[tuple[Target, Verdict]]]:
    """
    Return those of the targets that one attempt may order, and why the rest of them is ``held`` too.

    Each technology has a remedy of its own, one event starts one job on a minion, which is about one process, and it
    carries only so many.
    """
    first = next((set(one.technologies) for one in targets if one.technologies), set())
    at_work: dict[str, set[str]] = {}
    for target, verdict in held:
        if verdict.reason is Reason.IN_PROGRESS:
            at_work.setdefault(target.minion, set()).update(target.technologies or _ANY)
    chosen: list[Target] = []
    later: list[tuple[Target, Verdict]] = []
    for target in targets:
        known, own = at_work.get(target.minion, set()), set(target.technologies)
        if known and (known & (own | _ANY) or not own):
            # It gets the next attempt when that one is done: the two would run beside each other, or pass for one.
            later.append((target, Verdict(Reason.IN_PROGRESS)))
        elif own and own != first:
            later.append((target, Verdict(Reason.STORM, now)))
        else:
            chosen.append(target)
            at_work[target.minion] = known | (own or _ANY)
    count = carried(chosen)
    # Whom this event cannot carry is ordered by another one at once.
    return chosen[:count], [(one, Verdict(Reason.STORM, now)) for one in chosen[count:]] + later


def record(ledger: Ledger, attempt: Attempt, targets: list[Target], episode: Episode) -> None:
    """
    Record an attempt, and which failure of each process it was made for.
    """
    seen = {target.entity: last_failure(episode.problem, target.entity) for target in targets}
    ledger.add_attempt(attempt, [(one.minion, one.entity) for one in targets], seen)

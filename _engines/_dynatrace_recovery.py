"""
Makes the next attempt of an episode, unless the job cache shows that it was made in a life that the ledger lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from _dynatrace_announcements import name_of
from _dynatrace_events import attempt_id, carried, job_id
from _dynatrace_ledger import Attempt, Episode, Ledger
from _dynatrace_targets import Target, last_failure

log = logging.getLogger(__name__)


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

    def take_over(self, episode: Episode, go: list[Target], now: float) -> Episode | None:
        """
        Take over the next attempt if its job exists already, and return the episode as it then is; None: it does not.

        An attempt is recorded before its job can exist. So the ledger was lost, or is an old one: to order it again
        would heal nothing, since no minion runs an attempt twice, and the old outcome would pass for the new one.
        """
        attempt = next_attempt(episode, now)
        minions = self._sent_to(attempt.jid) if self._sent_to is not None else None
        if minions is None:
            return None
        # An orchestration is filed under the master's own id, and concerns all.
        all_of_them = not any(map(self._is_accepted, minions))
        theirs = [target for target in go if all_of_them or target.minion in minions]
        state = "running" if theirs else "void"
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
    return Attempt(own_id, episode.problem_key, episode.episode, number, jid, "planned", now)


def together(targets: list[Target]) -> tuple[list[Target], list[Target]]:
    """
    Return those of the targets that one attempt may order, and the rest.

    Each technology has a remedy of its own, one event starts one job on a minion, and it carries only so many.
    """
    first = next((set(one.technologies) for one in targets if one.technologies), set())
    alike = [one for one in targets if not one.technologies or set(one.technologies) == first]
    chosen = alike[: carried(alike)]
    known = set(chosen)
    return chosen, [one for one in targets if one not in known]


def record(ledger: Ledger, attempt: Attempt, targets: list[Target], episode: Episode) -> None:
    """
    Record an attempt, and which failure of each process it was made for.
    """
    seen = {target.entity: last_failure(episode.problem, target.entity) for target in targets}
    ledger.add_attempt(attempt, [(one.minion, one.entity) for one in targets], seen)

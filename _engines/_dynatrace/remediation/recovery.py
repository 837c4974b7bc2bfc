"""
Takes over jobs that the ledger does not know, because it was lost or is an old one.

An attempt is recorded before its job can exist. To order it again would heal nothing, since no minion runs an attempt
twice, and the old outcome would pass for the new one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.measures import NO_REMEDY
from ..core.policy import Verdict
from ..core.reasons import Reason
from ..core.records import Attempt, Episode
from ..core.resolution import Target
from ..core.states import AttemptState
from ..master.event import attempt_id, job_id
from ..master.job_cache import Jobs
from ..master.minion_index import MinionIndex
from ..store.ledger import Ledger
from .decision import Decision, Held
from .recurrence import relapses

log = logging.getLogger(__name__)

#: What cannot be read now is tried again after this time.
UNREADABLE_S = 15.0


@dataclass(frozen=True)
class Recovery:
    """
    Looks up in the job cache whether the next attempt was made already. Belongs to the reconciler's thread.
    """

    instance: str
    ledger: Ledger
    minions: MinionIndex
    jobs: Jobs

    def take_over(self, decision: Decision, now: float) -> tuple[Episode, str] | None:
        """
        Record the job of the next attempt if there is one; return the episode with it, and a few words. None: there is
        no such job, or nobody is acted on. Raises JobCacheError.
        """
        is_away = any(verdict.reason is Reason.NOT_CONNECTED for _, verdict in decision.held)
        if not self.jobs.cached or not (decision.acting or is_away):
            return None
        attempt = next_attempt(decision, now)
        # Of who is away perhaps only the answers cannot be read.
        sent_to = self.jobs.minions(attempt.jid)
        if sent_to is None or not decision.acting:
            return None
        episode = self._record(attempt, decision, sent_to, now)
        return episode, f"attempt {attempt.number} for {episode.name} is in the job cache already"

    def _record(
        self, attempt: Attempt, decision: Decision, sent_to: list[str], now: float
    ) -> Episode:
        # An orchestration is filed under the master's own id, and concerns all.
        all_of_them = not any(name in self.minions for name in sent_to)
        theirs = [one for one in decision.acting if all_of_them or one.minion in sent_to]
        state = AttemptState.RUNNING if theirs else AttemptState.NOT_EXECUTED
        with self.ledger.transaction():
            taken = replace(attempt, state=state, started=now)
            record(self.ledger, taken, theirs, decision.episode)
            episode = replace(decision.episode, attempts=attempt.number)
            self.ledger.episodes.decided(episode)
        log.warning(
            "%s: job %s of attempt %s for %s is in the job cache, but not in the ledger, which was lost or is old; "
            "its outcome is taken over and nothing is ordered under its id",
            self.instance,
            attempt.jid,
            attempt.number,
            episode.name,
        )
        return episode


def next_attempt(decision: Decision, now: float) -> Attempt:
    """
    Return the attempt that a decision makes, not recorded yet. All on whom it acts have the same remedy.
    """
    episode = decision.episode
    key, number = episode.problem_key, episode.attempts + 1
    own_id = attempt_id(key, episode.episode, number)
    jid = job_id(own_id, episode.problem.start)
    planned = Attempt(own_id, key, episode.episode, number, jid, AttemptState.PLANNED, now)
    return replace(planned, remedy=next((one.remedy for one in decision.acting), None))


def record(ledger: Ledger, attempt: Attempt, targets: Sequence[Target], episode: Episode) -> None:
    """
    Record an attempt, each process with the failure that the attempt is made for.
    """
    seen = {target.key: target.last_failure(episode.problem) for target in targets}
    with ledger.transaction():
        for one in targets:
            before = ledger.attempts.last_end(one.minion, one.key)
            for within in relapses(before, seen[one.key]):
                ledger.settings.count("relapses", attempt.remedy or NO_REMEDY, within)
        ledger.attempts.add(attempt, [(one.minion, one.key) for one in targets], seen)


def all_unknown(decision: Decision, now: float) -> Decision:
    """
    Return the decision while the job cache cannot be read: nobody is ordered anything, and nobody is reported as away.
    """
    unknown = Verdict(Reason.JOB_CACHE, now + UNREADABLE_S)
    held: list[Held] = [
        (target, unknown if verdict.reason is Reason.NOT_CONNECTED else verdict)
        for target, verdict in decision.held
    ]
    return replace(decision, acting=[], held=held + [(one, unknown) for one in decision.acting])

"""
Decides the open episodes, and orders attempts for those that the policy lets through.

An attempt is recorded together with the event that orders it, in one transaction; the outbox relay fires it. What
becomes of an order is followed by ``remediation.dispatch``, and how it ends by ``remediation.outcomes``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.errors import ApiError, JobCacheError, LedgerError
from ..core.evidence import last_failure
from ..core.policy import Policy, Verdict
from ..core.reasons import AWAY, SPENT, Reason
from ..core.records import Attempt, Episode, Place
from ..core.resolution import Target
from ..core.states import AttemptState, Waiting
from ..master.event import attempt_id, job_id
from ..master.job_cache import Jobs
from ..store.ledger import Ledger
from .announcements import Announcements, why_nobody
from .decision import Capacity, Decision, Held
from .episodes import FRESH_S, Episodes
from .recheck import RECHECK_S, may_have_changed, until_next
from .recurrence import contradicted, may_call
from .verdicts import Verdicts

log = logging.getLogger(__name__)

#: Who waits for capacity is looked at again now and then, also when nothing seems to have become free.
CAPACITY_S = 60.0
#: What cannot be read now is tried again after this time.
UNREADABLE_S = 15.0


@dataclass
class Scheduler:
    """
    The decisions of one engine. All methods belong to the reconciler's thread and write through the ledger only.
    """

    instance: str
    ledger: Ledger
    policy: Policy
    verdicts: Verdicts
    episodes: Episodes
    announcements: Announcements
    jobs: Jobs
    #: What was in progress when the last decisions were made; None: nothing is known yet.
    _in_progress: frozenset[tuple[str, str, str, bool]] | None = None
    _capacity_checked: float = 0.0
    #: Whether episodes may wait for the end of a pause, which a person gives at any moment.
    _any_paused: bool = True

    def decide(self, now: float) -> list[str]:
        """
        Decide every episode that is due; return a few words for each attempt and escalation.

        Raises nothing of the API: an episode that cannot be read again waits.
        """
        summary: list[str] = []
        self._wake(now)
        capacity = self.verdicts.capacity()
        before = self.ledger.attempts.waiting_actions()
        for place in self.ledger.episodes.places(now, waiting=self._may_have_capacity(before, now)):
            if not place.only_capacity or capacity.left > 0:
                summary += self._try(place, capacity, now)
            elif place.due:
                # Its turn comes when something ends; a thousand of them need no look until then.
                self.ledger.episodes.wake(place.problem_key, place.episode, None)
        # What ended while decisions were made is missed next time, and looked at then.
        self._in_progress = before | self.ledger.attempts.waiting_actions()
        return summary

    def _wake(self, now: float) -> None:
        if self.verdicts.minion_answered():
            self.ledger.episodes.wake_waiting(now, Waiting.MINION)
        if self._any_paused and not self.verdicts.paused():
            self._any_paused = False
            self.ledger.episodes.wake_waiting(now, Waiting.PAUSED)

    def _may_have_capacity(
        self, current: frozenset[tuple[str, str, str, bool]], now: float
    ) -> bool:
        # Those who wait for capacity are looked at when something ended since the last time.
        ended = self._in_progress is None or not self._in_progress <= current
        if ended or now - self._capacity_checked >= CAPACITY_S:
            self._capacity_checked = now
            return True
        return False

    def _try(self, place: Place, capacity: Capacity, now: float) -> list[str]:
        episode = self.ledger.episodes.get(place.problem_key, place.episode)
        try:
            return self._decide(episode, capacity, now) if episode else []
        except LedgerError:
            raise
        except Exception as err:  # noqa: BLE001 - One problem must not keep the others from being healed.
            level = logging.DEBUG if isinstance(err, ApiError) else logging.ERROR
            log.log(level, "%s: %s waits: %r", self.instance, place.problem_key, err)
            self.ledger.episodes.wake(place.problem_key, place.episode, now + RECHECK_S / 4)
            return []

    def _decide(self, episode: Episode, capacity: Capacity, now: float) -> list[str]:
        if episode.announced and self.policy.awaits(episode.resolution):
            episode = self.episodes.rematch(episode, now)
        decision = self.verdicts.of(episode, capacity, now)
        if decision.acting or may_have_changed(decision):
            fresh = self.episodes.fresh(episode, now)
            if fresh is None:
                return []
            if fresh is not episode:
                decision = self.verdicts.of(fresh, capacity, now)
        decision, summary = self._recover(decision, capacity, now)
        with self.ledger.transaction():
            decision = self._carry_out(decision, capacity, now, summary)
            decision = self._escalate(decision, now, summary)
            decided = until_next(self.ledger.attempts, self.policy, decision, now)
            self._any_paused |= decided.waiting is Waiting.PAUSED
            if decided != self.ledger.episodes.get(episode.problem_key, episode.episode):
                self.ledger.episodes.save(decided)
        return summary

    def _recover(
        self, decision: Decision, capacity: Capacity, now: float
    ) -> tuple[Decision, list[str]]:
        summary: list[str] = []
        try:
            while decision.acting and (sent_to := self._sent_to(decision, now)) is not None:
                episode = self._take_over(decision, sent_to, now)
                name = episode.name
                summary.append(f"attempt {episode.attempts} for {name} is in the job cache already")
                decision = self.verdicts.of(episode, capacity, now)
            if any(one.reason is Reason.NOT_CONNECTED for _, one in decision.held):
                self._sent_to(decision, now)  # Perhaps the answers only cannot be read.
        except JobCacheError:
            decision = _all_unknown(decision, now)
        return decision, summary

    def _sent_to(self, decision: Decision, now: float) -> list[str] | None:
        # To whom the job of the next attempt was sent already; None: there is no such job.
        return self.jobs.minions(_next(decision.episode, now).jid) if self.jobs.cached else None

    def _take_over(self, decision: Decision, sent_to: list[str], now: float) -> Episode:
        # An attempt is recorded before its job can exist: so the ledger was lost, or is an old one. To order it again would
        # heal nothing, since no minion runs an attempt twice, and the old outcome would pass for the new one.
        attempt = _next(decision.episode, now)
        # An orchestration is filed under the master's own id, and concerns all.
        all_of_them = not any(name in self.verdicts.minions for name in sent_to)
        theirs = [one for one in decision.acting if all_of_them or one.minion in sent_to]
        state = AttemptState.RUNNING if theirs else AttemptState.NOT_EXECUTED
        with self.ledger.transaction():
            self._record(replace(attempt, state=state, started=now), theirs, decision.episode)
            episode = replace(decision.episode, attempts=attempt.number)
            self.ledger.episodes.save(episode)
        log.warning(
            "%s: job %s of attempt %s for %s is in the job cache, but not in the ledger, which was lost or is old; "
            "its outcome is taken over and nothing is ordered under its id",
            self.instance,
            attempt.jid,
            attempt.number,
            episode.name,
        )
        return episode

    def _record(self, attempt: Attempt, targets: Sequence[Target], episode: Episode) -> None:
        # Each process with the failure that the attempt is made for.
        seen = {target.entity: last_failure(episode.problem, target.entity) for target in targets}
        self.ledger.attempts.add(attempt, [(one.minion, one.entity) for one in targets], seen)

    def _carry_out(
        self, decision: Decision, capacity: Capacity, now: float, summary: list[str]
    ) -> Decision:
        episode, held = decision.episode, decision.held
        if decision.acting:
            summary.append(self._order(decision, now))
            doubtful = self.verdicts.doubts(episode, decision.acting[0])
            capacity.take((target.minion for target in decision.acting), doubtful)
            episode = replace(episode, attempts=episode.attempts + 1)
        elif not episode.announced:
            self.announcements.announce(episode, "open", now, held=held)
            self.announcements.advise(episode, held, now)
            summary.append(f"opened {episode.name}, {why_nobody(episode, held)}")
        return replace(decision, episode=replace(episode, announced=True))

    def _order(self, decision: Decision, now: float) -> str:
        # The attempt is recorded together with the event that orders it.
        episode = decision.episode
        attempt = _next(episode, now)
        self._record(attempt, decision.acting, episode)
        what = "retry" if episode.announced else "open"
        self.announcements.announce(
            episode,
            what,
            now,
            acting=decision.acting,
            held=decision.held,
            attempt=attempt,
            fresh_until=now + FRESH_S,
        )
        minions = ", ".join(dict.fromkeys(target.minion for target in decision.acting))
        return f"attempt {attempt.number} for {episode.name} on {minions}"

    def _escalate(self, decision: Decision, now: float, summary: list[str]) -> Decision:
        episode = decision.episode
        why = decision.first(SPENT)
        if why is None and now - episode.opened > self.policy.attempt_window:
            why = decision.first(AWAY)  # Before that it may only be restarting.
        why = why or contradicted(self.ledger.attempts, decision, self.policy, now)
        if why is None or not may_call(episode, why):
            return decision
        summary.append(f"escalated {episode.name}: {why}")
        escalated = self.announcements.escalate(episode, why, now, decision.held)
        return replace(decision, episode=escalated)


def _next(episode: Episode, now: float) -> Attempt:
    key, number = episode.problem_key, episode.attempts + 1
    own_id = attempt_id(key, episode.episode, number)
    jid = job_id(own_id, episode.problem.start)
    return Attempt(own_id, key, episode.episode, number, jid, AttemptState.PLANNED, now)


def _all_unknown(decision: Decision, now: float) -> Decision:
    # Nobody is ordered anything, and nobody is reported as away.
    unknown = Verdict(Reason.JOB_CACHE, now + UNREADABLE_S)
    held: list[Held] = [
        (target, unknown if verdict.reason is Reason.NOT_CONNECTED else verdict)
        for target, verdict in decision.held
    ]
    return replace(decision, acting=[], held=held + [(one, unknown) for one in decision.acting])

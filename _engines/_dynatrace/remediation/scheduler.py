"""
Decides the open episodes, and orders attempts for those that the policy lets through.

An attempt is recorded together with the event that orders it, in one transaction; the announcer fires what is
recorded. What becomes of an order is followed by ``remediation.dispatch``, and how it ends by ``remediation.outcomes``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace

from ..core.errors import ApiError, JobCacheError, LedgerError
from ..core.policy import Policy, Reason, Situation, Verdict, decide
from ..core.resolution import Target
from ..core.states import ActionState, Waiting
from ..master.attempt_records import AttemptRecords
from ..master.event import tag
from ..master.ping import Ping
from ..store.ledger import Episode, Ledger
from .announcements import Announcements, name_of, why_nobody
from .dispatch import FRESH_S, Dispatch
from .dispatch import TAKE_S as TAKE_S
from .outcomes import Outcomes
from .recovery import Recovery, next_attempt, record, together
from .recurrence import contradicted, may_call, person_called, serves
from .reports import Reports
from .waits import RECHECK_S, may_have_changed, until_next

log = logging.getLogger(__name__)

#: Attempts are counted over a week at most, the largest window that the configuration allows.
PAST_S = 7 * 86400.0
#: Who waits for capacity is looked at again now and then, also when nothing seems to have become free.
CAPACITY_S = 60.0

#: What cannot be read now is tried again after this time.
UNREADABLE_S = 15.0
#: Held since nothing more is tried in this episode.
_SPENT = (Reason.ATTEMPTS_SPENT, Reason.REFUSED, Reason.UNPROVED)
#: Held for what may pass by itself; a person is called when it lasts.
_AWAY = (Reason.NOT_CONNECTED, Reason.JOB_CACHE)


class Scheduler:
    """
    The attempts of one engine. All methods belong to the loop's thread and write through the ledger only.
    """

    def __init__(
        self,
        instance: str,
        ledger: Ledger,
        policy: Policy,
        accepted: Callable[[], int],
        is_accepted: Callable[[str], bool],
        reread: Callable[[Episode, float], Episode | None],
        rematch: Callable[[Episode, float], Episode],
        untaken: Callable[[Iterable[str], Sequence[str]], str | None],
        comments: bool,
        reports: Reports | None = None,
        sent_to: Callable[[str], list[str] | None] | None = None,
        presence: Ping | None = None,
        recall: AttemptRecords | None = None,
    ) -> None:
        """
        ``untaken`` returns why no reactor takes an order under any of some tags for a process of some technologies.

        ``sent_to`` returns whom a job was sent to, None if the job cache has no such job; it is None without a cache.

        ``presence`` None: minions that did not return are not asked before they are given another order; ``recall``
        None: nor are they asked what they remember of it.
        """
        self._instance = instance
        self._ledger = ledger
        self._policy = policy
        self._accepted = accepted
        self._is_accepted = is_accepted
        self._reread = reread
        self._rematch = rematch
        self._untaken = untaken
        self._presence = presence
        self._recovery = Recovery(instance, ledger, is_accepted, sent_to)
        self._told = Announcements(instance, ledger, policy, comments, reports)
        #: How attempts end; who learns of it tells them.
        self.outcomes = Outcomes(instance, ledger, policy, self._told)
        self._orders = Dispatch(ledger, policy, accepted, reread, untaken, self.outcomes, recall)
        #: What was in progress when the last decisions were made; None: nothing is known yet.
        self._in_progress: frozenset[tuple[str, str, str, bool]] | None = None
        self._capacity_checked = 0.0

    def is_minion(self, name: str) -> bool:
        """
        Tell whether a name is that of an accepted minion.
        """
        return self._is_accepted(name)

    def expire(self, now: float, bus_works: bool = True, unread: Container[str] = ()) -> list[str]:
        """
        Bring forward what waited too long: orders that no job took, and jobs that did not return.

        ``unread`` are attempts of which the job cache could not be read: of them nothing is known.
        """
        return self._orders.expire(now, bus_works, unread)

    def order(self, now: float) -> list[str]:
        """
        Decide every episode that is due; return a few words for each attempt and escalation.

        Raises nothing of the API: an episode that cannot be read again waits.
        """
        said: list[str] = []
        if self._presence is not None and self._presence.news():
            self._ledger.wake_episodes(now, Waiting.MINION)
        busy = self._ledger.busy_minions()
        limit = self._policy.limit(self._accepted())
        before = self._ledger.waiting_actions()
        for place in self._ledger.places(now, waiting=self._may_have_capacity(before, now)):
            if place.only_capacity and len(busy) >= limit:
                # Its turn comes when something ends; a thousand of them need no look until then.
                if place.due:
                    self._ledger.wake_episode(place.problem_key, place.episode, None)
                continue
            episode = self._ledger.episode(place.problem_key, place.episode)
            try:
                said += self._decide(episode, busy, limit, now) if episode else []
            except LedgerError:
                raise
            except Exception as err:  # noqa: BLE001 - One problem must not keep the others from being healed.
                level = logging.DEBUG if isinstance(err, ApiError) else logging.ERROR
                log.log(level, "%s: %s waits: %r", self._instance, place.problem_key, err)
                self._ledger.wake_episode(place.problem_key, place.episode, now + RECHECK_S / 4)
        # What ended while decisions were made is missed next time, and looked at then.
        self._in_progress = before | self._ledger.waiting_actions()
        return said

    def _may_have_capacity(
        self, current: frozenset[tuple[str, str, str, bool]], now: float
    ) -> bool:
        """
        Tell whether those who wait for capacity are to be looked at: something ended since the last time.
        """
        if (
            self._in_progress is not None
            and self._in_progress <= current
            and now - self._capacity_checked < CAPACITY_S
        ):
            return False
        self._capacity_checked = now
        return True

    def _decide(self, episode: Episode, busy: set[str], limit: int, now: float) -> list[str]:
        if episode.announced and self._policy.awaits(episode.resolution):
            episode = self._rematch(episode, now)
        go, held = self._verdicts(episode, busy, limit, now)
        if now - episode.read > FRESH_S and (go or may_have_changed(episode, held)):
            fresh = self._reread(episode, now)
            if fresh is None:
                return []
            episode = fresh
            go, held = self._verdicts(episode, busy, limit, now)
        said: list[str] = []
        try:
            while go and (known := self._recovery.take_over(episode, go, now)) is not None:
                said.append(
                    f"attempt {known.attempts} for {name_of(episode)} is in the job cache already"
                )
                episode = known
                go, held = self._verdicts(episode, busy, limit, now)
            if any(verdict.reason is Reason.NOT_CONNECTED for _, verdict in held):
                self._recovery.sent_to(episode, now)  # Perhaps the answers only cannot be read.
        except JobCacheError:
            go, held = [], _unknown(go, held, now)
        with self._ledger.transaction():
            if go:
                said.append(self._attempt(episode, go, held, now))
                busy.update(target.minion for target in go)
                episode = replace(episode, attempts=episode.attempts + 1, announced=True)
            elif not episode.announced:
                self._told.announce(episode, "open", (), held, now)
                self._told.advise(episode, held, now)
                said.append(f"opened {name_of(episode)}, {why_nobody(episode, held)}")
                episode = replace(episode, announced=True)
            spent = [verdict.reason.value for _, verdict in held if verdict.reason in _SPENT]
            away = [verdict.reason.value for _, verdict in held if verdict.reason in _AWAY]
            if now - episode.opened <= self._policy.attempt_window:
                away = []  # It may only be restarting.
            why = next(iter(spent + away), None)
            why = why or contradicted(self._ledger, episode, held, self._policy, now)
            if why and may_call(episode, why):
                episode = self._told.escalate(episode, why, now, held)
                said.append(f"escalated {name_of(episode)}: {why}")
            decided = until_next(self._ledger, self._policy, episode, held, now)
            if decided != self._ledger.episode(episode.problem_key, episode.episode):
                self._ledger.save_episode(decided)
            return said

    def _verdicts(
        self, episode: Episode, busy: set[str], limit: int, now: float
    ) -> tuple[list[Target], list[tuple[Target, Verdict]]]:
        go: list[Target] = []
        held: list[tuple[Target, Verdict]] = []
        taken = set(busy)
        for target in episode.resolution.targets:
            verdict = self._verdict(episode, target, taken, limit, now)
            if verdict.reason is None:
                go.append(target)
                taken.add(target.minion)
            else:
                held.append((target, verdict))
        chosen, later = together(go, held, now)
        return chosen, held + later

    def _verdict(
        self, episode: Episode, target: Target, taken: set[str], limit: int, now: float
    ) -> Verdict:
        since = min(now - PAST_S, episode.opened)
        past = [
            attempt
            for attempt in self._ledger.past(target.minion, target.entity, since)
            if attempt.started >= episode.counted_from or attempt.state == ActionState.WAITING
        ]
        situation = Situation(
            now=now,
            paused=self._ledger.get("paused") is not None,
            accepted=self._is_accepted(target.minion),
            maintenance=episode.problem.under_maintenance,
            serves=serves(self._ledger, episode, target),
            busy=target.minion in taken,
            capacity=limit - len(taken),
            since=episode.opened,
            untaken=self._untaken(_orders(episode), target.technologies),
        )
        verdict = decide(target, past, situation, self._policy)
        was_tried = any(attempt.started >= episode.opened for attempt in past)
        if person_called(episode) and was_tried and verdict.reason not in _SPENT:
            # A person was called for this episode; the engine does not go on beside them when the window has passed.
            return Verdict(Reason.ATTEMPTS_SPENT)
        if verdict.reason is None and not self._is_connected(target.minion, now):
            return decide(target, past, replace(situation, connected=False), self._policy)
        return verdict

    def _is_connected(self, minion: str, now: float) -> bool:
        if self._presence is None:
            return True
        lost_at = self._ledger.lost_at(minion)
        return lost_at is None or self._presence.is_there(minion, lost_at, now)

    def _attempt(
        self, episode: Episode, go: list[Target], held: list[tuple[Target, Verdict]], now: float
    ) -> str:
        attempt = next_attempt(episode, now)
        number = attempt.number
        record(self._ledger, attempt, go, episode)
        what = "retry" if episode.announced else "open"
        self._told.announce(episode, what, go, held, now, attempt=number, fresh_until=now + FRESH_S)
        minions = ", ".join(dict.fromkeys(target.minion for target in go))
        return f"attempt {number} for {name_of(episode)} on {minions}"


def _unknown(
    go: list[Target], held: list[tuple[Target, Verdict]], now: float
) -> list[tuple[Target, Verdict]]:
    """
    Return the verdicts where the job cache cannot be read: nobody is ordered anything, and nobody is said to be away.
    """
    verdict = Verdict(Reason.JOB_CACHE, now + UNREADABLE_S)
    kept = [
        (target, verdict if before.reason is Reason.NOT_CONNECTED else before)
        for target, before in held
    ]
    return kept + [(target, verdict) for target in go]


def _orders(episode: Episode) -> tuple[str, ...]:
    """
    Return the tags of the events that may order an attempt of this episode.
    """
    return tag("open", episode.problem), tag("retry", episode.problem)

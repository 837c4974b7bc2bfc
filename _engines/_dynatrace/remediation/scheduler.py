"""
Decides the open episodes, and orders attempts for those that the policy lets through.

An attempt is recorded together with the event that orders it, in one transaction; the outbox relay fires it. What has to
be read for a group of episodes is read before, so that no transaction waits for a call. What becomes of an order is followed by
``remediation.dispatch``, and how it ends by ``remediation.outcomes``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from ..core.backoff import Retries
from ..core.errors import ApiError, JobCacheError, LedgerError
from ..core.policy import Policy
from ..core.reasons import AWAY, SPENT, UNHEALABLE
from ..core.records import Attempt, Episode, Place
from ..core.states import Waiting
from ..store.ledger import Ledger
from .announcements import Announcements, why_nobody
from .decision import Capacity, Decision, note
from .episodes import FRESH_S, Episodes
from .group import Group
from .recheck import RECHECK_S, may_have_changed, until_next
from .recovery import Recovery, all_unknown, next_attempt, record
from .recurrence import contradicted, may_call
from .verdicts import Verdicts

log = logging.getLogger(__name__)

#: Who waits for capacity is looked at again now and then, also when nothing seems to have become free.
CAPACITY_S = 60.0
#: So long decisions are made before the engine looks at anything else.
GROUP_S = 0.5
#: So many orders may wait to be fired, and so many decisions are made in one commit: what comes meanwhile and is as severe
#: waits for no more than these.
AHEAD = 64
#: Of the episodes that are due so many are listed.
PLACES = 500


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
    recovery: Recovery
    #: A clock that nobody sets.
    steady: Callable[[], float]
    #: How much had ended when the last decisions were made; None: who waits for capacity is to be looked at.
    _freed: int | None = None
    _capacity_checked: float = 0.0
    #: By problem key: what could not be decided is tried less and less often.
    _retries: Retries = field(default_factory=lambda: Retries(RECHECK_S / 4, RECHECK_S))
    #: Whether episodes may wait for the end of a pause, which a person gives at any moment.
    _any_paused: bool = True
    #: Whether decisions wait until orders are fired.
    crowded: bool = False
    #: By problem key: what was notified and is not decided since.
    _notified: set[str] = field(default_factory=set)

    def decide(self, now: float, notified: Collection[str] = ()) -> list[str]:
        """
        Decide episodes that are due, the most severe first, for about GROUP_S; what is left stays due. None is decided while
        many orders wait to be fired.

        ``notified`` are keys of problems that were notified just now: they come before others that are as severe. Returns a
        few words for each attempt and escalation. Raises nothing of the API: an episode that cannot be read again waits.
        """
        self._notified.update(notified)
        if not self._room(now):
            return []
        summary: list[str] = []
        until = self.steady() + GROUP_S
        self._wake(now)
        # What ends while decisions are made is missed this time, and looked at next time.
        freed = self.ledger.attempts.in_progress.freed()
        capacity = self.verdicts.capacity()
        looked = self._may_have_capacity(freed, now) and capacity.left > 0
        places = self._places(now, looked)
        while places and (room := self._room(now)):
            group, places = places[:room], places[room:]
            left, said = self._decide_group(group, capacity, now, until)
            places = left + places
            summary += said
            if self.steady() >= until:
                break
        self._notified.intersection_update(one.problem_key for one in places)
        self._freed = freed
        if looked and capacity.left > 0 and any(not one.due for one in places):
            self._freed = None  # Who waits for capacity, and was not reached, is looked at again.
        return summary

    def _room(self, now: float) -> int:
        """
        Return of how many episodes the orders may be recorded now: none as long as many wait to be fired.
        """
        room = AHEAD - self.ledger.outbox.orders_ahead(now, AHEAD)
        self.crowded = room < AHEAD // 2
        return 0 if self.crowded else room

    def _places(self, now: float, for_capacity: bool) -> list[Place]:
        """
        Return what is to be decided, the most severe first; ``for_capacity``: with those that wait for capacity.

        Each of the two is listed for itself: many that wait must not hide what is due.
        """
        listed = self.ledger.episodes.places(now, waiting=False, limit=PLACES)
        if for_capacity:
            known = {one.problem_key for one in listed}
            waiting = self.ledger.episodes.places(-math.inf, waiting=True, limit=PLACES)
            listed += [one for one in waiting if one.problem_key not in known]
        new = self._notified
        if late := new.difference(one.problem_key for one in listed):
            listed += self.ledger.episodes.due_places(late, now)
        order = lambda one: (one.rank, one.problem_key not in new, one.began, one.problem_key)  # noqa: E731
        return sorted(listed, key=order)

    def _decide_group(
        self, places: Sequence[Place], capacity: Capacity, now: float, until: float
    ) -> tuple[list[Place], list[str]]:
        """
        Decide some episodes, and record all of it in one commit, which spans no call.

        Returns those that are left, since time is over or another one orders something for the same minion, and a few
        words for what happened.
        """
        episodes = self.ledger.episodes.open(place.problem_key for place in places)
        group = Group(now, capacity, self.verdicts.untried(episodes.values()))
        idle: list[Place] = []
        left: list[Place] = []
        for place in places:
            if self.steady() >= until and (group.ready or idle):
                left.append(place)
            elif place.only_capacity and capacity.left <= 0:
                idle.append(place)
            elif (episode := episodes.get(place.problem_key)) is not None:
                decision = self._prepared(episode, group)
                if decision is not None and not group.takes(decision, self.verdicts):
                    left.append(place)
        with self.ledger.transaction():
            for one in idle:
                if one.due:
                    # Its turn comes when something ends; a thousand of them need no look until then.
                    self.ledger.episodes.wake(one.problem_key, one.episode, None)
            for decision in group.ready:
                self._record_one(decision, group)
        return left, group.said

    def _wake(self, now: float) -> None:
        if self.verdicts.minion_answered():
            self.ledger.episodes.wake_waiting(now, Waiting.MINION)
        if self.verdicts.minions.has_news():
            self.ledger.episodes.wake_waiting(now, Waiting.MATCH)
        if self._any_paused and not self.verdicts.paused():
            self._any_paused = False
            self.ledger.episodes.wake_waiting(now, Waiting.PAUSED)

    def _may_have_capacity(self, freed: int, now: float) -> bool:
        # Those who wait for capacity are looked at when something ended since the last time.
        if self._freed != freed or now - self._capacity_checked >= CAPACITY_S:
            self._capacity_checked = now
            return True
        return False

    def _prepared(self, episode: Episode, group: Group) -> Decision | None:
        """
        Return the decision about an episode, after all calls that it needs; None where there is nothing to record.
        """
        try:
            decision = self._prepare(episode, group)
            self._retries.over(episode.problem_key)
            return decision
        except LedgerError:
            raise
        except Exception as err:  # noqa: BLE001 - One problem must not keep the others from being healed.
            self._postpone(episode, err, group.now)
            return None

    def _prepare(self, episode: Episode, group: Group) -> Decision | None:
        now = group.now
        if episode.announced and self.policy.awaits(episode.resolution):
            episode = self.episodes.rematch(episode, now)
        decision = self._verdicts(episode, group)
        if decision.acting or may_have_changed(decision):
            fresh = self.episodes.fresh(episode, now)
            if fresh is None:
                return None
            if fresh is not episode:
                decision = self._verdicts(fresh, group)
        try:
            while taken := self.recovery.take_over(decision, now):
                episode, said = taken
                group.said.append(said)
                group.untried.clear()
                decision = self._verdicts(episode, group)
        except JobCacheError:
            decision = all_unknown(decision, now)
        return decision

    def preview(self, episode: Episode, now: float) -> Decision | None:
        """
        Return the decision that would be made about an episode now; None: it is over. What is read for it is recorded, and
        the decision is not. Raises ApiError.
        """
        untried = self.verdicts.untried([episode])
        return self._prepare(episode, Group(now, self.verdicts.capacity(), untried))

    def _verdicts(self, episode: Episode, group: Group) -> Decision:
        return self.verdicts.of(episode, group.capacity, group.now, group.untried)

    def _postpone(self, episode: Episode, err: Exception, now: float) -> None:
        level = logging.DEBUG if isinstance(err, ApiError) else logging.ERROR
        log.log(level, "%s: %s waits: %r", self.instance, episode.problem_key, err)
        again = self._retries.after(episode.problem_key, now)
        self.ledger.episodes.wake(episode.problem_key, episode.episode, again)

    def _record_one(self, decision: Decision, group: Group) -> None:
        try:
            with self.ledger.database.savepoint():
                group.said += self._record_decision(decision, group.now)
        except LedgerError:
            raise
        except Exception as err:  # noqa: BLE001 - As above.
            self._postpone(decision.episode, err, group.now)

    def _record_decision(self, decision: Decision, now: float) -> list[str]:
        if decision.acting and self.verdicts.paused():
            return []  # A pause came meanwhile: it stays due, and is decided under the pause.
        summary: list[str] = []
        before = decision.episode
        decision = self._carry_out(decision, now, summary)
        decision = self._escalate(decision, now, summary)
        decided = until_next(self.ledger.attempts, self.policy, decision, now)
        decided = replace(decided, held=decision.why_nobody)
        self._any_paused |= decided.waiting is Waiting.PAUSED
        if decided != before:
            self.ledger.episodes.decided(decided)
        note(self.ledger.journal, decision, before, now)
        return summary

    def _carry_out(self, decision: Decision, now: float, summary: list[str]) -> Decision:
        episode, held = decision.episode, decision.held
        attempt = None
        if decision.acting:
            attempt = next_attempt(decision, now)
            summary.append(self._order(decision, attempt, now))
            episode = replace(episode, attempts=episode.attempts + 1)
        elif not episode.announced:
            self.announcements.announce(episode, "open", now, held=held)
            self.announcements.advise(episode, held, now)
            summary.append(f"opened {episode.name}, {why_nobody(episode, held)}")
        return replace(decision, episode=replace(episode, announced=True), attempt=attempt)

    def _order(self, decision: Decision, attempt: Attempt, now: float) -> str:
        # The attempt is recorded together with the event that orders it.
        episode = decision.episode
        record(self.ledger, attempt, decision.acting, episode)
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
        by = f" by {attempt.remedy}" if attempt.remedy else ""
        return f"attempt {attempt.number} for {episode.name} on {minions}{by}"

    def _escalate(self, decision: Decision, now: float, summary: list[str]) -> Decision:
        episode = decision.episode
        why = decision.first(SPENT)
        if why is None and now - episode.opened > self.policy.attempt_window:
            why = decision.first(AWAY)  # Before that it may only be restarting.
        why = why or contradicted(self.ledger.attempts, decision, self.policy, now)
        if why is None and self.policy.escalate_without_remedy and not self.policy.dry_run:
            why = decision.first(UNHEALABLE)
        if why is None or not may_call(episode, why):
            return decision
        summary.append(f"escalated {episode.name}: {why}")
        escalated = self.announcements.escalate(episode, why, now, decision.held)
        return replace(decision, episode=escalated)

"""
Follows orders until a job takes them: given again where that is safe, taken back, or given up.

An order is valid for a short time only. If no job takes it by then it was provably not executed, and may be given
again under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import ApiError, JobCacheError
from ..core.policy import Policy
from ..core.reasons import Escalation
from ..core.records import Attempt, Episode
from ..core.states import ActionState, AttemptState, EpisodeState, sources
from ..master.attempt_records import AttemptRecords
from ..master.event import tag
from ..store.ledger import Ledger
from .episodes import FRESH_S, Episodes
from .outcomes import Outcomes, not_executed
from .uptake import kind_of_order
from .verdicts import Verdicts

#: An order must become a job within this time; the signed event says so, and reactors refuse it later.
TAKE_S = 30.0
#: After the validity has passed, a reactor that checked in time may still be publishing the job.
TAKE_MARGIN_S = 3.0
#: So often it is looked whether an order that nobody took may be given again.
AGAIN_S = 5.0
#: So long what waited too long is looked at before the loop does anything else: an order is read again before it is given
#: again, and thousands may wait where nobody takes them.
GROUP_S = 0.5
#: An order surely became no job: given twice at most within it, fired late each time, and expired.
UNTAKEN_S = 2 * (TAKE_S + TAKE_MARGIN_S) + FRESH_S


@dataclass
class Dispatch:
    """
    The orders of one engine that are out. All but ``forbids`` belongs to the reconciler's thread.

    Without ``attempt_records`` what did not return is lost, whatever its minion remembers.
    """

    ledger: Ledger
    policy: Policy
    verdicts: Verdicts
    episodes: Episodes
    outcomes: Outcomes
    #: A clock that nobody sets.
    steady: Callable[[], float]
    attempt_records: AttemptRecords | None = None
    #: When each of what waits too long was looked at last.
    _looked: dict[str, float] = field(default_factory=dict)
    _was_paused: bool = False
    #: Whether the last look left some for the next one.
    crowded: bool = False

    def forbids(self, attempt_id: str) -> bool:
        """
        Tell whether an order must not be given as things are: all is paused, or the policy forbids one of its targets.

        How the targets are matched now counts: what proved a minion to be the host when it was ordered may do so no more,
        and another remedy, or none, may be the one that takes them.
        """
        attempt = self.ledger.attempts.get(attempt_id)
        if attempt is None or attempt.state not in sources(AttemptState.RUNNING):
            return True  # It was taken back, or is at work.
        if self.verdicts.paused():
            return True
        episode = self.ledger.episodes.get(attempt.problem_key, attempt.episode)
        known = self.verdicts.targets(episode) if episode is not None else ()
        ordered = {(one.minion, one.process) for one in self.ledger.attempts.actions(attempt_id)}
        targets = [one for one in known if (one.minion, one.key) in ordered]
        by = _kinds(self.ledger.outbox.event_of(attempt_id) or {})
        if len(targets) < len(ordered) or any(one.remedy != attempt.remedy for one in targets):
            return True
        if any(one.choice.by != by.get(one.minion) for one in targets):
            return True  # The minion asks for less where the catalogue names the process; now it may not.
        return self.verdicts.policy_of(attempt.remedy).forbids(targets)

    def expire(self, now: float, bus_works: bool = True, unread: Container[str] = ()) -> list[str]:
        """
        Bring forward what waited too long: orders that no job took, and jobs that did not return, for about GROUP_S; those
        come first that were not looked at for longest.

        Orders wait while the bus fails: nobody can take them, and nobody is to blame for it. So do the attempts in
        ``unread``: what the job cache would tell of them is not known.
        """
        summary: list[str] = []
        timeout, fresh = self.policy.outcome_timeout, now - FRESH_S
        valid = now - TAKE_S - TAKE_MARGIN_S
        overdue = self.ledger.attempts.in_progress.overdue(now - timeout, valid, fresh)
        self._forget(overdue)
        until, self.crowded = self.steady() + GROUP_S, False
        for attempt in sorted(overdue, key=lambda one: self._looked[one.attempt_id]):
            if self.steady() >= until:
                self.crowded = True
                break
            running = attempt.state == AttemptState.RUNNING
            recent = 0 <= now - self._looked[attempt.attempt_id] < AGAIN_S
            if attempt.attempt_id in unread or not (running or (bus_works and not recent)):
                continue
            self._looked[attempt.attempt_id] = now
            look = self._end_unreturned if running else self._expire_order
            summary += look(attempt, now)
        return summary

    def _forget(self, overdue: Iterable[Attempt]) -> None:
        """
        Forget when was looked at what is over, and, when a pause begins or ends, at all.
        """
        paused = self.verdicts.paused()
        known = self._looked if paused == self._was_paused else {}
        self._was_paused = paused
        self._looked = {one.attempt_id: known.get(one.attempt_id, 0.0) for one in overdue}

    def _expire_order(self, attempt: Attempt, now: float) -> list[str]:
        if attempt.state == AttemptState.FIRED:
            # Given again at once, so that nobody else takes its place among those being healed.
            self.ledger.attempts.move(attempt.attempt_id, AttemptState.EXPIRED)
            attempt = replace(attempt, state=AttemptState.EXPIRED)
            if ordered := self.ledger.outbox.event_of(attempt.attempt_id):
                self.verdicts.uptake.expired(kind_of_order(ordered))
        return self._again(attempt, now)

    def _end_unreturned(self, attempt: Attempt, now: float) -> list[str]:
        actions = self.ledger.attempts.actions(attempt.attempt_id)
        waiting = {action.minion for action in actions if action.state == ActionState.WAITING}
        try:
            remembered = self.attempt_records.of(attempt, waiting) if self.attempt_records else {}
        except JobCacheError:
            return []
        if remembered is None:
            return []  # They are being asked.
        self.outcomes.lose(attempt, remembered, now)
        return [f"attempt {attempt.attempt_id[:12]} did not return"]

    def _again(self, attempt: Attempt, now: float) -> list[str]:
        ordered = self.ledger.outbox.event_of(attempt.attempt_id)
        episode = self.ledger.episodes.latest(attempt.problem_key)
        if ordered is None or episode is None or not _is_open(episode, attempt):
            not_executed(self.ledger, attempt, "the problem closed first", now)
            return []
        own = [tag(ordered["what"], episode.problem)]
        asked = list(ordered["technologies"]), attempt.remedy
        reacts = self.verdicts.why_untaken(own, *asked) is None
        if self._is_too_late(attempt, reacts, now):
            return [self._give_up(attempt, episode, now)]
        if attempt.first_fired and not reacts:
            return []  # Nobody is configured to take it: repeating it would only be noise.
        if not self._has_place(attempt, ordered):
            return []
        if not self._still_allowed(attempt, episode, now):
            self._take_back(attempt, now)
            return []
        self.ledger.outbox.refire(attempt.attempt_id, now + FRESH_S)
        self.ledger.attempts.move(attempt.attempt_id, AttemptState.PLANNED)
        return [f"attempt {attempt.number} for {episode.name} ordered again"]

    def _is_too_late(self, attempt: Attempt, reacts: bool, now: float) -> bool:
        if attempt.first_fired is None:
            return False
        # Given only once it may have been lost with the master that went down then; it is given once more.
        repeated = (attempt.fired or 0.0) > attempt.first_fired
        waited = now - attempt.first_fired
        return waited > self.policy.outcome_timeout + TAKE_MARGIN_S and (repeated or not reacts)

    def _still_allowed(self, attempt: Attempt, episode: Episode, now: float) -> bool:
        # As strict as for a new order, but for its own place in the records.
        try:
            fresh = self.episodes.fresh(episode, now)
        except ApiError:
            return False
        return fresh is not None and not self._is_held(attempt, fresh)

    def _has_place(self, attempt: Attempt, ordered: Mapping[str, Any]) -> bool:
        if attempt.state == AttemptState.PLANNED:
            return True  # It has its place among those being healed already.
        capacity, remedy = self.verdicts.capacity(), attempt.remedy
        doubtful = self.verdicts.doubts_order(ordered)
        needed = {one for one in ordered["minions"] if not capacity.has(one, remedy)}
        return len(needed) <= capacity.left_for(doubtful, remedy)

    def _is_held(self, attempt: Attempt, episode: Episode) -> bool:
        maintenance = episode.problem.under_maintenance and self.policy.hold_in_maintenance
        return maintenance or self.forbids(attempt.attempt_id)

    def _take_back(self, attempt: Attempt, now: float) -> None:
        episode = self.ledger.episodes.latest(attempt.problem_key)
        # Not before even a firing that a crash kept from being recorded has expired.
        expired = now - max(attempt.created, attempt.fired or 0.0) > UNTAKEN_S
        if not expired or episode is None or episode.state != EpisodeState.OPEN:
            return
        if self._is_held(attempt, episode):
            # It keeps no capacity and no process busy, and its episode is decided anew.
            with self.ledger.transaction():
                not_executed(self.ledger, attempt, "held", now)
                self.ledger.episodes.wake(attempt.problem_key, attempt.episode, now)

    def _give_up(self, attempt: Attempt, episode: Episode, now: float) -> str:
        with self.ledger.transaction():
            not_executed(self.ledger, attempt, "no remedy took it", now)
            self.outcomes.call_person(episode, now)
        return f"escalated {episode.name}: {Escalation.UNTAKEN}"


def _kinds(data: Mapping[str, Any]) -> dict[str, str | None]:
    """
    Return by minion the kind by which an order says that its remedy takes the process.
    """
    return {minion: told.get("by") for minion, told in data.get("processes", {}).items()}


def _is_open(episode: Episode, attempt: Attempt) -> bool:
    return episode.episode == attempt.episode and episode.state == EpisodeState.OPEN

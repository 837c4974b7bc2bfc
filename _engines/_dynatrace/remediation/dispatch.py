"""
Follows orders until a job takes them: given again where that is safe, taken back, or given up.

An order is valid for a short time only. If no job takes it by then it was provably not executed, and may be given
again under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import ApiError, JobCacheError
from ..core.policy import Policy
from ..core.states import ActionState, AttemptState, EpisodeState
from ..master.attempt_records import AttemptRecords
from ..master.event import tag
from ..store.ledger import Attempt, Episode, Ledger, Memory
from .announcements import name_of
from .outcomes import Outcomes

#: An order must become a job within this time; the signed event says so, and reactors refuse it later.
TAKE_S = 30.0
#: After the validity has passed, a reactor that checked in time may still be publishing the job.
TAKE_MARGIN_S = 3.0
#: A problem read longer ago is read again before anything is done about it.
FRESH_S = 20.0
#: An order surely became no job: given twice at most within it, fired late each time, and expired.
UNTAKEN_S = 2 * (TAKE_S + TAKE_MARGIN_S) + FRESH_S


def holder(ledger: Ledger, policy: Policy) -> Callable[[Mapping[str, Any]], bool]:
    """
    Return the function that tells by an order's data whether it must not be fired as it is: paused, or forbidden since.
    """
    return lambda data: _is_forbidden(ledger, policy, ledger.attempt(data["attempt_id"]))


def _is_forbidden(ledger: Ledger, policy: Policy, attempt: Attempt | None) -> bool:
    """
    Tell whether an order must not be given as things are: all is paused, or the policy forbids one of its targets.

    How the targets are matched now counts: what proved a minion to be the host when it was ordered may do so no more.
    """
    if ledger.get("paused") is not None or attempt is None:
        return True
    episode = ledger.episode(attempt.problem_key, attempt.episode)
    known = episode.resolution.targets if episode is not None else ()
    ordered = {(one.minion, one.process) for one in ledger.actions(attempt.attempt_id)}
    targets = [one for one in known if (one.minion, one.entity) in ordered]
    return len(targets) < len(ordered) or policy.forbids(targets)


class Dispatch:
    """
    The orders of one engine that are out. All methods belong to the loop's thread and write through the ledger only.
    """

    def __init__(
        self,
        ledger: Ledger,
        policy: Policy,
        accepted: Callable[[], int],
        reread: Callable[[Episode, float], Episode | None],
        untaken: Callable[[Iterable[str], Sequence[str]], str | None],
        outcomes: Outcomes,
        recall: AttemptRecords | None = None,
    ) -> None:
        """
        ``recall`` None: what did not return is lost, whatever its minion remembers.
        """
        self._ledger = ledger
        self._policy = policy
        self._accepted = accepted
        self._reread = reread
        self._untaken = untaken
        self._outcomes = outcomes
        self._recall = recall

    def expire(self, now: float, bus_works: bool = True, unread: Container[str] = ()) -> list[str]:
        """
        Bring forward what waited too long: orders that no job took, and jobs that did not return.

        Orders wait while the bus fails: nobody can take them, and nobody is to blame for it. So do those in ``unread``:
        what the job cache would tell of them is not known.
        """
        said: list[str] = []
        for attempt in self._ledger.open_attempts():
            if attempt.attempt_id in unread:
                continue
            if attempt.state == AttemptState.RUNNING:
                if now > (attempt.started or now) + self._policy.outcome_timeout:
                    said += self._end_unreturned(attempt, now)
            elif not bus_works:
                continue
            elif attempt.state == AttemptState.FIRED:
                if now > (attempt.fired or now) + TAKE_S + TAKE_MARGIN_S:
                    # Given again at once, so that nobody else takes its place among those being healed.
                    self._ledger.move_attempt(attempt.attempt_id, AttemptState.EXPIRED)
                    said += self._again(replace(attempt, state=AttemptState.EXPIRED), now)
            elif attempt.state == AttemptState.EXPIRED or now > attempt.created + FRESH_S:
                said += self._again(attempt, now)
        return said

    def _end_unreturned(self, attempt: Attempt, now: float) -> list[str]:
        """
        End an attempt whose job did not return: by what its minions remember, else as lost.
        """
        remembered: Mapping[str, Memory] | None = {}
        if self._recall is not None:
            actions = self._ledger.actions(attempt.attempt_id)
            waiting = {action.minion for action in actions if action.state == ActionState.WAITING}
            try:
                remembered = self._recall.of(attempt, waiting)
            except JobCacheError:
                remembered = None
        if remembered is None:
            return []  # They are being asked, or what they answer cannot be read.
        self._outcomes.lose(attempt, remembered, now)
        return [f"attempt {attempt.attempt_id[:12]} did not return"]

    def _again(self, attempt: Attempt, now: float) -> list[str]:
        """
        Give an order again under the same ids, if it still stands; or give it up.
        """
        ordered = self._ledger.event_of(attempt.attempt_id)
        episode = self._ledger.latest_episode(attempt.problem_key)
        if (
            ordered is None
            or episode is None
            or episode.episode != attempt.episode
            or episode.state != EpisodeState.OPEN
        ):
            self._outcomes.not_executed(attempt, "the problem closed first", now)
            return []
        own = [tag(ordered["what"], episode.problem)]
        reacts = self._untaken(own, list(ordered["technologies"])) is None
        if self._is_too_late(attempt, reacts, now):
            return [self._give_up(attempt, episode, now)]
        if attempt.first_fired and not reacts:
            return []  # Nobody is configured to take it: repeating it would only be noise.
        if not self._still_allowed(attempt, episode, now):
            self._take_back(attempt, now)
            return []
        self._ledger.refire(attempt.attempt_id, now + FRESH_S)
        self._ledger.move_attempt(attempt.attempt_id, AttemptState.PLANNED)
        return [f"attempt {attempt.number} for {name_of(episode)} ordered again"]

    def _is_too_late(self, attempt: Attempt, reacts: bool, now: float) -> bool:
        """
        Tell whether an order went untaken for so long that no remedy can be expected to take it.

        Given only once it may have been lost with the master that went down then; it is given once more.
        """
        if attempt.first_fired is None:
            return False
        repeated = (attempt.fired or 0.0) > attempt.first_fired
        waited = now - attempt.first_fired
        return waited > self._policy.outcome_timeout + TAKE_MARGIN_S and (repeated or not reacts)

    def _still_allowed(self, attempt: Attempt, episode: Episode, now: float) -> bool:
        """
        Tell whether an old order may be given now: as strict as for a new one, but for its own place in the records.
        """
        if now - episode.read > FRESH_S:
            try:
                fresh = self._reread(episode, now)
            except ApiError:
                return False
            if fresh is None:
                return False
            episode = fresh
        if self._is_held(attempt, episode):
            return False
        if attempt.state == AttemptState.PLANNED:
            return True  # It has its place among those being healed already.
        busy = self._ledger.busy_minions()
        minions = {action.minion for action in self._ledger.actions(attempt.attempt_id)}
        return len(busy | minions) <= self._policy.limit(self._accepted())

    def _is_held(self, attempt: Attempt, episode: Episode) -> bool:
        maintenance = episode.problem.under_maintenance and self._policy.hold_in_maintenance
        return maintenance or _is_forbidden(self._ledger, self._policy, attempt)

    def _take_back(self, attempt: Attempt, now: float) -> None:
        """
        Take back an order that is held by a pause, a maintenance window or a policy that forbids it since, so that it takes
        no capacity and keeps no process busy.

        Not before even a firing that a crash kept from being recorded has expired; its episode is decided anew.
        """
        episode = self._ledger.latest_episode(attempt.problem_key)
        expired = now - max(attempt.created, attempt.fired or 0.0) > UNTAKEN_S
        if not expired or episode is None or episode.state != EpisodeState.OPEN:
            return
        if self._is_held(attempt, episode):
            with self._ledger.transaction():
                self._outcomes.not_executed(attempt, "held", now)
                self._ledger.wake_episode(attempt.problem_key, attempt.episode, now)

    def _give_up(self, attempt: Attempt, episode: Episode, now: float) -> str:
        with self._ledger.transaction():
            self._outcomes.not_executed(attempt, "no remedy took it", now)
            self._outcomes.call_person(episode, now)
            return f"escalated {name_of(episode)}: no remedy took the event"

"""
Brings attempts that a job took to their end, or to none where nothing was executed.

If a job took an order and no return came, the attempt is lost: it counts, and is never repeated blindly.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.policy import HOPELESS, Policy
from ..core.states import (
    ACTION_ENDS,
    FAILED,
    SERVING,
    ActionState,
    AttemptState,
    EpisodeState,
    sources,
)
from ..store.ledger import Action, Attempt, Episode, Ledger, Memory
from .announcements import Announcements, name_of
from .episodes import disarmed
from .recurrence import person_called

log = logging.getLogger(__name__)

#: Why an attempt failed, by its state.
_FAILED = {
    ActionState.BAD: "the remedy failed",
    ActionState.REFUSED: "refused",
    ActionState.UNPROVED: "unproved",
    ActionState.LOST: "lost",
}
_REMEMBERED = {
    ActionState.GOOD: "its good end",
    ActionState.HEALTHY: "that there was nothing to do",
    ActionState.BAD: "that it failed",
    ActionState.REFUSED: "that it refused to act",
    ActionState.UNPROVED: "that it brought the service back and could not prove it",
}


class Outcomes:
    """
    The ends of one engine's attempts. All methods belong to the loop's thread and write through the ledger only.
    """

    def __init__(self, instance: str, ledger: Ledger, policy: Policy, told: Announcements) -> None:
        self._instance = instance
        self._ledger = ledger
        self._policy = policy
        self._told = told

    def started(self, attempt: Attempt, minions: list[str], now: float) -> None:
        """
        Note that a job took the order, and to whom it went; nobody else will return.
        """
        with self._ledger.transaction():
            if attempt.state in sources(AttemptState.RUNNING):
                self._ledger.order_taken(attempt.attempt_id, now)
                log.info(
                    "%s: job %s took attempt %s",
                    self._instance,
                    attempt.jid,
                    attempt.attempt_id[:12],
                )
            for action in self._ledger.actions(attempt.attempt_id):
                if action.state == ActionState.WAITING and action.minion not in minions:
                    self.end_action(
                        attempt,
                        action.minion,
                        ActionState.NOT_EXECUTED,
                        "no remedy for this process",
                        now,
                    )

    def end_action(
        self,
        attempt: Attempt,
        minion: str,
        state: ActionState,
        comment: str,
        now: float,
        before: Memory | None = None,
    ) -> None:
        """
        Record how an attempt ended on one minion, and end it when that was the last.

        ``before`` is the end that it had there already, so that this time nothing ran.
        """
        own = attempt.attempt_id
        with self._ledger.transaction():
            if before is not None:
                ended = self._ledger.recall_action(own, minion, comment, before, now)
            else:
                ended = self._ledger.end_action(own, minion, state, comment, now)
            if ended:
                self._end_if_done(attempt, now, returned=before is None)

    def _end_if_done(self, attempt: Attempt, now: float, returned: bool = True) -> None:
        actions = self._ledger.actions(attempt.attempt_id)
        states = {action.state for action in actions}
        if ActionState.WAITING in states:
            return
        attempt = self._ledger.attempt(attempt.attempt_id) or attempt
        state = next((end for end in ACTION_ENDS if end in states), ActionState.NOT_EXECUTED)
        self._ledger.move_attempt(attempt.attempt_id, AttemptState(state), ended=now)
        self._ledger.count(f"attempts_{state}")
        episode = self._ledger.episode(attempt.problem_key, attempt.episode)
        if episode is None:
            return
        if state is ActionState.NOT_EXECUTED:
            self.call_person(episode, now)
            return
        what = (
            "failed" if state in FAILED else "healthy" if state is ActionState.HEALTHY else "healed"
        )
        reason = _FAILED.get(state)
        outcome = [
            _outcome(action) for action in actions if action.state != ActionState.NOT_EXECUTED
        ]
        self._told.announce(
            episode, what, (), [], now, attempt=attempt.number, reason=reason, outcome=outcome
        )
        log.info(
            "%s: attempt %s for %s: %s",
            self._instance,
            attempt.number,
            name_of(episode),
            reason or what,
        )
        ended = replace(attempt, ended=now, state=AttemptState(state))
        self._told.tell_tenant(episode, ended, state, now, returned)
        self._call_if_hopeless(episode, states, now)
        self._ledger.wake_episode(attempt.problem_key, attempt.episode, now)

    def _call_if_hopeless(self, episode: Episode, states: set[ActionState], now: float) -> None:
        """
        Have a person called at once where another attempt would do nothing.
        """
        reasons = [reason.value for state, reason in HOPELESS.items() if state in states]
        if reasons and episode.state == EpisodeState.OPEN and not person_called(episode):
            self._ledger.save_episode(self._told.escalate(episode, reasons[-1], now, []))

    def lose(self, attempt: Attempt, remembered: Mapping[str, Memory], now: float) -> None:
        """
        End an attempt whose job did not return in time: as lost, but where a minion remembers how it ended.
        """
        waited = f"no return within {self._policy.outcome_timeout:g} s"
        with self._ledger.transaction():
            for minion in {action.minion for action in self._ledger.actions(attempt.attempt_id)}:
                known = remembered.get(minion)
                if known is None:
                    self._ledger.end_action(
                        attempt.attempt_id, minion, ActionState.LOST, waited, now
                    )
                    continue
                comment = f"{waited}, but the minion remembers {_REMEMBERED[known.state]}"
                self._ledger.recall_action(attempt.attempt_id, minion, comment, known, now)
            self._end_if_done(attempt, now, returned=False)

    def doubt(self, attempt: Attempt, minion: str, now: float) -> None:
        """
        Call a person to an attempt that ended well by one return and badly by another.
        """
        log.warning(
            "%s: two returns in the name of %s for job %s contradict each other, and the good one came first; "
            "one of them may be forged by another minion",
            self._instance,
            minion,
            attempt.jid,
        )
        episode = self._ledger.episode(attempt.problem_key, attempt.episode)
        if episode is None or episode.state != EpisodeState.OPEN or person_called(episode):
            return
        with self._ledger.transaction():
            self._ledger.save_episode(
                self._told.escalate(episode, "contradictory returns", now, [])
            )

    def not_executed(self, attempt: Attempt, why: str, now: float) -> None:
        """
        End an attempt that was not executed; where its order still waits to be fired, it is fired as a mere report.
        """
        with self._ledger.transaction():
            ordered = self._ledger.event_of(attempt.attempt_id)
            if ordered is not None:
                self._ledger.disarm(attempt.attempt_id, disarmed(ordered))
            for action in self._ledger.actions(attempt.attempt_id):
                self._ledger.end_action(
                    attempt.attempt_id, action.minion, ActionState.NOT_EXECUTED, why, now
                )
            self._ledger.move_attempt(attempt.attempt_id, AttemptState.NOT_EXECUTED, ended=now)

    def call_person(self, episode: Episode, now: float) -> None:
        """
        Say that nobody healed what was ordered; it is not ordered anew before the problem changes.
        """
        if episode.state != EpisodeState.OPEN:
            return
        if not person_called(episode):
            episode = self._told.escalate(episode, "no remedy took the event", now, [])
        self._ledger.save_episode(replace(episode, due=None, waiting=None))


def _outcome(action: Action) -> dict[str, Any]:
    """
    Return what an event tells of one minion: ``done`` where the service was brought back.
    """
    return {
        "minion": action.minion,
        "ok": action.state in SERVING,
        "done": action.state in (ActionState.GOOD, ActionState.UNPROVED),
        "comment": action.comment,
    }

"""
Brings attempts that a job took to their end, or to none where nothing was executed.

If a job took an order and no return came, the attempt is lost: it counts, and is never repeated blindly. A return that
comes late tells how it ended after all. Who was called meanwhile stays called; an order that is not on the bus yet is taken
back when the end was good.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.measures import NO_REMEDY, Measures
from ..core.policy import HOPELESS, Policy
from ..core.reasons import SPENT, Escalation
from ..core.records import Action, Attempt, Episode, Memory
from ..core.states import (
    ACTION_ENDS,
    ATTEMPT_ENDS,
    SERVING,
    ActionState,
    AttemptState,
    EpisodeState,
    sources,
)
from ..master.job_results import Result
from ..store.ledger import Ledger
from .announcements import Announcements
from .recurrence import person_called
from .uptake import Uptake, kind_of_order

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


@dataclass
class Outcomes:
    """
    The ends of one engine's attempts. All methods belong to the loop's thread and write through the ledger only.
    """

    instance: str
    ledger: Ledger
    policy: Policy
    announcements: Announcements
    uptake: Uptake = field(default_factory=Uptake)
    measures: Measures = field(default_factory=Measures)

    def started(self, attempt: Attempt, minions: list[str], now: float) -> None:
        """
        Note that a job took the order, and to whom it went; nobody else will return.
        """
        with self.ledger.transaction():
            own = attempt.attempt_id
            if attempt.state in sources(AttemptState.RUNNING):
                self.ledger.outbox.order_taken(own, now)
                self._trust(own)
                log.info("%s: job %s took attempt %s", self.instance, attempt.jid, own[:12])
            for action in self.ledger.attempts.actions(own):
                if action.state == ActionState.WAITING and action.minion not in minions:
                    nothing = Result(ActionState.NOT_EXECUTED, "no remedy for this process")
                    self.end_action(attempt, action.minion, nothing, now)

    def _trust(self, attempt_id: str) -> None:
        ordered = self.ledger.outbox.event_of(attempt_id) if self.uptake else None
        if ordered is not None:
            self.uptake.taken(kind_of_order(ordered))

    def end_action(
        self,
        attempt: Attempt,
        minion: str,
        result: Result,
        now: float,
        ran_for: float | None = None,
    ) -> None:
        """
        Record how an attempt ended on a minion, if that is not known; ``ran_for`` is how many seconds its states ran.
        """
        own, comment = attempt.attempt_id, result.comment
        with self.ledger.transaction():
            known = [one for one in self.ledger.attempts.actions(own) if one.minion == minion]
            if result.ago is None:
                ended = self.ledger.attempts.end_action(own, minion, result.state, comment, now)
            else:  # It had ended there already, so that this time nothing ran.
                before = Memory(now - result.ago, now - result.ago, result.state)
                ended = self.ledger.attempts.recall_action(own, minion, comment, before, now)
            if ended:
                if result.ok:
                    self._take_back_others(attempt, minion, now)
                self._end_if_done(attempt, now, returned=result.ago is None)
        if ended:
            self._measure(attempt, known, result.state, now - (result.ago or 0.0))
            if ran_for is not None and result.ago is None:
                self.measures.state_run.observe(ran_for, attempt.remedy or NO_REMEDY)

    def _measure(
        self, attempt: Attempt, actions: Iterable[Action], state: ActionState, at: float
    ) -> None:
        """
        Measure what was brought back; ``actions`` are as they were before, with the failure that they were made for.
        """
        if state is not ActionState.GOOD:
            return
        remedy = attempt.remedy or NO_REMEDY
        for action in actions:
            if action.seen is not None:
                self.measures.outage.observe(at - action.seen / 1000, remedy)
        if attempt.first_fired is not None:
            self.measures.event_to_proof.observe(at - attempt.first_fired, remedy)

    def _take_back_others(self, attempt: Attempt, minion: str, now: float) -> None:
        """
        Take back what was ordered for a process since its attempt was given up, and is not on the bus: it serves.
        """
        attempts, own = self.ledger.attempts, attempt.attempt_id
        for process in [one.process for one in attempts.actions(own) if one.minion == minion]:
            for other in attempts.untaken_on(minion, process):
                not_executed(self.ledger, other, "an earlier attempt came to a good end", now)
                self.ledger.episodes.wake(other.problem_key, other.episode, now)

    def _end_if_done(self, attempt: Attempt, now: float, returned: bool = True) -> None:
        actions = self.ledger.attempts.actions(attempt.attempt_id)
        states = {action.state for action in actions}
        if ActionState.WAITING in states:
            return
        state = next((end for end in ACTION_ENDS if end in states), ActionState.NOT_EXECUTED)
        before = self.ledger.attempts.get(attempt.attempt_id)
        late = before is not None and before.state in ATTEMPT_ENDS
        if late and ActionState.LOST in states:
            # It is told when the last one has returned.
            self.ledger.episodes.wake(attempt.problem_key, attempt.episode, now)
            return
        self.ledger.attempts.move(attempt.attempt_id, AttemptState(state), ended=now)
        self.ledger.settings.count("attempts", attempt.remedy or NO_REMEDY, state)
        ended = self.ledger.attempts.get(attempt.attempt_id)
        episode = self.ledger.episodes.get(attempt.problem_key, attempt.episode)
        if ended is None or episode is None:
            return
        if state is ActionState.NOT_EXECUTED:
            self.call_person(episode, now)
            return
        self._tell(episode, ended, actions, now)
        self.announcements.tell_outcome(episode, ended, now, returned, late)
        # A person is called at once where another attempt would do nothing.
        hopeless = [SPENT[reason] for state, reason in HOPELESS.items() if state in states]
        if hopeless:
            self._escalate(episode, hopeless[-1], now)
        self.ledger.episodes.wake(attempt.problem_key, attempt.episode, now)

    def _tell(
        self, episode: Episode, attempt: Attempt, actions: Sequence[Action], now: float
    ) -> None:
        ended = ActionState(attempt.state)
        reason = _FAILED.get(ended)
        what = "failed" if reason else "healthy" if ended is ActionState.HEALTHY else "healed"
        outcome = [
            _outcome(action) for action in actions if action.state != ActionState.NOT_EXECUTED
        ]
        self.announcements.announce(
            episode, what, now, attempt=attempt, reason=reason, outcome=outcome
        )
        name, number = episode.name, attempt.number
        log.info("%s: attempt %s for %s: %s", self.instance, number, name, reason or what)

    def lose(self, attempt: Attempt, remembered: Mapping[str, Memory], now: float) -> None:
        """
        End an attempt whose job did not return in time: as lost, but where a minion remembers how it ended.
        """
        waited = f"no return within {self.policy.outcome_timeout:g} s"
        own, lost = attempt.attempt_id, []
        with self.ledger.transaction():
            actions = self.ledger.attempts.actions(own)
            for minion in {action.minion for action in actions}:
                known = remembered.get(minion)
                if known is not None:
                    comment = f"{waited}, but the minion remembers {_REMEMBERED[known.state]}"
                    if self.ledger.attempts.recall_action(own, minion, comment, known, now):
                        theirs = [one for one in actions if one.minion == minion]
                        self._measure(attempt, theirs, known.state, known.finished)
                elif self.ledger.attempts.end_action(own, minion, ActionState.LOST, waited, now):
                    lost.append(minion)
            self._note_lost(attempt, sorted(lost), waited, now)
            self._end_if_done(attempt, now, returned=False)

    def _note_lost(self, attempt: Attempt, minions: list[str], why: str, now: float) -> None:
        # A return that comes late replaces the end that is recorded.
        episode = self.ledger.episodes.get(attempt.problem_key, attempt.episode)
        if minions and episode is not None:
            told = {"attempt_id": attempt.attempt_id, "minions": minions, "why": why}
            self.ledger.journal.add("lost", now, told, episode)

    def doubt(self, attempt: Attempt, minion: str, now: float) -> None:
        """
        Call a person to an attempt that ended well by one return and badly by another.
        """
        log.warning(
            "%s: two returns in the name of %s for job %s contradict each other, and the good one came first; "
            "one of them may be forged by another minion",
            self.instance,
            minion,
            attempt.jid,
        )
        episode = self.ledger.episodes.get(attempt.problem_key, attempt.episode)
        if episode is not None:
            self._escalate(episode, Escalation.CONTRADICTORY, now)

    def call_person(self, episode: Episode, now: float) -> None:
        if episode.state == EpisodeState.OPEN:
            episode = self._escalate(episode, Escalation.UNTAKEN, now)
            # It is not ordered anew before the problem changes.
            self.ledger.episodes.save(replace(episode, due=None, waiting=None))

    def _escalate(self, episode: Episode, reason: Escalation, now: float) -> Episode:
        if episode.state != EpisodeState.OPEN or person_called(episode):
            return episode
        with self.ledger.transaction():
            episode = self.announcements.escalate(episode, reason, now)
            self.ledger.episodes.save(episode)
        return episode


def not_executed(ledger: Ledger, attempt: Attempt, why: str, now: float) -> None:
    """
    End an attempt that was not executed; where its order still waits to be fired, it is fired as a mere report.
    """
    with ledger.transaction():
        ordered = ledger.outbox.event_of(attempt.attempt_id)
        if ordered is not None:
            ledger.outbox.disarm(attempt.attempt_id, _report(ordered))
        for action in ledger.attempts.actions(attempt.attempt_id):
            ledger.attempts.end_action(
                attempt.attempt_id, action.minion, ActionState.NOT_EXECUTED, why, now
            )
        ledger.attempts.move(attempt.attempt_id, AttemptState.NOT_EXECUTED, ended=now)
        remedy = attempt.remedy or NO_REMEDY
        ledger.settings.count("attempts", remedy, AttemptState.NOT_EXECUTED)


def _report(data: dict[str, Any]) -> dict[str, Any]:
    # What ordered an attempt is now one on which nobody acts.
    nobody: dict[str, Any] = {"minions": [], "technologies": {}, "processes": {}, "remedy": None}
    return {**data, "attempt": 0, "attempt_id": None, "jid": None, **nobody}


def _outcome(action: Action) -> dict[str, Any]:
    return {
        "minion": action.minion,
        "ok": action.state in SERVING,
        # Whether the service was brought back.
        "done": action.state in (ActionState.GOOD, ActionState.UNPROVED),
        "comment": action.comment,
    }

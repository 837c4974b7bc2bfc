"""
Records what is announced of an episode: events for the bus, comments and reports for the tenant.

All of it is written within the caller's transaction, and sent by the outbox relay and the feedback's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.policy import Policy
from ..core.reasons import ALWAYS_COMMENTED, COMMENTED, Escalation, Reason
from ..core.records import Action, Attempt, Episode
from ..core.remedies import Catalogue
from ..core.resolution import Target
from ..core.states import ActionState
from ..core.unhealable import comment as advice_comment
from ..master.event import event_data, tag
from ..store.ledger import Ledger
from .comments import (
    advice_marker,
    attempt_comment,
    dispute,
    escalation_comment,
    escalation_marker,
    outcome_marker,
)
from .decision import Held
from .recurrence import last_good
from .reports import Reports


@dataclass
class Announcements:
    """
    The events, comments and reports of one engine; without ``comments`` the tenant gets none, without ``reports`` none.
    """

    instance: str
    ledger: Ledger
    policy: Policy
    comments: bool = False
    reports: Reports | None = None
    catalogue: Catalogue = field(default_factory=Catalogue)

    def announce(
        self,
        episode: Episode,
        what: str,
        now: float,
        *,
        acting: Iterable[Target] = (),
        held: Iterable[Held] = (),
        attempt: Attempt | None = None,
        reason: str | None = None,
        outcome: Iterable[dict[str, Any]] = (),
        fresh_until: float | None = None,
    ) -> None:
        """
        Put an event about an episode into the outbox; with ``fresh_until`` it orders an attempt.
        """
        data = event_data(
            what,
            episode,
            list(acting),
            held,
            targets=self.targets(episode),
            instance=self.instance,
            dry_run=self.policy.dry_run,
            attempt=attempt,
            reason=reason,
            outcome=outcome,
            act=fresh_until is not None,
        )
        own_tag = tag(what, episode.problem)
        self.ledger.outbox.add(episode.problem_key, own_tag, data, now, fresh_until)

    def targets(self, episode: Episode) -> list[Target]:
        """
        Return whom an episode concerns, each with its remedy.
        """
        return self.catalogue.assign(episode.problem, episode.resolution.targets)

    def escalate(
        self, episode: Episode, reason: Escalation, now: float, held: Sequence[Held] = ()
    ) -> Episode:
        self.announce(episode, "escalated", now, held=held, reason=str(reason))
        self.ledger.journal.add("escalated", now, {"reason": str(reason)}, episode)
        self.ledger.settings.count("escalations", str(reason))
        if reason in (COMMENTED if episode.attempts else ALWAYS_COMMENTED):
            policy = self._policy(next((one.remedy for one, _ in held if one.remedy), None))
            text = escalation_comment(reason, episode, policy, self._disputed(episode, held))
            # It may stand there since before the ledger was lost.
            self._comment(episode, escalation_marker(episode, reason), text, now, doubtful=True)
        return replace(episode, escalated=reason)

    def _disputed(self, episode: Episode, held: Iterable[Held]) -> list[str]:
        found = [
            (target, last_good(self.ledger.attempts, episode, target))
            for target, verdict in held
            if verdict.reason is Reason.HEALTHY
        ]
        return [dispute(episode.problem, target, last) for target, last in found if last]

    def advise(self, episode: Episode, held: Iterable[Held], now: float) -> None:
        # What would make it healable; once an episode.
        advised = [(target.minion, target.advice) for target, _ in held if target.advice]
        if advised and not self.policy.dry_run:
            own = advice_marker(episode)
            # Another master's engine, or this one before its ledger was lost, may have sent it.
            self._comment(episode, own, f"{advice_comment(advised)}\n{own}", now, doubtful=True)

    def tell_outcome(
        self,
        episode: Episode,
        attempt: Attempt,
        now: float,
        returned: bool = True,
        late: bool = False,
    ) -> None:
        """
        Tell the tenant how an attempt ended; ``late``: it was told already that no return came.
        """
        ordered = self.ledger.outbox.event_of(attempt.attempt_id) or {}
        held = [
            f"{item['minion']} ({_with_detail(item['reason'], item.get('detail'))})"
            for item in ordered.get("held", ())
        ]
        actions = self.ledger.attempts.actions(attempt.attempt_id)
        numbers = self._numbers(episode, attempt, actions)
        policy = self._policy(attempt.remedy)
        text = attempt_comment(attempt, actions, numbers, policy, held, late)
        # One that this ledger never fired was recovered from the job cache, and one that did not return may have returned
        # to another master, whose engine tells of it under the same marker: the comment may stand there already.
        doubtful = attempt.fired is None or not returned
        own = outcome_marker(attempt, late)
        self._comment(episode, own, text, now, doubtful)
        if self.reports is not None and attempt.fired is not None:
            self.reports.outcome(episode, attempt, now)

    def _policy(self, remedy: str | None) -> Policy:
        return self.policy.of_remedy(self.catalogue.policy(remedy))

    def _numbers(self, episode: Episode, attempt: Attempt, actions: Iterable[Action]) -> list[int]:
        """
        Return which attempt on each process it was, as the policy counts them.
        """
        since = max(attempt.created - self.policy.attempt_window, episode.counted_from)
        found = []
        for action in actions:
            if action.state is not ActionState.NOT_EXECUTED:
                past = self.ledger.attempts.past(action.minion, action.process, since)
                found.append(sum(one.started <= action.started for one in past))
        return found

    def _comment(self, episode: Episode, own: str, text: str, now: float, doubtful: bool) -> None:
        if not self.comments or episode.problem.problem_id is None:
            return
        self.ledger.comments.add(own, episode.problem.problem_id, text, now)
        if doubtful:
            self.ledger.comments.later(own, now, doubtful=True)


def why_nobody(episode: Episode, held: Sequence[Held]) -> str:
    """
    Return why nobody is acted on, for the log.
    """
    if held:
        parts = [
            f"{target.minion} held: {_with_detail(verdict.reason.value, verdict.detail)}"
            for target, verdict in held
            if verdict.reason
        ]
        return "; ".join(parts[:5])
    reasons = [item.reason for item in episode.resolution.unmatched]
    return reasons[0] if reasons else "no host or process is named"


def _with_detail(reason: str, detail: str | None) -> str:
    return f"{reason}: {detail}" if detail else reason

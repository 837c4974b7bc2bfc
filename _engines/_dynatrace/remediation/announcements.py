"""
Records what the world is to hear of an attempt: the event, and the comment on the problem.

Everything here is written to the ledger within the caller's transaction, and sent by others later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..core.policy import Policy, Reason, Verdict
from ..core.resolution import Target
from ..core.states import ActionState
from ..core.unhealable import comment as advice_comment
from ..master.event import complete, describe, tag
from ..store.ledger import Attempt, Episode, Ledger
from .comments import (
    attempt_comment,
    dispute,
    escalation_comment,
    escalation_marker,
    marker,
)
from .recurrence import DISAGREE, STILL_OPEN, last_good
from .reports import Reports

#: Why a person is called by a comment of its own; else the comment on the attempt says it.
_ALWAYS_TOLD = (DISAGREE, Reason.JOB_CACHE.value)
_TOLD = (*_ALWAYS_TOLD, "attempts spent", "not connected", "contradictory returns", STILL_OPEN)


class Announcements:
    """
    The events and comments of one engine's attempts. ``comments`` False: the tenant is not told by comments.
    """

    def __init__(
        self,
        instance: str,
        ledger: Ledger,
        policy: Policy,
        comments: bool,
        reports: Reports | None,
    ) -> None:
        self._instance = instance
        self._ledger = ledger
        self._policy = policy
        self._comments = comments
        self._reports = reports

    def announce(
        self,
        episode: Episode,
        what: str,
        go: Iterable[Target],
        held: list[tuple[Target, Verdict]],
        now: float,
        *,
        attempt: int = 0,
        reason: str | None = None,
        outcome: Iterable[dict[str, Any]] = (),
        fresh_until: float | None = None,
    ) -> None:
        """
        Put an event about an episode into the outbox; with ``fresh_until`` it orders an attempt.
        """
        described = describe(
            episode.problem, episode.resolution, go, held, dry_run=self._policy.dry_run
        )
        data = complete(
            what,
            described,
            instance=self._instance,
            episode=episode.episode,
            attempt=attempt,
            start_ms=episode.problem.start,
            problem_key=episode.problem_key,
            reason=reason,
            outcome=outcome,
            act=fresh_until is not None,
        )
        self._ledger.add_event(
            episode.problem_key, tag(what, episode.problem), data, now, fresh_until
        )

    def escalate(
        self, episode: Episode, reason: str, now: float, held: list[tuple[Target, Verdict]]
    ) -> Episode:
        """
        Say that a person must look; return the episode as it then is.
        """
        self.announce(episode, "escalated", (), held, now, reason=reason)
        wanted = reason in (_TOLD if episode.attempts else _ALWAYS_TOLD)
        if self._comments and episode.problem.problem_id and wanted:
            text = escalation_comment(reason, episode, self._policy, self._disputed(episode, held))
            own = escalation_marker(episode, reason)
            self._ledger.add_comment(own, episode.problem.problem_id, text, now)
            # It may stand there since before the ledger was lost; one look in a rare case.
            self._ledger.comment_later(own, now, doubtful=True)
        return replace(episode, escalated=reason)

    def _disputed(self, episode: Episode, held: list[tuple[Target, Verdict]]) -> list[str]:
        """
        Return a line for each process that the minion found serving.
        """
        found = [
            (target, last_good(self._ledger, episode, target))
            for target, verdict in held
            if verdict.reason is Reason.HEALTHY
        ]
        return [dispute(episode.problem, target, last) for target, last in found if last]

    def advise(self, episode: Episode, held: list[tuple[Target, Verdict]], now: float) -> None:
        """
        Record the comment that says what would make an episode healable, where it is known; once an episode.
        """
        advised = [(target.minion, target.advice) for target, _ in held if target.advice]
        if advised and self._comments and not self._policy.dry_run and episode.problem.problem_id:
            own = marker(f"advice {episode.episode}", episode.problem_key)
            text = f"{advice_comment(advised)}\n{own}"
            self._ledger.add_comment(own, episode.problem.problem_id, text, now)
            # Another master's engine, or this one before its ledger was lost, may have said so.
            self._ledger.comment_later(own, now, doubtful=True)

    def tell_tenant(
        self,
        episode: Episode,
        attempt: Attempt,
        state: ActionState,
        now: float,
        returned: bool = True,
    ) -> None:
        """
        Record the comment on an attempt that ended, and the reports that are asked for.

        An attempt that this ledger never fired was recovered from the job cache: its comment may stand there already,
        and is looked for first; an event could not be looked for. One that did not return may have returned to another
        master, whose engine tells of it under the same marker.
        """
        self._comment(episode, attempt, state, now, returned)
        if self._reports is not None and attempt.fired is not None:
            self._reports.outcome(episode, attempt, state, now)

    def _comment(
        self, episode: Episode, attempt: Attempt, state: ActionState, now: float, returned: bool
    ) -> None:
        if not self._comments or episode.problem.problem_id is None:
            return
        ordered = self._ledger.event_of(attempt.attempt_id) or {}
        held = [
            f"{item['minion']} ({_said(item['reason'], item.get('detail'))})"
            for item in ordered.get("held", ())
        ]
        actions = self._ledger.actions(attempt.attempt_id)
        text = attempt_comment(episode, attempt, actions, state, self._policy, held)
        own = marker("attempt", attempt.attempt_id)
        self._ledger.add_comment(own, episode.problem.problem_id, text, now)
        if attempt.fired is None or not returned:
            self._ledger.comment_later(own, now, doubtful=True)


def name_of(episode: Episode) -> str:
    """
    Return what people call the problem of an episode.
    """
    return episode.problem.display_id or episode.problem_key


def why_nobody(episode: Episode, held: list[tuple[Target, Verdict]]) -> str:
    """
    Return why nobody is acted on, for the log.
    """
    if held:
        parts = [
            f"{target.minion} held: {_said(verdict.reason.value, verdict.detail)}"
            for target, verdict in held
            if verdict.reason
        ]
        return "; ".join(parts[:5])
    reasons = [item.reason for item in episode.resolution.unmatched]
    return reasons[0] if reasons else "no host or process is named"


def _said(reason: str, detail: str | None) -> str:
    return f"{reason}: {detail}" if detail else reason

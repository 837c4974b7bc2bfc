"""
Says what happens next to a process, and who does it, by why it is held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.explanation import moment
from ..core.policy import Policy, Verdict
from ..core.reasons import AWAY, SPENT, UNHEALABLE, Reason
from ..core.records import Episode
from ..core.resolution import Target
from ..remediation.explained import ORDER
from ..remediation.recurrence import CLOSES_S, NOTICES_S, person_called, serves_for
from ..store.attempts import Attempts


@dataclass(frozen=True)
class Outlook:
    """
    What is known of a process that is held, or acted on, at a moment; ``rule`` is the name of the rule that holds it.
    """

    episode: Episode
    target: Target
    verdict: Verdict
    rule: str | None
    policy: Policy
    attempts: Attempts
    now: float

    @property
    def text(self) -> str:
        """
        What happens next, in a sentence.
        """
        reason = self.verdict.reason
        if reason is None:
            return "it is ordered by the next decision"
        if reason in SPENT:
            return self._person()
        told = _NEXT.get(reason, "")
        text = told.format(self.target.minion) if isinstance(told, str) else told(self)
        return text + self._calls(reason)

    def _person(self) -> str:
        again = f"`salt-run dynatrace.retry {self.episode.name}` begins anew"
        if person_called(self.episode):
            return f"a person looks at it; {again}"
        return f"a person is called by the next decision; {again}"

    def _calls(self, reason: Reason) -> str:
        if reason in AWAY:
            at = self.episode.opened + self.policy.attempt_window
            return f"; a person is called when it lasts until {self._at(at)}"
        if reason in UNHEALABLE and self.policy.escalate_without_remedy:
            return "; a person is called, since `escalate_without_remedy` is on"
        return ""

    def _at(self, at: float) -> str:
        return moment(at, self.now)

    def cooldown(self) -> str:
        return f"the next attempt may start {self._at(self.verdict.until or self.now)}"

    def storm(self) -> str:
        if self.verdict.until is not None:
            return "the next order is for it, at once"
        return "it is ordered when fewer minions are being healed"

    def job_cache(self) -> str:
        return f"it is read again at {self._at(self.verdict.until or self.now)}"

    def healed(self) -> str:
        since = serves_for(self.attempts, self.episode, self.target, self.now)
        at = self.now - since + max(self.policy.attempt_window, CLOSES_S)
        return (
            f"Dynatrace closes the problem; a person is called if it is open after {self._at(at)}"
        )

    def healthy(self) -> str:
        since = serves_for(self.attempts, self.episode, self.target, self.now)
        at = self.now - since + NOTICES_S
        return f"a person is called if Dynatrace shows the failure after {self._at(at)}"

    def in_progress(self) -> str:
        if self.rule == ORDER:
            return "it is ordered when that job is done"
        wait = f"{self.policy.outcome_timeout:g} s"
        return f"its return is waited for; a job that does not return in {wait} counts as lost"


_NEXT: Mapping[Reason, str | Callable[[Outlook], str]] = {
    Reason.COOLDOWN: Outlook.cooldown,
    Reason.STORM: Outlook.storm,
    Reason.JOB_CACHE: Outlook.job_cache,
    Reason.HEALED: Outlook.healed,
    Reason.HEALTHY: Outlook.healthy,
    Reason.IN_PROGRESS: Outlook.in_progress,
    Reason.MAINTENANCE: "the problem is read again each minute until the window is over",
    Reason.PAUSED: "`salt-run dynatrace.resume` ends the pause",
    Reason.DRY_RUN: "nothing, until `dry_run` is off and the master restarted",
    Reason.NOT_ALLOWED: "nothing, until the policy lets {0} in",
    Reason.NOT_ACCEPTED: "it is looked at again each minute; `salt-key -a {0}` accepts it",
    Reason.NOT_CONNECTED: "{0} is asked each minute, and when it starts",
    Reason.ONE_OF_MANY: "nothing, until the evidence names the process that failed",
    Reason.MATCHED_BY_NAME: "nothing, until the grain dynatrace:host_id or the property salt_minion proves it",
    Reason.ANOTHER_PROCESS: "nothing, until a remedy of the catalogue is for it",
    Reason.NO_REMEDY: "nothing, until a remedy or a reactor takes it",
    Reason.TWO_REMEDIES: "nothing, until one remedy alone takes it",
    Reason.NOT_DOWN: "nothing, until an open event says that it is down",
}

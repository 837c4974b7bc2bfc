"""
Explains a decision about an episode: for each of its targets every rule, also those beside the policy's, and the verdict.

It runs what ``Verdicts.of`` runs. Nothing is written, and no minion is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..core.explanation import Result, Step, explain, moment
from ..core.policy import Verdict
from ..core.reasons import Reason
from ..core.records import Episode
from ..core.resolution import Target
from ..core.rules import Case
from ..core.states import ActionState
from .decision import Capacity, Decision
from .recurrence import last_good
from .verdicts import Verdicts, of_one_order

#: The rule that comes after those of the policy: what one order is for.
ORDER = "order"
_AT_WORK = (
    "another process of its minion is being healed, and one job at a time is given to a minion"
)
_LATER = "an order is for one remedy and for what one event carries; this one gets the next at once"


@dataclass(frozen=True)
class Explained:
    """
    What is decided about one target, and each rule on the way there.
    """

    target: Target
    verdict: Verdict
    steps: list[Step]


@dataclass(frozen=True)
class Explanations:
    """
    Explains what the verdicts would be; any thread may call it.
    """

    verdicts: Verdicts

    def of(
        self, episode: Episode, now: float, capacity: Capacity | None = None
    ) -> tuple[Decision, list[Explained]]:
        """
        Return the decision that would be made about an episode now, and how it comes about, the targets in their order.
        """
        left = capacity or self.verdicts.capacity()
        judged = []
        for case, verdict, taken in self.verdicts.judged(episode, left, now):
            steps = explain(case, self._known(episode, case, verdict, taken))
            judged.append(Explained(case.target, verdict, steps))
        acting = [one.target for one in judged if one.verdict.reason is None]
        held = [(one.target, one.verdict) for one in judged if one.verdict.reason is not None]
        chosen, later = of_one_order(acting, held, now)
        after = {(one.minion, one.key): verdict for one, verdict in later}
        told = [_with_order(one, after.get((one.target.minion, one.target.key))) for one in judged]
        return Decision(episode, chosen, held + later), told

    def _known(
        self, episode: Episode, case: Case, verdict: Verdict, capacity: Capacity
    ) -> Mapping[str, str]:
        # What the rules themselves are not told.
        remedy = case.target.remedy
        known = {"storm": capacity.told(self.verdicts.doubts(episode, case.target), remedy)}
        if case.situation.busy:
            del known["storm"]
        if verdict.reason is Reason.PAUSED:
            known["pause"] = self._paused()
        elif verdict.reason in (Reason.HEALED, Reason.HEALTHY):
            known["serving"] = self._serves(episode, case)
        elif verdict.reason is Reason.IN_PROGRESS:
            known["in progress"] = self._at_work(episode, case)
        elif verdict.reason is Reason.ATTEMPTS_SPENT and case.situation.called:
            called = f"a person was called ({episode.escalated})"
            known["person"] = f"{called}, and the engine does not go on beside them"
        return known

    def _paused(self) -> str:
        told = json.loads(self.verdicts.ledger.settings.get("paused") or "{}")
        since = str(told.get("since", ""))[:19].replace("T", " ")
        return f"paused by {told.get('who')} since {since}: {told.get('reason')}"

    def _serves(self, episode: Episode, case: Case) -> str:
        last = last_good(self.verdicts.ledger.attempts, episode, case.target)
        if last is None or last.ended is None:
            return ""
        at = moment(last.ended, case.situation.now)
        found = "was brought back" if last.state is ActionState.GOOD else "was found serving"
        return f"it {found} at {at}, and no later failure is shown"

    def _at_work(self, episode: Episode, case: Case) -> str:
        attempts, target = self.verdicts.ledger.attempts, case.target
        for attempt in reversed(attempts.of(episode)):
            for action in attempts.actions(attempt.attempt_id):
                if (action.minion, action.process) == (target.minion, target.key):
                    at = moment(attempt.started or attempt.created, case.situation.now)
                    return (
                        f"attempt {attempt.number} is {attempt.state} since {at}, job {attempt.jid}"
                    )
        return ""


def _with_order(one: Explained, later: Verdict | None) -> Explained:
    if one.verdict.reason is not None:
        return replace(one, steps=[*one.steps, Step(ORDER, Result.NOT_REACHED)])
    if later is None:
        step = Step(ORDER, Result.PASSED, "it is in the order that is made now")
        return replace(one, steps=[*one.steps, step])
    told = _AT_WORK if later.reason is Reason.IN_PROGRESS else _LATER
    return replace(one, verdict=later, steps=[*one.steps, Step(ORDER, Result.HELD, told)])

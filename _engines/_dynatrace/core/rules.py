"""
Decides whether one minion and process may be acted on now: an ordered list of rules, of which the first that holds says why
not.

No clock, no I/O: everything they judge by is an argument, so that each rule can be tested as a table. ``core.explanation``
runs the same list and says of each rule what it found.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .backoff import backoff
from .policy import HOPELESS, Past, Policy, Situation, Verdict, forbidden, unfit
from .reasons import SPENT, Reason
from .resolution import Target
from .states import FAILED, ActionState

#: No backoff grows beyond a day.
BACKOFF_CAP_S = 86400.0


class Case(NamedTuple):
    """
    What is decided about: a target, its attempts, oldest first, over the window at least, and what is known around it.
    """

    target: Target
    past: Sequence[Past]
    situation: Situation
    policy: Policy


@dataclass(frozen=True)
class Rule:
    """
    One rule of the decision: ``judge`` returns a verdict where it holds the target, and None where it lets it pass.
    """

    name: str
    judge: Callable[[Case], Verdict | None]


def decide(target: Target, past: Sequence[Past], situation: Situation, policy: Policy) -> Verdict:
    """
    Return whether ``target`` may be acted on now; ``past`` holds its attempts, oldest first, over the window at least.
    """
    return _first(RULES, Case(target, past, situation, policy))


def _first(rules: Iterable[Rule], case: Case) -> Verdict:
    for rule in rules:
        verdict = rule.judge(case)
        if verdict is not None:
            return verdict
    return Verdict()


def _person(case: Case) -> Verdict | None:
    # The engine does not go on beside them when the window has passed.
    if not case.situation.called or _first(_AFTER, case).reason in SPENT:
        return None
    return Verdict(Reason.ATTEMPTS_SPENT)


def _host(case: Case) -> Verdict | None:
    return None if case.target.actionable else Verdict(Reason.ONE_OF_MANY)


def _identity(case: Case) -> Verdict | None:
    known = case.target.matched_by in case.policy.act_on
    return None if known else Verdict(Reason.MATCHED_BY_NAME)


def _allowed(case: Case) -> Verdict | None:
    why = forbidden(case.target.minion, case.policy)
    return None if why is None else Verdict(Reason.NOT_ALLOWED, detail=why)


def _accepted(case: Case) -> Verdict | None:
    return None if case.situation.accepted else Verdict(Reason.NOT_ACCEPTED)


def _in_progress(case: Case) -> Verdict | None:
    for attempt in case.past:
        if attempt.state == ActionState.WAITING:
            return Verdict(Reason.IN_PROGRESS)
    return None


def _remedy(case: Case) -> Verdict | None:
    return unfit(case.target)


def _serving(case: Case) -> Verdict | None:
    # Healthy here, still open there: Dynatrace closes in its own time, and a second restart would harm.
    known = case.situation.serves
    return None if known is None else Verdict(known)


def _hopeless(case: Case) -> Verdict | None:
    last = last_hopeless(case)
    return None if last is None else Verdict(HOPELESS[last.state])


def _reactor(case: Case) -> Verdict | None:
    untaken = case.situation.untaken
    if untaken is None or case.policy.dry_run:
        return None
    return Verdict(Reason.NO_REMEDY, detail=untaken)


def _maintenance(case: Case) -> Verdict | None:
    held = case.situation.maintenance and case.policy.hold_in_maintenance
    return Verdict(Reason.MAINTENANCE) if held else None


def _pause(case: Case) -> Verdict | None:
    return Verdict(Reason.PAUSED) if case.situation.paused else None


def _attempts(case: Case) -> Verdict | None:
    found, most = counted(case), case.policy.max_attempts
    if len(found) < most:
        return None
    return Verdict(Reason.ATTEMPTS_SPENT, found[-most].started + case.policy.attempt_window)


def _failures(case: Case) -> Verdict | None:
    # Doubled cooldowns may spread the attempts so that the window never has all of them.
    spent = failures(case) >= case.policy.max_attempts
    return Verdict(Reason.ATTEMPTS_SPENT) if spent else None


def _cooldown(case: Case) -> Verdict | None:
    until = cooldown_until(case)
    return Verdict(Reason.COOLDOWN, until) if until > case.situation.now else None


def _storm(case: Case) -> Verdict | None:
    full = not case.situation.busy and case.situation.capacity <= 0
    return Verdict(Reason.STORM) if full else None


def _dry_run(case: Case) -> Verdict | None:
    return Verdict(Reason.DRY_RUN, detail=case.situation.untaken) if case.policy.dry_run else None


def _connected(case: Case) -> Verdict | None:
    return None if case.situation.connected else Verdict(Reason.NOT_CONNECTED)


#: What no waiting changes comes first, then what a person decided, then what time or capacity will change.
_AFTER = (
    Rule("host", _host),
    Rule("identity", _identity),
    Rule("allowed", _allowed),
    Rule("accepted", _accepted),
    Rule("in progress", _in_progress),
    Rule("remedy", _remedy),
    Rule("serving", _serving),
    Rule("hopeless", _hopeless),
    Rule("reactor", _reactor),
    Rule("maintenance", _maintenance),
    Rule("pause", _pause),
    Rule("attempts", _attempts),
    Rule("failures", _failures),
    Rule("cooldown", _cooldown),
    Rule("storm", _storm),
    Rule("dry run", _dry_run),
    # Last, since finding out costs a job: nobody is asked who would be held anyway.
    Rule("connected", _connected),
)
RULES = (Rule("person", _person), *_AFTER)


def last_hopeless(case: Case) -> Past | None:
    """
    Return the latest attempt of this episode after which another would do nothing that it did not.
    """
    for attempt in reversed(case.past):
        if attempt.state in HOPELESS and attempt.started >= case.situation.since:
            return attempt
    return None


def counted(case: Case) -> list[Past]:
    """
    Return the attempts that count towards the budget: those within the window.
    """
    since = case.situation.now - case.policy.attempt_window
    return [attempt for attempt in case.past if attempt.started > since]


def failures(case: Case) -> int:
    """
    Return how many attempts of this episode failed in a row, up to the latest.
    """
    return _in_a_row([one for one in case.past if one.started >= case.situation.since])


def doubled(case: Case) -> int:
    """
    Return how often the cooldown is doubled: once for each failure in a row.
    """
    return _in_a_row(case.past)


def cooldown_until(case: Case) -> float:
    """
    Return when the next attempt may start: the cooldown after the last, doubled for each failure in a row.
    """
    if not case.past:
        return 0.0
    last = case.past[-1]
    return (last.ended or last.started) + backoff(
        case.policy.cooldown, doubled(case), BACKOFF_CAP_S
    )


def _in_a_row(past: Sequence[Past]) -> int:
    failed = (attempt.state in FAILED for attempt in reversed(past))
    return sum(1 for _ in itertools.takewhile(bool, failed))

"""
Says of each rule of the decision what it found: passed, held or not reached, with the numbers that it judged by.

It runs the list that ``core.rules.decide`` runs, so that what is said is what decides.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from .policy import Verdict, lets_in
from .problem import Process
from .reasons import Reason
from .resolution import Target
from .rules import RULES, Case, cooldown_until, counted, doubled, failures, last_hopeless
from .states import ActionState

#: Of a text of the tenant's in a sentence.
CHARS = 60


class Result(str, enum.Enum):
    """
    What became of one rule.
    """

    PASSED = "passed"
    HELD = "held"
    NOT_REACHED = "not reached"

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Step:
    """
    One rule of a decision: its name, its result, and a sentence on what it judged by; empty where it was not reached.
    """

    rule: str
    result: Result
    told: str = ""


def explain(case: Case, known: Mapping[str, str] | None = None) -> list[Step]:
    """
    Return a step for each rule, in their order; no more than one is held, and that is the decision.

    ``known`` has by the name of a rule what is known beyond the case, and stands in place of the rule's own sentence.
    """
    steps: list[Step] = []
    verdict: Verdict | None = None
    for rule in RULES:
        if verdict is not None:
            steps.append(Step(rule.name, Result.NOT_REACHED))
            continue
        verdict = rule.judge(case)
        told = (known or {}).get(rule.name) or _TOLD[rule.name](case, verdict)
        result = Result.PASSED if verdict is None else Result.HELD
        steps.append(Step(rule.name, result, told))
    return steps


def moment(at: float, now: float) -> str:
    """
    Return a time in UTC as ``12:03:04``; of another day than ``now`` with its date.
    """
    said, today = (datetime.fromtimestamp(one, timezone.utc) for one in (at, now))
    text = said.strftime("%H:%M:%S")
    return text if said.date() == today.date() else f"{said.date()} {text}"


def how(target: Target) -> str:
    """
    Return by which remedy a target is healed, and by what that takes it: ``remedy nginx by technology NGINX``.
    """
    choice = target.choice
    if choice.remedy is None:
        return "none of the catalogue takes it, perhaps a reactor of the site does"
    what = _taken_by(target, choice.by or "")
    return f"remedy {choice.remedy} by {choice.by} {what}".rstrip()


def _taken_by(target: Target, by: str) -> str:
    known: Process = target.process
    found = {
        "unit": (known.unit,),
        "process": known.names,
        "technology": known.technologies,
        "event": target.events,
        "minion": (target.minion,),
        "remedy": (*known.remedies, *known.host_remedies),
        "tag": known.tags,
    }.get(by, ())
    return next((one[:CHARS] for one in found if one), "")


def _person(case: Case, verdict: Verdict | None) -> str:
    if verdict is not None:
        return "a person was called, and the engine does not go on beside them"
    if case.situation.called:
        return "a person was called, for what holds it below"
    return "nobody was called for good after an attempt on it"


def _host(case: Case, verdict: Verdict | None) -> str:
    if verdict is None:
        return "the evidence names this host"
    return "it runs on several hosts, and no evidence says on which it failed"


def _identity(case: Case, verdict: Verdict | None) -> str:
    how_ = f"matched by {case.target.matched_by or 'nothing'}"
    return how_ if verdict is None else f"{how_}; `act_on` has {', '.join(case.policy.act_on)}"


def _allowed(case: Case, verdict: Verdict | None) -> str:
    if verdict is not None and verdict.detail:
        return verdict.detail
    return f"`allow` has {lets_in(case.target.minion, case.policy.allow)}"


def _accepted(case: Case, verdict: Verdict | None) -> str:
    return "its key is accepted" if verdict is None else "its key is not accepted by this master"


def _in_progress(case: Case, verdict: Verdict | None) -> str:
    now = case.situation.now
    waiting = [one for one in case.past if one.state == ActionState.WAITING]
    if not waiting:
        return "no attempt is at work on it"
    return f"an attempt is at work on it since {moment(waiting[-1].started, now)}"


def _remedy(case: Case, verdict: Verdict | None) -> str:
    if verdict is None:
        return how(case.target)
    return verdict.detail or f"{verdict.reason and verdict.reason.value}"


def _serving(case: Case, verdict: Verdict | None) -> str:
    if verdict is None:
        return "nothing says that it serves"
    if verdict.reason is Reason.HEALED:
        return "an attempt brought it back, and no later failure is shown"
    return "the minion found that it serves, and no later failure is shown"


def _hopeless(case: Case, verdict: Verdict | None) -> str:
    last = last_hopeless(case)
    if last is None:
        return "no attempt of this episode was refused or not proved"
    at = moment(last.started, case.situation.now)
    return f"the attempt of {at} ended {last.state}; another would do the same"


def _reactor(case: Case, verdict: Verdict | None) -> str:
    untaken = case.situation.untaken
    if untaken is None:
        return "a reactor takes it"
    return untaken if verdict is not None else f"a dry run does not mind: {untaken}"


def _maintenance(case: Case, verdict: Verdict | None) -> str:
    if not case.situation.maintenance:
        return "no maintenance window"
    minded = "" if verdict is not None else ", which `hold_in_maintenance` does not mind"
    return f"its problem is under maintenance{minded}"


def _pause(case: Case, verdict: Verdict | None) -> str:
    return "not paused" if verdict is None else "the engine is paused"


def _attempts(case: Case, verdict: Verdict | None) -> str:
    policy, now = case.policy, case.situation.now
    text = f"{len(counted(case))} of {policy.max_attempts} attempts in {policy.attempt_window:g} s"
    if verdict is None or verdict.until is None:
        return text
    return f"{text}; the oldest is out of the window at {moment(verdict.until, now)}"


def _failures(case: Case, verdict: Verdict | None) -> str:
    return f"{failures(case)} of {case.policy.max_attempts} failures in a row in this episode"


def _cooldown(case: Case, verdict: Verdict | None) -> str:
    if not case.past:
        return "no earlier attempt"
    now, last, until = case.situation.now, case.past[-1], cooldown_until(case)
    ended = "ended" if last.ended else "began"
    at = last.ended or last.started
    times = {0: "", 1: ", doubled once", 2: ", doubled twice"}
    often = doubled(case)
    said = times.get(often, f", doubled {often} times")
    begins = "the next may start" if verdict is not None else "over since"
    wait = f"{case.policy.cooldown:g} s{said}"
    return f"last attempt {ended} {moment(at, now)}, {begins} {moment(until, now)} ({wait})"


def _storm(case: Case, verdict: Verdict | None) -> str:
    if case.situation.busy:
        return "its minion has its place among those being healed"
    left = max(case.situation.capacity, 0)
    return f"{left} more minions may be healed now"


def _dry_run(case: Case, verdict: Verdict | None) -> str:
    return "no dry run" if verdict is None else "`dry_run` is on: without it, it is ordered now"


def _connected(case: Case, verdict: Verdict | None) -> str:
    if verdict is None:
        return "no job to its minion was lost, or it answered since"
    return "the last job to its minion did not return, and it has not answered since"


#: By the name of a rule, what says what it found.
_TOLD: Mapping[str, Callable[[Case, Verdict | None], str]] = {
    "person": _person,
    "host": _host,
    "identity": _identity,
    "allowed": _allowed,
    "accepted": _accepted,
    "in progress": _in_progress,
    "remedy": _remedy,
    "serving": _serving,
    "hopeless": _hopeless,
    "reactor": _reactor,
    "maintenance": _maintenance,
    "pause": _pause,
    "attempts": _attempts,
    "failures": _failures,
    "cooldown": _cooldown,
    "storm": _storm,
    "dry run": _dry_run,
    "connected": _connected,
}

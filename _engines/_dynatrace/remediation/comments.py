"""
What the comments on a problem say: what was found and done, what is disputed, and why a person must look.

Each ends with a marker by which it is found again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.policy import Policy
from ..core.problem import DOWN_EVENTS, Problem
from ..core.reasons import BESIDE, Escalation
from ..core.records import Action, Attempt, Episode
from ..core.resolution import Target
from ..core.states import FAILED, ActionState
from ..master.envelope import iso
from .recurrence import NOTICES_S

CONTEXT = "salt-dynatrace"
_FIRST_LINE = {
    ActionState.GOOD: "Salt healed this: the service was brought back and proved to serve.",
    ActionState.HEALTHY: "Salt did nothing: it finds that the service serves.",
    ActionState.BAD: "Salt could not heal this.",
    ActionState.REFUSED: "Salt refused to touch this: nothing was done.",
    ActionState.UNPROVED: "Salt brought the service back and could not prove that it serves.",
    ActionState.LOST: "Salt does not know whether this is healed: the job did not return.",
}
#: What comes next, by how it ended on any minion; the first that fits.
_NEXT = (
    (
        {ActionState.REFUSED, ActionState.UNPROVED},
        "It is not tried again while this problem is open: another attempt would not do more. A person must look.",
    ),
    (
        {ActionState.BAD, ActionState.LOST},
        "The problem is tried again after a cooldown while attempts are left, else a person must look.",
    ),
    (
        {ActionState.HEALTHY},
        f"If Dynatrace still sees it down in {NOTICES_S / 60:.0f} minutes, a person must look; Salt waits for a later failure.",
    ),
)
_ENDED = {
    ActionState.GOOD: "good",
    ActionState.HEALTHY: "nothing to do",
    ActionState.BAD: "failed",
    ActionState.REFUSED: "refused",
    ActionState.UNPROVED: "not proved",
    ActionState.LOST: "no return",
}


def marker(what: str, own_id: str) -> str:
    """
    Return the text by which a comment is found again.
    """
    return f"[{CONTEXT} {what} {own_id[:16]}]"


def outcome_marker(attempt: Attempt, late: bool) -> str:
    """
    Return the marker of the comment on an attempt's end; one that was called lost, and returns late, has another.
    """
    return marker("late" if late else "attempt", attempt.attempt_id)


def attempt_comment(
    attempt: Attempt,
    actions: Sequence[Action],
    numbers: Sequence[int],
    policy: Policy,
    held: Sequence[str],
    late: bool = False,
) -> str:
    """
    Return the comment on an attempt that ended: what was done where, what came of it, and how to find the job.

    ``numbers`` tells which attempt on each process it was.
    """
    state = ActionState(attempt.state)
    ends = {action.state for action in actions} - {ActionState.NOT_EXECUTED}
    mixed = state in FAILED and len(ends) > 1
    lines = [
        "Salt could not heal all of this." if mixed else _FIRST_LINE[state],
        f"Attempt {_number(numbers, policy.max_attempts)}{_by(attempt)}, job {attempt.jid}{_took(attempt)}.",
    ]
    if late:
        lines.append("The return came late: this attempt was called lost before.")
    lines += [
        f"{action.minion}: {_ended(action)}"
        for action in actions[:20]
        if action.state != ActionState.NOT_EXECUTED
    ]
    if held:
        lines.append("Not acted on: " + ", ".join(held[:20]) + ".")
    lines += [line for names, line in _NEXT if ends & names][:1]
    return "\n".join([*lines, outcome_marker(attempt, late)])


def escalation_comment(
    reason: Escalation, episode: Episode, policy: Policy, disputed: Sequence[str] = ()
) -> str:
    """
    Return the comment that asks a person to look; ``disputed`` are lines on what the two disagree about.
    """
    own = escalation_marker(episode, reason)
    if reason is Escalation.DISAGREE:
        first = "Salt and Dynatrace disagree, and Salt does nothing before a later failure is seen."
        return "\n".join([f"{first} A person must look.", *disputed[:20], own])
    detail = {
        Escalation.NOT_CONNECTED: f"a minion does not answer, for more than {policy.attempt_window:g} s",
        Escalation.JOB_CACHE: "nothing is ordered until the master's job cache can be read, see salt-run dynatrace.check",
        Escalation.CONTRADICTORY: "one said that the service was healed, another in the same minion's name that it was not",
        Escalation.NO_REMEDY: "no remedy takes what Dynatrace tells of, see salt-run dynatrace.show",
        Escalation.STILL_OPEN: "the service was proved to serve, and Dynatrace does not close the problem: it may mean another one",
    }.get(reason, f"{policy.max_attempts} in {policy.attempt_window:g} s")
    begun = "Salt healed this" if reason is Escalation.STILL_OPEN else "Salt stops here"
    return f"{begun}: {reason} ({detail}). A person must look. {own}"


def dispute(problem: Problem, target: Target, found: Action) -> str:
    """
    Return what a minion found of a process, since when Dynatrace sees it down, and what it names.
    """
    own = [item for item in problem.evidence if item.entity.id == target.entity]
    name = next((item.entity.name for item in own if item.entity.name), "")
    down = [item for item in own if item.event_type in DOWN_EVENTS and item.is_open]
    last = max(down, key=lambda item: item.start or 0, default=None)
    seen = "Dynatrace does not close the problem."
    if last is not None:
        since = iso(last.start / 1000 if last.start else None)
        seen = f"Dynatrace sees it down since {since or 'an unknown time'} ({last.event_type})."
    named = [one for one in (target.process.executable, target.process.unit) if one]
    named += [f"port {port}" for port in target.process.ports]
    names = f" It names {', '.join(named)}." if named else ""
    result = found.comment.rstrip(".") or "it serves"
    return (
        f"{target.minion}, {name or 'a process'} ({target.entity}): "
        f"the minion found at {iso(found.ended)}: {result}. {seen}{names}"
    )


def escalation_marker(episode: Episode, reason: Escalation) -> str:
    """
    Return the marker of an episode's escalation; after one beside whom the engine goes on there may be another.
    """
    what = str(reason) if reason in BESIDE else "escalated"
    return marker(f"{what} {episode.episode}", episode.problem_key)


def advice_marker(episode: Episode) -> str:
    """
    Return the marker of the comment that says what would make an episode's failure healable.
    """
    return marker(f"advice {episode.episode}", episode.problem_key)


def _number(numbers: Sequence[int], most: int) -> str:
    least, latest = min(numbers, default=1), max(numbers, default=1)
    own = str(latest) if least == latest else f"{least} to {latest}"
    # The policy may have allowed more when it was ordered.
    return f"{own} of {most}" if latest <= most else own


def _by(attempt: Attempt) -> str:
    return f" by the remedy {attempt.remedy}" if attempt.remedy else ""


def _took(attempt: Attempt) -> str:
    begun = attempt.first_fired
    return f", {attempt.ended - begun:.1f} s" if attempt.ended and begun else ""


def _ended(action: Action) -> str:
    words = _ENDED.get(action.state, action.state)
    return f"{words}: {action.comment}" if action.comment else words

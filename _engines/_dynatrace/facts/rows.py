"""
What is told of one problem, one attempt and one target in a row of its own, by whatever tells of it.

The keys are an interface, described in ``docs/reference/runner.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..core.records import Action, Attempt, Episode
from ..core.resolution import Target
from ..core.states import FAILED, OPEN_ATTEMPTS, AttemptState, EpisodeState
from ..master.envelope import iso

MAX_ROWS = 1000
#: Of targets, and of the outcomes of an attempt.
LISTED = 50


def state_of(episode: Episode, attempts: Iterable[Attempt]) -> str:
    """
    Return in a few words what becomes of a problem, or what it waits for; ``attempts`` are all on it.
    """
    if episode.state != EpisodeState.OPEN:
        return episode.state
    if episode.escalated:
        return f"escalated: {episode.escalated}"
    states = {attempt.state for attempt in attempts}
    if states.intersection(OPEN_ATTEMPTS):
        return "healing"
    if AttemptState.GOOD in states:
        return "healed, waits for Dynatrace"
    if AttemptState.HEALTHY in states:
        return "already healthy, waits for Dynatrace"
    if states.intersection(map(AttemptState, FAILED)):
        return "failed, waits"
    return "held" if minions_of(episode) else "unmatched"


def attempt_rows(done: Iterable[tuple[Attempt, Sequence[Action]]]) -> list[dict[str, Any]]:
    """
    Return a row for each attempt on a problem, with the outcome on each minion.
    """
    return [_attempt(attempt, actions) for attempt, actions in done]


def _attempt(attempt: Attempt, actions: Sequence[Action]) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "attempt_id": attempt.attempt_id,
        "remedy": attempt.remedy,
        "state": attempt.state,
        "jid": attempt.jid,
        "created": iso(attempt.created),
        "ended": iso(attempt.ended),
        "minions": {
            action.minion: f"{action.state} {action.comment[:200]}".strip()
            for action in actions[:LISTED]
        },
        "minion_count": len({action.minion for action in actions}),
    }


def target_row(target: Target) -> dict[str, Any]:
    """
    Return what is told of a target.
    """
    return {
        "minion": target.minion,
        "entity": target.entity,
        "matched_by": target.matched_by,
        "remedy": target.remedy,
        "by": target.choice.by,
    }


def minions_of(episode: Episode) -> list[str]:
    """
    Return the minions that an episode concerns, each once.
    """
    return list(dict.fromkeys(target.minion for target in episode.resolution.targets))


def unmatched_rows(episode: Episode) -> list[dict[str, Any]]:
    """
    Return a row for each entity that no minion is known for: its id, what Dynatrace calls it if it says, and why.
    """
    problem = episode.problem
    known = (*problem.affected, *(one.entity for one in problem.evidence))
    names = {one.id: one.name for one in known if one.name}
    return [
        {"entity": one.entity, "name": names.get(one.entity), "reason": one.reason}
        for one in episode.resolution.unmatched[:LISTED]
    ]

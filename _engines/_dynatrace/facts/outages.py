"""
Works out since when and until when the processes of a problem were down.

An outage begins with an event of Dynatrace's evidence, by the tenant's clock. It ends with the return of an attempt that
was made for it and proved that the process serves, by the master's clock; else when Dynatrace closed the problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..core.problem import DOWN_EVENTS, Problem
from ..core.records import Action, Episode
from ..core.resolution import Target
from ..core.states import SERVING, ActionState, EpisodeState

Key = tuple[str, str]


@dataclass(frozen=True)
class Outage:
    """
    One failure of one process; times in epoch seconds, ``end`` None while it lasts. ``event`` is the type of the event
    that tells of it. ``proved``: an attempt proved the end. Else the problem was closed.
    """

    target: Target
    start: float
    end: float | None
    event: str
    proved: bool


def outages(episode: Episode, targets: Iterable[Target], done: Iterable[Action]) -> list[Outage]:
    """
    Return the outages of the processes that are named down, or that were acted on; the first to begin comes first.

    ``done`` is what all attempts on it did, oldest first.
    """
    actions = _by_process(done)
    found = [
        outage
        for target in targets
        if target.down or (target.minion, target.key) in actions
        for outage in _of_target(episode, target, actions.get((target.minion, target.key), ()))
    ]
    return sorted(found, key=lambda one: one.start)


def union(found: Iterable[Outage], now: float) -> list[tuple[float, float | None]]:
    """
    Return the times in which any of the processes was down; an end is None where one is down at ``now``.
    """
    merged: list[tuple[float, float]] = []
    for one in sorted(found, key=lambda one: one.start):
        end = now if one.end is None else one.end
        if merged and one.start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((one.start, max(end, one.start)))
    lasts = any(one.end is None for one in found)
    whole: list[tuple[float, float | None]] = list(merged)
    return [*whole[:-1], (merged[-1][0], None)] if lasts and merged else whole


def length(merged: Iterable[tuple[float, float | None]], now: float) -> float:
    """
    Return how many seconds such times are together.
    """
    return sum(max((now if end is None else end) - start, 0.0) for start, end in merged)


def closed_at(episode: Episode) -> float | None:
    """
    Return when Dynatrace closed the problem, by its own clock if it tells that; None while it is open.
    """
    if episode.state is not EpisodeState.CLOSED:
        return None
    end = episode.problem.end
    return end / 1000 if end is not None else episode.closed


def _by_process(done: Iterable[Action]) -> Mapping[Key, list[Action]]:
    found: dict[Key, list[Action]] = {}
    for action in done:
        if action.state is not ActionState.NOT_EXECUTED:
            found.setdefault((action.minion, action.process), []).append(action)
    return found


def _of_target(episode: Episode, target: Target, actions: Sequence[Action]) -> list[Outage]:
    found: list[Outage] = []
    for start, event in _failures(episode.problem, target):
        if found and (found[-1].end is None or start / 1000 <= found[-1].end):
            continue  # It was down already.
        heal = next((one for one in actions if _ends(one, start)), None)
        end = heal.ended if heal is not None else closed_at(episode)
        begun = start / 1000
        end = max(end, begun) if end is not None else None
        found.append(Outage(target, begun, end, event, heal is not None))
    return found


def _failures(problem: Problem, target: Target) -> list[tuple[int, str]]:
    kinds = target.events or DOWN_EVENTS
    told = {
        (item.start, item.event_type)
        for item in problem.evidence
        if item.entity.id == target.entity
        and item.event_type in kinds
        and target.about in ("", item.unit, item.event_type)
        and item.start is not None
    }
    return sorted(told)


def _ends(action: Action, start: int) -> bool:
    """
    Tell whether an action ended a failure: it was made for it, or for a later one, by the tenant's clock alone.
    """
    if action.state not in SERVING or action.ended is None:
        return False
    return action.seen >= start if action.seen is not None else action.ended * 1000 >= start

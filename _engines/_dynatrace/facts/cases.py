"""
What is counted of problems: who ended each, how long it lasted, which remedy and which processes it was about.

It reads columns and the journal, and no problem's text: ten thousand of them are counted in a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.measures import BY_OTHERS, BY_SALT
from ..core.reasons import Reason
from ..core.records import Entry, EpisodeBrief, Executed
from ..core.states import ActionState, EpisodeState
from ..remediation.recurrence import brought_back
from ..store.ledger import Ledger

Key = tuple[str, int]

MERGED, OPEN = "merged", "open"
#: Held for these no process of a minion is known to be down.
_NOT_DOWN = {None, Reason.NOT_DOWN.value, Reason.ONE_OF_MANY.value}


@dataclass(frozen=True)
class Case:
    """
    One episode as it is counted; ``ended_by`` is BY_SALT, BY_OTHERS (by hand or by itself), MERGED or OPEN.

    ``length`` is the time from its begin to its end by Dynatrace's own clock; ``outage`` that from the failure to the
    proof, only where Salt ended it; in seconds. ``was_down``: a process on a minion was. ``places`` are minions and what
    failed on them.
    """

    brief: EpisodeBrief
    ended_by: str
    length: float | None
    outage: float | None
    remedy: str | None
    was_down: bool
    places: tuple[tuple[str, str], ...]


def cases(ledger: Ledger, until: float) -> list[Case]:
    """
    Return a case for each episode that the ledger remembers and that was seen before a time, oldest first.
    """
    done = executed_by_episode(ledger, 0.0)
    decided = {_key(one): one for one in ledger.journal.last_decisions()}
    return [
        case_of(brief, done.get(brief.key, ()), decided.get(brief.key))
        for brief in ledger.episodes.seen_between(0.0, until)
    ]


def executed_by_episode(ledger: Ledger, since: float) -> Mapping[Key, list[Executed]]:
    """
    Return what attempts did since a time, by episode, oldest first.
    """
    done: dict[Key, list[Executed]] = {}
    for one in ledger.attempts.executed_between(since, math.inf):
        done.setdefault((one.problem_key, one.episode), []).append(one)
    return done


def _key(entry: Entry) -> Key:
    return entry.problem_key or "", entry.episode or 0


def case_of(brief: EpisodeBrief, done: Sequence[Executed], decided: Entry | None = None) -> Case:
    """
    Return how an episode is counted, by what attempts did for it and the last decision about it, which names its places.
    """
    told: Sequence[Mapping[str, Any]] = decided.told["targets"] if decided is not None else ()
    remedies = (*(one.remedy for one in reversed(done)), *(one["remedy"] for one in told))
    places = dict.fromkeys(
        (
            *((one.minion, one.process) for one in done),
            *((one["minion"], one["process"]) for one in told),
        )
    )
    ended_by = _ended_by(brief, done)
    return Case(
        brief,
        ended_by,
        _length(brief),
        _outage(done) if ended_by == BY_SALT else None,
        next(filter(None, remedies), None),
        bool(done) or brief.held not in _NOT_DOWN,
        tuple(places),
    )


def _ended_by(brief: EpisodeBrief, done: Sequence[Executed]) -> str:
    if brief.state is not EpisodeState.CLOSED:
        return OPEN
    if brief.merged:
        return MERGED
    if not done:
        # Of one dead process Dynatrace may open several problems; an attempt for one of them heals all.
        return BY_SALT if brief.held == Reason.HEALED.value else BY_OTHERS
    return BY_SALT if brought_back(done) else BY_OTHERS


def _length(brief: EpisodeBrief) -> float | None:
    if brief.state is not EpisodeState.CLOSED or brief.merged:
        return None
    end = brief.ended / 1000 if brief.ended is not None else brief.closed
    return max(end - brief.began, 0.0) if end is not None else None


def _outage(done: Sequence[Executed]) -> float | None:
    begins = [one.seen / 1000 for one in done if one.seen is not None]
    ends = [one.ended for one in done if one.state is ActionState.GOOD and one.ended is not None]
    return max(max(ends) - min(begins), 0.0) if begins and ends else None

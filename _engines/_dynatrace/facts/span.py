"""
Tells the figures of a span of time: how many problems there were, who ended them, what that saved, what failed most.

A problem belongs to the span in which the engine saw it first. How each figure is counted is written in
``docs/reference/runner.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..core.measures import BY_OTHERS, BY_SALT, RELAPSES
from ..core.records import Executed
from ..master.envelope import iso
from ..remediation import recurrence
from ..store.ledger import Ledger
from .cases import MERGED, OPEN, Case, cases
from .rows import MAX_ROWS
from .savings import saved

HOUR_S, DAY_S = 3600.0, 86400.0
#: Of the picture over time; the shortest of these bars of which there are not more than so many. They begin at round moments.
BARS = 62
_SIZES = (60.0, 300.0, 900.0, HOUR_S, 3 * HOUR_S, 6 * HOUR_S, DAY_S, 7 * DAY_S, 28 * DAY_S)
_WORST = 10
_MINIONS = 5


@dataclass(frozen=True)
class Span:
    """
    Reads the figures from the ledger; any thread may call it.
    """

    ledger: Ledger

    def of(self, since: float, until: float, now: float) -> dict[str, Any]:
        """
        Return the facts of a span, as ``docs/reference/runner.md`` describes them for ``report``.
        """
        known = cases(self.ledger, until)
        counted = [one for one in known if one.brief.opened >= since]
        executed = self.ledger.attempts.executed_between(since - DAY_S, until)
        ended_by = Counter(one.ended_by for one in counted)
        return {
            "since": iso(since),
            "until": iso(until),
            "told_at": iso(now),
            "problems_count": len(counted),
            "ended_by": {who: ended_by[who] for who in (BY_SALT, BY_OTHERS, MERGED, OPEN)},
            "escalated": sum(one.brief.escalated is not None for one in counted),
            "outcomes": dict(Counter(one.state for one in executed if one.started >= since)),
            "outage": _summary(one.outage for one in counted),
            "length": {
                who: _summary(one.length for one in counted if one.ended_by == who)
                for who in (BY_SALT, BY_OTHERS)
            },
            "saved": saved(counted, known),
            "relapses": relapses(executed, since),
            "worst": {
                "minions": _tallies(counted, lambda one: {minion for minion, _ in one.places}),
                "processes": [
                    {**_tally(own), "minion": minion, "name": self._name(process, own[-1])}
                    for (minion, process), own in _worst(counted, lambda one: one.places)
                ],
                "remedies": _tallies(counted, lambda one: {one.remedy} - {None}),
            },
            **over_time(counted, since, until),
            "problems": [_row(one) for one in counted[::-1][:MAX_ROWS]],
        }

    def _name(self, process: str, case: Case) -> str:
        """
        Return what Dynatrace calls a process; for these few a problem is read whole.
        """
        entity, _, about = process.partition(" ")
        episode = self.ledger.episodes.get(*case.brief.key)
        evidence = episode.problem.evidence if episode is not None else ()
        own = (item.entity.name for item in evidence if item.entity.id == entity)
        return about or next(filter(None, own), entity)


def relapses(executed: Iterable[Executed], since: float) -> dict[str, int]:
    """
    Count the attempts since a time on what an attempt had brought back shortly before, by how long it served.
    """
    found = dict.fromkeys(RELAPSES, 0)
    last: dict[tuple[str, str], Executed] = {}
    for one in sorted(executed, key=lambda one: one.started):
        before = last.get((one.minion, one.process))
        last[one.minion, one.process] = one
        if one.started >= since:
            for within in recurrence.relapses(before, one.seen):
                found[within] += 1
    return found


def _summary(lengths: Iterable[float | None]) -> dict[str, Any]:
    known = [one for one in lengths if one is not None]
    return {
        "problems": len(known),
        "median_ms": round(median(known) * 1000) if known else None,
        "longest_ms": round(max(known) * 1000) if known else None,
        "total_s": round(sum(known)),
    }


def _worst(
    counted: Iterable[Case], names: Callable[[Case], Iterable[Any]]
) -> list[tuple[Any, list[Case]]]:
    """
    Return the names with the most problems, each with these.
    """
    found: dict[Any, list[Case]] = {}
    for case in counted:
        for name in names(case):
            found.setdefault(name, []).append(case)
    return sorted(found.items(), key=lambda item: (-len(item[1]), str(item[0])))[:_WORST]


def _tallies(
    counted: Iterable[Case], names: Callable[[Case], Iterable[Any]]
) -> list[dict[str, Any]]:
    return [{"name": name, **_tally(own)} for name, own in _worst(counted, names)]


def _tally(own: Sequence[Case]) -> dict[str, Any]:
    return {
        "problems": len(own),
        "by_salt": sum(one.ended_by == BY_SALT for one in own),
        "length_s": round(sum(one.length or 0.0 for one in own)),
        "latest": own[-1].brief.name,
    }


def over_time(counted: Iterable[Case], since: float, until: float) -> dict[str, Any]:
    """
    Return the problems by the time in which they were seen first: ``bars``, each ``bar_s`` seconds long.
    """
    size = next((one for one in _SIZES if (until - since) / one < BARS), _SIZES[-1])
    bars: dict[int, list[Case]] = {}
    for case in counted:
        bars.setdefault(int(case.brief.opened // size), []).append(case)
    rows = [_bar(number * size, own) for number, own in sorted(bars.items())]
    return {"bar_s": round(size), "bars": rows}


def _bar(start: float, own: Sequence[Case]) -> dict[str, Any]:
    return {
        "from": iso(start),
        **{who: sum(one.ended_by == who for one in own) for who in (BY_SALT, BY_OTHERS, OPEN)},
        "median_s": {
            who: _median(one.length for one in own if one.ended_by == who)
            for who in (BY_SALT, BY_OTHERS)
        },
    }


def _median(lengths: Iterable[float | None]) -> int | None:
    known = [one for one in lengths if one is not None]
    return round(median(known)) if known else None


def _row(case: Case) -> dict[str, Any]:
    brief = case.brief
    minions = list(dict.fromkeys(minion for minion, _ in case.places))
    return {
        "problem": brief.name,
        "episode": brief.episode,
        "opened": iso(brief.opened),
        "closed": iso(brief.closed),
        "ended_by": case.ended_by,
        "length_s": None if case.length is None else round(case.length),
        "outage_ms": None if case.outage is None else round(case.outage * 1000),
        "remedy": case.remedy,
        "minions": minions[:_MINIONS],
        "minion_count": len(minions),
        "attempts": brief.attempts,
        "escalated": brief.escalated,
    }

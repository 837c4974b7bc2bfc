"""
Estimates how much shorter problems were because Salt ended them.

Both sides are measured alike, from begin to end by Dynatrace's own clock: the problems that Salt ended, and those on a
minion's process that was down and that others ended. Of these the median is taken, of the same remedy if there are
enough, else of all. A problem that Salt ended later than that counts against it. With too few there is no number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ..core.measures import BY_OTHERS, BY_SALT
from .cases import Case

#: So many problems make a median.
ENOUGH = 5


def saved(counted: Iterable[Case], known: Iterable[Case]) -> dict[str, Any]:
    """
    Return what Salt saved on the problems of a span, compared with all that are known: ``minutes`` (None: no number, and
    ``why``), ``problems`` that were compared, ``left_out`` for want of a comparison, and the ``medians`` by remedy.
    """
    medians = _medians(known)
    healed = [one for one in counted if one.ended_by == BY_SALT and one.length is not None]
    differences = [
        typical - (one.length or 0.0)
        for one in healed
        if (typical := _typical(medians, one.remedy)) is not None
    ]
    why = None
    if not healed:
        why = "Salt ended no problem in this time"
    elif not differences:
        why = f"fewer than {ENOUGH} problems are known that others ended, so there is nothing to compare with"
    return {
        "minutes": round(sum(differences) / 60) if why is None else None,
        "why": why,
        "problems": len(differences),
        "left_out": len(healed) - len(differences),
        "medians": [
            {"remedy": remedy, "median_s": round(median(lengths)), "problems": len(lengths)}
            for remedy, lengths in medians.items()
        ],
    }


def _medians(known: Iterable[Case]) -> Mapping[str | None, Sequence[float]]:
    """
    Return the lengths to compare with, by remedy and under None of all, where there are enough.
    """
    found: dict[str | None, list[float]] = {None: []}
    for one in known:
        if one.ended_by == BY_OTHERS and one.was_down and one.length is not None:
            found[None].append(one.length)
            if one.remedy is not None:
                found.setdefault(one.remedy, []).append(one.length)
    return {remedy: lengths for remedy, lengths in found.items() if len(lengths) >= ENOUGH}


def _typical(medians: Mapping[str | None, Sequence[float]], remedy: str | None) -> float | None:
    lengths = medians.get(remedy) or medians.get(None)
    return median(lengths) if lengths else None

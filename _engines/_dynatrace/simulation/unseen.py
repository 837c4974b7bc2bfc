"""
Problems that are over and that this engine never saw: it was not there, or did not remember them.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..api.sources import Listing
from ..core.problem import Problem
from ..core.records import Episode
from ..core.states import EpisodeState
from .replay import as_it_was
from .trial import Trial


def unseen(
    trial: Trial, listing: Listing, since: float, known: Iterable[Episode]
) -> tuple[list[Episode], list[str]]:
    """
    Return an episode for each problem of a listing that closed since a time and is none of those that are known, matched
    with the minions as they are now; and what is to be said of them. Raises ApiError.
    """
    keys = {one.problem_key for one in known}
    new = [one for one in listing.problems if _is_meant(one, since) and one.key not in keys]
    trial.entities.prefetch([as_it_was(one, trial.now) for one in new])
    told = [f"{len(new)} of them only Dynatrace knows; they are matched as minions are now"]
    if listing.unreadable:
        told.append(f"not all that closed there could be read: {listing.unreadable[0]}")
    return [_episode(trial, one) for one in new], told if new else told[1:]


def _is_meant(problem: Problem, since: float) -> bool:
    over = not problem.is_open and not problem.merged
    return over and problem.start is not None and (problem.end or 0) / 1000 >= since


def _episode(trial: Trial, problem: Problem) -> Episode:
    begun, ended = (problem.start or 0) / 1000, (problem.end or 0) / 1000
    resolution = trial.match(as_it_was(problem, ended))
    return Episode(
        *(problem.key, 1, problem, resolution, "", problem.rank, begun, begun),
        state=EpisodeState.CLOSED,
        closed=max(ended, begun),
    )

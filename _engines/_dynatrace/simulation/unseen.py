"""
Problems that are over and that this engine never saw: it was not there, or did not remember them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..core.errors import ApiError
from ..core.problem import Problem
from ..core.records import Episode
from ..core.states import EpisodeState
from .replay import as_it_was
from .trial import Trial


def unseen(trial: Trial, since: float, known: Iterable[Episode], says: list[str]) -> list[Episode]:
    """
    Return an episode for each problem that closed since a time at the tenant and is none of those that are known, each
    matched with the minions as they are now.

    What keeps the tenant from being read is told in ``says``.
    """
    if trial.client is None:
        return []
    try:
        listing = trial.client.closed(math.ceil((trial.now - since) / 3600))
        found = [one for one in listing.problems if _is_meant(one, since)]
        keys = {one.problem_key for one in known}
        new = [one for one in found if one.key not in keys]
        trial.entities.prefetch([as_it_was(one, trial.now) for one in new])
        episodes = [_episode(trial, one) for one in new]
    except ApiError as err:
        says.append(f"only what the ledger knows is told, since the tenant cannot be read: {err}")
        return []
    told = [f"{len(new)} of them only Dynatrace knows; they are matched as minions are now"]
    told += [f"not all that closed there could be read: {one}" for one in listing.unreadable[:1]]
    says += [one for one in told if new and one not in says]
    return episodes


def _is_meant(problem: Problem, since: float) -> bool:
    over = not problem.is_open and not problem.merged
    return over and problem.start is not None and (problem.end or 0) / 1000 >= since


def _episode(trial: Trial, problem: Problem) -> Episode:
    begun, ended = (problem.start or 0) / 1000, (problem.end or 0) / 1000
    resolution = trial.source.match(as_it_was(problem, ended))
    return Episode(
        *(problem.key, 1, problem, resolution, "", problem.rank, begun, begun),
        state=EpisodeState.CLOSED,
        closed=max(ended, begun),
    )

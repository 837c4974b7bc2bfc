"""
The problems of the last day, as ``pages.plot`` draws them.

An episode that closed is read once and remembered, and a hundred at a time: the ledger's lock is held for no longer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..core.measures import BY_OTHERS, BY_SALT
from ..core.records import EpisodeBrief
from ..core.states import EpisodeState
from ..master.envelope import iso
from ..store.ledger import Ledger
from .cases import OPEN, Case, case_of, executed_by_episode
from .span import DAY_S, HOUR_S, over_time

READ = 100


@dataclass
class Recent:
    """
    Reads them from the ledger; belongs to one thread.
    """

    ledger: Ledger
    _closed: list[EpisodeBrief] = field(default_factory=list, init=False)

    def of(self, now: float) -> dict[str, Any]:
        """
        Return the facts of the day that ends with this hour, as far as ``pages.plot`` takes them.
        """
        until = math.ceil(now / HOUR_S) * HOUR_S
        since = until - DAY_S
        counted = list(self._cases(since, now))
        ended_by = Counter(one.ended_by for one in counted)
        return {
            "since": iso(since),
            "until": iso(until),
            "problems_count": len(counted),
            "ended_by": {who: ended_by[who] for who in (BY_SALT, BY_OTHERS, OPEN)},
            **over_time(counted, since, until),
        }

    def _cases(self, since: float, now: float) -> Iterator[Case]:
        self._follow(since, now)
        done = executed_by_episode(self.ledger, since)
        for brief in self._closed:
            if brief.opened >= since:
                yield case_of(brief, done.get(brief.key, ()))
        for opened in self.ledger.episodes.opened_since(since):
            yield case_of(EpisodeBrief("", 0, None, EpisodeState.OPEN, opened, opened), ())

    def _follow(self, since: float, now: float) -> None:
        """
        Read what closed since the last time.
        """
        if self._closed and (self._closed[-1].closed or 0.0) > now:
            self._closed = []  # The clock was set back, and all times with it.
        more = True
        while more:
            last = self._closed[-1] if self._closed else None
            read = self.ledger.episodes.closed_after(last, since, READ)
            self._closed += read
            more = len(read) == READ
        # The last stays, since it tells how far was read.
        self._closed = [one for one in self._closed[:-1] if one.opened >= since] + self._closed[-1:]

"""
Asks minions for their records of an attempt whose job did not return, before it is given up as lost.

A minion with two masters runs a job id once and returns to the master that it had the job from: the other one never
hears of it. A return is also lost with a master that went down. The minion's own record of the attempt tells then
whether and how it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ..core.records import Attempt, Memory
from ..core.states import SERVING
from .job_cache import Jobs
from .job_results import ENDS
from .minion_queries import Query

#: Publishing may block: who has no answer by then has none.
GIVE_UP_S = 30.0


class AttemptRecords:
    """
    What minions remember of attempts; belongs to the reconciler's thread.
    """

    def __init__(self, ask: Callable[[Query], None], jobs: Jobs) -> None:
        self._ask = ask
        self._jobs = jobs
        #: By attempt id, with the time until when an answer is waited for, by the monotonic clock.
        self._asked: dict[str, tuple[Query, float]] = {}

    def of(self, attempt: Attempt, minions: set[str]) -> Mapping[str, Memory] | None:
        """
        Return the ends that minions remember of an attempt; None: they were asked and may answer yet.

        Only those that its job went to are asked: an orchestration's end is more than what a minion knows. What cannot
        be read of their answers is asked for again. Raises JobCacheError.
        """
        own = attempt.attempt_id
        if own not in self._asked:
            asked = minions & set(self._jobs.minions(attempt.jid) or ())
            if not asked:
                return {}
            query = Query(("dynatrace.attempt", own), frozenset(asked))
            self._asked[own] = query, time.monotonic() + GIVE_UP_S
            self._ask(query)
            return None
        query, until = self._asked[own]
        if query.ended is None and time.monotonic() < until:
            return None
        del self._asked[own]
        if query.ended is None:
            return {}
        if query.returns is None:
            return None
        ends = {name: memory(query.returns.get(name), own, query.ended) for name in query.minions}
        return {name: known for name, known in ends.items() if known is not None}


def memory(returned: Any, attempt_id: str, now: float) -> Memory | None:
    """
    Return the end that a minion remembers, from its return of ``dynatrace.attempt``; None: none of this attempt.

    Its clock may be wrong by hours, so it tells its time, too: how long ago it was does not depend on that. Only a good
    end has a time of its own; a record that is finished and does not tell how is that of a site's own remedy.
    """
    record = returned.get("return") if isinstance(returned, Mapping) else None
    if not isinstance(record, Mapping) or record.get("id") != attempt_id:
        return None
    outcome = record.get("outcome") or "healed"
    state = ENDS.get(outcome) if isinstance(outcome, str) else None
    ended = record.get("finished" if state in SERVING else "now")
    taken, finished, theirs = map(_seconds, (record.get("taken"), ended, record.get("now")))
    if taken is None or finished is None or theirs is None or state is None:
        return None
    return Memory(now - max(theirs - taken, 0.0), now - max(theirs - finished, 0.0), state)


def _seconds(value: Any) -> float | None:
    try:
        # Python 3.10 does not read the Z of an ISO time.
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None

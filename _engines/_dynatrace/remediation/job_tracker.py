"""
Learns how jobs end: the bus says that it is worth looking, and the job cache is what counts.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import JobCacheError
from ..core.log_once import Seldom
from ..core.records import Attempt
from ..core.states import FAILED, ActionState
from ..master.job_cache import Jobs
from ..master.job_results import judge, judge_orchestration, seconds_of_run
from ..master.minion_index import MinionIndex
from ..store.attempts import Attempts
from ..store.in_progress import LATE_S
from .outcomes import Outcomes

log = logging.getLogger(__name__)

#: A return on the bus stands in the job cache a moment later, or it is forged.
PROOF_S = 5.0
#: So many events of jobs wait for one cycle; forged ones are logged this seldom.
HEARD = 1000
FORGED_LOG_S = 60.0
#: Open attempts are looked up in the job cache this often, in case their events were missed.
RECONCILE_S = 15.0
#: How long after a good end another return is listened for that tells otherwise.
DOUBT_S = 300.0
#: In the place of a minion's name, which has no space: what returned is the master's own runner.
RUNNER = "the runner"

#: Job id, ``new`` or ``ret``, minion, the event, and whether it tells of a failure.
Heard = tuple[str, str, "str | None", Mapping[str, Any], bool]


@dataclass
class JobTracker:
    """
    The jobs of one engine's attempts. All but ``receive``, ``is_watched`` and ``reconcile`` belongs to the reconciler's
    thread.
    """

    instance: str
    attempts: Attempts
    minions: MinionIndex
    outcomes: Outcomes
    jobs: Jobs
    #: Attempts of which the job cache could not be read at the last look: how they stand is not known.
    unread: set[str] = field(default_factory=set)
    _heard: queue.SimpleQueue[Heard] = field(default_factory=queue.SimpleQueue)
    #: (job id, minion) of what is heard but not yet in the job cache: until when, and the event; a job has no minion.
    _unproved: dict[tuple[str, str], tuple[float, Mapping[str, Any]]] = field(default_factory=dict)
    #: (job id, minion) of good ends: until when a contradiction is listened for, and whose they are.
    _good: dict[tuple[str, str], tuple[float, Attempt]] = field(default_factory=dict)
    #: The same keys, where a bad return was heard: until when that is of interest.
    _bad: dict[tuple[str, str], float] = field(default_factory=dict)
    _next_reconcile: float = 0.0
    #: Whether the bus was not read for a while, so that the return of an attempt that was given up may be missed.
    _missed: bool = True
    #: The job ids of which the bus may tell something new; replaced as a whole, never changed in place.
    _watched: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._forged = Seldom(log, self.instance, FORGED_LOG_S)

    def receive(self, jid: str, what: str, minion: str | None, data: Mapping[str, Any]) -> bool:
        """
        Take an event of a job, and tell whether it is worth a look; may be called from any thread.

        Any minion can fire it, in any name: those of no minion are passed over, and of too many the job cache tells.
        """
        if minion is not None and minion not in self.minions:
            return False
        if self._heard.qsize() >= HEARD:
            self.reconcile()
            return True
        failed = minion is not None and judge(data).state in FAILED
        # Where a job cache tells what returned, no more is kept of the event than that it came.
        kept = {"fun": str(data.get("fun", ""))[:100]} if self.jobs.cached else data
        self._heard.put((jid, what, minion, kept, failed))
        return True

    @property
    def waiting(self) -> bool:
        # Something was heard that the job cache does not have yet.
        return bool(self._unproved)

    def is_watched(self, jid: str) -> bool:
        return jid in self._watched

    def watch(self, now: float) -> None:
        # Of the ended ones a second return would still be of interest.
        good = {jid for jid, _ in self._good}
        self._watched = frozenset(self.attempts.in_progress.watched(now - LATE_S) | good)

    def reconcile(self) -> None:
        """
        Have all attempts looked up at the next occasion of which a return counts; may be called from any thread.
        """
        self._missed = True
        self._next_reconcile = 0.0

    def clock_set(self, now: float) -> None:
        self._next_reconcile = 0.0
        self._unproved = {key: (now + PROOF_S, data) for key, (_, data) in self._unproved.items()}
        self._good = {key: (now + DOUBT_S, attempt) for key, (_, attempt) in self._good.items()}
        self._bad = dict.fromkeys(self._bad, now + DOUBT_S)

    def take_in(self, now: float) -> None:
        """
        Take in the events of our jobs, and now and then look up what may have been missed.
        """
        while not self._heard.empty():
            self._take(self._heard.get_nowait(), now)
        for attempt in self._to_look_up(now):
            try:
                self._look_up(attempt, now)
            except JobCacheError:
                self.unread.add(attempt.attempt_id)
            else:
                self.unread.discard(attempt.attempt_id)
        self._drop_unproved(now)
        self._compare(now)

    def _take(self, event: Heard, now: float) -> None:
        jid, what, minion, data, failed = event
        if str(data.get("fun", "")).startswith("runner.") and not minion:
            self._take_runner(jid, what, data, now)
            return
        self._unproved[jid, minion or ""] = (now + PROOF_S, data)
        if minion and failed:
            self._bad[jid, minion] = now + DOUBT_S

    def _take_runner(self, jid: str, what: str, data: Mapping[str, Any], now: float) -> None:
        for attempt in self.attempts.by_jid(jid):
            self.outcomes.started(attempt, self._minions_of(attempt), now)
            # How an orchestration ended is believed only where no job cache can tell.
            if what == "ret" and self.jobs.cached:
                self._unproved[jid, RUNNER] = (now + PROOF_S, data)
            elif what == "ret":
                self._end_orchestration(attempt, data, now)

    def _to_look_up(self, now: float) -> list[Attempt]:
        attempts = [one for found in self._unproved_attempts().values() for one in found]
        if now >= self._next_reconcile:
            self._next_reconcile = now + RECONCILE_S
            # Also those that are not known to be fired: the engine may have been killed in between.
            attempts += self.attempts.open()
            missed, self._missed = self._missed, False
            attempts += self.attempts.lost(now - LATE_S) if missed else []
        return list({attempt.attempt_id: attempt for attempt in attempts}.values())

    def _unproved_attempts(self) -> dict[str, list[Attempt]]:
        return {jid: self.attempts.by_jid(jid) for jid in {jid for jid, _ in self._unproved}}

    def _look_up(self, attempt: Attempt, now: float) -> None:
        # Events may be forged by a minion, the cache may not.
        if not self.jobs.cached:
            self._believe(attempt, now)
            return
        minions = self.jobs.minions(attempt.jid)
        if minions is None:
            return
        self._unproved.pop((attempt.jid, ""), None)
        returns = self.jobs.returns(attempt.jid)
        if minions and not any(name in self.minions for name in minions):
            # The cache files an orchestration under the master's own id, when it is over.
            for returned in returns.values():
                ended = returned.get("return") if isinstance(returned, Mapping) else None
                self._end_orchestration(attempt, ended, now)
            return
        self.outcomes.started(attempt, minions, now)
        self._end(attempt, returns, now)

    def _believe(self, attempt: Attempt, now: float) -> None:
        # Without a job cache the events are all there is.
        heard = {
            minion: data
            for (jid, minion), (_, data) in self._unproved.items()
            if jid == attempt.jid
        }
        if heard:
            self._unproved.pop((attempt.jid, ""), None)
            self.outcomes.started(attempt, self._minions_of(attempt), now)
            self._end(attempt, {minion: data for minion, data in heard.items() if minion}, now)

    def _end(self, attempt: Attempt, returns: Mapping[str, Any], now: float) -> None:
        for minion, returned in returns.items():
            self._unproved.pop((attempt.jid, minion), None)
            result = judge(returned, attempt.attempt_id)
            if result.state == ActionState.WAITING:
                continue  # It runs later, under the same id; `outcome_timeout` bounds the wait.
            self.outcomes.end_action(attempt, minion, result, now, seconds_of_run(returned))
            if result.ok:
                self._good[attempt.jid, minion] = (now + DOUBT_S, attempt)

    def _end_orchestration(self, attempt: Attempt, returned: Any, now: float) -> None:
        # An orchestration has one return for all of its minions.
        self._unproved.pop((attempt.jid, RUNNER), None)
        for minion in self._minions_of(attempt):
            self.outcomes.end_action(attempt, minion, judge_orchestration(returned, minion), now)

    def _compare(self, now: float) -> None:
        # Salt lets an accepted minion file a return in the name of another, and keeps the first that comes.
        for key in self._good.keys() & self._bad.keys():
            _, attempt = self._good.pop(key)
            self.outcomes.doubt(attempt, key[1], now)
        self._good = {key: kept for key, kept in self._good.items() if kept[0] > now}
        self._bad = {key: until for key, until in self._bad.items() if until > now}

    def _minions_of(self, attempt: Attempt) -> list[str]:
        return [action.minion for action in self.attempts.actions(attempt.attempt_id)]

    def _drop_unproved(self, now: float) -> None:
        attempts = self._unproved_attempts()
        for (jid, minion), (until, _) in list(self._unproved.items()):
            if attempts[jid] and now <= until:
                continue
            del self._unproved[jid, minion]
            is_known = not any(one.attempt_id in self.unread for one in attempts[jid])
            if attempts[jid] and minion and is_known:
                self._forged.say(
                    "a return of %.100r for job %s is on the bus but not in the job cache; it is ignored, since "
                    "any minion can fire such an event",
                    minion,
                    jid,
                )

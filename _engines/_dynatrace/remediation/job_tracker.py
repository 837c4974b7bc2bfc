"""
Learns how jobs end: the bus says that it is worth looking, and the job cache is what counts.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Mapping
from typing import Any

from ..core.errors import JobCacheError
from ..core.log_once import Seldom
from ..core.states import FAILED, ActionState
from ..master.jobs import Jobs, judge, judge_orchestration
from ..store.ledger import Attempt, Ledger, Memory
from .scheduler import Scheduler

log = logging.getLogger(__name__)

#: A return on the bus stands in the job cache a moment later, or it is forged.
PROOF_S = 5.0
#: So many events of jobs wait for one cycle; forged ones of each job may be said so often.
HEARD = 1000
SAID_S = 60.0
#: Open attempts are looked up in the job cache this often, in case their events were missed.
RECONCILE_S = 15.0
#: How long after a good end another return is listened for that tells otherwise.
DOUBT_S = 300.0
#: In the place of a minion's name, which has no space: what returned is the master's own runner.
RUNNER = "the runner"


class JobTracker:
    """
    The jobs of one engine's attempts. All but ``hear``, ``is_watched`` and ``reconcile`` belongs to the reconciler's
    thread.
    """

    def __init__(self, name: str, ledger: Ledger, attempts: Scheduler, jobs: Jobs) -> None:
        self._prefix = name
        self._ledger = ledger
        self._attempts = attempts
        self._outcomes = attempts.outcomes
        self._jobs = jobs
        #: Job id, ``new`` or ``ret``, minion, the event, and whether it tells of a failure.
        self._heard: queue.SimpleQueue[tuple[str, str, str | None, Mapping[str, Any], bool]] = (
            queue.SimpleQueue()
        )
        self._forged = Seldom(log, name, SAID_S)
        #: (job id, minion) of what is heard but not yet in the job cache: until when, and the event; a job has no minion.
        self._unproved: dict[tuple[str, str], tuple[float, Mapping[str, Any]]] = {}
        #: (job id, minion) of good ends: until when a contradiction is listened for, and whose they are.
        self._good: dict[tuple[str, str], tuple[float, Attempt]] = {}
        #: The same keys, where a bad return was heard: until when that is of interest.
        self._bad: dict[tuple[str, str], float] = {}
        self._next_reconcile = 0.0
        #: The job ids of which the bus may tell something new; replaced as a whole, never changed in place.
        self._watched: frozenset[str] = frozenset()
        #: Attempts of which the job cache could not be read at the last look: how they stand is not known.
        self.unread: set[str] = set()

    def hear(self, jid: str, what: str, minion: str | None, data: Mapping[str, Any]) -> bool:
        """
        Take an event of a job, and tell whether it is worth a look; may be called from any thread.

        Any minion can fire it, in any name: those of no minion are passed over, and of too many the job cache tells.
        """
        if minion is not None and not self._attempts.is_minion(minion):
            return False
        if self._heard.qsize() >= HEARD:
            self.reconcile()
            return True
        failed = minion is not None and judge(data).state in FAILED
        # Where a job cache tells what returned, no more is kept of the event than that it came.
        kept = {"fun": str(data.get("fun", ""))[:100]} if self._jobs.cached else data
        self._heard.put((jid, what, minion, kept, failed))
        return True

    @property
    def waiting(self) -> bool:
        """
        Tell whether something was heard that the job cache does not have yet.
        """
        return bool(self._unproved)

    def is_watched(self, jid: str) -> bool:
        """
        Tell whether events of a job are worth taking; may be called from any thread.
        """
        return jid in self._watched

    def watch(self) -> None:
        """
        Watch the jobs of all open attempts, and the ended ones of which a second return would still be of interest.
        """
        open_jobs = frozenset(attempt.jid for attempt in self._ledger.open_attempts())
        self._watched = open_jobs | {jid for jid, _ in self._good}

    def reconcile(self) -> None:
        """
        Have all open attempts looked up at the next occasion; may be called from any thread.
        """
        self._next_reconcile = 0.0

    def clock_set(self, now: float) -> None:
        """
        Wait anew for the proof of what was heard, and look all attempts up.
        """
        self._next_reconcile = 0.0
        self._unproved = {key: (now + PROOF_S, data) for key, (_, data) in self._unproved.items()}
        self._good = {key: (now + DOUBT_S, attempt) for key, (_, attempt) in self._good.items()}
        self._bad = dict.fromkeys(self._bad, now + DOUBT_S)

    def take_in(self, now: float) -> None:
        """
        Take in what the bus told of our jobs, and now and then what it may have failed to tell.
        """
        while True:
            try:
                jid, what, minion, data, failed = self._heard.get_nowait()
            except queue.Empty:
                break
            if str(data.get("fun", "")).startswith("runner.") and not minion:
                self._runner_job(jid, what, data, now)
            else:
                self._unproved[jid, minion or ""] = (now + PROOF_S, data)
                if minion and failed:
                    self._bad[jid, minion] = now + DOUBT_S
        attempts = [
            attempt for jid in {jid for jid, _ in self._unproved} for attempt in self._by_jid(jid)
        ]
        if now >= self._next_reconcile:
            self._next_reconcile = now + RECONCILE_S
            # Also those that are not known to be fired: the engine may have been killed in between.
            attempts += self._ledger.open_attempts()
        for attempt in {attempt.attempt_id: attempt for attempt in attempts}.values():
            try:
                self._look_up(attempt, now)
            except JobCacheError:
                self.unread.add(attempt.attempt_id)
            else:
                self.unread.discard(attempt.attempt_id)
        self._drop_unproved(now)
        self._compare(now)

    def _by_jid(self, jid: str) -> list[Attempt]:
        return self._ledger.attempts_by_jid(jid)

    def _look_up(self, attempt: Attempt, now: float) -> None:
        """
        Bring an attempt up to what the job cache knows: events may be forged by a minion, the cache may not.

        Raises JobCacheError.
        """
        if not self._jobs.cached:
            self._believe(attempt, now)
            return
        minions = self._jobs.minions(attempt.jid)
        if minions is None:
            return
        self._unproved.pop((attempt.jid, ""), None)
        returns = self._jobs.returns(attempt.jid)
        if minions and not any(map(self._attempts.is_minion, minions)):
            # The cache files an orchestration under the master's own id, when it is over.
            for returned in returns.values():
                told = returned.get("return") if isinstance(returned, Mapping) else None
                self._end_orchestration(attempt, told, now)
            return
        self._outcomes.started(attempt, minions, now)
        self._end(attempt, returns, now)

    def _believe(self, attempt: Attempt, now: float) -> None:
        """
        Take the events for what happened: without a job cache they are all there is.
        """
        heard = {
            minion: data
            for (jid, minion), (_, data) in self._unproved.items()
            if jid == attempt.jid
        }
        if heard:
            self._unproved.pop((attempt.jid, ""), None)
            self._outcomes.started(attempt, self._minions(attempt), now)
            self._end(attempt, {minion: data for minion, data in heard.items() if minion}, now)

    def _end(self, attempt: Attempt, returns: Mapping[str, Any], now: float) -> None:
        for minion, returned in returns.items():
            self._unproved.pop((attempt.jid, minion), None)
            result = judge(returned, attempt.attempt_id)
            if result.state == ActionState.WAITING:
                continue  # It runs later, under the same id; `outcome_timeout` bounds the wait.
            ended = None if result.ago is None else now - result.ago
            before = None if ended is None else Memory(ended, ended, result.state)
            self._outcomes.end_action(attempt, minion, result.state, result.comment, now, before)
            if result.ok:
                self._good[attempt.jid, minion] = (now + DOUBT_S, attempt)

    def _compare(self, now: float) -> None:
        """
        Have a person called where one return was good and counted, and another told of a failure.

        Salt lets an accepted minion file a return in the name of another, and keeps the first that comes.
        """
        for key in self._good.keys() & self._bad.keys():
            _, attempt = self._good.pop(key)
            self._outcomes.doubt(attempt, key[1], now)
        self._good = {key: kept for key, kept in self._good.items() if kept[0] > now}
        self._bad = {key: until for key, until in self._bad.items() if until > now}

    def _minions(self, attempt: Attempt) -> list[str]:
        return [action.minion for action in self._ledger.actions(attempt.attempt_id)]

    def _runner_job(self, jid: str, what: str, data: Mapping[str, Any], now: float) -> None:
        """
        Take the events of an orchestration; how it ended is believed only where no job cache can tell.
        """
        for attempt in self._by_jid(jid):
            self._outcomes.started(attempt, self._minions(attempt), now)
            if what != "ret":
                continue
            if self._jobs.cached:
                self._unproved[jid, RUNNER] = (now + PROOF_S, data)
            else:
                self._end_orchestration(attempt, data, now)

    def _end_orchestration(self, attempt: Attempt, returned: Any, now: float) -> None:
        """
        End an attempt on all its minions: an orchestration has one return for all of them.
        """
        self._unproved.pop((attempt.jid, RUNNER), None)
        for minion in self._minions(attempt):
            result = judge_orchestration(returned, minion)
            self._outcomes.end_action(attempt, minion, result.state, result.comment, now)

    def _drop_unproved(self, now: float) -> None:
        known = {jid: self._by_jid(jid) for jid in {jid for jid, _ in self._unproved}}
        for (jid, minion), (until, _) in list(self._unproved.items()):
            attempts = known[jid]
            if not attempts:
                del self._unproved[jid, minion]
            elif now > until and any(one.attempt_id in self.unread for one in attempts):
                del self._unproved[jid, minion]  # Whether it is there is not known.
            elif now > until:
                del self._unproved[jid, minion]
                if minion:
                    self._forged.say(
                        "a return of %.100r for job %s is on the bus but not in the job cache; it is ignored, since "
                        "any minion can fire such an event",
                        minion,
                        jid,
                    )

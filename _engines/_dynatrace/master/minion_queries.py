"""
Asks minions by jobs of its own, in a thread of its own, since publishing may block.

The answers are taken from the job cache: no other minion can forge what stands there. What is asked, and what an answer
means, is up to ``master.ping`` and ``master.attempt_records``.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import JobCacheError
from ..core.heartbeat import IDLE_S, Heartbeat

log = logging.getLogger(__name__)

#: A minion that is there answers within this time.
ANSWER_S = 10.0
#: The same is published no more often than this: any minion can fire the event by which another has started.
LEAST_S = 5.0
_STEP_S = 0.2


@dataclass(eq=False)
class Query:
    """
    A function of Salt that minions are asked to run, with its arguments; the thread fills in what came of it.

    ``returns`` is None where the job cache cannot be read, ``ended`` when all answered, or none will any more.
    """

    call: tuple[str, ...]
    minions: frozenset[str]
    returns: Mapping[str, Any] | None = field(default_factory=dict)
    ended: float | None = None


@dataclass
class MinionQueries:
    """
    ``ask`` may be called from any thread, all else belongs to the one that runs it.

    ``publish`` gives minions a function and its arguments, and returns the job's id; it may raise anything that Salt
    raises. ``returns`` are those of a job by minion. ``on_end`` is called when a query ended.
    """

    instance: str
    publish: Callable[..., str]
    returns: Callable[[str], Mapping[str, Any]]
    on_end: Callable[[], None]
    clock: Callable[[], float] = time.time
    heartbeat: Heartbeat = field(default_factory=Heartbeat, init=False)

    def __post_init__(self) -> None:
        self._asked: queue.SimpleQueue[Query] = queue.SimpleQueue()
        self._waiting: dict[Query, None] = {}
        #: The job of a query that was published, and until when answers are waited for, by the monotonic clock.
        self._open: dict[Query, tuple[str, float]] = {}
        #: When a call was published last.
        self._published: dict[tuple[str, ...], float] = {}

    def ask(self, query: Query) -> None:
        """
        Have a query published, or once more.
        """
        self._asked.put(query)

    def run(self) -> None:
        while True:
            self.heartbeat.beat()
            busy = bool(self._waiting or self._open)
            with contextlib.suppress(queue.Empty):
                self._waiting[self._asked.get(timeout=_STEP_S if busy else IDLE_S)] = None
                time.sleep(_STEP_S)  # Those that are asked the same in one cycle share one job.
            self.step()

    def step(self) -> None:
        """
        Publish what waits for it, if that is not too soon, and take the answers that came.
        """
        while not self._asked.empty():
            self._waiting[self._asked.get_nowait()] = None
        now = self.clock()
        recent = {call: at for call, at in self._published.items() if 0 <= now - at < LEAST_S}
        calls = {query.call for query in self._waiting} - recent.keys()
        self._published = {**recent, **dict.fromkeys(calls, now)}
        for call in calls:
            self._publish_together([query for query in self._waiting if query.call == call])
        # A job that asks many is read once.
        read = functools.cache(self._read)
        for query, (jid, until) in list(self._open.items()):
            self._take(query, read(jid), until)

    def _publish_together(self, queries: list[Query]) -> None:
        minions = sorted({minion for query in queries for minion in query.minions})
        function, *arguments = queries[0].call
        jid = None
        try:
            jid = self.publish(minions, function, *arguments)
        except Exception as err:  # noqa: BLE001 - What Salt's client raises is its own.
            some = ", ".join(minions[:20])
            log.warning("%s: %s of %s could not be asked: %s", self.instance, function, some, err)
        for query in queries:
            del self._waiting[query]
            if jid is None:
                self._end(query)
            else:
                query.ended = None
                self._open[query] = (jid, time.monotonic() + ANSWER_S)

    def _read(self, jid: str) -> Mapping[str, Any] | None:
        try:
            return self.returns(jid)
        except JobCacheError:
            return None

    def _take(self, query: Query, returns: Mapping[str, Any] | None, until: float) -> None:
        # What others answered to the same job says nothing of those that this query asks.
        own = returns and {name: returns[name] for name in query.minions & returns.keys()}
        query.returns = own
        answered = own is not None and query.minions <= own.keys()
        if answered or time.monotonic() > until:
            del self._open[query]
            self._end(query)

    def _end(self, query: Query) -> None:
        query.ended = self.clock()
        self.on_end()

"""
Asks minions whether they are there: only those whose last job never returned, before they are given another.

A job that is published while a minion is not connected is lost, since Salt's publisher keeps nothing for it. An order
would then only wait for its timeout, keep others from being healed, and spend an attempt. The question is one
``test.ping`` for all that are asked at the same time; the answer is taken from the job cache, which no other minion can
forge. It is asked by a thread of its own, since publishing may block.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import JobCacheError

log = logging.getLogger(__name__)

#: A minion that is there answers within this time.
ANSWER_S = 10.0
#: One that did not answer is asked again after this time.
AGAIN_S = 60.0
#: Any minion can fire the event by which another is said to have started: nobody is asked more often than this.
LEAST_S = 5.0
_STEP_S = 0.2


class Presence(threading.Thread):
    """
    What is known of minions that did not return. ``is_there`` and ``news`` belong to the loop, ``heard`` to any thread.

    ``ping`` publishes a ``test.ping`` to minions and returns its job id, ``returns`` the returns of a job by minion;
    both may raise anything that Salt raises. ``on_answer`` is called when a minion answered.
    """

    def __init__(
        self,
        name: str,
        ping: Callable[[list[str]], str],
        returns: Callable[[str], Mapping[str, Any]],
        on_answer: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name=f"{name}-presence", daemon=True)
        self._prefix = name
        self._ping = ping
        self._returns = returns
        self._clock = clock
        #: By minion: when it was asked, and after which loss; and the loss after which it answered. Losses are told
        #: apart by their times, and never compared with a clock, which may have been set.
        self._asked: dict[str, tuple[float, float]] = {}
        self._answered: dict[str, float] = {}
        self._wanted: set[str] = set()
        #: By job id: until when answers are waited for, by the monotonic clock, and whose.
        self._open: dict[str, tuple[float, set[str]]] = {}
        self._published = 0.0
        self._questions: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._news = threading.Event()
        self._on_answer = on_answer

    def is_there(self, minion: str, lost_at: float, now: float) -> bool:
        """
        Tell whether a minion answered since its job was lost; if that is not known it is asked, and is not there yet.
        """
        if self._answered.get(minion) == lost_at:
            self._asked.pop(minion, None)
            return True
        asked, after = self._asked.get(minion, (0.0, 0.0))
        # A clock that was set back must not silence the question.
        if after != lost_at or not 0 <= now - asked < AGAIN_S:
            self._ask(minion, now, lost_at)
        return False

    def heard(self, minion: str) -> None:
        """
        Note that a minion seems to have started: if it is waited for, it is asked as soon as may be.
        """
        if minion in self._asked:
            self._questions.put(minion)

    def news(self) -> bool:
        """
        Tell whether anybody answered since this was asked last.
        """
        told = self._news.is_set()
        self._news.clear()
        return told

    def _ask(self, minion: str, now: float, lost_at: float) -> None:
        self._asked[minion] = now, lost_at
        self._questions.put(minion)

    def run(self) -> None:
        """
        Ask for ever; the thread ends with the process.
        """
        while True:
            busy = bool(self._wanted or self._open)
            try:
                self._wanted.add(self._questions.get(timeout=_STEP_S if busy else None))
                time.sleep(_STEP_S)  # Those that are asked in the same cycle share one job.
            except queue.Empty:
                pass
            self.ask_all()

    def ask_all(self) -> None:
        """
        Ask all that wait to be asked, if that is not too soon, and take the answers that came.
        """
        while not self._questions.empty():
            self._wanted.add(self._questions.get_nowait())
        try:
            if self._wanted and not 0 <= self._clock() - self._published < LEAST_S:
                self._publish()
            for jid, wanted in list(self._open.items()):
                self._take(jid, wanted)
        except Exception as err:  # noqa: BLE001 - What Salt's client raises is its own.
            log.warning("%s: minions that did not return could not be asked: %s", self._prefix, err)

    def _publish(self) -> None:
        wanted, self._wanted = self._wanted, set()
        self._published = self._clock()
        jid = self._ping(sorted(wanted))
        self._open[jid] = (time.monotonic() + ANSWER_S, wanted)

    def _take(self, jid: str, question: tuple[float, set[str]]) -> None:
        """
        Note who answered; a question is open until all did, or for a while.
        """
        until, wanted = question
        try:
            told = set(self._returns(jid))
        except JobCacheError:
            told = set()
        for minion in wanted & told:
            wanted.discard(minion)
            if minion in self._asked:
                self._answered[minion] = self._asked[minion][1]
            self._news.set()
            self._on_answer()
        if not wanted or time.monotonic() > until:
            self._open.pop(jid)
            if wanted:
                log.debug("%s: no answer from %s", self._prefix, sorted(wanted)[:20])

"""
Asks minions what they remember of an attempt whose job did not return, before it is given up as lost.

A minion with two masters runs a job id once and returns to the master that it had the job from: the other one never
hears of it. A return is also lost with a master that went down. The minion's own record of the attempt tells then
whether and how it ended. The question is one ``dynatrace.attempt`` an attempt; the answer is taken from the job
cache, as that of a remedy is. It is asked by a thread of its own, since publishing may block.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ..core.errors import JobCacheError
from ..core.states import SERVING
from ..store.ledger import Attempt, Memory
from .jobs import ENDS, Jobs

log = logging.getLogger(__name__)

#: A minion that is there answers within this time.
ANSWER_S = 10.0
#: Publishing may block: who has no answer by then has none.
GIVE_UP_S = 30.0
_STEP_S = 0.2


class Recall(threading.Thread):
    """
    What minions remember of attempts. ``of`` belongs to the loop.

    ``ask`` publishes the question about an attempt id to minions and returns its job id; it may raise anything that
    Salt raises. ``on_answer`` is called when a question is settled.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[str, list[str]], str],
        jobs: Jobs,
        on_answer: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name=f"{name}-recall", daemon=True)
        self._prefix = name
        self._ask = ask
        self._jobs = jobs
        self._clock = clock
        self._questions: queue.SimpleQueue[tuple[str, list[str]]] = queue.SimpleQueue()
        #: By attempt id: until when an answer is waited for, by the monotonic clock. The loop's own.
        self._waiting: dict[str, float] = {}
        #: By attempt id: the question's job id, until when, and whose answers are wanted. The thread's own.
        self._open: dict[str, tuple[str, float, set[str]]] = {}
        self._answers: dict[str, dict[str, Memory] | None] = {}
        self._on_answer = on_answer

    def of(self, attempt: Attempt, minions: set[str]) -> Mapping[str, Memory] | None:
        """
        Return the ends that minions remember of an attempt; None: they were asked and may answer yet.

        Only those that its job went to are asked: an orchestration's end is more than what a minion knows. What cannot
        be read of their answers is asked for again. Raises JobCacheError.
        """
        own = attempt.attempt_id
        until = self._waiting.get(own)
        if until is None:
            asked = sorted(minions & set(self._jobs.minions(attempt.jid) or ()))
            if not asked:
                return {}
            self._waiting[own] = time.monotonic() + GIVE_UP_S
            self._questions.put((own, asked))
            return None
        if own not in self._answers and time.monotonic() < until:
            return None
        del self._waiting[own]
        return self._answers.pop(own, {})

    def run(self) -> None:
        """
        Ask for ever; the thread ends with the process.
        """
        while True:
            with contextlib.suppress(queue.Empty):
                self._publish(*self._questions.get(timeout=_STEP_S if self._open else None))
            self.ask_all()

    def ask_all(self) -> None:
        """
        Ask what waits to be asked, and take the answers that came.
        """
        while not self._questions.empty():
            self._publish(*self._questions.get_nowait())
        for own in list(self._open):
            self._take(own)

    def _publish(self, own: str, minions: list[str]) -> None:
        try:
            jid = self._ask(own, minions)
        except Exception as err:  # noqa: BLE001 - What Salt's client raises is its own.
            log.warning(
                "%s: what %s remembers of an attempt could not be asked: %s",
                self._prefix,
                ", ".join(minions[:20]),
                err,
            )
            self._settle(own, {})
        else:
            self._open[own] = (jid, time.monotonic() + ANSWER_S, set(minions))

    def _take(self, own: str) -> None:
        """
        Settle a question when all answered, or for a while not all did.
        """
        jid, until, wanted = self._open[own]
        try:
            told = self._jobs.returns(jid)
        except JobCacheError:
            if time.monotonic() > until:
                self._open.pop(own)
                self._settle(own, None)
            return
        if wanted <= set(told) or time.monotonic() > until:
            now = self._clock()
            found = {minion: memory(told.get(minion), own, now) for minion in wanted}
            self._open.pop(own)
            self._settle(own, {name: known for name, known in found.items() if known is not None})

    def _settle(self, own: str, found: dict[str, Memory] | None) -> None:
        self._answers[own] = found
        self._on_answer()


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

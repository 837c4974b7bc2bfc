"""
One cycle, and the loop around it: fetch, resolve, decide, record, and let the relay fire.

A cycle takes no input: whatever woke it (the period, a notification, a job's return), it reads the world again. It
returns one sentence, which is the log line. Nothing in it waits for the event bus, and no failure of the API ends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.errors import (
    ApiError,
    AuthError,
    LedgerDamaged,
    LedgerError,
    RateLimited,
    UnexpectedResponse,
)
from ..core.heartbeat import Heartbeat
from ..core.log_once import LogOnce
from ..master.outbox_relay import OutboxRelay
from ..remediation.dispatch import Dispatch
from ..remediation.episodes import Episodes
from ..remediation.feedback import Feedback
from ..remediation.job_tracker import JobTracker
from ..remediation.notified import note_notified
from ..remediation.problem_reader import ProblemReader, Seen
from ..remediation.scheduler import Scheduler
from ..store.ledger import Ledger
from .clock import LEAST_S, Jumps
from .commands import Commands
from .health import Status

log = logging.getLogger(__name__)

#: Waiting does not cure a wrong token; the next try comes after minutes unless an admin restarts the engine.
AUTH_WAIT_S = 60.0
LEDGER_WAIT_S = 5.0
IDLE_S = 10.0
#: A cycle is followed by a rest of its own length, at most of this: what comes in a crowd is taken together, since a cycle for
#: each costs more than what it does, and who comes alone waits for nothing.
REST_S = 0.005
PROOF_STEP_S = 0.05
#: In this time a few orders are fired.
BUS_STEP_S = 0.05
#: Of a crowded cycle's line in the log.
TOLD = 20
EXPIRE_S = 60.0
EXPIRE_AGAIN_S = 1.0


@dataclass
class Reconciler:
    """
    Runs cycles for ever in a thread of its own; whoever sets ``trigger`` has one run at once, or one more after the
    one that is running. ``steady`` is a clock that nobody sets.
    """

    instance: str
    trigger: threading.Event
    ledger: Ledger
    problem_reader: ProblemReader
    episodes: Episodes
    scheduler: Scheduler
    dispatch: Dispatch
    job_tracker: JobTracker
    relay: OutboxRelay
    feedback: Feedback | None
    status: Status
    commands: Commands
    clock: Callable[[], float]
    steady: Callable[[], float]
    #: Is told how many seconds a cycle took.
    observe: Callable[[float], None] = lambda _: None
    heartbeat: Heartbeat = field(default_factory=Heartbeat, init=False)

    def __post_init__(self) -> None:
        self._jumps: Jumps | None = None
        self._interval = self.status.poll_interval
        self._next_poll = 0.0
        self._next_expiry = 0.0
        self._failing_since: float | None = None
        # While a full disk still lets itself be read, a cycle without a poll works well, having nothing to write.
        meanwhile, again = "nothing is done until the ledger works", "the ledger works again"
        quiet_s = self._interval + LEDGER_WAIT_S
        self._outage = LogOnce(log, self.instance, meanwhile, again, quiet_s, self.clock)

    def run(self) -> None:
        """
        Run cycles until the process ends; whatever fails, the loop goes on.

        Returns only when the ledger is damaged: it must be opened anew by another process, which Salt starts.
        """
        while True:
            # Cleared before the reading, so that what comes during a cycle causes another.
            self.trigger.clear()
            begun = time.monotonic()
            try:
                wait = self.step()
            except LedgerDamaged as err:
                said = "%s: the ledger is damaged; the engine starts anew: %s"
                log.error(said, self.instance, err)
                return
            ended = time.monotonic()
            rest = ended + min(ended - begun, REST_S)
            self.trigger.wait(wait)
            time.sleep(max(rest - time.monotonic(), 0.0))

    def step(self) -> float:
        """
        Run one cycle, whatever fails in it; return the seconds to wait. Raises LedgerDamaged only.
        """
        self.heartbeat.beat()
        begun = time.monotonic()
        try:
            sentence, busy = self.cycle(self.clock())
            self.observe(time.monotonic() - begun)
            log.log(logging.INFO if busy else logging.DEBUG, "%s: %s", self.instance, sentence)
            wait = self._wait(self.clock())
        except LedgerDamaged:
            raise
        except LedgerError as err:
            self._outage.fails(err)
            return LEDGER_WAIT_S
        except Exception:
            again = "%s: a cycle failed; the next one starts in %s s"
            log.exception(again, self.instance, LEDGER_WAIT_S)
            return LEDGER_WAIT_S
        self._outage.works()
        return wait

    def cycle(self, now: float) -> tuple[str, bool]:
        """
        Do all that is to be done now; return what was done in one sentence, and whether it was anything.
        """
        self._check_clock(now)
        said = self.commands.carry_out(now)
        self.job_tracker.take_in(now)
        seen = self._look(now)
        said += self._observe(seen, now)
        self._note(seen, now)
        self.relay.watch()
        unread = self.job_tracker.unread
        said += self.dispatch.expire(now, bus_works=not self.relay.broken, unread=unread)
        # By then the cycle's time may be old: an order is fresh from when it is made.
        said += self.scheduler.decide(self.clock(), seen.named)
        self._hand_over(now)
        if now >= self._next_expiry:
            more = self.ledger.expire(now)
            self._next_expiry = now + (EXPIRE_AGAIN_S if more else EXPIRE_S)
        if said:
            others = [f"and {len(said) - TOLD} more"] if len(said) > TOLD else []
            return "; ".join(said[:TOLD] + others), True
        count = self.status.open_problems
        return f"nothing to do, {count if count is not None else 'no'} open problems known", False

    def _check_clock(self, now: float) -> None:
        """
        Move the ledger's times when the clock was set, so that no cooldown ends early or never, and no job is lost.

        What was done to it while the engine was down shows only where it was set back: then the future is known.
        """
        if self._jumps is None:
            self._jumps = Jumps(self.steady)
            by = min(now - self.ledger.latest_time() + LEAST_S, 0.0)
        else:
            by = 0.0
        by += self._jumps.since_last(now)
        if not by:
            return
        self.ledger.shift(by)
        self._next_poll = self._next_expiry = 0.0
        self.job_tracker.clock_set(now)
        self.status.shift(by)
        self.problem_reader.shift(by)
        log.warning(
            "%s: the clock was set by %+.0f s; what waits, waits as long as it would have, and open problems are "
            "read again",
            self.instance,
            by,
        )

    def _look(self, now: float) -> Seen:
        poll = bool(self._interval) and now >= self._next_poll
        seen = self.problem_reader.look(now, poll)
        self._next_poll = now + self._interval if poll else self._next_poll
        return seen

    def _note(self, seen: Seen, now: float) -> None:
        """
        Log it when the API begins to fail, and when it works again.
        """
        status = self.status
        status.failing = self.problem_reader.failing
        if seen.listed:
            status.last_poll, status.open_problems = now, seen.open_count
        if isinstance(seen.poll_error, RateLimited):
            self._next_poll = max(self._next_poll, now + seen.poll_error.retry_after)
        elif isinstance(seen.poll_error, AuthError):
            self._next_poll = max(self._next_poll, now + AUTH_WAIT_S)
        # Who polls knows by that whether the API works; what is notified may be anything.
        error = self.problem_reader.trouble if self._interval else seen.error
        if error is None:
            works = status.last_poll is not None if self._interval else bool(seen.problems)
            if self._failing_since is not None and works:
                took = now - self._failing_since
                log.info("%s: Dynatrace answers again after %.0f s", self.instance, took)
                self._failing_since, status.api_error = None, None
            return
        kind = type(error).__name__
        if status.api_error != kind:
            level = logging.ERROR if isinstance(error, AuthError) else logging.WARNING
            text = "%s: problems cannot be read; later failures of this kind are not logged: %s"
            log.log(level, text, self.instance, error)
        if self._failing_since is None:
            self._failing_since = now
        status.api_error = kind

    def _observe(self, seen: Seen, now: float) -> list[str]:
        settings = self.ledger.settings
        # What could not be read at the first look may be old all the same; what begins later is not.
        if seen.listed and settings.get("first_listed") is None:
            settings.put("first_listed", str(now))
        said, broken = self.episodes.observe_all(seen.problems, now, seen.read_at)
        note_notified(self.ledger, seen.notified)
        failed: dict[str, ApiError] = {}
        for key, err in broken.items():
            # Its entities could not be read: nothing is concluded. What is no error of the API is a fault of the engine.
            failed[key] = err if isinstance(err, ApiError) else UnexpectedResponse(repr(err))
            seen.error = seen.error or failed[key]
            if failed[key] is not err:
                log.error("%s: %s breaks the engine", self.instance, key, exc_info=err)
        self.problem_reader.settle(seen, failed, now)
        # Who never polls learns of nothing old: what is notified is new.
        caught_up = self.problem_reader.caught_up if self._interval else seen.error is None
        if caught_up and settings.get("first_poll") is None:
            settings.put("first_poll", str(now))
        return said

    def _hand_over(self, now: float) -> None:
        self.job_tracker.watch(now)
        self.relay.wake()
        if self.feedback is not None:
            self.feedback.wake()

    def _wait(self, now: float) -> float:
        """
        Return the seconds until something is due.
        """
        crowded = self.scheduler.crowded or self.dispatch.crowded
        decided = now + BUS_STEP_S if crowded else self.ledger.episodes.next_due()
        times = [now + IDLE_S, self.problem_reader.next_due(now), decided]
        if self._interval:
            times.append(self._next_poll)
        if self.job_tracker.waiting:
            times.append(now + PROOF_STEP_S)
        return max(min(at for at in times if at is not None) - now, 0.01)

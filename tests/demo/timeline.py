"""
The steps from the failure to the closed problem, printed as they happen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.harness import Event, Listener, apache
from tests.tenant import Entry, Tenant

LOOK_S = 0.02
#: What happened on another thread a moment before must be printed before what came after it.
HOLD_S = 0.15


@dataclass(frozen=True)
class Moment:
    """
    One step that happened; `at` is `time.time()`.
    """

    at: float
    step: str
    detail: str


class Probe:
    """
    Asks apache2 all the time and keeps when it went and when it came back.
    """

    def __init__(self, interval: float = 0.01) -> None:
        self.down_at: float | None = None
        self.up_at: float | None = None
        self._interval = interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def start(self) -> None:
        """
        Begin to ask.
        """
        self._thread.start()

    def stop(self) -> None:
        """
        Ask no more.
        """
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(self._interval) and self.up_at is None:
            asked = time.time()
            answered = apache.answers()
            if not answered and self.down_at is None:
                self.down_at = asked
            elif answered and self.down_at is not None:
                self.up_at = time.time()


class Timeline:
    """
    Puts together what the probe, the tenant and the event bus know since `since`.
    """

    def __init__(
        self, probe: Probe, tenant: Tenant, events: Listener, minion: str, webhook: bool
    ) -> None:
        self.since = time.time()
        self.moments: list[Moment] = []
        self._probe = probe
        self._tenant = tenant
        self._events = events
        self._minion = minion
        between = ["notification accepted"] if webhook else []
        self.steps = [
            "stopped",
            "noticed",
            "problem opened",
            *between,
            "event fired",
            "job started",
            "serving again",
            "proved",
            "commented",
            "problem closed",
        ]

    @property
    def missing(self) -> list[str]:
        """
        The steps that have not happened yet, in their usual order.
        """
        happened = {moment.step for moment in self.moments}
        return [step for step in self.steps if step not in happened]

    @property
    def outage(self) -> float:
        """
        Seconds from the first request without an answer to the first with one.
        """
        return (self._probe.up_at or 0.0) - (self._probe.down_at or 0.0)

    @property
    def problem(self) -> str:
        """
        The display id of the problem, once it is closed.
        """
        closed = (moment for moment in self.moments if moment.step == "problem closed")
        return next(closed).detail

    def follow(
        self,
        timeout: float,
        tell: Callable[[Moment, float], None],
        hopeless: Callable[[], bool] = lambda: False,
    ) -> bool:
        """
        Tell each step as it happens, with its seconds since the stop; whether all came in time.
        """
        deadline = time.monotonic() + timeout
        while self.missing and time.monotonic() < deadline and not hopeless():
            self._look(time.time() - HOLD_S, tell)
            time.sleep(LOOK_S)
        self._look(time.time(), tell)
        return not self.missing

    def failures(self) -> list[str]:
        """
        Return what the engine said that went wrong, if it did.
        """
        told = []
        for what in ("failed", "escalated"):
            for event in self._events.events(f"dynatrace/problem/{what}/*", self.since):
                comments = [str(one.get("comment")) for one in event.data.get("outcome") or []]
                reason = event.data.get("reason") or ""
                told.append(" ".join([f"{what}:", str(reason), *comments]).strip())
        return told

    def _look(self, until: float, tell: Callable[[Moment, float], None]) -> None:
        wanted = self.missing
        found = {moment.step: moment for moment in reversed(list(self._found()))}
        ready = [found[step] for step in wanted if step in found and found[step].at <= until]
        for moment in sorted(ready, key=lambda moment: moment.at):
            self.moments.append(moment)
            tell(moment, moment.at - (self._probe.down_at or self.since))

    def _found(self) -> Iterator[Moment]:
        """
        Give every step that can be seen now; the first of each counts.
        """
        if self._probe.down_at:
            yield Moment(self._probe.down_at, "stopped", f"{apache.URL} does not answer any more")
        if self._probe.up_at:
            yield Moment(self._probe.up_at, "serving again", f"{apache.URL} answers")
        for entry in self._tenant.log.entries():
            if entry.at >= self.since and (moment := _from_tenant(entry)):
                yield moment
        yield from self._from_bus()

    def _from_bus(self) -> Iterator[Moment]:
        fired = self._events.events("dynatrace/problem/open/*", self.since)
        for event in fired[:1]:
            yield Moment(event.at, "event fired", event.tag)
            jid = event.data["jid"]
            for started in self._events.events(f"salt/job/{jid}/new", self.since):
                detail = (
                    f"{_mods(started)} on {', '.join(started.data.get('minions', []))}, job {jid}"
                )
                yield Moment(started.at, "job started", detail)
            for returned in self._events.events(f"salt/job/{jid}/ret/{self._minion}", self.since):
                if returned.data.get("success") and returned.data.get("retcode") == 0:
                    yield Moment(
                        returned.at, "proved", f"the state itself got an answer from {apache.NAME}"
                    )
                    yield from self._comments(returned.at)

    def _comments(self, since: float) -> Iterator[Moment]:
        for entry in self._tenant.log.entries():
            if entry.what == "comment added" and entry.at >= since:
                yield Moment(entry.at, "commented", str(entry.detail["message"]).splitlines()[0])


def _from_tenant(entry: Entry) -> Moment | None:
    detail = entry.detail
    if entry.what == "probe failed":
        return Moment(entry.at, "noticed", "the tenant's monitor got no answer")
    if entry.what == "problem opened":
        return Moment(entry.at, "problem opened", str(detail["problem"]))
    if entry.what == "problem closed":
        return Moment(entry.at, "problem closed", str(detail["problem"]))
    if entry.what == "notification sent" and detail["state"] == "OPEN":
        return Moment(entry.at, "notification accepted", f"the engine answered {detail['status']}")
    if entry.what == "workflow succeeded":
        return Moment(entry.at, "notification accepted", "the workflow called the engine")
    return None


def _mods(started: Event) -> str:
    """
    Return the name of the state that a job applies.
    """
    for argument in started.data.get("arg") or []:
        if isinstance(argument, dict) and "mods" in argument:
            return str(argument["mods"])
    return str(started.data.get("fun"))

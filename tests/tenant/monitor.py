"""
The monitor: it really asks a web server over HTTP, and raises and closes the problem.

Dynatrace watches processes from inside the host; asking from outside is this tenant's own way to
the same problem, with the delays as parameters. Synthetic throughout.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tests.tenant.alerting import HIDES
from tests.tenant.outgoing import Outcome, call
from tests.tenant.problem import Problem

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant


class Monitor:
    """
    Watches one process; `problem` is the one that it has raised and not closed yet.
    """

    def __init__(
        self,
        tenant: Tenant,
        process: str,
        url: str,
        *,
        interval: float = 0.2,
        open_after: float = 1.0,
        close_after: float = 1.0,
        timeout: float = 2.0,
        reopen_within: float = 0.0,
        worst_status: int = 499,
    ) -> None:
        self.process = process
        self.url = url
        self.interval = interval
        self.open_after = open_after
        self.close_after = close_after
        self.timeout = timeout
        self.reopen_within = reopen_within
        self.worst_status = worst_status
        self.problem: Problem | None = None
        self.answering: bool | None = None
        self._tenant = tenant
        self._latest: Problem | None = None
        self._held_back = ""
        self._since = (time.time(), time.monotonic())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """
        Stop asking; a problem that is open stays open.
        """
        self._stopped.set()
        self._thread.join(self.timeout + self.interval + 1)

    def _run(self) -> None:
        while not self._stopped.is_set():
            asked = (time.time(), time.monotonic())
            outcome = call("GET", self.url, timeout=self.timeout)
            self._note(asked, outcome)
            self._decide()
            self._stopped.wait(max(self.interval - (time.monotonic() - asked[1]), 0.0))

    def _note(self, asked: tuple[float, float], outcome: Outcome) -> None:
        answering = 0 < outcome.status <= self.worst_status
        if answering == self.answering:
            return
        first, self.answering, self._since = self.answering is None, answering, asked
        if first and answering:
            what = "monitor started"
        else:
            what = "probe answered" if answering else "probe failed"
        detail = {"status": outcome.status, "error": outcome.error}
        self._tenant.log.add(what, process=self.process, url=self.url, **detail)

    def _decide(self) -> None:
        lasted = time.monotonic() - self._since[1]
        if self.answering:
            if self.problem and lasted >= self.close_after:
                self._tenant.close_problem(self.problem)
                self.problem = None
        elif lasted >= self.open_after and self.problem is None:
            # Down again before the problem was closed is the same outage and raises nothing.
            self._raise()

    def _raise(self) -> None:
        if self._is_held_back():
            return
        latest = self._latest
        if latest and latest.end > (time.time() - self.reopen_within) * 1000:
            self._tenant.reopen_problem(latest)
        else:
            # A problem carries the start of the outage, which lies before its first appearance.
            self._latest = self._tenant.open_problem(self.process, start=self._since[0])
        self.problem = self._latest

    def _is_held_back(self) -> bool:
        reason = ""
        if not self._tenant.alerting_on(self.process):
            reason = "availability alerting is off"
        elif self._tenant.maintenance_of([self.process])[0] == HIDES:
            reason = "a maintenance window disables problem detection"
        if reason and reason != self._held_back:
            self._tenant.log.add("problem not raised", process=self.process, reason=reason)
        self._held_back = reason
        return bool(reason)

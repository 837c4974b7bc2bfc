"""
Says once that something fails, and once that it works again, however often it is tried in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from _dynatrace_errors import DynatraceError


class Outage:
    """
    One thing that may fail for a night, as one thread sees it; what it logs goes to that thread's own logger.

    ``meanwhile`` says what does not happen while it fails, ``again`` what does afterwards. What works now and then for
    want of work, as a ledger that is only read, has not recovered before it worked for ``quiet_s`` seconds.
    """

    def __init__(
        self,
        log: logging.Logger,
        name: str,
        meanwhile: str,
        again: str,
        quiet_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._name = name
        self._meanwhile = meanwhile
        self._again = again
        self._quiet_s = quiet_s
        self._clock = clock
        self._failed: float | None = None

    def fails(self, why: object) -> None:
        """
        Note a failure: an ERROR the first time, DEBUG from then on. What nobody foresaw is told with its traceback.
        """
        level = logging.ERROR if self._failed is None else logging.DEBUG
        self._failed = self._clock()
        unforeseen = isinstance(why, Exception) and not isinstance(why, DynatraceError)
        said = f"{type(why).__name__}: {why}" if unforeseen else why
        self._log.log(
            level, "%s: %s, said once: %s", self._name, self._meanwhile, said, exc_info=unforeseen
        )

    def works(self) -> None:
        """
        Note a success; costs nothing unless it failed before.
        """
        if self._failed is None:
            return
        # A clock that was set back must not make it wait for long.
        if not 0 <= self._clock() - self._failed < self._quiet_s:
            self._failed = None
            self._log.info("%s: %s", self._name, self._again)

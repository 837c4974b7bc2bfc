"""
Says once that something fails, and once that it works again, however often it is tried in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .errors import DynatraceError


class LogOnce:
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
        level: int = logging.ERROR,
    ) -> None:
        self._log = log
        self._name = name
        self._level = level
        self._meanwhile = meanwhile
        self._again = again
        self._quiet_s = quiet_s
        self._clock = clock
        self._failed: float | None = None

    def fails(self, why: object) -> None:
        """
        Note a failure: an ERROR (or ``level``) the first time, DEBUG from then on. What nobody foresaw is told with its
        traceback.
        """
        level = self._level if self._failed is None else logging.DEBUG
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


class Seldom:
    """
    Says what anybody can cause as often as they like: the first time, and then at most once in ``every_s``.
    """

    def __init__(
        self,
        log: logging.Logger,
        name: str,
        every_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._name = name
        self._every_s = every_s
        self._clock = clock
        self._said: float | None = None
        self._unsaid = 0

    def say(self, text: str, *values: object) -> None:
        """
        Warn, with how often it happened since the last warning; or count it.
        """
        now = self._clock()
        if self._said is not None and now - self._said < self._every_s:
            self._unsaid += 1
            return
        before = f" ({self._unsaid} more of this kind before)" if self._unsaid else ""
        self._said, self._unsaid = now, 0
        self._log.warning(f"%s: {text}%s", self._name, *values, before)

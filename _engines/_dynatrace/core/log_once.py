"""
Logs that something fails when it begins to, and when it works again, however often it is tried in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import DynatraceError


@dataclass
class LogOnce:
    """
    One thing that may fail for a night, as one thread sees it; what it logs goes to that thread's own logger.

    ``meanwhile`` says what does not happen while it fails, ``again`` what does afterwards. What works now and then for
    want of work, as a ledger that is only read, has not recovered before it worked for ``quiet_s`` seconds.
    """

    log: logging.Logger
    name: str
    meanwhile: str
    again: str
    quiet_s: float = 0.0
    clock: Callable[[], float] = time.monotonic
    level: int = logging.ERROR
    #: The name of the last error, as long as it fails.
    failing: str | None = field(default=None, init=False)
    _failed: float | None = field(default=None, init=False)

    def fails(self, why: object) -> None:
        """
        Note a failure: an ERROR (or ``level``) the first time, DEBUG from then on. What nobody foresaw is told with its
        traceback.
        """
        level = self.level if self._failed is None else logging.DEBUG
        self._failed, self.failing = self.clock(), type(why).__name__
        unforeseen = isinstance(why, Exception) and not isinstance(why, DynatraceError)
        said = f"{type(why).__name__}: {why}" if unforeseen else why
        self.log.log(
            level,
            "%s: %s; repeats are not logged: %s",
            self.name,
            self.meanwhile,
            said,
            exc_info=unforeseen,
        )

    def works(self) -> None:
        if self._failed is None:
            return
        # A clock that was set back must not make it wait for long.
        if not 0 <= self.clock() - self._failed < self.quiet_s:
            self._failed = self.failing = None
            self.log.info("%s: %s", self.name, self.again)


@dataclass
class Seldom:
    """
    Says what anybody can cause as often as they like: the first time, and then at most once in ``every_s``.
    """

    log: logging.Logger
    name: str
    every_s: float = 3600.0
    clock: Callable[[], float] = time.monotonic
    _said: float | None = field(default=None, init=False)
    _unsaid: int = field(default=0, init=False)

    def say(self, text: str, *values: object) -> None:
        """
        Warn, with how often it happened since the last warning; or count it.
        """
        now = self.clock()
        if self._said is not None and now - self._said < self.every_s:
            self._unsaid += 1
            return
        before = f" ({self._unsaid} more of this kind before)" if self._unsaid else ""
        self._said, self._unsaid = now, 0
        self.log.warning(f"%s: {text}%s", self.name, *values, before)

"""
Notices that the machine's clock was set, which cooldowns, timeouts and windows go by.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: What is less is a correction that nothing here is exact enough to mind.
LEAST_S = 5.0


def steady() -> float:
    """
    Return seconds of a clock that nobody sets, and that goes on while the machine sleeps, where there is one.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Jumps:
    """
    Compares the clock with a steady one.
    """

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._offset: float | None = None

    def since_last(self, now: float) -> float:
        """
        Return by how many seconds the clock was set since this was asked last; 0.0 for nothing worth minding.
        """
        offset, before = now - self._steady(), self._offset
        # Kept when it is minded only, so that many small steps add up to one.
        if before is None or abs(offset - before) >= LEAST_S:
            self._offset = offset
            return 0.0 if before is None else offset - before
        return 0.0

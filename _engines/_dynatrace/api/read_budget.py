"""
How long one part of a cycle may read from the tenant, all requests together.

Each request has its own deadline, but a tenant that takes half a minute for each would keep the loop from everything
else for hours when a thousand problems are open. The next cycle begins with what was not read in time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import Unavailable

LOOK_S = 60.0


@dataclass(eq=False)
class ReadBudget:
    """
    The time that is left; without a limit until it is given for the first time. Used by all threads that read.
    """

    clock: Callable[[], float] = time.monotonic
    _seconds = LOOK_S
    _until = math.inf

    def begin(self, seconds: float = LOOK_S) -> None:
        self._seconds = seconds
        self._until = self.clock() + seconds

    def check(self) -> None:
        if self.clock() > self._until:
            raise Unavailable(
                f"the tenant answers so slowly that not all was read in {self._seconds:g} s; the rest follows"
            )

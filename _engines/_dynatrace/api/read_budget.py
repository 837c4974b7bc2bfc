"""
How long one part of a cycle may read from the tenant, all requests together.

Each request has a deadline of its own, but a tenant that answers each in half a minute would keep the loop from
everything else for hours when a thousand problems are open. What is not read in time is read in the next cycle, which
begins with what is still to be read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..core.errors import Unavailable

LOOK_S = 60.0


class ReadBudget:
    """
    The time that is left; without a limit until it is given for the first time. Used by all threads that read.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = LOOK_S
        self._until = math.inf

    def begin(self, seconds: float = LOOK_S) -> None:
        """
        Begin another part of a cycle.
        """
        self._seconds = seconds
        self._until = self._clock() + seconds

    def check(self) -> None:
        """
        Raise Unavailable when the time is over; called before each request.
        """
        if self._clock() > self._until:
            raise Unavailable(
                f"the tenant answers so slowly that not all was read in {self._seconds:g} s; the rest "
                "follows"
            )

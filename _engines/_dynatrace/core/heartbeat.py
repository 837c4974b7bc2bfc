"""
When a loop last took a turn, by which one that hangs is seen.
"""

from __future__ import annotations

import time

#: A loop without work takes a turn at least this often, in seconds.
IDLE_S = 30.0


class Heartbeat:
    """
    The time of a loop's last turn; written by the loop's own thread, read by any.
    """

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        self._at = time.monotonic()

    def age(self) -> float:
        """
        Return the seconds since the last turn.
        """
        return time.monotonic() - self._at

"""
How long to wait before something that failed is tried again.
"""

from __future__ import annotations

from itertools import islice


def backoff(first_s: float, tries: int, cap_s: float) -> float:
    """
    Return ``first_s`` seconds, doubled with each try before, and no more than ``cap_s``.
    """
    # However many tries there were: the power alone would be too large for a float after days of them.
    return min(first_s * 2.0 ** min(tries, 30), cap_s)


class Retries:
    """
    When what failed is tried again, by its key: ``first_s`` seconds later at first, and ``cap_s`` at most.

    What is not tried again is forgotten some time after it was due.
    """

    FORGET_S = 600.0

    def __init__(self, first_s: float, cap_s: float) -> None:
        self._first_s, self._cap_s = first_s, cap_s
        #: By key, the oldest failure first: how often in a row it failed, and when it is tried again.
        self._known: dict[str, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def after(self, key: str, now: float) -> float:
        """
        Note that something failed, and return when it is tried again, in epoch seconds.
        """
        tries, _ = self._known.pop(key, (0, 0.0))
        again = now + backoff(self._first_s, tries, self._cap_s)
        for other, (_, due) in list(islice(self._known.items(), 2)):
            if abs(now - due) > self.FORGET_S:
                del self._known[other]
        self._known[key] = tries + 1, again
        return again

    def over(self, key: str) -> None:
        """
        Note that something works.
        """
        self._known.pop(key, None)

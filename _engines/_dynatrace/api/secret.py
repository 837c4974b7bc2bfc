"""
A secret of the configuration, read again from where it is kept: a token that was replaced there is used without a restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..config import validator

#: The source is read so often at most, whoever asks, and after a refusal sooner.
EVERY_S = 60.0
AFTER_REFUSAL_S = 10.0
#: A source that does not answer delays nobody for longer.
_WAIT_S = 5.0

#: Reads the value; what it raises is its own.
Source = Callable[[], object]


class Secret:
    """
    One secret and its source, if it has one. May be used from several threads; one of them reads, the others go on.
    """

    def __init__(
        self, value: str, source: Source | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._value, self._source, self._clock = value, source, clock
        self._read_at = clock()
        self._lock = threading.Lock()
        #: Why the source gave nothing the last time, without anything of what it said.
        self.trouble = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def current(self) -> str:
        """
        Return the value, which is read again first if it was not for a minute; what gives none leaves the one before.
        """
        self._read_again(EVERY_S, wait_s=0.0)
        return self._value

    def refused(self) -> str:
        """
        Return the value after the last one was refused: it is read again now, unless it was just read.
        """
        self._read_again(AFTER_REFUSAL_S, _WAIT_S)
        return self._value

    @property
    def advice(self) -> str:
        """
        Return what to know of the source where the value is refused; empty if it has none.
        """
        if self._source is None:
            return ""
        if self.trouble:
            return f" (its source cannot be read again: {self.trouble})"
        return " (its source is read again within a minute)"

    def _read_again(self, after_s: float, wait_s: float) -> None:
        if self._source is None or self._clock() - self._read_at < after_s:
            return
        if not self._lock.acquire(timeout=wait_s):
            return
        try:
            if self._clock() - self._read_at >= after_s:
                self._read_at = self._clock()
                self._take(self._source)
        finally:
            self._lock.release()

    def _take(self, source: Source) -> None:
        try:
            value = source()
        except Exception as err:  # noqa: BLE001 - What a source raises is its own.
            self.trouble = type(err).__name__
            return
        if isinstance(value, str) and validator.SECRET.accepts(value):
            self._value, self.trouble = value, ""
        else:
            self.trouble = "it gives no value"

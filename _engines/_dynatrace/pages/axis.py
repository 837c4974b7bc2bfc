"""
The axis of time of a picture: where a moment lies, which moments are marked, how long something lasted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

DAY_S = 86400.0
#: Between two marks of an axis, in seconds.
_STEPS = (
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 10800.0, 21600.0, 43200.0),
    *(DAY_S * days for days in (1, 2, 5, 10, 20, 50, 100)),
)
_UNITS = ((DAY_S, "d"), (3600.0, "h"), (60.0, "min"), (0.0, "s"))
#: Of a character of 13 pixels, of the widest usual font.
_CHAR = 7.9


@dataclass(frozen=True)
class Axis:
    """
    A span of time, in epoch seconds, from one x to another; ``zero`` is the moment that the others are counted from.
    """

    start: float
    end: float
    left: float
    right: float
    zero: float

    def x(self, at: float) -> float:
        """
        Return where a moment lies; what is outside lies at the end that is nearer.
        """
        part = (at - self.start) / max(self.end - self.start, 0.001)
        return round(self.left + min(max(part, 0.0), 1.0) * (self.right - self.left), 1)

    def ticks(self, apart: float = 76.0) -> Iterator[tuple[float, str]]:
        """
        Yield x and label of the moments that are marked, at least so many pixels apart.
        """
        span = max(self.end - self.start, 0.001)
        least = apart * span / (self.right - self.left)
        step = next((one for one in _STEPS if one >= least), _STEPS[-1])
        size, unit = next((one, name) for one, name in _UNITS if step >= one)
        first = -int((self.zero - self.start) / step)
        for number in range(first, first + int(span / step) + 2):
            at = self.zero + number * step
            if self.start <= at <= self.end:
                yield self.x(at), f"{number * step / (size or 1.0):g} {unit}" if number else "0"


def epoch(moment: str) -> float:
    """
    Return the epoch seconds of an ISO text.
    """
    return datetime.fromisoformat(re.sub("Z$", "+00:00", moment)).timestamp()


def lasted(seconds: float) -> str:
    """
    Return a duration for people, such as ``0.07 s``, ``12.3 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 d 4 h``.
    """
    if seconds < 0:
        return f"-{lasted(-seconds)}"
    if not seconds:
        return "0 s"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < DAY_S:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def after(seconds: float) -> str:
    """
    Return how long after another moment one is, with its sign.
    """
    return lasted(seconds) if seconds < 0 else f"+{lasted(seconds)}"


def between(first: float, last: float) -> str:
    """
    Return the same of two moments that lie close together, such as ``+1 min 31 to 32 s``.
    """
    start, end = after(first), after(last)
    if start == end:
        return start
    begin, end_of = start.rpartition(" ")[0], end.rpartition(" ")[0]
    number, unit = end.split()[-2:]
    if begin.rpartition(" ")[0] == end_of.rpartition(" ")[0] and start.endswith(f" {unit}"):
        return f"{begin} to {number.lstrip('+')} {unit}"
    return f"{start} to {end}"


def taken(text: str) -> float:
    """
    Return how many pixels a text takes at most, in the size that pictures have.
    """
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return (len(text) + wide) * _CHAR

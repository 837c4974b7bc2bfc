"""
Places labels under the marks of a line, so that none lies on another, and no leader crosses one where there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .axis import taken
from .text import cut, shown

_GAP = 10.0
#: So many rows are tried; beyond them a leader may cross a label.
_ROWS = 12


@dataclass(frozen=True)
class Label:
    """
    A text whose mark is at ``x``; it begins at ``left`` and takes ``size``, in the row ``row``.
    """

    x: float
    text: str
    left: float
    size: float
    row: int = 0

    @property
    def right(self) -> float:
        return self.left + self.size


def placed(wanted: Sequence[tuple[float, str]], left: float, right: float) -> list[Label]:
    """
    Return labels for texts at some x, all between ``left`` and ``right``; what is too long is cut.

    The rightmost comes first: a label begins at its mark, so those before it have their leaders left of it.
    """
    found: list[Label] = []
    for x, text in sorted(wanted, reverse=True):
        label = _fitted(x, text, left, right)
        rows = range(_ROWS)
        row = next((row for row in rows if _is_free(label, row, found)), None)
        if row is None:
            row = max(one.row for one in found) + 1
        found.append(Label(label.x, label.text, label.left, label.size, row))
    return found[::-1]


def _fitted(x: float, text: str, left: float, right: float) -> Label:
    text = fitting(text, right - left)
    size = taken(text)
    return Label(x, text, max(min(x - 4, right - size), left), size)


def fitting(text: str, size: float) -> str:
    """
    Return so much of a text as fits into some pixels, once all of it can be seen.
    """
    text = str(shown(text))
    while taken(text) > size and len(text) > 1:
        text = cut(text, len(text) - 1)
    return text


def _is_free(label: Label, row: int, others: Sequence[Label]) -> bool:
    for other in others:
        if other.row == row and _touch(label, other):
            return False
        if other.row > row and label.left - _GAP / 2 <= other.x <= label.right:
            return False
        if other.row < row and other.left - _GAP / 2 <= label.x <= other.right:
            return False
    return True


def _touch(one: Label, other: Label) -> bool:
    return one.left < other.right + _GAP and other.left < one.right + _GAP

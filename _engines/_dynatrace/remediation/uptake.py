"""
Remembers which kinds of orders nobody took, so that they leave places in the storm guard to others.

What counts among the minions being healed is what may be at work: each minion on which a job runs, and each for which an
order is out that a reactor may still make a job of, also if it is slow. Whether one does is seen only when a job comes. An
order that nobody took in time counts no longer; and while none of its kind is taken, all such orders together have a
half of the places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: The severity, the technologies and the remedy by which a reactor chooses.
Kind = tuple[str, frozenset[str], "str | None"]


def kind_of(severity: str, technologies: Iterable[str], remedy: str | None) -> Kind:
    """
    Return the kind of an order.
    """
    return severity, frozenset(technologies), remedy


def kind_of_order(data: Mapping[str, Any]) -> Kind:
    """
    Return the kind of an order by the data of its event; empty: it is not known.
    """
    technologies = data.get("technologies", ())
    return kind_of(data.get("severity", ""), technologies, data.get("remedy"))


class Uptake:
    """
    The kinds of orders of which the last that was followed to its end was not taken; belongs to the reconciler's thread.
    """

    def __init__(self) -> None:
        self._untaken: set[Kind] = set()

    def __bool__(self) -> bool:
        return bool(self._untaken)

    def expired(self, kind: Kind) -> None:
        self._untaken.add(kind)

    def taken(self, kind: Kind) -> None:
        self._untaken.discard(kind)

    def doubts(self, kind: Kind) -> bool:
        """
        Tell whether nobody may take an order of a kind.
        """
        return kind in self._untaken

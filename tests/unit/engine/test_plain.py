"""
Records that are read from rows again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

from _dynatrace.core.plain import plain, restored


@dataclass(frozen=True)
class Fixed:
    name: str
    numbers: tuple[int, ...] = ()


@dataclass
class Loose:
    name: str


@dataclass
class Row:
    fixed: Fixed
    loose: Loose | None = None


def row(name: str) -> dict[str, str]:
    """
    Return a row as the ledger gives it: each time of other strings.
    """
    return {"fixed": plain(Fixed(name, (1, 2))), "loose": plain(Loose(name))}


def test_what_is_frozen_is_made_once_for_one_text() -> None:
    """
    Each cycle reads the problems that it decides about, and most of them have been read before.
    """
    first, second, other = (restored(Row, row(name)) for name in ("a", "a", "b"))
    assert first == second == Row(Fixed("a", (1, 2)), Loose("a"))
    assert first.fixed is second.fixed
    assert other.fixed == Fixed("b", (1, 2))


def test_what_can_be_changed_is_nobody_elses() -> None:
    """
    Else who changes it would change what others have read.
    """
    first, second = restored(Row, row("a")), restored(Row, row("a"))
    assert first.loose is not None
    first.loose.name = "changed"
    assert second.loose == restored(Row, row("a")).loose == Loose("a")
    assert restored(Row, {"fixed": plain(Fixed("a"))}).loose is None

"""
The problems of the last day: the same figures as those of the report, read a few at a time.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from _dynatrace.core.states import EpisodeState
from _dynatrace.facts import recent as recent_
from _dynatrace.facts.recent import Recent
from _dynatrace.facts.span import DAY_S, Span
from _dynatrace.store.episodes import Episodes
from _dynatrace.store.ledger import Ledger

from tests.unit.engine.bodies import problem
from tests.unit.engine.test_ledger import NOW, episode

#: The end of the hour of NOW.
END = NOW - NOW % 3600 + 3600


def seen(ledger: Ledger, number: int, opened: float, closed: float | None = None) -> None:
    """
    Put a problem into the ledger that was seen at a time, and perhaps closed.
    """
    end = None if closed is None else int(closed * 1000)
    own = replace(
        problem(), problem_id=f"{number}_1721545199999V2", start=int(opened * 1000), end=end
    )
    more: dict[str, Any] = {} if closed is None else {"state": EpisodeState.CLOSED}
    ledger.episodes.save(
        episode(problem_key=own.key, problem=own, opened=opened, closed=closed, **more)
    )


def as_reported(ledger: Ledger) -> dict[str, Any]:
    """
    Return what the report tells of the same day.
    """
    told = Span(ledger).of(END - DAY_S, END, NOW)
    ended_by = {who: told["ended_by"][who] for who in ("salt", "other", "open")}
    named = ("since", "until", "problems_count", "bar_s", "bars")
    return {**{name: told[name] for name in named}, "ended_by": ended_by}


def test_the_figures_are_those_of_the_report(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever closes between two looks, many at the same moment among it."""
    monkeypatch.setattr(recent_, "READ", 3)
    drawn, recent = random.Random(7), Recent(ledger)
    assert recent.of(NOW)["problems_count"] == 0
    number = 0
    for moment in range(1, 12):
        closed = NOW - 3600 + moment
        for _ in range(drawn.randrange(8)):
            number += 1
            opened = NOW - drawn.choice([50, 4000, 40_000, DAY_S + 9000])
            seen(ledger, number, opened, drawn.choice([None, closed, closed]))
        assert recent.of(NOW) == as_reported(ledger)
    assert recent.of(NOW)["problems_count"] > 20


def test_what_closed_is_read_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more than a few at a time, since the ledger's lock is held meanwhile."""
    read: list[int] = []
    ask = Episodes.closed_after

    def counted(self: Episodes, *given: Any) -> Any:
        found = ask(self, *given)
        read.append(len(found))
        return found

    monkeypatch.setattr(Episodes, "closed_after", counted)
    monkeypatch.setattr(recent_, "READ", 10)
    recent = Recent(ledger)
    for number in range(25):
        seen(ledger, number, NOW - 100, NOW - 50)
    recent.of(NOW)
    assert read == [10, 10, 5]
    recent.of(NOW)
    assert read == [10, 10, 5, 0]


def test_what_is_older_than_a_day_is_forgotten(ledger: Ledger) -> None:
    """But the last, which tells how far was read."""
    recent = Recent(ledger)
    for number in range(5):
        seen(ledger, number, NOW - 100, NOW - 50 + number)
    recent.of(NOW)
    assert recent.of(NOW + 2 * DAY_S)["problems_count"] == 0
    assert len(recent._closed) == 1


def test_a_clock_that_is_set_back_begins_anew(ledger: Ledger) -> None:
    """All times of the ledger are moved with it."""
    recent = Recent(ledger)
    seen(ledger, 1, NOW - 100, NOW - 50)
    recent.of(NOW)
    ledger.shift(-5000.0)
    seen(ledger, 2, NOW - 5100, NOW - 5020)
    told = recent.of(NOW - 5000)
    assert told["problems_count"] == 2

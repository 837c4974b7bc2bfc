"""
What is said to be saved, and when no number is said.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.core.measures import BY_OTHERS, BY_SALT
from _dynatrace.core.records import EpisodeBrief
from _dynatrace.core.states import ActionState, AttemptState, EpisodeState
from _dynatrace.facts.cases import Case
from _dynatrace.facts.savings import ENOUGH, saved
from _dynatrace.facts.span import BARS, Span
from _dynatrace.store.ledger import Ledger

from tests.unit.engine.test_ledger import NOW, attempt, episode

BRIEF = EpisodeBrief("p", 1, "P-1", EpisodeState.CLOSED, 0.0, 0.0, 1.0)


def case(ended_by: str, length: float, remedy: str | None = "nginx", **more: Any) -> Case:
    """
    Return a problem that was over after so many seconds.
    """
    made = Case(BRIEF, ended_by, length, None, remedy, was_down=True, places=())
    return replace(made, **more)


def others(*lengths: float, **more: Any) -> list[Case]:
    return [case(BY_OTHERS, length, **more) for length in lengths]


def test_each_heal_is_compared_with_the_median_of_its_remedy() -> None:
    """Of five that took 10 to 50 minutes the median is 30; two heals took 2 and 4."""
    known = others(*(minutes * 60 for minutes in (10, 20, 30, 40, 50)))
    known += others(*(60.0,) * 7, remedy="mysql")
    healed = [case(BY_SALT, 120), case(BY_SALT, 240)]
    told = saved(healed, [*known, *healed])
    assert (told["minutes"], told["problems"], told["left_out"], told["why"]) == (54, 2, 0, None)
    medians = {one["remedy"]: (one["median_s"], one["problems"]) for one in told["medians"]}
    assert medians == {None: (60, 12), "nginx": (1800, 5), "mysql": (60, 7)}


def test_what_took_longer_counts_against_salt() -> None:
    """Nothing is cut off at zero."""
    told = saved([case(BY_SALT, 3600), case(BY_SALT, 60)], others(*(600.0,) * ENOUGH))
    assert told["minutes"] == round((600 - 3600 + 600 - 60) / 60)


def test_without_enough_of_the_remedy_all_are_compared_with() -> None:
    """Of the same remedy there are four."""
    known = others(*(100.0,) * (ENOUGH - 1)) + others(*(700.0,) * ENOUGH, remedy="mysql")
    told = saved([case(BY_SALT, 100)], known)
    assert [one["remedy"] for one in told["medians"]] == [None, "mysql"]
    assert told["minutes"] == 10


@pytest.mark.parametrize(
    ("counted", "known", "why"),
    [
        ([], others(*(600.0,) * 9), "ended no problem"),
        ([case(BY_SALT, 60)], others(*(600.0,) * (ENOUGH - 1)), "nothing to compare with"),
        ([case(BY_SALT, 60)], others(*(600.0,) * 9, was_down=False), "nothing to compare with"),
        ([case(BY_SALT, 60)], [case(BY_SALT, 60)] * 9, "nothing to compare with"),
    ],
)
def test_with_too_few_there_is_no_number(counted: list[Case], known: list[Case], why: str) -> None:
    """What was only slow is no comparison, and neither is what Salt ended."""
    told = saved(counted, known)
    assert told["minutes"] is None
    assert why in told["why"]


@pytest.fixture
def crowd(tmp_path: Path) -> Ledger:
    """
    Return a ledger with 10,000 closed problems of a month, every other one healed.
    """
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.transaction():
        for number in range(10_000):
            opened, key = NOW - number * 250.0, f"{number}_1V2"
            made = episode(
                problem_key=key, state=EpisodeState.CLOSED, opened=opened, closed=opened + 90
            )
            ledger.episodes.save(replace(made, attempts=number % 2))
            told = {"minion": f"web{number % 50}", "process": "PGI-1", "remedy": "x"}
            journal = {"attempt_id": None, "targets": [told], "count": 1, "held": {}}
            ledger.journal.add("decision", opened, journal, made)
            if number % 2:
                own = attempt(f"a{number}", problem_key=key, created=opened)
                ledger.attempts.add(own, [("web01", "PGI-1")], {"PGI-1": int(opened * 1000)})
                ledger.attempts.end_action(
                    own.attempt_id, "web01", ActionState.GOOD, "", opened + 9
                )
                ledger.attempts.move(own.attempt_id, AttemptState.GOOD, opened + 9)
    return ledger


def test_a_month_of_ten_thousand_problems_is_counted_in_seconds(crowd: Ledger) -> None:
    """The subscriber's thread answers: it may not be kept for long. It takes 0.5 s; the bound is for a busy machine."""
    began = time.process_time()
    told = Span(crowd).of(NOW - 30 * 86400, NOW + 1, NOW + 1)
    assert time.process_time() - began < 5
    assert told["problems_count"] == 10_000
    assert told["ended_by"]["salt"] == 5000
    assert len(told["bars"]) <= BARS
    assert len(told["worst"]["minions"]) == 10

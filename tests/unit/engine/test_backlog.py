"""
What waits to be read: in which order, and how often what fails is tried.
"""

from __future__ import annotations

from _dynatrace.core.backoff import Retries
from _dynatrace.core.errors import RateLimited, Unavailable
from _dynatrace.remediation.backlog import CAP_S, FIRST_S, KEPT_S, Backlog

from tests.unit.engine.bodies import problem

NOW = 1721545260.0
ERROR = Unavailable("no answer")


def keys(
    backlog: Backlog, now: float = NOW, count: int = 10, busy: frozenset[str] = frozenset()
) -> list[str]:
    """
    Return what would be read now.
    """
    return [one.key for one in backlog.next(count, now, busy)]


def filled(*names: str) -> Backlog:
    """
    Return a backlog of a first listing.
    """
    backlog = Backlog()
    backlog.replace(names, afresh=False)
    return backlog


def test_it_keeps_the_order_of_the_listing_and_leaves_out_what_is_being_read() -> None:
    """
    So many at a time.
    """
    backlog = filled("c", "a", "b")
    assert keys(backlog, count=2) == ["c", "a"]
    assert keys(backlog, busy=frozenset("c")) == ["a", "b"]
    backlog.read("c", problem(), NOW)
    backlog.drop("a")
    assert (keys(backlog), len(backlog)) == (["b"], 1)


def test_what_fails_is_tried_later_and_later_and_alone() -> None:
    """
    Also by the next listings; one that works is forgotten.
    """
    backlog = filled("a", "b")
    now, waits = NOW, []
    for _ in range(8):
        backlog.fails("a", ERROR, now)
        assert keys(backlog, now) == ["b"]
        backlog.replace(["a", "b"], afresh=False)
        due = backlog.next_due(now)
        assert due is not None
        waits.append(due - now)
        now = due
        assert keys(backlog, now) == ["a"]
        backlog.read("a", problem(), now)
    assert waits == [min(FIRST_S * 2**tries, CAP_S) for tries in range(8)]
    assert backlog.error is None
    backlog.fails("a", ERROR, now)
    assert backlog.error is ERROR
    backlog.drop("a")
    assert (backlog.error, keys(backlog, now)) == (None, ["b"])


def test_after_an_outage_of_the_list_all_is_due() -> None:
    """
    What failed with it failed for the same reason.
    """
    backlog = filled("a")
    for _ in range(5):
        backlog.fails("a", ERROR, NOW)
    backlog.replace(["a"], afresh=True)
    assert keys(backlog) == ["a"]


def test_a_spent_minute_makes_all_wait_and_blames_nobody() -> None:
    """
    Whoever is next would hear the same.
    """
    backlog = filled("a", "b")
    backlog.fails("a", RateLimited("429", 7.0), NOW)
    assert (keys(backlog, NOW + 6.9), keys(backlog, NOW + 7.0)) == ([], ["a", "b"])
    assert backlog.next_due(NOW) == NOW + 7.0


def test_what_was_read_is_kept_while_its_entities_fail() -> None:
    """
    For a while: then it is read anew.
    """
    backlog = filled("a")
    one, again = problem(title="one"), problem(title="again")
    assert backlog.read("a", one, NOW) == NOW
    backlog.fails("a", ERROR, NOW + 1)
    (unread,) = backlog.next(10, NOW + KEPT_S - 1, ())
    assert unread.kept_problem(NOW + KEPT_S - 1) is one
    # It is as old as it is, however often it is taken.
    assert backlog.read("a", one, NOW + 30) == NOW
    backlog.fails("a", ERROR, NOW + 30)
    assert unread.kept_problem(NOW + KEPT_S) is None
    assert backlog.read("a", again, NOW + KEPT_S) == NOW + KEPT_S


def test_a_clock_that_is_set_moves_its_times() -> None:
    """
    What waits, waits as long as it would have.
    """
    backlog = filled("a")
    backlog.fails("a", ERROR, NOW)
    backlog.shift(-3600.0)
    assert backlog.next_due(NOW - 3600) == NOW - 3600 + FIRST_S


def test_what_is_not_tried_again_is_forgotten() -> None:
    """
    A problem that closed fails no more, and nothing tells that it works.
    """
    retries = Retries(15.0, 60.0)
    waits = [retries.after("open", NOW + step) - NOW - step for step in range(4)]
    assert waits == [15.0, 30.0, 60.0, 60.0]
    for number in range(1000):
        retries.after(f"closed {number}", NOW)
    later = NOW + 60.0 + Retries.FORGET_S + 1
    for number in range(1000):
        retries.after("other", later + number)
    assert len(retries) == 1
    assert retries.after("other", later + 1000) == later + 1060
    retries.over("other")
    assert len(retries) == 0

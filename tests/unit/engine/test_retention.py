"""
What the ledger forgets, how much of it at once, and that its file does not grow for ever.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _dynatrace.core.notification import Notification
from _dynatrace.core.states import ActionState, AttemptState
from _dynatrace.store import database, retention
from _dynatrace.store.ledger import Ledger

from tests.unit.engine.bodies import PID
from tests.unit.engine.test_ledger import NOW, attempt, episode

DAY = 86400.0


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Ten of each kind are kept, and four go at once.
    """
    for kind in ("NOTIFICATIONS", "EVENTS", "EPISODES", "ATTEMPTS", "COMMENTS", "ENTRIES"):
        monkeypatch.setattr(retention, kind, 10)
    monkeypatch.setattr(retention, "ROWS", 4)
    monkeypatch.setattr(retention, "STATEMENTS", tuple(retention.statements()))


def count(ledger: Ledger, table: str) -> int:
    """
    Return how many rows a table has.
    """
    return int(ledger.database.value(f"SELECT count(*) FROM {table}"))


def forget_all(ledger: Ledger, now: float) -> int:
    """
    Forget until there is nothing more, and return how often it was necessary.
    """
    times = 1
    while ledger.expire(now):
        times += 1
    return times


@pytest.mark.usefixtures("small")
def test_only_so_many_settled_notifications_are_kept(ledger: Ledger) -> None:
    """
    The latest of them, whatever their age, and all that wait.
    """
    ledger.notifications.add([(NOW, Notification(f"{number}_1V2")) for number in range(30)])
    ledger.notifications.settle(range(1, 26), NOW)
    assert forget_all(ledger, NOW) == 4
    assert count(ledger, "notifications WHERE settled IS NOT NULL") == 10
    assert len(ledger.notifications.waiting(NOW)) == 5


@pytest.mark.usefixtures("small")
def test_only_so_many_fired_events_are_kept_and_orders_with_their_attempts(ledger: Ledger) -> None:
    """
    What becomes of an order is told with what was ordered, however much was announced since.
    """
    ledger.attempts.add(attempt(), [("web01", "process")])
    ledger.outbox.add(PID, "order", {"attempt_id": "a1"}, NOW, fresh_until=NOW + 20)
    ledger.outbox.fired(ledger.outbox.orders(NOW), NOW)
    for number in range(30):
        ledger.outbox.add(f"key {number}", "report", {}, NOW)
    ledger.outbox.fired(ledger.outbox.reports(25), NOW + 1)
    forget_all(ledger, NOW + 2)
    assert count(ledger, "outbox WHERE fired IS NOT NULL") == 11
    assert ledger.outbox.event_of("a1") == {"attempt_id": "a1"}
    assert len(ledger.outbox.reports()) == 5


@pytest.mark.usefixtures("small")
def test_only_so_many_closed_episodes_are_kept_but_those_with_attempts(ledger: Ledger) -> None:
    """
    The ids of attempts follow from the number of the episode, and would come again.
    """
    ledger.attempts.add(attempt("a1", problem_key="tried", ended=NOW), [("web01", "process")])
    ledger.episodes.save(episode(problem_key="tried", state="closed", closed=NOW - 1))
    ledger.episodes.save(episode(problem_key="open"))
    for number in range(30):
        ledger.episodes.save(episode(problem_key=f"{number}", state="closed", closed=NOW + number))
    forget_all(ledger, NOW + 100)
    kept = {row["problem_key"] for row in ledger.database.rows("SELECT * FROM episodes")}
    assert kept == {"tried", "open", *[f"{number}" for number in range(20, 30)]}


@pytest.mark.usefixtures("small")
def test_no_attempt_is_forgotten_while_it_may_be_counted(ledger: Ledger) -> None:
    """
    A window of attempts is seven days at most; older ones go with their actions.
    """
    for number in range(30):
        made = attempt(f"a{number}", state="bad", created=NOW, ended=NOW)
        ledger.attempts.add(made, [("web01", f"process {number}"), ("web02", f"process {number}")])
        for minion in ("web01", "web02"):
            ledger.attempts.end_action(made.attempt_id, minion, ActionState.BAD, "", NOW)
    forget_all(ledger, NOW + 7 * DAY)
    assert count(ledger, "attempts") == 30
    forget_all(ledger, NOW + 9 * DAY)
    assert (count(ledger, "attempts"), count(ledger, "actions")) == (10, 20)
    assert {one.state for one, *_ in ledger.attempts.history(30)} == {AttemptState.BAD}


@pytest.mark.usefixtures("small")
def test_only_so_many_comments_are_kept_and_all_that_wait(ledger: Ledger) -> None:
    """
    Sent or given up is both over.
    """
    for number in range(30):
        ledger.comments.add(f"m{number}", PID, "text", NOW + number)
        if number < 10:
            ledger.comments.sent(f"m{number}", NOW)
        elif number < 25:
            ledger.comments.given_up(f"m{number}", "why")
    forget_all(ledger, NOW + 100)
    assert len(ledger.comments.waiting(NOW + 100)) == 5
    assert count(ledger, "comments") == 15


@pytest.mark.usefixtures("small")
def test_only_so_many_entries_of_the_journal_are_kept(ledger: Ledger) -> None:
    """
    The latest, and none that is older than all else that is kept.
    """
    for number in range(30):
        ledger.journal.add("pause", NOW + number, {"who": "admin"})
    forget_all(ledger, NOW + 100)
    kept = ledger.journal.between(0, NOW + 100, "pause")
    assert [one.at for one in kept] == [NOW + number for number in range(20, 30)]
    forget_all(ledger, NOW + 25 + retention.KEEP_S)
    assert ledger.journal.between(0, NOW + 100, "pause")[0].at == NOW + 25


def test_the_space_is_given_back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In parts: the file is as small afterwards as what is left needs, and a little more.
    """
    monkeypatch.setattr(retention, "SPARE_PAGES", 10)
    monkeypatch.setattr(retention, "PAGES", 50)
    with ledger.transaction():
        for number in range(400):
            ledger.outbox.add(f"{number}", "report", {"title": "x" * 3000}, NOW)
    while events := ledger.outbox.reports():
        ledger.outbox.fired(events, NOW)
    before = ledger.database.value("PRAGMA page_count")
    assert forget_all(ledger, NOW + retention.KEEP_S + 1) > 5
    after = ledger.database.value("PRAGMA page_count")
    assert before > 400
    assert after < before / 3
    assert ledger.database.value("PRAGMA quick_check") == "ok"


def test_the_whole_file_is_read_once_after_each_start_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Only a power cut may have damaged it, and reading it all takes seconds.
    """
    checks: list[str] = []
    prepare = database.prepare

    def watched(db: database.sqlite3.Connection, path: object) -> None:
        prepare(db, path)
        db.set_trace_callback(lambda said: checks.append(said) if "quick_check" in said else None)

    monkeypatch.setattr(database, "prepare", watched)
    boot = tmp_path / "boot_id"
    monkeypatch.setattr(database, "BOOT_ID", boot)
    for text, expected in (("one\n", 1), ("one\n", 0), ("two\n", 1), ("two\n", 0), (None, 1)):
        checks.clear()
        boot.write_text(text) if text else boot.unlink()
        Ledger(tmp_path / "ledger.db").close()
        assert len(checks) == expected

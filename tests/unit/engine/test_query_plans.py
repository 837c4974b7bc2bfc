"""
How the statements of the ledger find their rows: none of them may read a table that grows from end to end.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from _dynatrace.core.notification import Notification
from _dynatrace.core.records import EpisodeBrief, Memory
from _dynatrace.core.states import ActionState, AttemptState, EpisodeState, Waiting
from _dynatrace.store.in_progress import AT_FIRST
from _dynatrace.store.ledger import Ledger
from _dynatrace.store.table import Records

from tests.unit.engine.bodies import PID, PROCESS
from tests.unit.engine.test_ledger import NOW, attempt, episode

GROWING = {"notifications", "episodes", "attempts", "actions", "outbox", "comments", "journal"}
#: These hold only what is not over yet, however long the engine runs: what is read of them is to be done.
UNFINISHED = {
    "notifications_waiting",
    "episodes_due",
    "episodes_waiting",
    "episodes_held",
    "episodes_shown",
    "attempts_open",
    "outbox_waiting",
    "outbox_problem",
    "outbox_orders",
    "outbox_fresh",
    "comments_waiting",
}
#: These are read in their order, and no more of them than is kept, or than a person asked for.
COUNTED = {
    "notifications_settled",
    "attempts_created",
    "attempts_ended",
    "outbox_fired",
    "comments_over",
    "episodes_closed",
    "journal_at",
    "journal_orders",
}
#: Of these only one end is read, by min() or max().
ENDS = {"attempts_created", "episodes_closed", "actions_lost"}
BRIEF = EpisodeBrief(PID, 1, None, EpisodeState.CLOSED, NOW, NOW, NOW)
#: Calls that read all that there is, and why they may.
WHOLE = {"Ledger.shift": "the clock was set: all times change"}
#: Older versions of sqlite say TABLE and AS.
PLAN = re.compile(
    r"(?P<how>SCAN|SEARCH) (?:TABLE )?(?P<table>\w+)(?: AS \w+)?(?: USING.* INDEX (?P<index>\w+))?(?P<rest>.*)"
)


class Recording:
    """
    A connection that notes what it is asked.
    """

    def __init__(self, connection: Any, asked: dict[str, Any]) -> None:
        self._connection = connection
        self._asked = asked

    def execute(self, statement: str, values: Any = ()) -> Any:
        if re.match("SELECT|INSERT|UPDATE|DELETE", statement):
            self._asked.setdefault(statement, values)
        return self._connection.execute(statement, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def calls(ledger: Ledger) -> dict[str, Callable[[], Any]]:
    """
    Return by name a call of each method that asks the ledger something.
    """
    known, made = episode(), attempt()
    notices, episodes, attempts = ledger.notifications, ledger.episodes, ledger.attempts
    outbox, comments, settings = ledger.outbox, ledger.comments, ledger.settings
    journal = ledger.journal
    with ledger.transaction():
        outbox.add(PID, "report", {"what": "changed"}, NOW)
        outbox.add(PID, "order", {"what": "open", "attempt_id": "a1"}, NOW, fresh_until=NOW)
    report, order = outbox.reports()[0], outbox.orders(NOW)[0]
    return {
        "Ledger.queue_length": ledger.queue_length,
        "Ledger.latest_time": ledger.latest_time,
        "Ledger.expire": lambda: ledger.expire(NOW),
        "Ledger.shift": lambda: ledger.shift(1.0),
        "Settings.get": lambda: settings.get("paused"),
        "Settings.put": lambda: (settings.put("paused", "x"), settings.put("paused", None)),
        "Settings.counters": settings.counters,
        "Settings.count": lambda: settings.count("x"),
        "Notifications.add": lambda: notices.add([(NOW, Notification(PID))]),
        "Notifications.replace": lambda: notices.replace(NOW, [Notification(PID)], [1]),
        "Notifications.unsettled": lambda: notices.unsettled([1, 2]),
        "Notifications.waiting": lambda: notices.waiting(NOW),
        "Notifications.settle": lambda: notices.settle([1], NOW),
        "Notifications.postpone": lambda: notices.postpone([1], NOW),
        "Notifications.hold": lambda: notices.hold(NOW, NOW),
        "Notifications.next_due": notices.next_due,
        "Episodes.seen_between": lambda: episodes.seen_between(0.0, NOW),
        "Episodes.latest": lambda: episodes.latest(PID),
        "Episodes.get": lambda: episodes.get(PID, 1),
        "Episodes.any_known": lambda: episodes.any_known([PID, "other"]),
        "Episodes.find": lambda: episodes.find("P-1"),
        "Episodes.summaries": episodes.summaries,
        "Episodes.closed_since": lambda: episodes.closed_since(NOW),
        "Episodes.first_closed": episodes.first_closed,
        "Episodes.open": lambda: episodes.open([PID, "other"]),
        "Episodes.decided": lambda: episodes.decided(known),
        "Episodes.shown_count": episodes.shown_count,
        "Episodes.shown": lambda: episodes.shown(10),
        "Episodes.places": lambda: (episodes.places(NOW, True), episodes.places(NOW, False)),
        "Episodes.due_places": lambda: episodes.due_places([PID], NOW),
        "Episodes.next_due": episodes.next_due,
        "Episodes.save": lambda: episodes.save(known),
        "Episodes.read_again": lambda: episodes.read_again(NOW),
        "Episodes.wake_waiting": lambda: episodes.wake_waiting(NOW, Waiting.PAUSED),
        "Episodes.wake": lambda: episodes.wake(PID, 1, NOW),
        "Episodes.held_counts": episodes.held_counts,
        "Episodes.closed_after": lambda: (
            episodes.closed_after(None, NOW, 10),
            episodes.closed_after(BRIEF, NOW, 10),
        ),
        "Episodes.opened_since": lambda: episodes.opened_since(NOW),
        "Episodes.by_need": lambda: episodes.by_need(10),
        "Episodes.standing": episodes.standing,
        "Journal.add": lambda: journal.add("decision", NOW, {}, known),
        "Journal.of": lambda: journal.of(known),
        "Journal.latest": lambda: journal.latest(known, "decision"),
        "Journal.orders": lambda: journal.orders(NOW),
        "Journal.firsts": lambda: journal.firsts("notified", [(PID, 1)]),
        "Journal.add_first": lambda: journal.add_first("notified", {PID: NOW}),
        "Journal.last_decisions": journal.last_decisions,
        "Journal.between": lambda: journal.between(NOW, NOW + 1, "pause", "resume"),
        "Attempts.executed_between": lambda: attempts.executed_between(0.0, NOW),
        "Attempts.add": lambda: attempts.add(made, [("web01", PROCESS)]),
        "Attempts.get": lambda: attempts.get("a1"),
        "Attempts.by_jid": lambda: attempts.by_jid("1"),
        "Attempts.of": lambda: attempts.of(known),
        "Attempts.done": lambda: attempts.done(known),
        "Attempts.open": attempts.open,
        "Attempts.ended": lambda: attempts.ended(10),
        "Attempts.lost": lambda: attempts.lost(NOW),
        "Attempts.untaken_on": lambda: attempts.untaken_on("web01", PROCESS),
        "Attempts.tried": lambda: attempts.tried(["web01", "web02"]),
        "Attempts.history": lambda: attempts.history(10),
        "Attempts.move": lambda: attempts.move("a1", AttemptState.FIRED),
        "Attempts.actions": lambda: attempts.actions("a1"),
        "Attempts.end_action": lambda: attempts.end_action("a1", "x", ActionState.BAD, "", NOW),
        "Attempts.recall_action": lambda: attempts.recall_action(
            "a1", "web01", "", Memory(NOW, NOW), NOW
        ),
        "Attempts.past": lambda: attempts.past("web01", PROCESS, NOW),
        "Attempts.last_end": lambda: attempts.last_end("web01", PROCESS),
        "Attempts.lost_at": lambda: attempts.lost_at("web01"),
        "Attempts.last_heal": lambda: (
            attempts.last_heal(known, "web01", PROCESS),
            attempts.last_heal(known, "web01", PROCESS, by_others=True),
        ),
        "InProgress": lambda: (ledger.database.rows(AT_FIRST), attempts.in_progress.freed()),
        "Outbox.add": lambda: outbox.add(PID, "tag", {}, NOW),
        "Outbox.orders": lambda: outbox.orders(NOW),
        "Outbox.orders_ahead": lambda: outbox.orders_ahead(NOW, 10),
        "Outbox.oldest_order": outbox.oldest_order,
        "Outbox.oldest_report": outbox.oldest_report,
        "Outbox.before": lambda: outbox.before(order),
        "Outbox.reports": outbox.reports,
        "Outbox.waiting_one": lambda: outbox.waiting_one(1),
        "Outbox.fired": lambda: outbox.fired([report, order], NOW),
        "Outbox.unfire": lambda: outbox.unfire([1]),
        "Outbox.order_taken": lambda: outbox.order_taken("a1", NOW),
        "Outbox.refire": lambda: outbox.refire("a1", NOW),
        "Outbox.disarm": lambda: outbox.disarm("a1", {}),
        "Outbox.event_of": lambda: outbox.event_of("a1"),
        "Comments.add": lambda: comments.add("m", PID, "text", NOW),
        "Comments.of": lambda: comments.of(["m"]),
        "Comments.waiting": lambda: comments.waiting(NOW),
        "Comments.trying": lambda: comments.trying("m"),
        "Comments.sent": lambda: comments.sent("m", NOW),
        "Comments.later": lambda: comments.later("m", NOW, doubtful=True),
        "Comments.given_up": lambda: comments.given_up("m", "why"),
        "Comments.next_due": comments.next_due,
    }


def methods() -> Iterator[str]:
    """
    Return the names of all methods of the ledger and its records.
    """
    for kind in (Ledger, *Records.__subclasses__()):
        for name, found in vars(kind).items():
            if inspect.isfunction(found) and not name.startswith("_"):
                yield f"{kind.__name__}.{name}"


def test_each_method_of_the_ledger_is_looked_at(ledger: Ledger) -> None:
    """
    A new one belongs into the list here, or its statements are not looked at.
    """
    assert set(methods()) - set(calls(ledger)) == set()


def scans(ledger: Ledger, statement: str, values: Any) -> list[str]:
    """
    Return what a statement reads from end to end of the tables that grow.
    """
    plan = ledger.database.connection.execute("EXPLAIN QUERY PLAN " + statement, values)
    tables = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", statement)}
    found = []
    for *_, detail in plan.fetchall():
        read = PLAN.match(detail)
        if read is None or tables.get(read["table"], read["table"]) not in GROWING:
            continue
        searched = read["how"] == "SEARCH" and ("(" in read["rest"] or read["index"] in ENDS)
        counted = "LIMIT" in statement and read["index"] in COUNTED
        if not searched and not counted and read["index"] not in UNFINISHED:
            found.append(detail)
    return found


def test_no_statement_reads_a_growing_table_from_end_to_end(ledger: Ledger) -> None:
    """
    At 50,000 settled rows such a statement takes 10 to 40 ms, in each cycle.
    """
    walked = calls(ledger)
    asked: dict[str, Any] = {}
    connection = ledger.database.connection
    ledger.database.connection = Recording(connection, asked)  # type: ignore[assignment]
    for name, call in walked.items():
        if name not in WHOLE:
            call()
    ledger.database.connection = connection
    found = {statement: scans(ledger, statement, values) for statement, values in asked.items()}
    assert len(asked) > 50
    assert {statement: plan for statement, plan in found.items() if plan} == {}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT * FROM outbox", 1),
        ("SELECT * FROM outbox WHERE tag = 'x'", 1),
        ("SELECT * FROM outbox AS one WHERE tag = 'x'", 1),
        ("SELECT * FROM attempts ORDER BY created", 1),
        ("SELECT min(due) FROM episodes WHERE state = 'open'", 1),
        ("SELECT max(created) FROM attempts", 0),
        ("SELECT * FROM outbox WHERE seq = 1", 0),
        ("SELECT count(*) FROM outbox WHERE fired IS NULL", 0),
        ("SELECT * FROM settings", 0),
    ],
)
def test_a_scan_is_seen(ledger: Ledger, statement: str, expected: int) -> None:
    """
    Else the test above could not fail.
    """
    assert len(scans(ledger, statement, ())) == expected

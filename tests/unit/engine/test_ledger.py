"""
The ledger: durable, private, whole, and honest about what it cannot do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.core.errors import LedgerDamaged, LedgerError
from _dynatrace.core.notification import Notification
from _dynatrace.core.policy import Past, Policy
from _dynatrace.core.reasons import Escalation
from _dynatrace.core.records import Attempt, Episode, Outgoing
from _dynatrace.core.resolution import Resolution, Unmatched
from _dynatrace.core.states import ActionState, AttemptState
from _dynatrace.remediation.announcements import Announcements
from _dynatrace.remediation.episodes import Episodes
from _dynatrace.store import database, durable_log
from _dynatrace.store.ledger import SCHEMA_VERSION, Ledger
from _dynatrace.store.retention import KEEP_S

from tests.unit.engine.bodies import DISPLAY_ID, HOST, PID, PROCESS, problem, target

ENGINES = Path(__file__).parents[3] / "_engines"
NOW = 1721545260.0
HOSTILE = "a\nb\"c'; DROP TABLE notices; -- \ud800 \U0001f4a5 {{ 7 * 7 }}"


def episode(number: int = 1, **changes: Any) -> Episode:
    """
    Return an open episode that is due.
    """
    values: dict[str, Any] = {
        "problem_key": PID,
        "episode": number,
        "problem": problem(),
        "resolution": Resolution((target(),), (Unmatched(HOST, "x"),)),
        "summary": "abc",
        "rank": 0,
        "opened": NOW,
        "read": NOW,
        "due": NOW,
    }
    return Episode(**{**values, **changes})


def attempt(own_id: str = "a1", **changes: Any) -> Attempt:
    """
    Return a planned attempt.
    """
    values: dict[str, Any] = {
        "attempt_id": own_id,
        "problem_key": PID,
        "episode": 1,
        "number": 1,
        "jid": "20240721065959123456",
        "state": "planned",
        "created": NOW,
    }
    return Attempt(**{**values, **changes})


def waiting(ledger: Ledger) -> list[Outgoing]:
    """
    Return what may be fired, however old the orders are.
    """
    return [*ledger.outbox.orders(0.0), *ledger.outbox.reports()]


def run(code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """
    Start a process of its own that knows the ledger.
    """
    head = (
        f"import sys; sys.path.insert(0, {str(ENGINES)!r}); from _dynatrace.store.ledger import *\n"
    )
    head += "from _dynatrace.core.errors import *\nfrom _dynatrace.core.notification import Notification\n"
    command = [sys.executable, "-c", head + code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


WRITER = """
ledger = Ledger(sys.argv[1])
for n in range(10**9):
    ledger.notifications.add([(float(n), Notification(f"{n}_1V2"))])
    print(n, flush=True)
"""


@pytest.mark.parametrize("after", [1, 25, 60])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, after: int) -> None:
    """
    The writer is killed at once; what it said is on disk, and at most one more.
    """
    path = tmp_path / "ledger.db"
    writer = run(WRITER, str(path))
    assert writer.stdout is not None
    said = -1
    for line in writer.stdout:
        said = int(line)
        if said >= after:
            break
    writer.send_signal(signal.SIGKILL)
    for line in writer.stdout:
        if line.endswith("\n"):
            said = int(line)
    writer.wait(10)
    writer.stdout.close()
    ledger = Ledger(path)
    kept = [notice.problem_id for _, notice, *_ in ledger.notifications.waiting(1e12)]
    assert ledger.database.moved_aside is None
    ledger.close()
    assert kept[: said + 1] == [f"{n}_1V2" for n in range(said + 1)]
    assert len(kept) <= said + 2


HALF = """
import os, signal
ledger = Ledger(sys.argv[1])
with ledger.transaction():
    ledger.settings.put("a", "1")
    ledger.settings.put("b", "2")
    if sys.argv[2] == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("where", "expected"), [("inside", (None, None)), ("after", ("1", "2"))])
def test_a_transaction_is_whole_or_not_at_all(
    tmp_path: Path, where: str, expected: tuple[str | None, str | None]
) -> None:
    """
    A kill in the middle leaves nothing of it, a kill right after leaves all.
    """
    killed = run(HALF, str(tmp_path / "ledger.db"), where)
    killed.communicate(timeout=20)
    assert killed.returncode == -signal.SIGKILL
    ledger = Ledger(tmp_path / "ledger.db")
    assert (ledger.settings.get("a"), ledger.settings.get("b")) == expected
    ledger.close()


def test_an_error_takes_a_transaction_back(ledger: Ledger) -> None:
    """
    Nested blocks belong to the outermost.
    """
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.settings.put("a", "1")
        with ledger.transaction():
            ledger.attempts.add(attempt(), [("web01", PROCESS)])
        raise RuntimeError
    assert ledger.settings.get("a") is None
    assert ledger.attempts.get("a1") is None
    ledger.settings.put("a", "2")
    assert ledger.settings.get("a") == "2"


def test_an_error_in_a_part_takes_back_that_part_alone(ledger: Ledger) -> None:
    """
    Also in a part of a part; and without a transaction around it a part is one.
    """
    with ledger.transaction():
        ledger.settings.put("a", "1")
        with pytest.raises(RuntimeError), ledger.savepoint():
            ledger.settings.put("b", "2")
            with ledger.savepoint():
                ledger.settings.put("c", "3")
                raise RuntimeError
        with ledger.savepoint():
            ledger.settings.put("d", "4")
    assert [ledger.settings.get(key) for key in "abcd"] == ["1", None, None, "4"]
    with pytest.raises(RuntimeError), ledger.savepoint():
        ledger.settings.put("e", "5")
        raise RuntimeError
    assert ledger.settings.get("e") is None


def test_only_the_owner_can_read_it(ledger: Ledger) -> None:
    """
    The directory is 0700 and every file in it 0600, also while sqlite keeps its own beside it.
    """
    ledger.settings.put("a", "1")
    directory = ledger.database.path.parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert set(modes) == {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"}
    assert set(modes.values()) == {0o600}


def test_an_open_file_is_closed_to_others(tmp_path: Path) -> None:
    """
    An admin may have restored it with other rights.
    """
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    path.chmod(0o644)
    Ledger(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def root(path: Path, table: str) -> int:
    """
    Return where in the file a table begins.
    """
    opened = sqlite3.connect(path)
    query = "SELECT (rootpage - 1) * 4096 FROM sqlite_master WHERE name = ?"
    (at,) = opened.execute(query, (table,)).fetchone()
    opened.close()
    return int(at)


DAMAGED = [b"this is no database, " * 500, b"SQLite format 3\0" + b"\xff" * 8192]


@pytest.mark.parametrize("content", DAMAGED, ids=["text", "header only"])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    """
    It is kept for a person to look at, and a new one begun.
    """
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    ledger = Ledger(path)
    assert ledger.database.moved_aside is not None
    assert ledger.database.moved_aside.read_bytes() == content
    assert ledger.database.moved_aside.name.startswith("ledger.db.corrupt-")
    ledger.settings.put("a", "1")
    assert ledger.settings.get("a") == "1"
    ledger.close()
    again = Ledger(path)
    assert (again.database.moved_aside, again.settings.get("a")) == (None, "1")
    again.close()


def test_damage_inside_is_found_at_the_start_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The first page is good and a later one is not.
    """
    monkeypatch.setattr(database, "boot_id", lambda: "before")
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.notifications.add([(NOW, Notification(f"{n}_1V2", title="x" * 500)) for n in range(200)])
    ledger.close()
    content = bytearray(path.read_bytes())
    content[8192:-4096] = os.urandom(len(content) - 12288)
    path.write_bytes(content)
    monkeypatch.setattr(database, "boot_id", lambda: "after")
    ledger = Ledger(path)
    assert ledger.database.moved_aside is not None
    assert ledger.notifications.waiting(1e12) == []
    ledger.close()


def test_damage_inside_that_the_start_does_not_look_for_is_found_in_use(tmp_path: Path) -> None:
    """
    The machine has not been down; whoever uses the file then ends, and the next engine moves it aside.
    """
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.notifications.add([(NOW, Notification(f"{n}_1V2", title="x" * 500)) for n in range(200)])
    ledger.close()
    at = root(path, "notifications")
    content = bytearray(path.read_bytes())
    content[at : at + 4096] = os.urandom(4096)
    path.write_bytes(content)
    damaged = Ledger(path)
    assert damaged.database.moved_aside is None
    with pytest.raises(LedgerDamaged):
        damaged.notifications.waiting(1e12)
    damaged.close()
    ledger = Ledger(path)
    assert ledger.database.moved_aside is not None
    ledger.close()


def test_an_empty_file_is_a_new_ledger(tmp_path: Path) -> None:
    """
    A crash right after it was made leaves one.
    """
    (tmp_path / "ledger.db").touch()
    ledger = Ledger(tmp_path / "ledger.db")
    assert (ledger.database.moved_aside, ledger.settings.counters()) == (None, {})
    ledger.close()


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    """
    A downgrade must not destroy what the newer version knows.
    """
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(LedgerError, match="was written by a newer version"):
        Ledger(path)
    assert [item.name for item in tmp_path.glob("*corrupt*")] == []


def test_a_ledger_of_an_earlier_version_is_moved_aside(tmp_path: Path) -> None:
    """
    It is kept whole for a person to look at, and a new one begun.
    """
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.settings.put("a", "1")
    ledger.database.connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    # As after a kill: what was written last is in the log beside the file.
    for name in ("ledger.db", "ledger.db-wal"):
        (tmp_path / f"killed-{name}").write_bytes((tmp_path / name).read_bytes())
    ledger.close()
    for name in ("ledger.db", "ledger.db-wal"):
        (tmp_path / f"killed-{name}").replace(tmp_path / name)
    ledger = Ledger(path)
    assert (ledger.settings.get("a"), ledger.database.moved_why) == (
        None,
        "is of an earlier version",
    )
    aside = ledger.database.moved_aside
    assert aside is not None
    assert aside.name.startswith("ledger.db.outdated-")
    ledger.close()
    kept = sqlite3.connect(aside)
    assert kept.execute("SELECT value FROM settings WHERE key = 'a'").fetchall() == [("1",)]
    kept.close()
    again = Ledger(path)
    assert again.database.moved_aside is None
    again.close()


def test_a_second_opener_is_refused(ledger: Ledger) -> None:
    """
    Two engines on one ledger would both act.
    """
    with pytest.raises(LedgerError, match="is in use by another engine; give each a ledger"):
        Ledger(ledger.database.path)
    second = run("Ledger(sys.argv[1])", str(ledger.database.path), stderr=subprocess.PIPE)
    _, said = second.communicate(timeout=20)
    assert second.returncode != 0
    assert "is in use by another engine" in said
    ledger.settings.put("a", "1")


def test_the_next_engine_may_have_it_after_a_kill(tmp_path: Path) -> None:
    """
    The lock ends with the process.
    """
    holder = run(
        "ledger = Ledger(sys.argv[1]); print('open', flush=True); sys.stdin.read()",
        str(tmp_path / "l.db"),
        stdin=-1,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(LedgerError):
        Ledger(tmp_path / "l.db")
    holder.kill()
    holder.communicate(timeout=10)
    Ledger(tmp_path / "l.db").close()


FULL = """
import resource
ledger = Ledger(sys.argv[1])
ledger.settings.put("kept", "1")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
failures = 0
for n in range(40):
    try:
        ledger.notifications.add([(1.0, Notification(f"{n}_1V2", title="x" * 900)) for _ in range(20)])
    except LedgerError as err:
        failures += 1
        last = err
print(failures > 0, str(last).startswith("cannot write the ledger: "), ledger.settings.get("kept"))
print(len(ledger.notifications.waiting(1e12)) % 20)
"""


def test_a_full_disk_is_a_ledger_error(tmp_path: Path) -> None:
    """
    What was written stays readable, and what failed is not there in part.
    """
    full = run(FULL, str(tmp_path / "ledger.db"))
    said, _ = full.communicate(timeout=60)
    assert said.splitlines() == ["True True 1", "0"]
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.database.moved_aside is None
    assert ledger.settings.get("kept") == "1"
    ledger.close()


@pytest.mark.parametrize("name", ["", "file/ledger.db"])
def test_a_place_that_cannot_be_written_is_a_ledger_error(tmp_path: Path, name: str) -> None:
    """
    A directory in its place, or a file in place of its directory.
    """
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot open the ledger"):
        Ledger(tmp_path / name)


def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    """
    Readers and writers get LedgerError, not an error of sqlite.
    """
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.close()
    with pytest.raises(LedgerError, match="cannot read the ledger"):
        ledger.settings.get("a")
    with pytest.raises(LedgerError, match="cannot write the ledger"):
        ledger.settings.put("a", "1")


def test_threads_share_it(ledger: Ledger) -> None:
    """
    The listener, the loop and the comments write at the same time.
    """

    def write(name: str) -> None:
        for _ in range(20):
            with ledger.transaction():
                ledger.settings.count("all")
                ledger.settings.count("n", name)

    threads = [threading.Thread(target=write, args=[str(n)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ledger.settings.counters() == {("all",): 160, **{("n", str(n)): 20 for n in range(8)}}


def test_settings_are_remembered_and_forgotten(ledger: Ledger) -> None:
    """
    Paused is one of them, with who and why.
    """
    ledger.settings.put("paused", "a reason")
    ledger.settings.put("paused", "another")
    assert ledger.settings.get("paused") == "another"
    ledger.settings.put("paused", None)
    assert ledger.settings.get("paused") is None


def test_a_setting_that_is_taken_back_was_never_there(ledger: Ledger) -> None:
    """
    What is remembered in memory is what is in the file, also for who asks within the transaction.
    """
    ledger.settings.put("paused", "before")
    with contextlib.suppress(ZeroDivisionError), ledger.transaction():
        ledger.settings.put("paused", "within")
        assert ledger.settings.get("paused") == "within"
        raise ZeroDivisionError
    assert ledger.settings.get("paused") == "before"


def test_a_setting_is_asked_for_without_the_lock(ledger: Ledger) -> None:
    """
    Whether all is paused is asked for each process that is decided, while others write.
    """
    assert ledger.settings.get("paused") is None
    found: list[str | None] = []
    with ledger.transaction():
        thread = threading.Thread(target=lambda: found.append(ledger.settings.get("paused")))
        thread.start()
        thread.join(30)
        assert found == [None]


def test_a_notification_waits_until_it_is_settled(ledger: Ledger) -> None:
    """
    It comes back as it was, whatever texts it holds.
    """
    first, second = (
        Notification(PID, DISPLAY_ID, state="OPEN", title=HOSTILE, problem=problem(title=HOSTILE)),
        Notification("2_1V2"),
    )
    ledger.notifications.add([(NOW, first), (NOW + 1, second)])
    assert ledger.notifications.waiting(NOW) == [(1, first, 0, NOW)]
    assert ledger.notifications.next_due() == NOW
    ledger.notifications.postpone([1], NOW + 10)
    assert [item[0] for item in ledger.notifications.waiting(NOW + 9)] == [2]
    assert [item[:3] for item in ledger.notifications.waiting(NOW + 10)] == [
        (2, second, 0),
        (1, first, 1),
    ]
    assert ledger.queue_length() == 2
    ledger.notifications.settle([1, 2], NOW + 11)
    assert ledger.notifications.waiting(1e12) == []
    assert (ledger.queue_length(), ledger.notifications.next_due()) == (0, None)
    assert ledger.settings.counters() == {("notifications_accepted",): 2}


def test_an_episode_comes_back_as_it_was(ledger: Ledger) -> None:
    """
    Problem and resolution with it; the newest of a problem is found by its key and its number.
    """
    first = episode(
        problem=problem(title=HOSTILE),
        waiting="capacity",
        announced=True,
        escalated=Escalation.REFUSED,
        due=None,
    )
    second = episode(2, opened=NOW + 1, closed=NOW + 2, state="closed")
    ledger.episodes.save(first)
    assert ledger.episodes.latest(PID) == first
    ledger.episodes.save(second)
    assert ledger.episodes.latest(PID) == second
    assert ledger.episodes.find(DISPLAY_ID) == second
    assert ledger.episodes.latest("other") is None
    assert ledger.episodes.find("P-0") is None
    assert ledger.episodes.summaries() == {PID: "abc"}


def test_the_most_severe_is_decided_first_then_the_oldest(ledger: Ledger) -> None:
    """
    Whom the storm guard lets through follows from this order.
    """
    for key, rank, opened, due in (
        ("a", 1, 1, 5),
        ("b", 0, 3, 5),
        ("c", 0, 2, 5),
        ("d", 0, 1, 9),
        ("e", 0, 0, None),
    ):
        ledger.episodes.save(episode(problem_key=key, rank=rank, opened=opened, due=due))
    assert [item.problem_key for item in ledger.episodes.places(5, waiting=False)] == [
        "c",
        "b",
        "a",
    ]
    assert ledger.episodes.next_due() == 5


def test_episodes_are_woken_by_what_they_wait_for(ledger: Ledger) -> None:
    """
    Room, or the end of the pause.
    """
    for key, waiting in (("a", "capacity"), ("b", "paused"), ("c", None)):
        ledger.episodes.save(episode(problem_key=key, waiting=waiting, due=None))
    ledger.episodes.wake_waiting(NOW, "capacity")
    assert [item.problem_key for item in ledger.episodes.places(NOW, waiting=False)] == ["a"]
    ledger.episodes.wake_waiting(NOW, "paused")
    ledger.episodes.wake("c", 1, NOW)
    assert [item.problem_key for item in ledger.episodes.places(NOW, waiting=False)] == [
        "a",
        "b",
        "c",
    ]
    ledger.episodes.save(episode(problem_key="d", state="closed", due=None, waiting="capacity"))
    ledger.episodes.wake_waiting(NOW, "capacity")
    assert len(ledger.episodes.places(NOW, waiting=False)) == 3


def test_an_attempt_is_counted_from_the_moment_it_is_recorded(ledger: Ledger) -> None:
    """
    Before anything of it is fired.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS), ("web02", PROCESS)])
    assert ledger.attempts.get("a1") == attempt()
    assert ledger.attempts.by_jid(attempt().jid) == [attempt()]
    assert ledger.attempts.past("web01", PROCESS, NOW) == [Past("waiting", NOW)]
    assert ledger.attempts.past("web01", PROCESS, NOW + 1) == []
    assert ledger.attempts.past("web01", "another", 0) == []
    assert ledger.attempts.in_progress.busy_minions() == {"web01", "web02"}
    ledger.attempts.add(attempt(state="bad"), [("web03", PROCESS)])
    assert ledger.attempts.get("a1") == attempt()


def test_the_first_answer_counts(ledger: Ledger) -> None:
    """
    A second return of the same minion changes nothing.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS)])
    assert ledger.attempts.end_action("a1", "web01", ActionState.BAD, "first", NOW + 5)
    assert not ledger.attempts.end_action("a1", "web01", ActionState.GOOD, "second", NOW + 6)
    assert not ledger.attempts.end_action("a1", "web09", ActionState.GOOD, "nobody", NOW + 6)
    (action,) = ledger.attempts.actions("a1")
    assert (action.state, action.comment, action.ended) == ("bad", "first", NOW + 5)
    assert ledger.attempts.past("web01", PROCESS, 0) == [Past("bad", NOW, NOW + 5)]
    assert ledger.attempts.in_progress.busy_minions() == set()


def test_an_attempt_that_was_not_executed_never_happened(ledger: Ledger) -> None:
    """
    What was provably not executed costs nothing of the budget.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS)])
    ledger.attempts.end_action("a1", "web01", ActionState.NOT_EXECUTED, "no job", NOW)
    assert ledger.attempts.past("web01", PROCESS, 0) == []


def test_an_expired_attempt_keeps_nobody_busy(ledger: Ledger) -> None:
    """
    Its order expired; no job can be at work.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS)])
    ledger.outbox.add(PID, "tag/1", {"what": "open", "attempt_id": "a1"}, NOW, fresh_until=NOW + 20)
    (event,) = waiting(ledger)
    ledger.outbox.fired([event], NOW)
    ledger.attempts.move("a1", AttemptState.EXPIRED)
    assert ledger.attempts.in_progress.busy_minions() == set()
    moved = ledger.attempts.get("a1")
    assert moved is not None
    assert (moved.state, moved.fired, moved.ended) == ("expired", NOW, None)
    assert ledger.attempts.open() == [moved]
    ledger.attempts.move("a1", AttemptState.NOT_EXECUTED, ended=NOW + 1)
    assert ledger.attempts.open() == []
    assert ledger.attempts.by_jid(moved.jid) == []


def test_events_leave_in_their_order_and_once(ledger: Ledger) -> None:
    """
    The attempt that an event orders is fired with it.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS)])
    ledger.outbox.add(
        PID,
        "tag/1",
        {"what": "open", "attempt_id": "a1", "title": HOSTILE},
        NOW,
        fresh_until=NOW + 20,
    )
    ledger.outbox.add(PID, "tag/2", {"what": "changed", "attempt_id": "a1"}, NOW)
    (first,) = waiting(ledger)
    assert (first.tag, first.attempt_id, first.fresh_until) == ("tag/1", "a1", NOW + 20)
    assert first.data["title"] == HOSTILE
    assert ledger.outbox.event_of("a1") == first.data
    ledger.outbox.fired([first], NOW + 1)
    (second,) = waiting(ledger)
    assert (second.tag, second.attempt_id, second.fresh_until) == ("tag/2", None, None)
    fired = ledger.attempts.get("a1")
    assert fired is not None
    assert (fired.state, fired.fired, fired.first_fired) == ("fired", NOW + 1, NOW + 1)
    ledger.outbox.fired([second], NOW + 1)
    assert ledger.settings.counters()["events", "open"] == 1
    ledger.outbox.refire("a1", NOW + 99)
    (again,) = waiting(ledger)
    assert (again.tag, again.fresh_until) == ("tag/1", NOW + 99)
    ledger.outbox.fired([again], NOW + 50)
    fired = ledger.attempts.get("a1")
    assert fired is not None
    assert (fired.fired, fired.first_fired) == (NOW + 50, NOW + 1)


def test_a_running_attempt_stays_running_when_its_event_is_fired_again(ledger: Ledger) -> None:
    """
    The job may have appeared in between.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS)])
    ledger.outbox.add(PID, "tag/1", {"what": "open", "attempt_id": "a1"}, NOW, fresh_until=NOW + 20)
    (event,) = waiting(ledger)
    ledger.attempts.move("a1", AttemptState.RUNNING)
    ledger.outbox.fired([event], NOW + 1)
    moved = ledger.attempts.get("a1")
    assert moved is not None
    assert moved.state == "running"


def test_an_order_that_waited_counts_from_its_firing(ledger: Ledger) -> None:
    """
    The engine was down for hours: by the time of recording it would be out of the window before it ran.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS)])
    ledger.outbox.add(PID, "tag/1", {"what": "open", "attempt_id": "a1"}, NOW, fresh_until=NOW + 20)
    ledger.outbox.refire("a1", NOW + 9020)
    ledger.outbox.fired(waiting(ledger)[:1], NOW + 9000)
    assert ledger.attempts.past("web01", PROCESS, NOW + 8000) == [Past("waiting", NOW + 9000, None)]


def test_an_order_that_was_not_fired_can_be_disarmed(ledger: Ledger) -> None:
    """
    It is still announced, but orders nothing.
    """
    ledger.attempts.add(attempt(), [("web01", PROCESS)])
    ledger.outbox.add(PID, "tag/1", {"what": "open", "attempt_id": "a1"}, NOW, fresh_until=NOW + 20)
    ledger.outbox.disarm("a1", {"what": "open", "attempt_id": None})
    (event,) = waiting(ledger)
    assert (event.data, event.attempt_id, event.fresh_until) == (
        {"what": "open", "attempt_id": None},
        None,
        None,
    )
    assert ledger.outbox.event_of("a1") is None


def test_a_comment_is_recorded_once_and_sent_once(ledger: Ledger) -> None:
    """
    Its marker is its name.
    """
    ledger.comments.add("[m]", PID, "text [m]", NOW)
    ledger.comments.add("[m]", PID, "another", NOW)
    (comment,) = ledger.comments.waiting(NOW)
    assert (comment.message, comment.tries, comment.doubtful) == ("text [m]", 0, False)
    ledger.comments.trying("[m]")
    (comment,) = ledger.comments.waiting(NOW)
    assert (comment.tries, comment.doubtful) == (1, True)
    ledger.comments.later("[m]", NOW + 30, doubtful=False)
    assert ledger.comments.waiting(NOW + 29) == []
    assert ledger.comments.next_due() == NOW + 30
    assert not ledger.comments.waiting(NOW + 30)[0].doubtful
    ledger.comments.sent("[m]", NOW + 31)
    assert ledger.comments.waiting(1e12) == []
    assert ledger.comments.next_due() is None
    ledger.comments.add("[n]", PID, "text", NOW)
    ledger.comments.given_up("[n]", "x" * 900)
    assert ledger.comments.waiting(1e12) == []


def test_what_is_settled_is_forgotten_after_a_month(ledger: Ledger) -> None:
    """
    What is still open is kept however old it is.
    """
    ledger.notifications.add([(NOW, Notification(PID)), (NOW, Notification("2_1V2"))])
    ledger.notifications.settle([1], NOW)
    ledger.episodes.save(episode(problem_key="old", state="closed", closed=NOW))
    ledger.episodes.save(episode(problem_key="open"))
    ledger.attempts.add(attempt("old", ended=NOW), [("web01", PROCESS)])
    ledger.attempts.end_action("old", "web01", ActionState.GOOD, "", NOW)
    ledger.attempts.add(attempt("open"), [("web02", PROCESS)])
    ledger.outbox.add(PID, "fired", {}, NOW)
    ledger.outbox.fired(waiting(ledger)[:1], NOW)
    ledger.outbox.add(PID, "waiting", {}, NOW)
    ledger.comments.add("[m]", PID, "text", NOW)
    for now, kept in ((NOW + KEEP_S, True), (NOW + KEEP_S + 1, False)):
        ledger.expire(now)
        assert (ledger.episodes.latest("old") is not None) is kept
        assert (ledger.attempts.get("old") is not None) is kept
        assert bool(ledger.attempts.actions("old")) is kept
        assert bool(ledger.comments.waiting(1e12)) is kept
        assert len(ledger.notifications.waiting(1e12)) == 1
        assert [item.tag for item in waiting(ledger)] == ["waiting"]
        assert ledger.episodes.latest("open") is not None
        assert ledger.attempts.in_progress.busy_minions() == {"web02"}


def syncs(patched: pytest.MonkeyPatch, write: Callable[[], Any]) -> int:
    """
    Return how often a write waits for the disk.
    """
    found: list[int] = []
    with patched.context() as patch:
        patch.setattr(durable_log, "_sync", found.append)
        write()
    return len(found)


def test_others_read_and_write_while_the_disk_is_waited_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A commit is on disk when its write returns; those that came meanwhile share the next sync.
    """
    synced: list[int] = []
    waits, goes_on = threading.Event(), threading.Event()

    def sync(handle: int) -> None:
        waits.set()
        assert goes_on.wait(60)
        synced.append(handle)

    monkeypatch.setattr(durable_log, "_sync", sync)
    writers = [
        threading.Thread(target=ledger.outbox.add, args=(PID, "tag", {}, NOW)) for _ in range(5)
    ]
    writers[0].start()
    assert waits.wait(60)
    for writer in writers[1:]:
        writer.start()
    while len(waiting(ledger)) < len(writers):
        threading.Event().wait(0.01)
    assert all(writer.is_alive() for writer in writers)
    goes_on.set()
    for writer in writers:
        writer.join(60)
    assert len(synced) == 2


def test_a_write_that_is_not_on_disk_is_an_error_and_is_not_acted_upon(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Else a person who is told, and an order that is fired, would be unknown after a power cut.
    """

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(durable_log, "_sync", fails)
        with pytest.raises(LedgerError, match="Input/output error"):
            ledger.outbox.add(PID, "tag", {}, NOW)
        with pytest.raises(LedgerError, match="Input/output error"):
            ledger.outbox.sync()
        with pytest.raises(LedgerError, match="Input/output error"):
            ledger.comments.waiting(NOW)
    ledger.outbox.sync()


def test_what_is_found_again_causes_no_sync(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification that was looked at and a problem that was seen wait for the next sync."""
    assert syncs(monkeypatch, lambda: ledger.notifications.settle([1], NOW)) == 0
    announcements = Announcements("x", ledger, Policy())
    known = Resolution((target(),))
    episodes = Episodes(
        "x", ledger, announcements, lambda _: known, lambda _: problem(), lambda *_: False, 86400.0
    )
    assert syncs(monkeypatch, lambda: episodes.observe(problem(), NOW)) == 0
    assert ledger.episodes.get(PID, 1) is not None
    new = [replace(problem(), problem_id=f"{number}_1V2") for number in range(2)]
    assert syncs(monkeypatch, lambda: episodes.observe_all(new, NOW, {})) == 0
    # An end takes orders back, and these must stay so.
    ended = [replace(one, status="CLOSED") for one in new]
    assert syncs(monkeypatch, lambda: episodes.observe_all(ended, NOW, {})) == 1
    ledger.outbox.add(PID, "tag", {}, NOW)
    assert syncs(monkeypatch, lambda: ledger.outbox.fired(waiting(ledger), NOW)) == 0


def test_all_else_is_synced_also_afterwards(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notifications and orders are on disk when the call returns, whatever was written before."""
    ledger.notifications.settle([1], NOW)
    assert syncs(monkeypatch, lambda: ledger.notifications.add([(NOW, Notification(PID))])) == 1
    assert syncs(monkeypatch, lambda: ledger.episodes.save(episode())) == 1
    assert syncs(monkeypatch, lambda: ledger.attempts.add(attempt(), [("web01", PROCESS)])) == 1


def test_within_a_transaction_it_is_synced_with_the_rest(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What belongs to a durable commit is durable."""

    def write() -> None:
        with ledger.transaction():
            ledger.episodes.save(episode())
            ledger.notifications.settle([1], NOW)

    assert syncs(monkeypatch, write) == 1


def test_a_failed_write_leaves_syncs_on(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error between the two does not make later commits less durable."""
    with pytest.raises(LedgerError):
        ledger.notifications.settle([1], object())  # type: ignore[arg-type]
    assert syncs(monkeypatch, lambda: ledger.episodes.save(episode())) == 1

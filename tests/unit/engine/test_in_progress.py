"""
What is in progress, as it is kept in memory: always what the tables say, whoever wrote them and whatever was taken back.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.core.errors import LedgerError
from _dynatrace.core.records import Attempt
from _dynatrace.core.states import BUSY_ATTEMPTS, OPEN_ATTEMPTS, ActionState, AttemptState, sql
from _dynatrace.store.in_progress import InProgress
from _dynatrace.store.ledger import Ledger
from _dynatrace.store.retention import KEEP_S

from tests.unit.engine.bodies import PID, PROCESS
from tests.unit.engine.test_ledger import NOW, attempt

#: The (minion, process) pairs that a random attempt may be for.
PAIRS = [(f"web{number}", f"{PROCESS[:-1]}{number}") for number in range(4)]
#: Since when what was given up counts.
GIVEN_UP = NOW + 100


class TakenBack(Exception):
    """
    What a test leaves a transaction with.
    """


def known(ledger: Ledger) -> dict[str, Any]:
    """
    Return all that is asked of what is in progress.
    """
    parts = ledger.attempts.in_progress
    return {
        "busy": parts.busy_minions(),
        "with nginx": parts.busy_with("nginx"),
        "watched": parts.watched(GIVEN_UP),
        "overdue": {one.attempt_id for one in parts.overdue(NOW + 50, NOW + 40, NOW + 30)},
        "without job": parts.without_job(),
    }


def stored(ledger: Ledger) -> dict[str, Any]:
    """
    Return the same as the tables tell it.
    """
    rows = ledger.database.rows
    waiting = f"actions.state = '{ActionState.WAITING}'"
    pairs = rows(
        "SELECT attempt_id, minion, remedy FROM actions JOIN attempts USING (attempt_id)"
        f" WHERE {waiting} AND attempts.state IN {sql(*BUSY_ATTEMPTS)}"
    )
    late = rows(
        "SELECT jid FROM attempts JOIN actions USING (attempt_id)"
        f" WHERE actions.state = '{ActionState.LOST}' AND actions.ended >= ?",
        GIVEN_UP,
    )
    open_ = rows(f"SELECT * FROM attempts WHERE state IN {sql(*OPEN_ATTEMPTS)}")
    limits = {"running": ("started", 50), "fired": ("fired", 40), "planned": ("created", 30)}
    overdue, without_job = set(), {}
    for one in open_:
        since, limit = limits.get(one["state"], ("attempt_id", 0))
        if one["state"] == "expired" or one[since] < NOW + limit:
            overdue.add(one["attempt_id"])
        if one["state"] in ("planned", "fired"):
            own = {row["minion"] for row in pairs if row["attempt_id"] == one["attempt_id"]}
            without_job[one["attempt_id"]] = own
    return {
        "busy": {row["minion"] for row in pairs},
        "with nginx": {row["minion"] for row in pairs if row["remedy"] == "nginx"},
        "watched": {row["jid"] for row in [*open_, *late]},
        "overdue": overdue,
        "without job": without_job,
    }


class Writer:
    """
    Writes what an engine may write of attempts, by chance.
    """

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        self._ledger = ledger
        self._chance = chance
        self._made = 0

    def write(self) -> None:
        """
        Write one thing.
        """
        writes = [self._order, self._order, self._fire, self._take, self._end, self._end]
        writes += [self._expire, self._refire, self._unfire, self._shift, self._forget]
        self._chance.choice(writes)()

    def _now(self) -> float:
        return NOW + self._chance.randrange(200)

    def _any(self) -> str:
        return f"a{self._chance.randrange(self._made + 1)}"

    def _order(self) -> None:
        self._made += 1
        remedy = self._chance.choice(["nginx", "php", None])
        own_id, jid = f"a{self._made}", f"j{self._made}"
        made = attempt(own_id, created=self._now(), jid=jid, remedy=remedy)
        self._ledger.attempts.add(made, self._chance.sample(PAIRS, self._chance.randint(1, 3)))
        data = {"what": "open", "attempt_id": made.attempt_id}
        self._ledger.outbox.add(PID, "tag", data, NOW, fresh_until=NOW + 20)

    def _fire(self) -> None:
        self._ledger.outbox.fired(self._ledger.outbox.orders(NOW)[:1], self._now())

    def _take(self) -> None:
        self._ledger.outbox.order_taken(self._any(), self._now())

    def _end(self) -> None:
        state = self._chance.choice([ActionState.GOOD, ActionState.BAD, ActionState.LOST])
        own = self._any()
        for minion, _ in self._chance.sample(PAIRS, 2):
            self._ledger.attempts.end_action(own, minion, state, "", self._now())
        if not any(one.state == "waiting" for one in self._ledger.attempts.actions(own)):
            ends = [AttemptState.LOST, AttemptState.BAD, AttemptState.GOOD]
            self._ledger.attempts.move(own, self._chance.choice(ends), ended=self._now())

    def _expire(self) -> None:
        self._ledger.attempts.move(self._any(), AttemptState.EXPIRED)

    def _refire(self) -> None:
        own = self._any()
        self._ledger.outbox.refire(own, NOW + 20)
        self._ledger.attempts.move(own, AttemptState.PLANNED)

    def _unfire(self) -> None:
        self._ledger.outbox.unfire(range(1, self._made + 1))

    def _shift(self) -> None:
        self._ledger.shift(self._chance.randrange(-5, 5))

    def _forget(self) -> None:
        self._ledger.expire(NOW + KEEP_S + self._chance.randrange(200))


def in_one(ledger: Ledger, writer: Writer, chance: random.Random) -> None:
    """
    Write several things in a transaction and a savepoint of it, ask in between, and perhaps take it all back.
    """
    with ledger.transaction():
        writer.write()
        with contextlib.suppress(TakenBack), ledger.savepoint():
            writer.write()
            assert known(ledger) == stored(ledger)
            if chance.random() < 0.5:
                raise TakenBack
        if chance.random() < 0.5:
            assert known(ledger) == stored(ledger)
        writer.write()
        if chance.random() < 0.3:
            raise TakenBack


@pytest.mark.parametrize("seed", range(8))
def test_what_is_in_progress_is_what_the_tables_say(ledger: Ledger, seed: int) -> None:
    """
    After any writing by any module, also inside of a transaction and after one that was taken back.
    """
    chance = random.Random(seed)
    writer = Writer(ledger, chance)
    seen = 0
    for _ in range(150):
        with contextlib.suppress(TakenBack):
            in_one(ledger, writer, chance) if chance.random() < 0.5 else writer.write()
        assert known(ledger) == stored(ledger)
        seen += sum(map(bool, stored(ledger).values()))
    assert seen > 150


@pytest.mark.parametrize("part", ["transaction", "savepoint"])
def test_what_was_asked_inside_is_taken_back_with_it(ledger: Ledger, part: str) -> None:
    """
    Who asks inside is told what was written there.
    """
    parts = ledger.attempts.in_progress
    ledger.attempts.add(attempt("a1"), [("web01", PROCESS)])
    with pytest.raises(TakenBack), getattr(ledger, part)():
        ledger.attempts.add(attempt("a2", jid="2"), [("web02", PROCESS)])
        ledger.attempts.end_action("a1", "web01", ActionState.BAD, "", NOW)
        assert parts.busy_minions() == {"web02"}
        raise TakenBack
    assert parts.busy_minions() == {"web01"}


def test_a_ledger_that_is_opened_again_knows_it(tmp_path: Path) -> None:
    """
    Also of the attempts that were given up.
    """
    path = tmp_path / "ledger.db"
    first = Ledger(path)
    first.attempts.add(attempt("a1", jid="1"), [("web01", PROCESS)])
    first.attempts.add(attempt("a2", jid="2"), [("web02", PROCESS)])
    first.outbox.order_taken("a2", NOW)
    first.attempts.end_action("a2", "web02", ActionState.LOST, "", NOW)
    first.attempts.move("a2", AttemptState.LOST, ended=NOW)
    first.close()
    again = Ledger(path)
    assert again.attempts.in_progress.busy_minions() == {"web01"}
    assert again.attempts.in_progress.watched(NOW) == {"1", "2"}
    assert again.attempts.in_progress.watched(NOW + 1) == {"1"}
    again.close()


def test_something_is_free_when_an_action_ends_or_an_order_expires(ledger: Ledger) -> None:
    """
    Not when one is given, fired or taken.
    """
    parts = ledger.attempts.in_progress

    def frees(write: Any, *values: Any) -> bool:
        before = parts.freed()
        write(*values)
        return parts.freed() > before

    both = [("web01", PROCESS), ("web02", PROCESS)]
    assert not frees(ledger.attempts.add, attempt("a1"), both)
    assert not frees(ledger.attempts.move, "a1", AttemptState.FIRED)
    assert not frees(ledger.outbox.order_taken, "a1", NOW)
    assert frees(ledger.attempts.end_action, "a1", "web01", ActionState.BAD, "", NOW)
    assert not frees(ledger.attempts.end_action, "a1", "web01", ActionState.GOOD, "", NOW)
    assert frees(ledger.attempts.end_action, "a1", "web02", ActionState.GOOD, "", NOW)
    ledger.attempts.add(attempt("a2", jid="2"), both)
    ledger.attempts.move("a2", AttemptState.FIRED)
    assert frees(ledger.attempts.move, "a2", AttemptState.EXPIRED)
    assert frees(ledger.attempts.end_action, "a2", "web01", ActionState.NOT_EXECUTED, "", NOW)


def test_who_asks_again_reads_nothing(ledger: Ledger) -> None:
    """
    However much is in progress.
    """
    with ledger.transaction():
        for number in range(300):
            made = attempt(f"a{number}", jid=str(number))
            ledger.attempts.add(made, [(f"web{number}", PROCESS)])
    assert len(known(ledger)["busy"]) == 300
    ledger.attempts.end_action("a7", "web7", ActionState.BAD, "", NOW)
    asked: list[str] = []
    ledger.database.connection.set_trace_callback(asked.append)
    assert len(known(ledger)["busy"]) == 299
    assert len(asked) == 2
    assert "a7" in asked[0]
    known(ledger)
    ledger.database.connection.set_trace_callback(None)
    assert len(asked) == 2


def test_a_ledger_that_could_not_be_read_is_opened_by_a_later_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its lock is let go of.
    """

    def fails(*_: Any) -> None:
        raise LedgerError("the disk failed")

    with monkeypatch.context() as patched, pytest.raises(LedgerError):
        patched.setattr(InProgress, "__init__", fails)
        Ledger(tmp_path / "ledger.db")
    Ledger(tmp_path / "ledger.db").close()


def test_attempts_that_wait_too_long_are_listed_oldest_first(ledger: Ledger) -> None:
    """
    Each by the time that counts in its state.
    """
    made: list[Attempt] = [
        attempt("planned", created=NOW + 3),
        attempt("fired", state=AttemptState.FIRED, created=NOW + 2, fired=NOW + 20),
        attempt("running", state=AttemptState.RUNNING, created=NOW + 1, started=NOW + 30),
        attempt("expired", state=AttemptState.EXPIRED, created=NOW + 4),
    ]
    for one in made:
        ledger.attempts.add(one, [])
    overdue = ledger.attempts.in_progress.overdue
    assert [one.attempt_id for one in overdue(NOW, NOW, NOW)] == ["expired"]
    assert overdue(NOW + 31, NOW + 21, NOW + 4) == [made[2], made[1], made[0], made[3]]
    assert overdue(NOW + 30, NOW + 20, NOW + 3) == [made[3]]

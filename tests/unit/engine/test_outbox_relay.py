"""
The end of the bus that fires, against buses that fail as Salt's do; with real publishers: tests/integration/test_bus.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _dynatrace.core.errors import LedgerError
from _dynatrace.core.records import Attempt, Outgoing
from _dynatrace.core.states import AttemptState
from _dynatrace.master import bus_connection, delivery, subscriber
from _dynatrace.master import outbox_relay as bus
from _dynatrace.master.event import PROBE_TAG
from _dynatrace.store.database import Database
from _dynatrace.store.ledger import Ledger
from _dynatrace.store.outbox import BATCH

KEY = b"0" * 64


class Publisher:
    """
    A bus whose publisher can be stopped (takes, gives nothing) and killed (refuses, and forgets what it did not give).
    """

    def __init__(self) -> None:
        self.stopped = self.dead = False
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.given: list[tuple[str, dict[str, Any]]] = []
        self.subscribers: list[delivery.DeliveryConfirmation] = []

    def connect(self) -> Publisher:
        return self

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int) -> bool:
        if self.dead:
            raise ConnectionError("Stream is closed")
        self.taken.append((tag, data))
        self.go_on()
        return True

    def go_on(self) -> None:
        while self.taken and not self.stopped:
            tag, data = self.taken.pop(0)
            self.given.append((tag, data))
            for one in self.subscribers:
                one.received(data)

    def kill(self) -> None:
        self.dead, self.taken = True, []

    def get_event(self, **_: Any) -> None:
        return None

    def destroy(self) -> None:
        return None

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.given if tag != PROBE_TAG]


class Scene:
    """
    A relay, a subscriber and a publisher, at the test's time.
    """

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.ledger = Ledger(directory / "ledger.db")
        self.publisher = Publisher()
        self.delivery = delivery.DeliveryConfirmation()
        self.publisher.subscribers.append(self.delivery)
        self.delivery.opened()
        self.told = 0
        self.relay = bus.OutboxRelay(
            "test",
            self.ledger.outbox,
            lambda: self.publisher,
            KEY,
            self.delivery,
            lambda _: False,
            30.0,
            0.0,
            self._works,
            lambda: self.now + 1.7e9,
        )

    def _works(self) -> None:
        self.told += 1

    def add(self, tag: str) -> None:
        self.ledger.outbox.add(f"key of {tag}", tag, {"what": "open"}, self.now)

    def add_order(
        self, attempt_id: str, key: str = "key", fresh_s: float = 20.0, tag: str = "order"
    ) -> None:
        """
        Record an attempt on web01 and its order, which is fresh for 20 s.
        """
        attempt = Attempt(attempt_id, key, 1, 1, "2" * 20, "planned", 1.7e9)
        self.ledger.attempts.add(attempt, [("web01", "process")])
        data = {"what": "open", "attempt_id": attempt_id}
        fresh_until = 1.7e9 + self.now + fresh_s
        self.ledger.outbox.add(key, tag, data, 1.7e9, fresh_until=fresh_until)

    def look(self, after: float = 0.0) -> bool:
        self.now += after
        return self.relay.drain()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """
    Everything works, and the clock stands still.
    """
    made = Scene(tmp_path)
    clock = SimpleNamespace(
        monotonic=lambda: made.now, time=lambda: made.now + 1.7e9, sleep=time.sleep
    )
    for module in (bus, bus_connection, delivery):
        monkeypatch.setattr(module, "time", clock)
    made.delivery._received_at = made.now
    yield made
    made.ledger.close()


def critical(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.CRITICAL]


def test_what_a_killed_publisher_took_and_never_gave_is_fired_again(scene: Scene) -> None:
    """
    And what was heard is not: the publisher reads in order.
    """
    scene.add("a")
    scene.look()
    scene.publisher.stopped = True
    scene.add("b")
    scene.look()
    assert scene.ledger.queue_length() == 0
    scene.publisher.kill()
    scene.add("c")
    assert not scene.look()
    scene.publisher.dead = scene.publisher.stopped = False
    assert scene.look()
    assert scene.publisher.tags() == ["a", "b", "c"]


def test_nobody_needs_to_fire_for_a_dead_publisher_to_be_found(scene: Scene) -> None:
    """
    After five silent seconds the bus is asked, and that fails.
    """
    scene.publisher.stopped = True
    scene.add("a")
    scene.look()
    scene.publisher.kill()
    scene.look(delivery.SILENCE_S + 1)
    assert scene.relay.failures == 1
    scene.publisher.dead = scene.publisher.stopped = False
    scene.look(1)
    assert scene.publisher.tags() == ["a"]


def test_a_silent_bus_gets_nothing_more_and_it_is_said_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Asked now and then only; when it goes on, each event has come once, and that is said too.
    """
    scene.publisher.stopped = True
    scene.add("a")
    scene.look()
    for number in range(120):
        scene.add(f"b{number}")
        scene.look(1 if number else 6)
    assert len(critical(caplog)) == 1
    assert not scene.relay.healthy
    assert [tag for tag, _ in scene.publisher.taken if tag != PROBE_TAG] == ["a"]
    assert len(scene.publisher.taken) < 15
    scene.publisher.stopped = False
    scene.publisher.go_on()
    assert scene.look(1)
    assert scene.relay.healthy
    assert scene.publisher.tags() == ["a", *[f"b{number}" for number in range(120)]]
    assert (scene.told, len(critical(caplog))) == (1, 1)
    assert "works again" in caplog.text


def test_an_ear_that_lags_behind_is_no_reason_for_doubt(scene: Scene) -> None:
    """
    As long as it hsubscribers anything at all the publisher works.
    """
    scene.publisher.subscribers.clear()
    for number in range(20):
        scene.add(f"{number}")
        scene.delivery.received({"somebody": "else's"})
        scene.look(1)
    assert len(scene.publisher.tags()) == 20


def test_an_engine_that_was_stopped_itself_does_not_blame_the_bus(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    When it goes on, what it fired before has been unheard for long: it hsubscribers it in a moment.
    """
    scene.publisher.stopped = True
    scene.add("a")
    scene.look()
    scene.look(1000)
    scene.relay.watch()
    scene.publisher.stopped = False
    scene.publisher.go_on()
    assert scene.look(1)
    assert critical(caplog) == []


def test_an_ear_that_was_deaf_is_opened_anew_and_asked(scene: Scene) -> None:
    """
    The publisher works, and only we do not hear it: another connection proves it, and nothing is fired twice.
    """
    scene.publisher.subscribers.clear()
    scene.add("a")
    scene.look()
    while not scene.delivery.renewal:
        scene.look(1)
    scene.publisher.subscribers.append(scene.delivery)
    scene.delivery.opened()
    assert not scene.delivery.renewal
    scene.look(1)
    assert scene.look(1)
    assert scene.publisher.tags() == ["a"]


def test_a_bus_that_refuses_is_said_once_and_found_to_work_without_an_event(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    An answer that could not be fired is nobody's loss; the bus is not taken for dead until the next problem.
    """
    scene.publisher.dead = True
    scene.relay.say("answer", {})
    for _ in range(10):
        assert not scene.look(1)
    assert len(critical(caplog)) == 1
    scene.publisher.dead = False
    scene.look(1)
    assert scene.look(1)
    assert scene.relay.healthy
    assert (scene.told, scene.relay.broken) == (1, False)


def test_an_event_that_cannot_be_recorded_as_fired_is_not_fired_at_each_try(scene: Scene) -> None:
    """
    A disk that is full for a night would fire it ten thousand times; and nothing else is fired before it is recorded.
    """
    for number in range(BATCH + 1):
        scene.add(f"{number}")
    scene.ledger.database.connection.execute("PRAGMA query_only = ON")
    for _ in range(5):
        with pytest.raises(LedgerError):
            scene.look(1)
    assert scene.publisher.tags() == [f"{number}" for number in range(BATCH)]
    scene.ledger.database.connection.execute("PRAGMA query_only = OFF")
    scene.look(1)
    assert scene.publisher.tags() == [f"{number}" for number in range(BATCH + 1)]
    assert scene.ledger.queue_length() == 0
    assert scene.ledger.settings.counters() == {("events", "open"): BATCH + 1}


def test_an_event_that_was_not_recorded_and_is_lost_with_its_bus_is_fired_again(
    scene: Scene,
) -> None:
    """
    It is recorded first, or its loss would be forgotten.
    """
    scene.publisher.stopped = True
    scene.add("a")
    scene.ledger.database.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerError):
        scene.look(1)
    scene.publisher.kill()
    scene.relay.say("salt/answer", {})
    with pytest.raises(LedgerError):
        scene.look(1)
    scene.publisher.dead = scene.publisher.stopped = False
    scene.ledger.database.connection.execute("PRAGMA query_only = OFF")
    scene.look(1)
    assert scene.publisher.tags() == ["a"]


def test_a_ledger_that_fails_is_said_once_by_the_thread_that_fires(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    And once when it works again, however often it was tried.
    """
    tries: list[bool] = []

    def drain() -> bool:
        tries.append(True)
        scene.relay.wake()
        if len(tries) <= 5:
            raise LedgerError("cannot write the ledger: database or disk is full")
        if len(tries) > 10:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(scene.relay, "drain", drain)
    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        scene.relay.wake()
        scene.relay.run()
    assert [one.getMessage() for one in caplog.records] == [
        "test: events wait; repeats are not logged: cannot write the ledger: database or disk is full",
        "test: the ledger works again: events are fired",
    ]


def test_a_fire_that_hangs_is_said_by_the_loop(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Its own thread cannot say it.
    """
    scene.relay._connection._firing_since = scene.now
    for _ in range(4):
        scene.now += 10
        scene.relay.watch()
    assert len(critical(caplog)) == 1
    assert not scene.relay.healthy


def test_an_order_that_may_be_lost_keeps_the_time_at_which_it_was_fired(scene: Scene) -> None:
    """
    A reactor may have it: it may still be executed before its validity has passed, and is given again at once while it is fresh.
    """
    scene.add_order("a" * 32)
    scene.publisher.stopped = True
    scene.look()
    fired = scene.ledger.attempts.get("a" * 32)
    scene.publisher.kill()
    scene.look(6)
    scene.publisher.dead = True
    scene.look(1)
    lost = scene.ledger.attempts.get("a" * 32)
    assert fired is not None and lost is not None
    assert (lost.state, lost.fired, lost.first_fired) == ("fired", fired.fired, None)
    scene.publisher.dead = scene.publisher.stopped = False
    scene.look(1)
    assert scene.publisher.tags() == ["order"]


def test_orders_that_are_too_old_keep_nothing_else_from_being_fired(scene: Scene) -> None:
    """
    A whole batch of them stands before a fresh order and a report, and more than was ever read at once.
    """
    with scene.ledger.transaction():
        for number in range(600):
            scene.add_order(f"{number:032d}", key=f"problem {number}", fresh_s=-1)
        scene.add_order("a" * 32, tag="fresh")
        scene.add("report")
    scene.look()
    assert scene.publisher.tags() == ["fresh", "report"]


def test_orders_that_are_held_keep_nothing_else_from_being_fired(scene: Scene) -> None:
    """
    Each is asked about once a look: a policy that forbids hundreds costs no second.
    """
    asked: list[str] = []

    def held(order: Mapping[str, Any]) -> bool:
        asked.append(order["attempt_id"])
        return order["attempt_id"] != "a" * 32

    scene.relay.held = held
    with scene.ledger.transaction():
        for number in range(200):
            scene.add_order(f"{number:032d}", key=f"problem {number}")
        scene.add_order("a" * 32, tag="allowed")
        for number in range(200):
            scene.add(f"report {number}")
    scene.look()
    assert scene.publisher.tags() == ["allowed", *[f"report {number}" for number in range(200)]]
    assert len(asked) == 201


def test_no_order_is_looked_at_while_all_is_paused(scene: Scene) -> None:
    """
    Reports go on; what waits behind an order about the same problem waits with it.
    """
    scene.relay.held = lambda _: pytest.fail("it is asked about")
    scene.ledger.settings.put("paused", "{}")
    scene.add_order("a" * 32)
    scene.ledger.outbox.add("key", "about the same", {"what": "changed"}, scene.now)
    scene.add("report")
    scene.look()
    assert scene.publisher.tags() == ["report"]
    scene.relay.held = lambda _: False
    scene.ledger.settings.put("paused", None)
    scene.look()
    assert scene.publisher.tags() == ["report", "order", "about the same"]


def test_an_order_goes_before_all_reports_but_those_about_its_problem(scene: Scene) -> None:
    """
    Ten thousand announcements are seconds; events about one problem come in order.
    """
    for number in range(3):
        scene.add(f"report {number}")
    scene.ledger.outbox.add("key", "its open", {"what": "open"}, scene.now)
    scene.add_order("a" * 32)
    scene.look()
    assert scene.publisher.tags() == ["its open", "order", "report 0", "report 1", "report 2"]


def test_what_stands_before_a_held_order_is_fired_once(scene: Scene) -> None:
    """
    It is fired for the order's sake, and the order is held after all.
    """
    scene.relay.held = lambda _: True
    scene.ledger.outbox.add("key", "its open", {"what": "open"}, scene.now)
    scene.add_order("a" * 32)
    for _ in range(3):
        scene.look()
    assert scene.publisher.tags() == ["its open"]


def test_an_order_that_comes_meanwhile_waits_for_one_batch(scene: Scene) -> None:
    """
    The reports of a night are not read to their end first.
    """
    for number in range(3 * BATCH):
        scene.add(f"report {number}")
    fire_event = scene.publisher.fire_event

    def ordering(data: dict[str, Any], tag: str, timeout: int) -> bool:
        if tag == "report 3":
            scene.add_order("a" * 32)
        return fire_event(data, tag, timeout)

    scene.publisher.fire_event = ordering  # type: ignore[method-assign]
    scene.look()
    assert scene.publisher.tags().index("order") == BATCH
    assert len(scene.publisher.tags()) == 3 * BATCH + 1


def test_reports_are_recorded_in_batches_and_each_order_by_itself(scene: Scene) -> None:
    """
    A commit costs as much as firing ten; but an order is not fired again when the engine is killed later.
    """
    for number in range(2 * BATCH):
        scene.add(f"report {number}")
    for number in range(3):
        scene.add_order(f"{number}" * 32, key=f"problem {number}")
    commits: list[str] = []
    recorded: list[list[int]] = []
    fired = scene.relay.outbox.fired

    def record(events: Sequence[Outgoing], at: float) -> None:
        recorded.append([event.seq for event in events])
        fired(events, at)

    scene.relay.outbox.fired = record  # type: ignore[method-assign]
    scene.ledger.database.connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    scene.look()
    assert [len(part) for part in recorded] == [1, 1, 1, BATCH, BATCH]
    assert len(commits) == 5
    assert scene.ledger.settings.counters() == {("events", "open"): 2 * BATCH + 3}


def test_no_more_than_a_batch_is_given_to_a_bus_that_falls_silent(scene: Scene) -> None:
    """
    It is asked between batches whether what was fired came back.
    """
    for number in range(5 * BATCH):
        scene.add(f"{number}")
    scene.publisher.stopped = True
    fire_event = scene.publisher.fire_event

    def slowly(data: dict[str, Any], tag: str, timeout: int) -> bool:
        scene.now += 0.1
        return fire_event(data, tag, timeout)

    scene.publisher.fire_event = slowly  # type: ignore[method-assign]
    assert not scene.look()
    fired = [tag for tag, _ in scene.publisher.taken if tag != PROBE_TAG]
    assert len(fired) == BATCH


def test_what_comes_back_is_found_without_comparing_it_to_all_that_is_under_way() -> None:
    """
    Thousands may be: each event of the bus would be compared with each of them.
    """
    compared: list[int] = []

    class Counted(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            compared.append(1)
            return str.__eq__(self, other)

        def __ne__(self, other: object) -> bool:
            return not self == other

    confirmation = delivery.DeliveryConfirmation()
    confirmation.opened()
    for number in range(1000):
        confirmation.fired(Counted(f"{number}"), number)
    for number in (*range(2000, 2100), 10, 700):
        confirmation.received({"signature": Counted(f"{number}")})
    assert len(compared) < 800
    assert confirmation.lost() == list(range(701, 1000))


def test_nobody_can_hold_an_order_between_its_check_and_its_firing(scene: Scene) -> None:
    """
    Who has the gate knows that what was checked before is on the bus, and what is checked later is held.
    """
    gates: list[bool] = []

    def held(_: Any) -> bool:
        gates.append(scene.relay.gate.locked())
        return False

    def fire_event(data: dict[str, Any], tag: str, timeout: int) -> bool:
        gates.append(scene.relay.gate.locked())
        return True

    scene.relay.held = held
    scene.publisher.fire_event = fire_event  # type: ignore[method-assign]
    scene.add_order("a" * 32)
    scene.look()
    assert gates == [True, True]
    assert not scene.relay.gate.locked()


def test_what_is_fired_while_the_disk_is_full_is_fired_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Reading works then, and writing down that it was fired does not: an hour of that is not a thousand alarms.
    """
    scene.add("a")
    scene.add("b")

    def full(*_: Any) -> None:
        raise LedgerError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", full)
        for _ in range(5):
            with pytest.raises(LedgerError):
                scene.look(1)
    assert scene.publisher.tags() == ["a", "b"]
    assert scene.look(1)
    assert scene.publisher.tags() == ["a", "b"]
    assert scene.ledger.queue_length() == 0


def test_the_thread_that_fires_outlives_what_it_did_not_expect(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It would end in silence, and nothing would ever be fired again.
    """
    looks: list[bool] = []

    class Enough(BaseException):
        pass

    def breaks() -> bool:
        looks.append(True)
        if len(looks) == 3:
            raise Enough
        raise ValueError("not a line of JSON")

    monkeypatch.setattr(scene.relay, "drain", breaks)
    monkeypatch.setattr(scene.relay._wake, "wait", lambda _: True)
    with pytest.raises(Enough):
        scene.relay.run()
    said = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert ["not a line of JSON" in one.getMessage() for one in said] == [True]


def test_an_order_that_a_job_took_is_not_fired_again_and_holds_nobody(scene: Scene) -> None:
    """
    It was never heard here and is lost with its publisher, but the reactor had it: what comes after it is fired.
    """
    scene.add_order("a" * 32)
    scene.publisher.stopped = True
    scene.look()
    scene.ledger.outbox.order_taken("a" * 32, 1.7e9 + scene.now)
    scene.ledger.attempts.move("a" * 32, AttemptState.GOOD, ended=1.7e9 + scene.now)
    scene.publisher.kill()
    scene.look(26)
    scene.ledger.outbox.add("key", "healed", {"what": "healed"}, 1.7e9)
    scene.publisher.dead = scene.publisher.stopped = False
    for _ in range(10):
        scene.look(10)
    assert scene.publisher.tags() == ["healed"]


def test_the_ear_opens_anew_when_it_is_asked_to() -> None:
    """
    With another event object, and what it may have missed is read elsewhere.
    """
    opened: list[str] = []
    confirmation = delivery.DeliveryConfirmation()
    made: list[Publisher] = []

    def connect() -> Publisher:
        if len(made) == 2:
            raise KeyboardInterrupt  # Ends the test's thread of control, as nothing else does.
        made.append(Publisher())
        made[-1].get_event = lambda **_: setattr(confirmation, "renewal", True)  # type: ignore[assignment]
        return made[-1]

    made_anew = subscriber.Subscriber(
        "test",
        connect,
        confirmation,
        is_watched=lambda _: False,
        on_job=lambda *_: None,
        on_minion=lambda _: None,
        on_key=lambda _: None,
        on_command=lambda _: None,
        on_open=lambda: opened.append("open"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscriber, "RETRY_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            made_anew.run()
    assert (len(made), opened, confirmation.connections) == (2, ["open", "open"], 2)

"""
What salt-api's hook received, and whoever else fires its tag: any accepted minion can.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.core.notification import Notification
from _dynatrace.store.ledger import Ledger
from _dynatrace.webhook.salt_api_hook import BODIES, NAMES, WAITING, Hook

from tests.unit.engine.bodies import PID, recommended
from tests.unit.engine.test_wiring import engine as wired

TAG = "salt/netapi/hook/dynatrace"
API = {"environment_url": "https://abc12345.live.dynatrace.com", "api_token": "dt0c01.x.y"}
ALONE = {"webhook": {"token": "a-secret"}}


@pytest.mark.parametrize(
    ("config", "is_heard"),
    [
        (API, False),
        ({**API, "hook_tag": TAG}, True),
        ({**ALONE, "hook_tag": TAG}, False),
    ],
)
def test_the_hook_is_not_heard_unless_it_is_asked_for(
    config: dict[str, Any], is_heard: bool, tmp_path: Path
) -> None:
    """
    And never without an API, when it would be believed.
    """
    engine = wired(tmp_path, **config)
    engine.subscriber.receive(TAG, {"post": {"PID": PID}})
    engine.ledger.close()
    heard = engine.hook._names if engine.hook is not None else {}
    assert bool(heard) is is_heard


NOW = 1721545260.0


class Heard:
    """
    A hook at the test's time; how often it asked for a look.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.looks = 0
        self.hook = Hook("test", {}, ledger.notifications, self._look, lambda: NOW)

    def _look(self) -> None:
        self.looks += 1

    def hear(self, *numbers: int) -> None:
        """
        Hear of problems by numbers of their own.
        """
        for number in numbers:
            self.hook.receive({"post": {"PID": f"{number}_1721545199999V2", "State": "OPEN"}})

    def waiting(self) -> list[Notification]:
        """
        Return what stands in the ledger and is due.
        """
        return [notice for _, notice, *_ in self.ledger.notifications.waiting(NOW + 1)]


@pytest.fixture
def heard(ledger: Ledger) -> Heard:
    return Heard(ledger)


def test_only_the_name_of_a_problem_is_taken(heard: Heard) -> None:
    """
    Whatever else the body says is anybody's.
    """
    body = recommended(State="MERGED")
    heard.hook.receive({"headers": {}, "post": body, "body": json.dumps(body)})
    heard.hook.process()
    assert heard.waiting() == [Notification(problem_id=PID)]
    assert heard.looks == 1


def test_repeats_of_one_problem_are_one_notification(heard: Heard) -> None:
    """
    Also while it waits for the API to know it; when it is settled, the next is another.
    """
    for _ in range(5):
        heard.hear(*[1] * BODIES)
        heard.hook.process()
    assert len(heard.waiting()) == heard.looks == 1
    [(own, *_)] = heard.ledger.notifications.waiting(NOW)
    heard.ledger.notifications.postpone([own], NOW + 60)
    heard.hear(1)
    heard.hook.process()
    assert heard.ledger.queue_length() == 1
    heard.ledger.notifications.settle([own], NOW)
    heard.hear(1)
    heard.hook.process()
    assert len(heard.waiting()) == 1
    assert heard.looks == 2


def test_a_flood_of_names_leaves_a_bounded_number_waiting(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The latest of them, and said once.
    """
    for number in range(10_000):
        heard.hear(number)
        if number % 100 == 0:
            heard.hook.process()
            assert len(heard.waiting()) <= WAITING
    heard.hook.process()
    heard.hear(424242)
    for _ in range(WAITING // NAMES):
        heard.hook.process()
    waiting = heard.waiting()
    assert len(waiting) == WAITING
    assert waiting[-1] == Notification(problem_id="424242_1721545199999V2")
    # What Salt says of its own objects when they are collected may come at any time.
    warned = [
        one.getMessage()
        for one in caplog.records
        if one.levelno >= logging.WARNING and one.name[0] == "_"
    ]
    assert len(warned) == 1
    assert "brings more than is looked at" in warned[0]


def test_so_many_bodies_are_read_in_a_while(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The thread that hears the bus has more to do than to read what a minion makes up.
    """
    read: list[Any] = []

    def counted(data: Any, *_: Any, **__: Any) -> Notification:
        read.append(data)
        return Notification(problem_id=PID)

    monkeypatch.setattr("_dynatrace.webhook.salt_api_hook.parse_data", counted)
    for _ in range(3):
        heard.hear(*range(1000))
        heard.hook.process()
    assert len(read) == 3 * BODIES


def test_a_body_that_is_none_is_said_once(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    """
    Whoever can fire the tag can fire it all night.
    """
    for _ in range(100):
        heard.hook.receive({"post": {"x": 1}})
        heard.hook.process()
    assert [one.levelname for one in caplog.records] == ["WARNING"]
    assert "a body from salt-api's hook is refused" in caplog.text
    assert heard.waiting() == []


def test_hearing_waits_for_no_disk(heard: Heard) -> None:
    """
    The bus drops a subscriber that does not read; what was heard is recorded when the disk is back.
    """
    hearer = threading.Thread(target=heard.hear, args=range(100), daemon=True)
    threading.Thread(target=heard.hook.run, daemon=True).start()
    with heard.ledger.transaction():
        hearer.start()
        hearer.join(20)
        assert not hearer.is_alive()
    deadline = time.monotonic() + 20
    while len(heard.waiting()) < NAMES:
        assert time.monotonic() < deadline
        time.sleep(0.01)

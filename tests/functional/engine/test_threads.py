"""
An engine with its real threads, each of which ends at the worst moment: it is named, runs again, and does its work.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _dynatrace.config import config as configuration
from _dynatrace.engine import reconciler
from _dynatrace.engine import threads as threads_
from _dynatrace.engine.threads import Worker
from _dynatrace.engine.wiring import LOOPS, Engine
from _dynatrace.master import minion_queries, outbox_relay
from _dynatrace.master.job_cache import Jobs
from _dynatrace.master.minion_queries import Query
from _dynatrace.master.salt_interface import Master
from _dynatrace.remediation import feedback as feedback_
from _dynatrace.webhook import listener, recorder, salt_api_hook

from tests.harness.logins import LOGINS
from tests.harness.ports import free_ports
from tests.tenant import Tenant
from tests.unit.engine.bodies import recommended

TOKEN = "WEBHOOKSECRET"
HOOK_TAG = "salt/netapi/hook/dynatrace"
#: Until the test lets a thread start again.
PAUSE_S = 3600.0


class LoopbackBus:
    """
    A bus that gives back what it is given, to all who listen.
    """

    def __init__(self) -> None:
        self.fired: list[str] = []
        self._ends: list[queue.Queue[dict[str, Any]]] = []

    def listen(self) -> Any:
        end: queue.Queue[dict[str, Any]] = queue.Queue()
        self._ends.append(end)
        return _End(self, end)

    def ends(self) -> int:
        """
        Return how many ends were opened so far.
        """
        return len(self._ends)

    def wait(self, end: queue.Queue[dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return end.get(timeout=1)
        except queue.Empty:
            return None

    def fire(self, data: Any, tag: str) -> None:
        self.fired.append(tag)
        for end in self._ends:
            end.put({"tag": tag, "data": data})


class _End:
    def __init__(self, bus: LoopbackBus, end: queue.Queue[dict[str, Any]]) -> None:
        self._bus, self._end = bus, end

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int) -> bool:
        self._bus.fire(data, tag)
        return True

    def get_event(self, **_: Any) -> dict[str, Any] | None:
        return self._bus.wait(self._end)

    def destroy(self) -> None:
        return None


class Engined:
    """
    An engine whose threads run, with one minion, and a webhook.
    """

    def __init__(self, tenant: Tenant, directory: Path) -> None:
        self.tenant, self.bus = tenant, LoopbackBus()
        self.port, metrics = free_ports(2)
        self.host = tenant.add_host("web01.example.com")
        self.apache = tenant.add_process(self.host, "Apache Web Server apache2")
        self.returns: dict[str, Any] = {}
        grains = {"web01": {"dynatrace": {"host_id": self.host}}}
        master = Master(
            directory=directory,
            connect_to_fire=self.bus.listen,
            connect_to_listen=self.bus.listen,
            accepted=lambda: list(grains),
            is_accepted=grains.__contains__,
            grains=grains.get,
            why_untaken=lambda *_: None,
            publish=self._publish,
            jobs=Jobs(lambda _: None, lambda jid: self.returns.get(jid, {})),
        )
        config = configuration.load(
            {
                **LOGINS[tenant.login](tenant).options,
                "lookback": 2592000,
                "hook_tag": HOOK_TAG,
                "webhook": {"port": self.port, "address": "127.0.0.1", "token": TOKEN},
                "metrics": {"port": metrics},
                "policy": {"dry_run": True},
                "feedback": {"event": True},
            }
        )
        self.engine = Engine("test", config, master)
        self.engine.start()
        self.main = threading.Thread(target=self.engine.threads.supervise, daemon=True)
        self.main.start()

    def stop(self) -> None:
        """
        Let none of its threads take another turn: they would ask a tenant that is gone, and log in the tests that follow.
        """
        self.engine.threads._workers = [SimpleNamespace(keep=lambda: False)]
        self.main.join(30)
        assert not self.main.is_alive()
        for loop in self.engine.loops.values():
            loop.heartbeat.beat = threading.Event().wait
        self.engine.look_now()

    def _publish(self, minions: list[str], function: str, *_: str) -> str:
        self.returns["20260101000000000001"] = dict.fromkeys(minions, True)
        return "20260101000000000001"

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def notify(self) -> int:
        return self.ask("POST", "/dynatrace", json.dumps(recommended()).encode())[0]

    def open_problem(self) -> str:
        """
        Open a problem and have it looked for; return its display id.
        """
        problem = self.tenant.open_problem(self.apache)
        self.engine.reconciler._next_poll = 0.0
        self.engine.look_now()
        return problem.display_id

    def announced(self, display_id: str) -> int:
        """
        Return how often a problem was announced.
        """
        return sum(tag.endswith(display_id) for tag in self.bus.fired)

    def worker(self, name: str) -> Worker:
        (found,) = (one for one in self.engine.threads._workers if one.name == name)
        return found

    def start_again(self, name: str) -> None:
        """
        Let the pause of a thread be over.
        """
        worker = self.worker(name)
        until(lambda: worker._start_at is not None)
        worker._start_at = 0.0
        until(lambda: not self.engine.threads.standing_still())


@pytest.fixture
def running(tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engined]:
    """
    An engine all of whose threads work.
    """
    monkeypatch.setattr(threads_, "PAUSE_S", PAUSE_S)
    monkeypatch.setattr(threads_, "CHECK_S", 0.01)
    monkeypatch.setattr(salt_api_hook, "PAUSE_S", 0.01)
    engined = Engined(tenant, tmp_path)
    assert set(engined.engine.loops) == set(LOOPS)
    first = engined.open_problem()
    until(lambda: engined.announced(first))
    assert engined.ask("GET", "/healthz")[0] == 200
    yield engined
    engined.stop()


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_loop_takes_turns_without_work(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Else one that waits for work could not be told from one that hangs.
    """
    for module in (outbox_relay, minion_queries, salt_api_hook, recorder, listener, feedback_):
        monkeypatch.setattr(module, "IDLE_S", 0.05)
    monkeypatch.setattr(reconciler, "IDLE_S", 0.05)
    engined = Engined(tenant, tmp_path)
    try:
        for loop in engined.engine.loops.values():
            loop.heartbeat._at -= 1000
        until(lambda: engined.engine.threads.standing_still() == {})
        assert len(engined.engine.loops) == len(LOOPS)
    finally:
        engined.stop()


def dies_once(function: Callable[..., Any], after: bool = False) -> Callable[..., Any]:
    """
    Return a function whose first call ends the thread, before or after it did what it is for.
    """
    calls: list[int] = []

    def run(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return function(*args, **kwargs)
        if after:
            function(*args, **kwargs)
        raise SystemExit(1)

    return run


def named_by_health(running: Engined, name: str) -> None:
    """
    Wait until health names the thread, let it start again, and wait until health is good.
    """
    until(lambda: list(running.ask("GET", "/healthz")[1]["threads"]) == [name])
    assert running.ask("GET", "/healthz")[0] == 503
    running.start_again(name)
    until(lambda: running.ask("GET", "/healthz")[0] == 200)
    assert running.main.is_alive()


def test_a_relay_that_ends_in_a_fire_fires_it_afterwards(
    running: Engined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By another event object, since the first was in the midst of its work; nothing is lost, and nothing comes twice.
    """
    ends = running.bus.ends()
    monkeypatch.setattr(running.bus, "fire", dies_once(running.bus.fire))
    opened = running.open_problem()
    named_by_health(running, "relay")
    until(lambda: running.announced(opened))
    assert running.announced(opened) == 1
    assert running.bus.ends() == ends + 1


def test_a_subscriber_that_ends_connects_again(
    running: Engined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    And has looked up what passed meanwhile, as after any connection.
    """
    before = running.engine.delivery.connections
    monkeypatch.setattr(running.bus, "wait", dies_once(running.bus.wait))
    named_by_health(running, "subscriber")
    until(lambda: running.engine.delivery.connections == before + 1)
    opened = running.open_problem()
    until(lambda: running.announced(opened))
    until(lambda: running.engine.delivery.silent_for() == 0)


def test_a_question_is_asked_though_its_thread_ended(
    running: Engined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Perhaps twice: it changes nothing on a minion.
    """
    queries = running.engine.queries
    assert queries is not None
    monkeypatch.setattr(minion_queries, "LEAST_S", 0.0)
    monkeypatch.setattr(queries, "publish", dies_once(queries.publish, after=True))
    query = Query(("test.ping",), frozenset({"web01"}))
    queries.ask(query)
    named_by_health(running, "queries")
    until(lambda: query.ended is not None)
    assert query.returns == {"web01": True}


def test_the_hook_takes_names_again(running: Engined, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What it had in hand is left to the poll.
    """
    hook, notifications = running.engine.hook, running.engine.ledger.notifications
    assert hook is not None
    replaced: list[Any] = []
    monkeypatch.setattr(notifications, "replace", lambda *given: replaced.append(given) or [1])
    monkeypatch.setattr(notifications, "replace", dies_once(notifications.replace))
    event = {"post": {"PID": "1_1721545199999V2", "State": "OPEN"}}
    hook.receive(event)
    named_by_health(running, "hook")
    assert replaced == []
    hook.receive(event)
    until(lambda: replaced)


@pytest.mark.parametrize("after", [False, True])
def test_nobody_is_told_202_by_a_recorder_that_ended(
    running: Engined, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """
    Neither those in its hands, nor those that come while it is gone; afterwards it works as before.
    """
    notifications = running.engine.ledger.notifications
    monkeypatch.setattr(notifications, "add", dies_once(notifications.add, after))
    assert running.notify() == 503
    assert running.notify() == 503
    named_by_health(running, "recorder")
    assert running.notify() == 202


def test_a_comment_is_sent_once_though_its_thread_ended(
    running: Engined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It was stored, and the thread ended before it was noted: it is looked for before it is sent again.
    """
    client, feedback = running.engine.client, running.engine.feedback
    assert client is not None
    assert feedback is not None
    monkeypatch.setattr(feedback_, "DOUBT_WAIT_S", 0.1)
    monkeypatch.setattr(client, "comment", dies_once(client.comment, after=True))
    problem = running.tenant.open_problem(running.apache)
    comments = running.engine.ledger.comments
    comments.add("m" * 8, problem.problem_id, f"told {'m' * 8}", time.time())
    feedback.wake()
    named_by_health(running, "feedback")
    until(lambda: not comments.waiting(time.time() + 60))
    assert [one.message for one in problem.comments] == [f"told {'m' * 8}"]


def test_a_listener_that_ends_serves_again_on_its_port(running: Engined) -> None:
    """
    Who was connected is told so, and who connects meanwhile is served afterwards.
    """
    serving = running.engine.listener
    assert serving is not None
    assert serving.loop is not None
    until(lambda: len(serving.connections) == 0)
    with socket.create_connection(("127.0.0.1", running.port), 60) as idle:
        until(lambda: len(serving.connections) == 1)
        serving.loop.add_callback(dies_once(print))
        assert idle.recv(1) == b""
    until(lambda: "listener" in running.engine.threads.standing_still())
    running.start_again("listener")
    assert running.notify() == 202
    assert running.ask("GET", "/healthz")[0] == 200


def test_a_reconciler_that_ends_in_a_cycle_runs_the_next(
    running: Engined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What it had not done is done then.
    """
    scheduler = running.engine.scheduler
    monkeypatch.setattr(scheduler, "decide", dies_once(scheduler.decide))
    opened = running.open_problem()
    named_by_health(running, "reconciler")
    until(lambda: running.announced(opened))
    assert running.announced(opened) == 1

"""
The engine is killed again and again over a day of problems, while webhook and poll race.

`FULL=1` runs 200 kills over 300 problems; otherwise it is 40 over 60. `SEED` repeats the script of a run, but for what
the scheduler does.
"""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.engine.commands import _seconds
from _dynatrace.remediation.comments import marker
from _dynatrace.store.outbox import BATCH

from tests.functional.engine.conftest import Scene
from tests.functional.engine.driver import Clock
from tests.functional.engine.world import BAD, GOOD
from tests.harness.logins import LOGINS
from tests.harness.ports import free_ports
from tests.tenant import Problem

ROOT = Path(__file__).parents[3]
FULL = os.environ.get("FULL") == "1"
KILLS, PROBLEMS = (200, 300) if FULL else (40, 60)
SCALE = 20.0
#: A problem is read again after 20 s, and an order fired within 20 s of the decision; the rest is this machine's.
STALE_S = 40 + 1.0 * SCALE


class Engine:
    """
    The process under test; `kill` ends it without notice and starts the next one.
    """

    def __init__(self, given: dict[str, Any], home: Path) -> None:
        (home / "config").write_text(json.dumps(given))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / '_engines'}"}
        self._starter = subprocess.Popen(
            [sys.executable, "-m", "tests.functional.engine.driver", str(home / "config")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        self.pid = self._start()

    def _start(self) -> int:
        assert self._starter.stdin and self._starter.stdout
        self._starter.stdin.write("start\n")
        self._starter.stdin.flush()
        return int(self._starter.stdout.readline())

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.pid = self._start()

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._starter.communicate(timeout=10)


class Salt(threading.Thread):
    """
    Reactor and minions: reads the bus, takes each valid order once a jid and minion, and files the returns.

    One in eight executions fails and one in thirty never returns.
    """

    def __init__(self, home: Path, clock: Clock, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.home, self.clock, self.chance = home, clock, chance
        self.events: list[dict[str, Any]] = []
        self.executed: list[tuple[float, dict[str, Any], str, str]] = []
        self.claimed: set[tuple[str, str]] = set()
        self.returns: list[tuple[float, Path, Any]] = []
        self.stop = threading.Event()
        self.fired = threading.Event()

    def run(self) -> None:
        with open(self.home / "events", "a+b") as bus:
            bus.seek(0)
            rest = b""
            while not self.stop.is_set():
                *lines, rest = (rest + bus.read()).split(b"\n")
                for event in map(json.loads, lines):
                    if event["tag"].startswith("dynatrace/problem/"):
                        self._hear(event["data"])
                self._return()
                time.sleep(0.002)

    def _hear(self, data: dict[str, Any]) -> None:
        self.events.append(data)
        if data["minions"]:
            self.fired.set()
            if self.clock.time() <= _seconds(data["valid_until"]):
                for minion in data["minions"]:
                    self._execute(data, minion)

    def _execute(self, data: dict[str, Any], minion: str) -> None:
        jid = data["jid"]
        if (jid, minion) in self.claimed:
            return
        self.claimed.add((jid, minion))
        job = self.home / "jobs" / jid
        job.mkdir(parents=True, exist_ok=True)
        write(job / "sent", data["minions"])
        drawn = self.chance.random()
        result = "lost" if drawn < 1 / 30 else "bad" if drawn < 1 / 8 else "good"
        self.executed.append((self.clock.time(), data, minion, result))
        if result != "lost":
            at = time.monotonic() + self.chance.uniform(0.02, 0.4)
            self.returns.append((at, job / f"ret.{minion}", GOOD if result == "good" else BAD))

    def _return(self) -> None:
        for item in [item for item in self.returns if item[0] <= time.monotonic()]:
            write(item[1], item[2])
            self.returns.remove(item)


def write(path: Path, value: Any) -> None:
    draft = path.with_name("." + path.name)
    draft.write_text(json.dumps(value))
    draft.rename(path)


class Day:
    """
    What happens at the tenant, and when each problem was open.
    """

    def __init__(self, scene: Scene, clock: Clock, chance: random.Random, salt: Salt) -> None:
        self.tenant, self.clock, self.chance, self.salt = scene.tenant, clock, chance, salt
        self.apaches = list(scene.apaches.values())
        self.spans: dict[str, list[list[float]]] = collections.defaultdict(list)
        self.problems: list[Problem] = []
        self.reopening: list[tuple[float, Problem]] = []
        self.answered = 0
        #: In the evening what is closed stays closed: a problem that failed too often is left to a person for good.
        self.evening = False

    def open(self, number: int) -> None:
        """
        Raise a problem; one in ten is about a process that has one already, one in ten ends by itself at once.
        """
        entity = self.apaches[number]
        if number and self.chance.random() < 0.1:
            entity = self.apaches[number - 1]
        problem = self.tenant.open_problem(entity)
        self.problems.append(problem)
        self.spans[problem.problem_id].append([self.clock.time(), float("inf")])
        if self.chance.random() < 0.1:
            threading.Timer(self.chance.uniform(0.0, 0.4), self.close, [problem]).start()

    def close(self, problem: Problem) -> None:
        if problem.status == "OPEN":
            self.tenant.close_problem(problem)
            self.spans[problem.problem_id][-1][1] = self.clock.time()
            if not self.evening and self.chance.random() < 0.05:
                self.reopening.append((time.monotonic() + 0.5, problem))

    def follow(self) -> None:
        """
        Close what was healed a while ago, as a monitor that sees the process again, and reopen a few.
        """
        while self.answered < len(self.salt.executed):
            at, data, _, result = self.salt.executed[self.answered]
            if self.clock.time() - at < 0.6 * SCALE:
                break
            self.answered += 1
            if result == "good":
                self.close(self.tenant.by_id[data["problem_id"]])
        for item in [item for item in self.reopening if item[0] < time.monotonic()]:
            self.reopening.remove(item)
            self.spans[item[1].problem_id].append([self.clock.time(), float("inf")])
            self.tenant.reopen_problem(item[1])


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(f"file:{home / 'ledger.db'}?mode=ro", uri=True, timeout=10)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


WAITING = (
    "SELECT (SELECT count(*) FROM notifications WHERE settled IS NULL)"
    " + (SELECT count(*) FROM outbox WHERE fired IS NULL)"
    " + (SELECT count(*) FROM comments WHERE sent IS NULL)"
    " + (SELECT count(*) FROM actions WHERE state = 'waiting')"
    " + (SELECT count(*) FROM episodes WHERE state = 'open' AND {})"
)


def wait_until_quiet(home: Path, day: Day, still: str, seconds: float) -> None:
    """
    Wait until nothing is left to do but what `still` excepts.
    """
    deadline = time.monotonic() + seconds
    while rows(home, WAITING.format(still))[0][0] or day.reopening:
        day.follow()
        assert time.monotonic() < deadline, what_waits(home)
        time.sleep(0.1)


def what_waits(home: Path) -> str:
    queries = (
        "SELECT 'notice', notification, due, tries FROM notifications WHERE settled IS NULL",
        "SELECT 'event', tag, attempt_id, fresh_until FROM outbox WHERE fired IS NULL",
        "SELECT 'comment', marker, due, tries, given_up FROM comments WHERE sent IS NULL",
        "SELECT 'attempt', attempt_id, state FROM attempts WHERE ended IS NULL",
        "SELECT 'episode', problem_key, episode, due, waiting, attempts, escalated FROM episodes WHERE state = 'open'",
    )
    return "\n".join(str(row) for query in queries for row in rows(home, query))


@pytest.fixture
def run(scene: Scene, tmp_path: Path) -> Iterator[tuple[Scene, Path, Salt, Day, Engine, int]]:
    """
    Start everything: tenant, webhook, engine, and the simulated Salt.
    """
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    for number in range(PROBLEMS):
        scene.host(f"web{number:03d}")
    clock = Clock(time.time(), SCALE)
    (port,) = free_ports(1)
    (tmp_path / "jobs").mkdir()
    login = LOGINS[scene.tenant.login](scene.tenant)
    given = {
        "home": str(tmp_path),
        "epoch": clock.epoch,
        "scale": SCALE,
        "minions": {
            minion: {"dynatrace": {"host_id": host}} for minion, host in scene.hosts.items()
        },
        "config": {
            **login.options,
            "poll_interval": 10,
            "lookback": 2592000,
            "webhook": {"port": port, "token": "secret"},
            "policy": {"cooldown": 30, "max_minions": 50, "outcome_timeout": 100},
        },
    }
    engine = Engine(given, tmp_path)
    login.tell(f"http://127.0.0.1:{port}/dynatrace", "secret")
    salt = Salt(tmp_path, clock, chance)
    salt.start()
    yield scene, tmp_path, salt, Day(scene, clock, chance, salt), engine, seed
    salt.stop.set()
    salt.join(5)
    engine.end()


@pytest.mark.timeout(900)
# On the platform it ends as well, and takes minutes more.
@pytest.mark.parametrize("tenant", ["classic"], indirect=True)
def test_an_engine_that_is_killed_again_and_again_forgets_and_doubles_nothing(run: Any) -> None:
    """
    Every episode is announced, every order is one job, every outcome one comment, and nothing closed is acted on.
    """
    scene, home, salt, day, engine, seed = run
    chance = random.Random(seed + 1)
    opened = 0
    for kill in range(KILLS):
        end = time.monotonic() + chance.expovariate(1 / 0.3)
        at_once = chance.random() < 0.4
        salt.fired.clear()
        while time.monotonic() < end:
            if opened < PROBLEMS * (kill + 1) / KILLS:
                day.open(opened)
                opened += 1
            day.follow()
            if at_once and salt.fired.wait(0.005):
                break
            time.sleep(0.0 if at_once else 0.005)
        engine.kill()
    while opened < PROBLEMS:
        day.open(opened)
        opened += 1
    (home / "mercy").touch()
    engine.kill()
    # Now it may live: all is healed, given up by name, or waits for Dynatrace.
    done = "NOT (escalated IS NOT NULL OR EXISTS (SELECT 1 FROM attempts WHERE state = 'good' AND attempts.problem_key = episodes.problem_key))"
    wait_until_quiet(home, day, done, 200)
    day.evening = True
    for problem in day.problems:
        day.close(problem)
    wait_until_quiet(home, day, "1", 200)
    day.reopening.clear()
    assert_announced(home, day, salt.events)
    assert_ordered_once(salt.events)
    assert_acted_on_rightly(salt, day)
    assert_commented_once(home, scene)
    accepted = sum(delivery.status == 202 for delivery in scene.tenant.deliveries)
    (recorded,) = rows(home, "SELECT count(*) FROM notifications WHERE settled IS NOT NULL")[0]
    assert recorded >= accepted > 0
    repeats = len(salt.events) - len({identity(data) for data in salt.events})
    print(
        f"{KILLS} kills: {len(day.problems)} problems, {len(salt.executed)} executions, {repeats} repeated events"
    )


def identity(data: dict[str, Any]) -> tuple[Any, ...]:
    return (
        data["problem_id"],
        data["episode"],
        data["what"],
        data["attempt"],
        data["reason"],
        str(data["outcome"]),
        str(data["held"]),
    )


def assert_announced(home: Path, day: Day, events: list[dict[str, Any]]) -> None:
    """
    Each episode has its `open` before anything else; a kill repeats no more than what is recorded together.
    """
    known = set(rows(home, "SELECT problem_key, episode FROM episodes"))
    for problem in day.problems:
        last = day.spans[problem.problem_id][0]
        assert (problem.problem_id, 1) in known or last[1] - last[0] < 60, problem
    told: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
    for data in events:
        told[data["problem_id"], data["episode"]].append(data["what"])
    assert set(told) == known
    assert all(whats[0] == "open" and "resolved" in whats for whats in told.values())
    opens = sum(whats.count("open") for whats in told.values())
    assert opens - len(told) <= KILLS * BATCH


def assert_ordered_once(events: list[dict[str, Any]]) -> None:
    """
    However often an order is on the bus, it has one attempt id and one jid.
    """
    ids = collections.defaultdict(set)
    for data in events:
        if data["minions"]:
            ids[data["problem_id"], data["episode"], data["attempt"]].add(
                (data["attempt_id"], data["jid"])
            )
    assert all(len(found) == 1 for found in ids.values())
    assert len({next(iter(found)) for found in ids.values()}) == len(ids)
    assert sum(bool(data["minions"]) for data in events) - len(ids) <= KILLS


def assert_acted_on_rightly(salt: Salt, day: Day) -> None:
    """
    No execution after a good one in an episode, and no order for a problem that was closed for longer than is read again.
    """
    healed: set[tuple[str, int, str]] = set()
    for at, data, minion, result in salt.executed:
        own = (data["problem_id"], data["episode"], minion)
        assert own not in healed, own
        if result == "good":
            healed.add(own)
        fired = _seconds(data["fired"])
        spans = day.spans[data["problem_id"]]
        assert any(begin <= at and fired - STALE_S <= end for begin, end in spans), (data, spans)


def assert_commented_once(home: Path, scene: Scene) -> None:
    """
    Each attempt that ended has one comment, and no comment stands twice.
    """
    texts = [
        comment.message
        for problem in scene.tenant.problems
        for comment in scene.tenant.comments(problem)
    ]
    assert len(texts) == len(set(texts))
    marks = collections.Counter(text[text.rindex("[salt-dynatrace") :] for text in texts)
    assert set(marks.values()) == {1}
    ended = rows(home, "SELECT attempt_id FROM attempts WHERE state IN ('good', 'bad', 'lost')")
    assert {marker("attempt", own) for (own,) in ended} <= set(marks)

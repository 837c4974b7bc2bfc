"""
A real master with one minion, an engine and the simulated tenant, whose event bus the tests break.

No apache2 and no syncing: the tenant's host has the minion's name, and the remedy is a state that counts its runs. By
default the master uses a copy of the engine with shorter times, which are constants and no options; with `FULL=1` it
uses the engine as it is.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
import salt.version

from tests.harness import Event, ScratchError, ScratchSalt, free_ports, scratch_root
from tests.harness.checkout import copy_shipped
from tests.harness.config import REPO
from tests.harness.daemon import title
from tests.harness.started import Started
from tests.tenant import Tenant
from tests.tenant.problems import Problem

FULL = os.environ.get("FULL") == "1"
OWN = Path(__file__).with_name("bus")
MINION = "web01"
#: What is shortened in the copy, by module: an order's validity, how soon the bus is doubted and given up,
#: and how often the job cache is read.
SHORTER: Mapping[str, Mapping[str, float]] = {
    "_dynatrace.remediation.dispatch": {"TAKE_S": 4.0, "TAKE_MARGIN_S": 0.5},
    "_dynatrace.master.bus_connection": {"FIRE_TIMEOUT_MS": 300},
    "_dynatrace.master.outbox_relay": {
        "RETRY_S": 0.3,
        "FAILURES_CRITICAL": 2,
    },
    "_dynatrace.master.delivery": {"SILENCE_S": 4.0, "HANG_S": 8.0},
    "_dynatrace.remediation.job_tracker": {"RECONCILE_S": 3.0},
}


#: Salt 3008 does not start a publisher again that was killed.
RESPAWNS = salt.version.__saltstack_version__.major < 3008
#: Only Salt 3008 drops a subscriber that does not listen for a while.
DROPS = salt.version.__saltstack_version__.major >= 3008
#: Within it an order that nobody takes is repeated. Each worker of a 3006 master fails once after its publisher died;
#: where nothing is lost it is longer than any job on a busy machine.
OUTCOME_S = 120 if FULL else 20 if RESPAWNS else 60


def clone(directory: Path) -> Path:
    """
    Return the checkout that the master uses: this one, or a copy with shorter times.
    """
    if FULL:
        return REPO
    copy_shipped(directory)
    for module, constants in SHORTER.items():
        path = directory / "_engines" / f"{module.replace('.', '/')}.py"
        text = path.read_text()
        for name, value in constants.items():
            text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
            if count != 1:
                raise ScratchError(f"{module} has no constant {name}")
        path.write_text(text)
    return directory


class BusStage(Started):
    """
    What the tests of the bus play on; ``settings`` are more of the master's.
    """

    def __init__(self, **settings: Any) -> None:
        self.tenant = Tenant().start()
        # A minion by its name, and a host that is none: its problems are only reported.
        self.process = self._process(MINION)
        self.other = self._process("elsewhere")
        root = scratch_root()
        self.runs = root / "runs"
        token = secrets.token_urlsafe(16)
        port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        engine = {
            "environment_url": self.tenant.url,
            "api_token": self.tenant.add_token(),
            "poll_interval": 1,
            "webhook": {"port": port, "token": token},
            "policy": {"cooldown": 0, "max_attempts": 100, "outcome_timeout": OUTCOME_S},
        }
        reaction = [str(OWN / "reactor.sls")]
        self.salt = ScratchSalt(
            minions={MINION: {"bus_runs": str(self.runs)}},
            included={
                "engines.conf": {"engines": [{"dynatrace": engine}]},
                "states.conf": {"file_roots": {"base": [str(OWN / "states")]}},
                "counting.conf": {
                    "reactor": [
                        {"dynatrace/problem/open/availability/*": reaction},
                        {"dynatrace/problem/retry/availability/*": reaction},
                    ]
                },
            },
            # Of Salt 3008: how many events may wait for one subscriber before it is dropped.
            settings={"pub_server_write_queue_size": 50, **settings},
            shipped=("roots.conf",),
            clone=clone(root / "clone"),
            with_api=False,
            root=root,
        )
        self.tenant.add_webhook(f"{self.url}/dynatrace", {"Authorization": f"Bearer {token}"})

    def _process(self, host: str) -> str:
        return self.tenant.add_process(
            self.tenant.add_host(host, ip=[], properties={"salt_minion": host}),
            "nginx",
            technology="NGINX",
        )

    def start(self) -> None:
        """
        Start Salt, and return when the engine runs.
        """
        self.salt.start()
        self.until(lambda: self.health()[0] == 200, 60, "the engine runs")

    def stop(self) -> None:
        """
        End everything.
        """
        for process in self.salt.master.processes():
            process.resume()
        self.salt.stop()
        self.tenant.stop()
        self.tenant.stop_sending()

    # -- what is done --------------------------------------------------------------------------------------------------

    @contextmanager
    def stopped(self, title: str) -> Iterator[psutil.Process]:
        """
        Stop a process of the master for a while, as SIGSTOP does.
        """
        process = self.process_of(title)
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)

    def process_of(self, word: str) -> psutil.Process:
        """
        Return the process of the master whose title has this word.
        """
        if word == "engine":
            return self.salt.engine_processes()[0]
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [p for p in self.salt.master.processes() if word in title(p)]
            return bool(found)

        self.until(look, 30, f"a process {word} runs")
        return found[-1]

    def close_all(self) -> None:
        """
        Close what is open, so that the next test begins with nothing.
        """
        for problem in self.tenant.problems:
            if problem.status == "OPEN":
                self.tenant.close_problem(problem)

    # -- what is seen --------------------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], Any], timeout: float, what: str) -> None:
        """
        Wait for a condition; `what` is said when it does not come true.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise ScratchError(f"not within {timeout:g} s: {what}\n{self.salt.master.tail(40)}")
            time.sleep(0.05)

    def health(self) -> tuple[int, Mapping[str, Any]]:
        """
        Return status and facts of /healthz; 0 while nobody answers.
        """
        try:
            answer = requests.get(f"{self.url}/healthz", timeout=5)
        except requests.ConnectionError:
            return 0, {}
        return answer.status_code, answer.json()

    def accepted(self, problems: list[Problem]) -> bool:
        """
        Tell whether the notifications of these problems were all answered 202.
        """
        wanted = {problem.problem_id for problem in problems}
        statuses = {d.problem_id: d.status for d in self.tenant.deliveries if d.state == "OPEN"}
        return all(statuses.get(one) == 202 for one in wanted)

    def events(self, what: str, problem: Problem, since: float = 0.0) -> list[Event]:
        """
        Return the events of one kind about a problem.
        """
        return self.salt.events.events(f"dynatrace/problem/{what}/*/{problem.display_id}", since)

    def healed(self, problem: Problem, timeout: float = 60) -> Event:
        """
        Return the event that says so.
        """
        return self.salt.events.wait_for(
            f"dynatrace/problem/healed/*/{problem.display_id}", timeout
        )

    def executions(self, attempt_id: str) -> int:
        """
        Return how often the remedy of an attempt ran on the minion.
        """
        lines = self.runs.read_text().split() if self.runs.exists() else []
        return lines.count(attempt_id)

    def ledger(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """
        Ask the engine's ledger, beside the engine.
        """
        path = self.salt.cachedir / "dynatrace" / "dynatrace" / "ledger.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(query, values).fetchall()

    def attempts(self, problem: Problem) -> list[tuple[str, str]]:
        """
        Return (attempt id, job id) of all attempts for a problem.
        """
        return self.ledger(
            "SELECT attempt_id, jid FROM attempts WHERE problem_key = ? ORDER BY number",
            problem.problem_id,
        )

    def in_outbox(self, problem: Problem) -> list[tuple[str, bool]]:
        """
        Return (tag, whether it was fired) of the events about a problem, in their order.
        """
        rows = self.ledger("SELECT tag, data, fired FROM outbox ORDER BY seq")
        return [
            (tag.split("/")[2], fired is not None)
            for tag, data, fired in rows
            if json.loads(data).get("display_id") == problem.display_id
        ]

    def log(self, text: str) -> int:
        """
        Return how many lines of the master's log have a text.
        """
        lines = self.salt.master.log.read_text(errors="replace").splitlines()
        return sum(text in line for line in lines)

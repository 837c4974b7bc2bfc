"""
Two real masters with one minion that is connected to both, an engine on each, and one simulated tenant.

The masters are as Salt's documentation of multi-master wants them: one key pair, and else nothing in common. They differ
by their loopback address, since a minion tells its masters apart by that. No apache2 and no syncing: the tenant's host
has the minion's name, and the remedy is one that counts its runs, with the states that every remedy has.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
import salt.client
from salt.exceptions import SaltClientError

from tests.harness import Event, ScratchError, ScratchSalt, free_ports, scratch_root
from tests.harness.config import REPO, write_minion, write_yaml
from tests.harness.started import Started
from tests.tenant import Tenant
from tests.tenant.problems import Problem

OWN = Path(__file__).with_name("masters")
MINION = "web01"
#: Long enough for a remedy that runs, short enough to wait for: so long an engine waits for a return.
OUTCOME_S = 20
#: Long after anything that is waited for.
PATIENCE_S = 90.0


class Side:
    """
    One master with its engine.
    """

    def __init__(
        self,
        name: str,
        address: str,
        tenant: Tenant,
        minions: Mapping[str, Mapping[str, Any]],
        root: Path,
    ) -> None:
        self.name = name
        self.address = address
        self._token = secrets.token_urlsafe(16)
        port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        self._engine = {
            "environment_url": tenant.url,
            "api_token": tenant.add_token(),
            "poll_interval": 1,
            "webhook": {"port": port, "token": self._token},
        }
        reaction = [str(OWN / "reactor.sls")]
        tags = [f"dynatrace/problem/{what}/availability/*" for what in ("open", "retry")]
        self.salt = ScratchSalt(
            minions=minions,
            included={
                "states.conf": {"file_roots": {"base": [str(OWN / "states")]}},
                "counting.conf": {"reactor": [{tag: reaction} for tag in tags]},
            },
            # A ping of a minion that is not connected yet is given up soon.
            settings={"interface": address, "gather_job_timeout": 1},
            shipped=("roots.conf",),
            with_api=False,
            root=root,
        )
        self.configure()
        tenant.add_webhook(f"{self.url}/dynatrace", {"Authorization": f"Bearer {self._token}"})

    def configure(self, dry_run: bool = False) -> None:
        """
        Write the engine's configuration, which counts from the master's next start.
        """
        policy = {
            "cooldown": 0,
            "max_attempts": 100,
            "outcome_timeout": OUTCOME_S,
            "dry_run": dry_run,
        }
        engine = {**self._engine, "policy": policy}
        path = self.salt.config_dir / "master.d" / "engines.conf"
        write_yaml(path, {"engines": [{"dynatrace": engine}]})

    @property
    def is_healthy(self) -> bool:
        """
        Whether the engine says that all is well.
        """
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def go_down(self) -> None:
        """
        End the master as `kill -9` does. A listener of Salt 3006 may hang when that happens, so it stops before.
        """
        self.salt.events.stop()
        self.salt.master.kill()

    def reaches_minion(self) -> bool:
        """
        Tell whether the minion answers to this master.
        """
        try:
            with salt.client.LocalClient(str(self.salt.config_dir / "master")) as client:
                return bool(client.cmd(MINION, "test.ping", timeout=1))
        except SaltClientError:
            return False  # The master is not that far yet.

    def said(self, problem: Problem) -> list[str]:
        """
        Return what the engine told of a problem, in order: the events that it fired.
        """
        return [event.data["what"] for event in self.events("*", problem)]

    def events(self, what: str, problem: Problem) -> list[Event]:
        """
        Return the events of one kind about a problem.
        """
        return self.salt.events.events(f"dynatrace/problem/{what}/*/{problem.display_id}")

    def problem_events(self) -> list[Event]:
        """
        Return all events about problems.
        """
        return self.salt.events.events("dynatrace/problem/*")

    def orders(self, jid: str) -> list[Event]:
        """
        Return the events by which the master says that it published a job.
        """
        return self.salt.events.events(f"salt/job/{jid}/new")

    def attempts(self, problem: Problem) -> list[tuple[str, str, str]]:
        """
        Return (attempt id, job id, state) of what the engine did about a problem, as its ledger has it.
        """
        path = self.salt.cachedir / "dynatrace" / "dynatrace" / "ledger.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(
                "SELECT attempt_id, jid, state FROM attempts WHERE problem_key = ? ORDER BY number",
                (problem.problem_id,),
            ).fetchall()

    def states(self, problem: Problem) -> list[str]:
        """
        Return how the engine's attempts about a problem ended, or how they are.
        """
        return [state for *_, state in self.attempts(problem)]


class MastersStage(Started):
    """
    What the tests of two masters play on: `first` and `second`, which begins as the standby.
    """

    def __init__(self) -> None:
        self.tenant = Tenant().start()
        self._host = self.tenant.add_host(MINION, ip=[], properties={"salt_minion": MINION})
        root, other = scratch_root(), scratch_root()
        self.runs = root / "runs"
        # The minion's modules come from the checkout, as a file server would bring them.
        minion: dict[str, Any] = {
            "masters_runs": str(self.runs),
            "module_dirs": [str(REPO / "salt")],
            # A job that asks a master which is killed holds the minion's state runs for so long; else it is 3 minutes.
            "request_channel_timeout": 3,
            "request_channel_tries": 1,
        }
        self.second = Side("second", "127.0.0.2", self.tenant, {}, other)
        self.first = Side("first", "127.0.0.1", self.tenant, {MINION: minion}, root)
        minion["master"] = [f"{side.address}:{side.salt.ports.ret}" for side in self.sides]
        write_minion(root, self.first.salt.ports, MINION, minion)

    @property
    def sides(self) -> tuple[Side, Side]:
        """
        Both.
        """
        return self.first, self.second

    def start(self) -> None:
        """
        Start both masters and the minion, which is connected to both then.
        """
        self.second.configure(dry_run=True)
        self.first.salt.master.start()
        self._share_key()
        self.second.salt.master.start()
        self.first.salt.minions[MINION].start()
        for side in self.sides:
            side.salt.events.start(90)
        for side in self.sides:
            side.salt.events.wait_for(f"salt/minion/{MINION}/start", PATIENCE_S)
            self.until(lambda side=side: side.is_healthy, f"the engine of {side.name} runs")

    def _share_key(self) -> None:
        """
        Give the second master the key pair that the first one made: without it a minion accepts one of them only.
        """
        own, other = (side.salt.root / "pki" / "master" for side in self.sides)
        public = own / "master.pub"
        self.until(lambda: public.exists() and "END" in public.read_text(), "the first has a key")
        other.mkdir(parents=True)
        for name in ("master.pem", "master.pub"):
            shutil.copy(own / name, other / name)

    def stop(self) -> None:
        """
        End everything.
        """
        for side in self.sides:
            side.salt.events.stop()
        for side in self.sides:
            for daemon in side.salt.daemons:
                daemon.kill()
        for side in self.sides:
            side.salt.stop()
        self.tenant.stop()
        self.tenant.stop_sending()

    # -- what is done --------------------------------------------------------------------------------------------------

    def fail(self, display_id: str) -> Problem:
        """
        Let a process of its own die, and raise the problem.
        """
        process = self.tenant.add_process(self._host, f"nginx {display_id}", technology="NGINX")
        return self.tenant.open_problem(process, display_id=display_id)

    def bring_up(self, side: Side) -> None:
        """
        Start a master that is down, and return when its engine and the minion are there.
        """
        side.salt.master.start()
        side.salt.events.start(90)
        self.until(lambda: side.is_healthy, f"the engine of {side.name} runs")
        self.until(side.reaches_minion, f"the minion is back at {side.name}")

    # -- what is seen --------------------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], Any], what: str, timeout: float = PATIENCE_S) -> None:
        """
        Wait for a condition; `what` is said when it does not come true.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                tails = "\n".join(side.salt.master.tail(30) for side in self.sides)
                raise ScratchError(f"not within {timeout:g} s: {what}\n{tails}")
            time.sleep(0.05)

    def executions(self, problem: Problem) -> int:
        """
        Return how often a remedy for a problem ran on the minion.
        """
        lines = self.runs.read_text().splitlines() if self.runs.exists() else []
        return sum(line.split()[0] == problem.display_id for line in lines)

    def comments(self, problem: Problem) -> list[str]:
        """
        Return the first line of each comment that the problem has.
        """
        return [comment.message.splitlines()[0] for comment in self.tenant.comments(problem)]

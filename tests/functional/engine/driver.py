"""
The engine as a process of its own, that a test can kill: real threads, ledger and HTTP, a bus and a job cache of files.

``python -m tests.functional.engine.driver <config file>`` reads lines from stdin: each ``start`` ends what runs, forks an
engine and prints its process id. It is forked rather than executed so that two hundred starts take seconds.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _dynatrace.api.client import Client
from _dynatrace.config import config as configuration
from _dynatrace.core.heartbeat import Heartbeat
from _dynatrace.engine.startup import credentials_for
from _dynatrace.engine.wiring import Engine
from _dynatrace.master.job_cache import Jobs
from _dynatrace.master.salt_interface import Master
from _dynatrace.webhook import recorder as recorder_

KEY = b"0" * 64
TICK_S = 0.03


class Clock:
    """
    Time that runs `scale` times as fast since `epoch`; stands in for the `time` module too.
    """

    def __init__(self, epoch: float, scale: float) -> None:
        self.epoch, self.scale = epoch, scale
        self.said = epoch
        self.monotonic, self.sleep = time.monotonic, time.sleep
        self.strftime, self.gmtime = time.strftime, time.gmtime

    def time(self) -> float:
        self.said = self.of(time.time())
        return self.said

    def steady(self) -> float:
        """
        Return the time that was told last: nobody sets this clock.
        """
        return self.said

    def of(self, moment: float) -> float:
        """
        Return which time it was at a real moment.
        """
        return self.epoch + (moment - self.epoch) * self.scale


class FileBus:
    """
    An end of the bus: what is fired is a line at the end of a file, and stays there whoever is killed.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._file = os.open(home / "events", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int) -> bool:
        os.write(self._file, json.dumps({"tag": tag, "data": data}).encode() + b"\n")
        may_die(self._home, 0.1)
        return True

    def get_event(self, **_: Any) -> None:
        return None

    def destroy(self) -> None:
        os.close(self._file)


def may_die(home: Path, chance: float) -> None:
    """
    Kill this process now, between a deed and its record, unless the test has asked for mercy.
    """
    if random.random() < chance and not (home / "mercy").exists():
        os.kill(os.getpid(), signal.SIGKILL)


class MortalClient(Client):
    """
    A client that may be killed when a comment is stored and before anybody knows.
    """

    home: Path

    def comment(self, problem_id: str, message: str, context: str) -> None:
        super().comment(problem_id, message, context)
        may_die(self.home, 0.1)


class FileJobs:
    """
    The job cache: a directory for each job, with a file of whom it was sent to and one for each return.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def minions(self, jid: str) -> list[str] | None:
        try:
            return list(json.loads((self.directory / jid / "sent").read_text()))
        except FileNotFoundError:
            return None

    def returns(self, jid: str) -> Mapping[str, Any]:
        return {
            path.name[4:]: json.loads(path.read_text())
            for path in (self.directory / jid).glob("ret.*")
        }

    def files(self, jid: str) -> int:
        try:
            return sum(1 for name in os.listdir(self.directory / jid) if name[0] != ".")
        except FileNotFoundError:
            return 0


class MortalEngine(Engine):
    """
    The engine as the product puts it together, with a fast clock and a client that dies; nobody is asked anything.
    """

    key = KEY
    queries = None

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.home = Path(given["home"])
        self.files = FileJobs(self.home / "jobs")
        clock = Clock(given["epoch"], given["scale"])
        recorder_.time = clock  # type: ignore[assignment]
        minions: Mapping[str, Any] = given["minions"]
        master = Master(
            directory=self.home,
            connect_to_fire=lambda: FileBus(self.home),
            connect_to_listen=lambda: FileBus(self.home),
            accepted=lambda: list(minions),
            is_accepted=minions.__contains__,
            grains=minions.get,
            why_untaken=lambda *_: None,
            publish=lambda *_: "",
            jobs=Jobs(self.files.minions, self.files.returns),
        )
        config = configuration.load({**given["config"], "ledger": str(self.home / "ledger.db")})
        super().__init__("test", config, master, clock.time, clock.steady)

    @cached_property
    def client(self) -> Client:
        url, credentials = self.config.get("environment_url"), credentials_for(self.config)
        client = MortalClient(url, "", credentials=credentials)
        client.home = self.home
        return client

    @cached_property
    def subscriber(self) -> Any:
        return SimpleNamespace(run=self.tick, heartbeat=Heartbeat())

    def tick(self) -> None:
        """
        Stand in for the bus, which tells of jobs, and for waits, which know nothing of the fast clock.
        """
        known: dict[str, int] = {}
        while True:
            time.sleep(TICK_S)
            for jid in self.job_tracker._watched:
                count = self.files.files(jid)
                if count != known.get(jid, 0):
                    known[jid] = count
                    self.bus_events.on_job(jid, "new", None, {})
            self.look_now()
            if self.feedback is not None:
                self.feedback.wake()


def run(given: Mapping[str, Any]) -> None:
    """
    Run the engine for ever.
    """
    engine = MortalEngine(given)
    engine.start()
    engine.threads.supervise()


def main(path: str) -> None:
    """
    Fork an engine for each line that is read.
    """
    given = json.loads(Path(path).read_text())
    child = 0
    for _ in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            random.seed()
            logging.basicConfig(
                level=logging.INFO,
                filename=Path(given["home"]) / "log",
                format=f"%(asctime)s {os.getpid()} %(name)s %(levelname)s %(message)s",
            )
            try:
                run(given)
            finally:
                logging.exception("the engine ended")
                os._exit(1)
        print(child, flush=True)
    if child:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])

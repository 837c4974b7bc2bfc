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
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _dynatrace.api import client as client_
from _dynatrace.config import config as configuration
from _dynatrace.engine import commands as commands_
from _dynatrace.engine import health as status_
from _dynatrace.engine import reconciler as loop_
from _dynatrace.engine.parts import Parts
from _dynatrace.master import jobs as jobs_
from _dynatrace.master import minions as minions_
from _dynatrace.master import outbox_relay as bus
from _dynatrace.remediation import dispatch as orders_
from _dynatrace.remediation import episodes as episodes_
from _dynatrace.remediation import feedback as feedback_
from _dynatrace.remediation import problem_reader as intake_
from _dynatrace.remediation import scheduler as attempts_
from _dynatrace.store import ledger as ledger_
from _dynatrace.webhook import endpoints as web_
from _dynatrace.webhook import listener as listener_
from _dynatrace.webhook import recorder as recorder_

KEY = b"0" * 64
TICK_S = 0.03


class Clock:
    """
    Time that runs `scale` times as fast since `epoch`; stands in for the `time` module too.
    """

    def __init__(self, epoch: float, scale: float) -> None:
        self.epoch, self.scale = epoch, scale
        self.monotonic, self.sleep = time.monotonic, time.sleep
        self.strftime, self.gmtime = time.strftime, time.gmtime

    def time(self) -> float:
        return self.of(time.time())

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


class MortalClient(client_.Client):
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


def build(given: Mapping[str, Any]) -> None:
    """
    Put the engine together as `engine/wiring.py` does, start its threads, and run it for ever.
    """
    home, clock = Path(given["home"]), Clock(given["epoch"], given["scale"])
    for module in (bus, recorder_, status_):
        module.time = clock  # type: ignore[assignment]
    config = configuration.load(given["config"])
    ledger = ledger_.Ledger(home / "ledger.db")
    client = MortalClient(config.get("environment_url"), config.get("api_token"))
    client.home = home
    policy = config.policy
    index = minions_.Minions(lambda: list(given["minions"]), given["minions"].get, clock.time)
    entities = intake_.Entities(client, clock.time)
    intake = intake_.ProblemReader("test", ledger, client)
    match = episodes_.matcher(entities, index.find)
    episodes = episodes_.Episodes("test", ledger, match, config.get("lookback"), policy.dry_run)
    feedback = feedback_.Feedback("test", ledger, client, clock.time)
    jobs = FileJobs(home / "jobs")
    attempts = attempts_.Scheduler(
        "test",
        ledger,
        policy,
        accepted=lambda: len(index),
        is_accepted=index.__contains__,
        reread=episodes_.rereader(intake, episodes, ledger),
        rematch=episodes.rematch,
        untaken=lambda *_: None,
        comments=True,
        sent_to=jobs.minions,
    )
    held = orders_.holder(ledger, policy)
    announcer = bus.OutboxRelay(
        "test", ledger, lambda: FileBus(home), KEY, attempts_.TAKE_S, held=held
    )
    hearer = SimpleNamespace(jids=frozenset())
    status = status_.Status("test", config.get("poll_interval"), clock.time())
    commands = commands_.Commands("test", ledger, policy, status, KEY, announcer.say)
    loop = loop_.Reconciler(
        "test",
        Parts(
            config,
            ledger,
            intake,
            episodes,
            attempts,
            jobs_.Jobs(jobs.minions, jobs.returns),
            announcer,
            hearer,  # type: ignore[arg-type]
            feedback,
            status,
            commands,
        ),
        clock.time,
    )
    index.refresh()
    recorder = recorder_.Recorder("test", ledger, loop.look_now)
    listener = listener_.Listener("test", config, recorder, lambda _: None, web_.Health())
    for thread in (announcer, feedback, recorder, listener):
        thread.start()
    threading.Thread(target=tick, args=[loop, feedback, hearer, jobs], daemon=True).start()
    loop.run()


def tick(loop: loop_.Reconciler, feedback: feedback_.Feedback, hearer: Any, jobs: FileJobs) -> None:
    """
    Stand in for the bus, which tells of jobs, and for waits, which know nothing of the fast clock.
    """
    known: dict[str, int] = {}
    while True:
        time.sleep(TICK_S)
        for jid in hearer.jids:
            count = jobs.files(jid)
            if count != known.get(jid, 0):
                known[jid] = count
                loop.job(jid, "new", None, {})
        loop.look_now()
        feedback.wake()


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
                build(given)
            finally:
                logging.exception("the engine ended")
                os._exit(1)
        print(child, flush=True)
    if child:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])

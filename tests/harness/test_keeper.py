"""
The keeper ends what it must and nothing else, with small programs in place of Salt's daemons.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.daemon import KEEPER

# A daemon that leaves an orphan of its own kind behind, and one that is a service: `sleep`, in a
# session of its own. It writes its own and both their process ids.
DAEMON = """
import os, subprocess, sys, time
subprocess.run([sys.executable, "-c", '''
import subprocess, sys
orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
service = subprocess.Popen(["sleep", "60"], start_new_session=True)
print(orphan.pid, service.pid, file=open(sys.argv[1] + ".part", "w"))
''', sys.argv[1]])
with open(sys.argv[1] + ".part", "a") as out:
    print(os.getpid(), file=out)
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(float(sys.argv[2]))
"""


def wait_for(condition: Callable[[], bool], timeout: float = 15) -> None:
    """
    Wait until a condition holds; fail when it never does.
    """
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, "the condition never came true"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """
    Tell whether a process lives.
    """
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Kept:
    """
    A keeper with its daemon, the daemon's orphan, and the service that it started.
    """

    def __init__(self, pids: Path, lasts: float, parent: str | None = None) -> None:
        command = [sys.executable, str(KEEPER), sys.executable, "-c", DAEMON, str(pids), str(lasts)]
        if parent:
            command = [sys.executable, "-c", parent, *command]
        self.process = subprocess.Popen(command, env={**os.environ, "KEEPER_GRACE_S": "0.3"})
        wait_for(pids.exists)
        self.orphan, self.service, self.daemon = map(int, pids.read_text().split())


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    """
    Start keepers; end afterwards whatever a failed test left.
    """
    kept: list[Kept] = []

    def start(lasts: float = 60, parent: str | None = None) -> Kept:
        kept.append(Kept(tmp_path / "pids", lasts, parent))
        return kept[-1]

    yield start
    for one in kept:
        one.process.kill()
        one.process.wait()
        for pid in filter(runs, (one.orphan, one.service, one.daemon)):
            os.kill(pid, signal.SIGKILL)


def test_a_stopped_keeper_ends_the_daemon_and_its_orphans(keep: Callable[..., Kept]) -> None:
    """
    SIGTERM ends all of ours, and leaves a service that the daemon started.
    """
    kept = keep()
    assert runs(kept.daemon) and runs(kept.orphan)

    kept.process.terminate()
    kept.process.wait(15)

    assert [runs(pid) for pid in (kept.daemon, kept.orphan, kept.service)] == [False, False, True]


def test_a_daemon_that_ends_takes_its_orphans_along(keep: Callable[..., Kept]) -> None:
    """
    The keeper does not outlive its daemon.
    """
    kept = keep(lasts=0.1)

    kept.process.wait(15)

    assert not runs(kept.orphan)


def test_a_killed_parent_leaves_nothing_running(keep: Callable[..., Kept]) -> None:
    """
    A test run that is killed by `kill -9` cleans up nothing, so the keeper does.
    """
    kept = keep(parent="import subprocess, sys; subprocess.run(sys.argv[1:])")

    kept.process.kill()

    wait_for(lambda: not runs(kept.daemon) and not runs(kept.orphan))

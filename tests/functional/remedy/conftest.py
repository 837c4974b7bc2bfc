"""
An apache2 under init scripts, as the whole session has it apart from this machine's, put into every kind of trouble.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness import apache as machine_apache
from tests.harness.masterless import Masterless, Outcome

EXECUTABLE = Path("/usr/sbin/apache2")
PID_FILE = Path("/run/apache2/apache2.pid")
BROKEN_CONF = Path("/etc/apache2/conf-enabled/zz-salt-dynatrace-broken.conf")


def wait_for(condition: Callable[[], Any], timeout: float = 10) -> Any:
    """
    Wait until a condition holds and return its value; fail when it never does.
    """
    until = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < until, "the condition never came true"
        time.sleep(0.02)
    return value


def port_is_taken(port: int) -> bool:
    """
    Tell whether anybody listens on the port on the loopback.
    """
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def family() -> list[psutil.Process]:
    """
    Return the living processes of the apache2 executable, whosever they are.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.exe() == str(EXECUTABLE):
                found.append(process)
    return found


class Apache:
    """
    The apache2 of this session, in the words of the troubles it gets into.
    """

    def main(self) -> psutil.Process:
        return psutil.Process(int(PID_FILE.read_text()))

    def start(self) -> psutil.Process:
        subprocess.run(["service", "apache2", "start"], check=True, stdout=subprocess.DEVNULL)
        wait_for(self.serves)
        return self.main()

    def serves(self) -> bool:
        try:
            with urllib.request.urlopen("http://127.0.0.1/", timeout=2) as answer:
                return bool(answer.status < 500)
        except (urllib.error.URLError, OSError):
            return False

    def clear(self) -> None:
        """
        End every apache2 process and all that the tests put into its way.
        """
        BROKEN_CONF.unlink(missing_ok=True)
        for process in family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_for(lambda: not family())
        PID_FILE.unlink(missing_ok=True)

    def kill_main(self) -> list[psutil.Process]:
        """
        Kill the main process as an out-of-memory killer does, and return the workers it leaves.
        """
        main = self.main()
        workers: list[psutil.Process] = main.children()
        main.kill()
        wait_for(lambda: main not in family())
        assert workers
        return workers

    def break_configuration(self) -> None:
        BROKEN_CONF.write_text("NoSuchDirectiveOfTheTest on\n")

    def freeze(self) -> list[psutil.Process]:
        main = self.main()
        frozen = [main, *main.children()]
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
        return frozen


@pytest.fixture(scope="session")
def _apache_is_ours() -> None:
    if lacking := machine_apache.why_not():
        pytest.skip(lacking)


@pytest.fixture
def apache(_apache_is_ours: None) -> Iterator[Apache]:
    """
    An apache2 that is installed and not running.
    """
    apache = Apache()
    apache.clear()
    yield apache
    apache.clear()


@pytest.fixture
def running() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """
    Start programs that the test needs beside apache2, and end them with it.
    """
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def minion(tmp_path_factory: pytest.TempPathFactory) -> Masterless:
    """
    A masterless minion that has our modules.
    """
    minion = Masterless(tmp_path_factory.mktemp("minion"))
    assert "states.dynatrace" in minion.sync()["states"]
    return minion


@pytest.fixture
def remedy(minion: Masterless) -> Callable[..., Outcome]:
    """
    Run the remedy as the reactor does, or by hand when no attempt is named.
    """
    return functools.partial(minion.remedy, deadline=5)

"""
The machine's own apache2, put into every kind of trouble, and put back as it was found.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

REPO = Path(__file__).resolve().parents[3]
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
    The apache2 of this machine, in the words of the troubles it gets into.
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
def _apache_is_ours() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("needs root: it stops and kills the apache2 of this machine")
    if not EXECUTABLE.exists():
        if not shutil.which("apt-get"):
            pytest.skip("needs a Debian-like system, to install apache2")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "apache2"], check=True)
    was_running = bool(family())
    if (was_running or port_is_taken(80)) and os.environ.get("APACHE") != "mine":
        pytest.skip("a server runs here on port 80 (or an apache2); APACHE=mine allows to stop it")
    yield
    if was_running:
        Apache().clear()
        Apache().start()


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


class Outcome:
    """
    What a state run returned: its states by the function that they called.
    """

    def __init__(self, returned: Any) -> None:
        assert isinstance(returned, dict), returned
        self.states = {key.split("_|-")[-1]: value for key, value in returned.items()}

    @property
    def good(self) -> bool:
        return all(state["result"] is not False for state in self.states.values())

    @property
    def failures(self) -> str:
        return "\n".join(s["comment"] for s in self.states.values() if s["result"] is False)

    @property
    def done(self) -> dict[str, Any]:
        return dict(self.states["restarted"]["changes"])

    def comment(self, function: str) -> str:
        return str(self.states[function]["comment"])


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The configuration directory of a masterless minion that has our modules.
    """
    root = tmp_path_factory.mktemp("minion")
    (root / "conf").mkdir()
    config = {
        "root_dir": str(root),
        "id": "scratch",
        "file_client": "local",
        "file_roots": {"base": [str(REPO / "salt")]},
        "pillar_roots": {"base": [str(root / "pillar")]},
        "cachedir": str(root / "cache"),
        "pki_dir": str(root / "pki"),
        "sock_dir": str(root / "sock"),
        "log_file": str(root / "minion.log"),
    }
    (root / "conf" / "minion").write_text(json.dumps(config))
    assert "states.dynatrace" in salt_call(root / "conf", "saltutil.sync_all")["states"]
    return root / "conf"


def salt_call(conf: Path, *arguments: str) -> Any:
    """
    Run salt-call of the Salt that runs the tests, and return what the function returned.
    """
    command = [str(Path(sys.executable).parent / "salt-call"), "--local", "-c", str(conf)]
    ran = subprocess.run(
        [*command, "--out=json", *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)["local"]


@pytest.fixture
def remedy(scratch: Path) -> Callable[..., Outcome]:
    """
    Run the remedy as the reactor does, or by hand when no attempt is named.
    """

    def run(attempt: str | None = None, test: bool = False, **lookup: Any) -> Outcome:
        pillar: dict[str, Any] = {"dynatrace": {"lookup": {"apache2": {"deadline": 5, **lookup}}}}
        if attempt:
            pillar["dynatrace_attempt"] = {"id": attempt, "jid": "20240721065959123456"}
        arguments = ["state.apply", "dynatrace.remedy.apache2", "queue=True", f"test={test}"]
        return Outcome(salt_call(scratch, *arguments, "pillar=" + json.dumps(pillar)))

    return run

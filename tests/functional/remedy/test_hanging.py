"""
A service manager that never comes back, and a configuration test that never ends, on a real minion's loader.

No apache2 is touched: the service is a program of the test's, and so is the `service` module.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.masterless import Masterless

#: Longer than any test waits: what hangs so long hangs for ever.
HANG_S = 600
#: What the `service` module of this minion does: an init script, as Salt's own module runs one.
SERVICE = """
__virtualname__ = "service"

def __virtual__():
    return __virtualname__

def start(name):
    return not __salt__["cmd.retcode"](["sh", name, "start"], python_shell=False)

def restart(name):
    return not __salt__["cmd.retcode"](["sh", name, "restart"], python_shell=False)
"""


class Host:
    """
    A masterless minion with a service of its own: a copy of `sleep`, and its init script.
    """

    def __init__(self, root: Path) -> None:
        self.executable, self.script = root / "served", root / "init.sh"
        self.pid_file, self.hanging = root / "served.pid", root / "hanging.pid"
        shutil.copy(shutil.which("sleep") or "/bin/sleep", self.executable)
        (root / "tree" / "_modules").mkdir(parents=True)
        (root / "tree" / "_modules" / "hanging_service.py").write_text(SERVICE)
        self.minion = Masterless(root / "minion", tree=[root / "tree"])
        synced = self.minion.sync()
        assert "modules.hanging_service" in synced["modules"]
        assert "utils._dynatrace_utils.bounded" in synced["utils"]

    def init(self, text: str) -> None:
        """
        Write the init script; `hang` in it waits for ever, in a child that has the output open.
        """
        hang = f"sleep {HANG_S} & echo $! > {self.hanging}; wait"
        self.script.write_text(f"hang() {{ {hang}; }}\n{text}\n")

    def serve(self) -> psutil.Process:
        """
        Start the service beside Salt, and return its main process.
        """
        started = subprocess.Popen(
            [str(self.executable), str(HANG_S)], stdout=subprocess.DEVNULL, start_new_session=True
        )
        self.pid_file.write_text(str(started.pid))
        return psutil.Process(started.pid)

    def healed(self, **settings: Any) -> dict[str, Any]:
        """
        Run the state; that it returns at all is what most tests here are about.

        Nobody answers at the site's url, so what lives is restarted, and no end is a good one.
        """
        given = {
            "service": str(self.script),
            "executable": str(self.executable),
            "pid_file": str(self.pid_file),
            "configtest": ["sh", "-n", str(self.script)],
            "url": "http://127.0.0.1:9/",
            "deadline": 0.1,
            "starts_within": 0.1,
            **settings,
        }
        returned = self.minion.call("state.single", "dynatrace.healed", "name=served", **given)
        assert isinstance(returned, dict), returned
        return dict(next(iter(returned.values())))

    def hung(self) -> psutil.Process | None:
        """
        Return the process in which the init script hangs, if it lives.
        """
        try:
            process = psutil.Process(int(self.hanging.read_text()))
            return process if process.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None

    def clear(self) -> None:
        """
        End what a test left.
        """
        for process in psutil.process_iter():
            try:
                if process.exe() == str(self.executable) or str(self.script) in process.cmdline():
                    process.kill()
            except psutil.Error:
                continue
        hung = self.hung()
        if hung:
            hung.kill()
        for path in (self.pid_file, self.hanging):
            path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("hanging"))


@pytest.fixture
def host(furnished: Host) -> Iterator[Host]:
    yield furnished
    furnished.clear()


def test_a_start_that_hangs_fails_the_attempt_and_is_ended(host: Host) -> None:
    """Else the job never ends, and the command does its work when nobody expects it any more."""
    host.init("hang")

    told = host.healed(service_timeout=4)

    assert told["result"] is False
    assert "cannot be brought back: service.start" in told["comment"]
    assert "did not end within" in told["comment"] and "it was ended: sh (pid" in told["comment"]
    assert host.hung() is None


def test_a_start_whose_daemon_holds_the_output_is_no_failure(host: Host) -> None:
    """The script ended long ago: what counts is the service's main process, which stays."""
    serve = f"setsid {host.executable} {HANG_S} &"
    host.init(f"{serve}\necho $! > {host.pid_file}")

    told = host.healed(service_timeout=4)

    assert f"{host.script} was started" in told["comment"], told
    assert told["changes"] == {str(host.script): "started"}
    assert psutil.Process(int(host.pid_file.read_text())).exe() == str(host.executable)


def test_a_main_process_that_never_left_its_script_stays_when_the_script_is_ended(
    host: Host,
) -> None:
    """It is a child of what is killed."""
    host.init(f"{host.executable} {HANG_S} &\necho $! > {host.pid_file}\nhang")

    told = host.healed(service_timeout=4)

    assert told["changes"] == {str(host.script): "started"}, told
    assert psutil.Process(int(host.pid_file.read_text())).exe() == str(host.executable)
    assert host.hung() is None


def test_a_restart_that_hangs_is_not_followed_by_force(host: Host) -> None:
    """Whose stop hangs may be busy with what a kill would destroy: a person must look."""
    main = host.serve()
    host.init("hang")

    told = host.healed(service_timeout=4)

    assert told["result"] is False
    assert "service.restart" in told["comment"] and "did not end within" in told["comment"]
    assert main.status() != psutil.STATUS_ZOMBIE
    assert host.hung() is None


def test_a_configuration_test_that_hangs_is_ended_with_its_children(host: Host) -> None:
    """Salt's own timeout ends the first process, and its job waits for the others."""
    main = host.serve()
    host.init("hang")

    told = host.healed(configtest_timeout=4, configtest=["sh", str(host.script)])

    assert told["result"] is False
    assert "Nothing has been stopped: the configuration cannot be tested" in told["comment"]
    assert "it was ended: sh (pid" in told["comment"]
    assert host.hung() is None
    assert main.status() != psutil.STATUS_ZOMBIE

"""
How a service is brought back without systemd: by its init script, whose words are kept.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load


class Host:
    """
    A service of the test's own, with its init script.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module: Any = load("_utils/_dynatrace_utils/service/sysv.py")
        monkeypatch.setattr(self.module, "SCRIPTS", str(root))
        self.executable, self.pid_file = root / "served", root / "served.pid"
        shutil.copy(shutil.which("sleep") or "/bin/sleep", self.executable)
        self._script = root / "served-init"
        self.called: list[str] = []

    def init(self, text: str) -> None:
        self._script.write_text(f"#!/bin/sh\n{text}\n")
        self._script.chmod(0o755)

    @property
    def serve(self) -> str:
        return f"setsid {self.executable} 600 >/dev/null 2>&1 & echo $! > {self.pid_file}"

    def bring_back(
        self, how: str = "start", seconds: float = 10, verbs: Sequence[str] = (), **place: Any
    ) -> dict[str, Any]:
        """
        Bring it back as Salt's module for Debian would.
        """
        given = {
            "service": "served-init",
            "executable": str(self.executable),
            "pid_file": str(self.pid_file),
            "ports": [],
            "starts_within": 1,
            **place,
        }

        def function(name: str) -> bool:
            self.called.append(name)
            return True

        function.__module__ = "salt.loaded.int.module.debian_service"
        manage = dict.fromkeys(("start", "restart", *verbs), function)
        until = time.monotonic() + seconds
        told: dict[str, Any] = self.module.bring_back(given, how, until, manage)
        return told

    def clear(self) -> None:
        for process in psutil.process_iter():
            try:
                if process.exe() == str(self.executable):
                    process.kill()
            except psutil.Error:
                continue


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host(tmp_path, monkeypatch)
    yield host
    host.clear()


def test_it_is_started_by_its_script(host: Host) -> None:
    """Salt's own function throws its words away."""
    host.init(host.serve)
    told = host.bring_back()
    assert told == {
        "ok": True,
        "refused": False,
        "by_others": False,
        "done": {"served-init": "started"},
        "why": None,
    }
    assert host.called == []


def test_a_script_that_calls_a_failed_start_a_good_one_is_not_believed(host: Host) -> None:
    """Debian's does so for apache2, and prints why."""
    host.init("echo '(99)Cannot assign requested address: AH00072' >&2; exit 0")
    told = host.bring_back()
    assert not told["ok"]
    assert told["done"] == {"served-init": "start tried"}
    assert "its own words:\n(99)Cannot assign requested address: AH00072" in told["why"]


def test_its_words_are_told_when_its_start_fails_at_once(host: Host) -> None:
    """Nothing is waited for then."""
    host.init("echo broken; exit 1")
    begun = time.monotonic()
    told = host.bring_back(starts_within=60)
    assert "its own words:\nbroken" in told["why"]
    assert time.monotonic() - begun < 30


def test_one_that_appears_later_is_waited_for(host: Host) -> None:
    """As long as it may take to start."""
    host.init(f"(sleep 1; {host.serve}) >/dev/null 2>&1 &")
    assert host.bring_back(starts_within=20)["ok"]


def test_one_that_holds_the_output_open_is_no_hang(host: Host) -> None:
    """What it says goes to a file."""
    host.init(f"setsid {host.executable} 600 & echo $! > {host.pid_file}")
    begun = time.monotonic()
    assert host.bring_back(seconds=60)["ok"]
    assert time.monotonic() - begun < 30


def test_a_script_that_hangs_is_ended_and_named(host: Host) -> None:
    """With the service's name, and what it said until then."""
    host.init("echo waiting for the moon; sleep 600 & wait")
    told = host.bring_back(seconds=1)
    assert not told["ok"]
    assert "served-init start did not end within" in told["why"]
    assert "it was ended: " in told["why"]
    assert "waiting for the moon" in told["why"]


def test_a_function_of_another_module_is_called(host: Host) -> None:
    """A site may have a service manager of its own."""
    host.init("exit 1")
    told = host.bring_back(service=str(host.executable))
    assert host.called == [str(host.executable)]
    assert not told["ok"]


def test_an_error_of_salts_module_is_told(host: Host) -> None:
    """Some raise, some return False."""

    def function(name: str) -> bool:
        raise CommandExecutionError(f"{name} has no such script")

    place = {"service": "x", "executable": str(host.executable), "starts_within": 1}
    manage = {"start": function, "restart": function}
    told = host.module.bring_back(place, "start", time.monotonic() + 5, manage)
    assert "x has no such script" in told["why"]
    assert told["done"] == {"x": "start tried"}


def test_ended_processes_are_told_in_order(host: Host) -> None:
    """A file of pids may list them in any order: systemd's do."""
    processes = [psutil.Popen(["sleep", "600"]) for _ in range(3)]
    ended = host.module.processes.end(list(reversed(processes)))
    assert ended == sorted(process.pid for process in processes)


def test_a_reload_is_by_the_script_where_it_has_one(host: Host) -> None:
    """Its main process stays; a service manager without a reload says so."""
    host.init(f'[ "$1" = reload ] || {{ {host.serve}; }}')
    assert host.bring_back()["ok"]
    main = host.pid_file.read_text()
    told = host.bring_back("reload")
    assert not told["ok"] and "it cannot be reloaded" in told["why"]
    told = host.bring_back("reload", verbs=("reload",))
    assert told["ok"] and told["done"] == {"served-init": "reloaded"}
    assert host.pid_file.read_text() == main


def test_without_an_executable_nothing_is_looked_for() -> None:
    """Any process would be taken for the service's."""
    sight: Any = load("_utils/_dynatrace_utils/service/sight.py")
    seen = sight.of_files({"service": "x", "executable": None, "pid_file": None, "ports": []})
    assert seen["main"] is None and "`executable`, which is not set" in seen["refusal"]


def test_the_only_process_of_an_executable_is_the_main_one(host: Host) -> None:
    """Without pid file and ports; of two nobody knows which one it is."""
    sight: Any = load("_utils/_dynatrace_utils/service/sight.py")
    place = {"service": "x", "executable": str(host.executable), "pid_file": None, "ports": []}
    assert sight.of_files(place)["main"] is None
    processes = [psutil.Popen([str(host.executable), "600"]) for _ in range(2)]
    try:
        with pytest.raises(CommandExecutionError, match="set `pid_file` or `ports`"):
            sight.of_files(place)
        processes[1].kill()
        processes[1].wait()
        assert sight.of_files(place)["main"] == processes[0].pid
    finally:
        processes[0].kill()
        processes[0].wait()


def test_an_interpreter_alone_tells_no_process() -> None:
    """The only one of it may be another service's, and would be ended."""
    sight: Any = load("_utils/_dynatrace_utils/service/sight.py")
    place = {"service": "x", "executable": "/bin/sh", "pid_file": None, "ports": []}
    seen = sight.of_files(place)
    assert seen["main"] is None and "set `pid_file` or `ports`" in seen["refusal"]


@pytest.mark.parametrize(
    ("path", "shared"),
    [
        ("/bin/sleep", False),
        ("/bin/sh", True),
        ("/usr/bin/env", True),
        ("/no/such/program", True),
    ],
)
def test_a_program_that_many_services_run_tells_none(path: str, shared: bool) -> None:
    """By an orphan that runs it, another service would be ended."""
    programs: Any = load("_utils/_dynatrace_utils/service/programs.py")
    assert programs.is_shared(path) is shared


def test_a_script_is_run_by_something_else(tmp_path: Path) -> None:
    """Its process runs the interpreter."""
    programs: Any = load("_utils/_dynatrace_utils/service/programs.py")
    script = tmp_path / "orders"
    script.write_text("#!/bin/sh\n")
    assert programs.is_shared(str(script))


@pytest.mark.parametrize(
    ("name", "interpreter"),
    [
        *[(name, True) for name in ("java", "python3.11", "node", "nodejs18", "php8.2", "ruby3.1")],
        *[(name, True) for name in ("perl", "dotnet", "dash", "bash", "beam.smp", "busybox")],
        *[(name, False) for name in ("nginx", "php-fpm8.2", "redis-server", "javaws", "perld")],
    ],
)
def test_interpreters_are_known_by_their_names(name: str, interpreter: bool) -> None:
    """Whatever their version."""
    programs: Any = load("_utils/_dynatrace_utils/service/programs.py")
    assert programs.is_interpreter(f"/opt/x/{name}") is interpreter

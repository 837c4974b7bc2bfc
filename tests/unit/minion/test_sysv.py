"""
How a service is brought back without systemd: by its init script, whose words are kept.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
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

    def bring_back(self, how: str = "start", seconds: float = 10, **place: Any) -> dict[str, Any]:
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
        manage = {"start": function, "restart": function}
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

"""
A program that is forked is as one that was started: what is its own, how it ends, and that it can be ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.harness import forked, prefork
from tests.harness import machine as machines
from tests.harness.machine import Machine
from tests.harness.masterless import Masterless
from tests.harness.test_keeper import runs, wait_for


@pytest.fixture
def minion(tmp_path: Path) -> Masterless:
    return Masterless(tmp_path / "minion")


def call(
    minion: Masterless, *arguments: str, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    configured = ("--local", "-c", str(minion.conf), "--out=json")
    return prefork.run("salt-call", *configured, *arguments, timeout=timeout)


def test_it_prints_and_ends_as_a_script_does(minion: Masterless) -> None:
    """On the two streams, with its own status."""
    script = str(Path(sys.executable).parent / "salt-call")
    for arguments in (("cmd.run", "echo said; echo wrongly >&2"), ("no.such",)):
        command = [script, "--local", "-c", str(minion.conf), "--out=json", *arguments]
        real = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        forked = call(minion, *arguments)
        assert [forked.returncode, forked.stdout] == [real.returncode, real.stdout]
        # The first lines may warn of what was imported, by another name of the same file.
        assert forked.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_its_surroundings_are_those_of_its_caller(
    minion: Masterless, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At the time of the call, though the server is older."""
    assert call(minion, "test.ping").returncode == 0
    monkeypatch.setenv("OF_A_TEST", "one")
    monkeypatch.chdir(tmp_path)
    told = json.loads(call(minion, "environ.get", "OF_A_TEST").stdout)["local"]
    assert told == "one"
    monkeypatch.delenv("OF_A_TEST")
    told = json.loads(call(minion, "environ.get", "OF_A_TEST").stdout)["local"]
    assert told == ""


def test_it_is_killed_when_its_time_is_over(minion: Masterless) -> None:
    """As `subprocess.run` kills."""
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        call(minion, "test.sleep", "120", timeout=4)
    assert time.monotonic() - began < 60
    wait_for(lambda: not forks(str(minion.conf)))


def forks(text: str) -> list[psutil.Process]:
    """
    Return the processes that have a file below a directory open.
    """
    found = []
    for process in psutil.process_iter():
        try:
            found += [process] if any(text in one.path for one in process.open_files()) else []
        except psutil.Error:
            continue
    return found


def test_in_a_machine_it_is_a_job_of_that(machine: Machine) -> None:
    """Its processes, files, network and control group are the machine's, and its environment is nobody's else."""
    minion = Masterless(machine.shared / "minion", machine)
    told = "hostname; grep ^0 /proc/self/cgroup; cat /proc/1/comm; echo $HOME $PATH; ls /sys/fs/cgroup/init.scope | head -1"
    host, group, first, own, scope = minion.call("cmd.run", told).splitlines()
    assert (host, first) == ("machine", "systemd")
    assert group.startswith("0::/system.slice/job-")
    assert own == f"/root {machines.ENVIRONMENT['PATH']}"
    assert scope == "cgroup.controllers"


def test_what_it_leaves_in_a_machine_goes_on(machine: Machine) -> None:
    """As what a job of a minion's service starts."""
    minion = Masterless(machine.shared / "other", machine)
    minion.call("cmd.run_bg", "exec sleep 300")
    assert machine.output("pgrep", "-fx", "sleep 300")


def test_a_daemon_is_shown_as_its_script_and_ends_with_its_keeper(
    minion: Masterless, tmp_path: Path
) -> None:
    """As one that was started; any program of Salt's may be one."""
    output = tmp_path / "output"
    with output.open("wb") as file:
        daemon = prefork.start(
            "salt-call",
            *("--local", "-c", str(minion.conf), "test.sleep", "120"),
            environment=os.environ,
            output=file,
        )
    keeper = psutil.Process(daemon.pid)
    wait_for(lambda: bool(keeper.children()))
    [child] = keeper.children()
    script = str(Path(sys.executable).parent / "salt-call")
    wait_for(lambda: f"{script} --local -c {minion.conf}" in " ".join(child.cmdline()))
    assert daemon.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.wait(0.1)
    daemon.terminate()
    daemon.wait(15)
    wait_for(lambda: not runs(child.pid))


def test_a_shell_has_it_by_the_name_of_the_script(minion: Masterless) -> None:
    """What it prints goes where the shell says, and its status is the shell's."""
    script = Path(sys.executable).parent / "salt-call"
    asking = f"{sys.executable} -IS {forked.__file__} {prefork.address()} {script}"
    call = f"{asking} --local -c {minion.conf} --out=json"
    told = (
        f"{call} cmd.run 'echo said' | tr s S; "
        f"{call} --retcode-passthrough cmd.run 'exit 3' >&2 || echo ended with $?"
    )
    ran = subprocess.run(
        ["bash", "-c", told], capture_output=True, text=True, timeout=60, check=True
    )
    assert '"local": "Said"' in ran.stdout
    assert ran.stdout.endswith("ended with 3\n")

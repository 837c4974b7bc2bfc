"""
A machine is a machine: it boots, it is alone, and it leaves nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.harness.config import REPO
from tests.harness.machine import Machine, MachineError
from tests.harness.ports import free_ports
from tests.harness.test_keeper import runs, wait_for

CAP_SYS_TIME = 25


def test_systemd_is_up_and_nothing_failed(machine: Machine) -> None:
    """It is PID 1 and has no job left, and no unit of this machine's."""
    assert machine.output("ps", "-p", "1", "-o", "comm=") == "systemd"
    assert machine.output("systemctl", "is-system-running") == "running"
    assert machine.output("systemctl", "list-jobs", "--no-legend") == ""
    assert machine.output("systemctl", "is-active", "dbus") == "active"


def test_its_journal_is_kept(machine: Machine) -> None:
    """The remedy reads a unit's last lines from it."""
    machine.run("systemd-run", "--quiet", "--wait", "--unit=talker", "echo", "said by a unit")
    assert "said by a unit" in machine.output("journalctl", "--unit=talker", "--output=cat")


def test_what_is_written_in_it_is_seen_in_it_alone(machine: Machine, tmp_path: Path) -> None:
    """Its root is this machine's, copy-on-write; what is here is there too."""
    assert machine.output("cat", "/usr/bin/ldd") == Path("/usr/bin/ldd").read_text().rstrip("\n")
    for path in ("/etc/written", "/usr/bin/written", "/var/lib/written", f"{tmp_path}/written"):
        machine.write(path, "there")
        assert machine.output("cat", path) == "there"
        assert not Path(path).exists()


def test_shared_is_seen_by_both(machine: Machine, tmp_path: Path) -> None:
    """At the same path."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("from here")
    copied = machine.copy(tmp_path / "tree")
    assert machine.output("cat", str(copied / "file")) == "from here"
    machine.run("sh", "-c", f"echo from there >{machine.shared}/answer")
    assert (machine.shared / "answer").read_text() == "from there\n"


def test_the_checkout_and_its_environment_are_there(machine: Machine) -> None:
    """On whatever file system they lie."""
    assert machine.output("ls", str(REPO / "setup.cfg"))
    salt = Path(sys.executable).parent / "salt-call"
    assert machine.output(str(salt), "--version").startswith("salt-call 3")


def test_its_network_is_its_own(machine: Machine) -> None:
    """A port that is taken in it is free here."""
    [port] = free_ports(1)
    machine.run("systemd-run", "--quiet", sys.executable, "-m", "http.server", str(port))
    listening = ("ss", "-Hltn", f"sport = :{port}")
    machine.wait_for(lambda: machine.output(*listening))
    here = subprocess.run(listening, capture_output=True, text=True, check=True)
    assert here.stdout == ""


def test_the_kernel_is_not_changed_from_it(machine: Machine) -> None:
    """Neither its settings nor its clock, which is also the host's."""
    assert machine.run("test", "-w", "/proc/sys/vm/swappiness", status=None).returncode == 1
    for status in ("/proc/1/status", "/proc/self/status"):
        [held] = machine.output("sed", "-n", "s/CapEff://p", status).split()
        assert not int(held, 16) & 1 << CAP_SYS_TIME


def test_a_command_that_fails_says_what_it_printed(machine: Machine) -> None:
    """Unless the caller allows for it."""
    with pytest.raises(MachineError, match="cannot access"):
        machine.run("ls", "/nowhere")
    assert machine.run("ls", "/nowhere", status=None).returncode == 2


def test_several_run_at_once_and_end_one_by_one(machine: Machine) -> None:
    """Each with its own root, processes and network."""
    with Machine() as second, Machine() as third:
        second.write("/etc/mine", "second")
        third.write("/etc/mine", "third")
        third.stop()
        assert second.output("cat", "/etc/mine") == "second"
        assert not third.runs
    assert machine.output("systemctl", "is-system-running") == "running"
    assert machine.run("test", "-e", "/etc/mine", status=None).returncode == 1


def test_it_is_made_from_another_directory_where_that_is_wanted(
    machine: Machine, tmp_path: Path
) -> None:
    """Here a second view of the root; elsewhere a Debian of its own."""
    subprocess.run(["mount", "--bind", "/", str(tmp_path)], check=True)
    try:
        with Machine(tmp_path) as second:
            assert second.output("systemctl", "is-system-running") == "running"
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_nothing_of_it_stays(machine: Machine) -> None:
    """No process, no cgroup, no directory."""
    with Machine() as second:
        init = psutil.Process(second.pid)
        group, directory = second.group, second.directory
        assert group.exists() and directory.exists()
    assert not runs(init.pid)
    assert not group.exists() and not directory.exists()


def test_it_ends_with_its_caller(machine: Machine, tmp_path: Path) -> None:
    """However that ends."""
    code = (
        "import sys, time; from pathlib import Path; from tests.harness.machine import Machine\n"
        "machine = Machine(); machine.start(); said = Path(sys.argv[1])\n"
        "said.with_suffix('.part').write_text(str(machine.pid)); said.with_suffix('.part').rename(said)\n"
        "time.sleep(600)"
    )
    said = tmp_path / "pid"
    caller = subprocess.Popen([sys.executable, "-c", code, str(said)], cwd=REPO)
    wait_for(said.exists, 30)
    init = int(said.read_text())
    assert runs(init)

    caller.kill()
    caller.wait()

    wait_for(lambda: not runs(init))

"""
A session apart from this machine: what is done in it is seen in it, and nothing of it stays.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests import conftest
from tests.harness import apart
from tests.harness.config import REPO
from tests.harness.test_keeper import runs, wait_for

#: Says where it is, lasts, and takes its leave.
LASTING = """
trap 'touch "$0.left"; exit' TERM
echo "$SALT_DYNATRACE_APART_GROUP" >"$0.part"; mv "$0.part" "$0"; sleep 600 & wait
"""


@pytest.fixture(autouse=True)
def _possible() -> None:
    if lacking := apart.why_not():
        pytest.skip(lacking)


def cgroup(name: str) -> Path:
    """
    Return another session's cgroup as this one sees it.
    """
    return Path(os.environ[apart.GROUP]).parent / name


class Caller:
    """
    A process that runs a command apart, and can be killed.
    """

    def __init__(self, said: Path) -> None:
        self.said = said
        code = "import sys; from pathlib import Path; from tests.harness import apart; apart.run(sys.argv[1:], Path('/'))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "bash", "-c", LASTING, str(said)], cwd=REPO
        )
        wait_for(said.exists)
        self.group = cgroup(Path(said.read_text().strip()).name)
        self.directory = Path("/tmp") / self.group.name.removeprefix(apart.PREFIX)
        self.started = psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    caller = Caller(tmp_path / "said")
    yield caller
    caller.process.kill()
    caller.process.wait()


def age(group: Path) -> None:
    """
    Make a cgroup older than one that a session may be about to use.
    """
    os.utime(group, (0, 0))


def status(*command: str) -> int:
    return apart.run(command, Path("/"))


def test_the_tests_run_apart_themselves() -> None:
    """Whoever calls pytest need not think of it."""
    assert apart.inside()


def test_the_status_of_the_command_is_returned() -> None:
    """Make and CI read it."""
    assert (status("true"), status("sh", "-c", "exit 7")) == (0, 7)


def test_a_ctrl_c_reaches_the_command() -> None:
    """Though it runs in the background of a shell, which would have it ignored."""
    assert status("sh", "-c", "kill -INT $$; exit 3") == 130


def test_the_command_may_take_its_leave(caller: Caller) -> None:
    """The demo puts things back when it is ended, also by who ends its terminal."""
    caller.process.terminate()

    wait_for(caller.said.with_suffix(".left").exists)
    wait_for(lambda: not caller.directory.exists())


def test_what_is_written_to_etc_and_run_is_not_seen_here() -> None:
    """A broken configuration is nobody else's."""
    assert status("touch", "/etc/salt-dynatrace-test", "/run/salt-dynatrace-test") == 0
    assert not Path("/etc/salt-dynatrace-test").exists()
    assert not Path("/run/salt-dynatrace-test").exists()


def test_its_network_is_its_own() -> None:
    """The loopback alone, and up."""
    alone = (
        'test "$(ls /sys/class/net; ip -o addr show up to 127.0.0.1)" != "" && ! ip route | grep .'
    )
    assert status("bash", "-c", alone) == 0


@pytest.mark.parametrize("number", ["KILL", "TERM"])
def test_nothing_stays_when_the_caller_is_killed(caller: Caller, number: str) -> None:
    """No process, no cgroup, no directory, though it could clear away nothing itself."""
    assert caller.group.exists() and caller.directory.exists() and len(caller.started) > 3

    subprocess.run(["kill", f"-{number}", str(caller.process.pid)], check=True)

    wait_for(lambda: not any(runs(process.pid) for process in caller.started))
    wait_for(lambda: not caller.group.exists())
    wait_for(lambda: not caller.directory.exists())


def test_what_a_killed_keeper_left_is_swept_up(caller: Caller) -> None:
    """By the next session; a group that is in use stays."""
    keeper, below = caller.started[0], caller.group / "of-a-machine"
    below.mkdir()
    age(caller.group)
    apart.sweep(caller.group.parent)
    assert below.exists()

    keeper.kill()

    wait_for(lambda: not any(runs(process.pid) for process in caller.started))
    apart.sweep(caller.group.parent)
    assert not caller.group.exists()
    subprocess.run(["rm", "-rf", "--one-file-system", str(caller.directory)], check=True)


@pytest.mark.parametrize(
    ("reason", "ci", "outcome"),
    [
        ("it needs root", "true", "failed"),
        ("it needs root", "", "skipped"),
        ("only with FULL=1", "true", "skipped"),
    ],
)
def test_what_the_machine_lacks_is_no_reason_to_skip_in_ci(
    monkeypatch: pytest.MonkeyPatch, reason: str, ci: str, outcome: str
) -> None:
    """Else a test that never runs looks like one that passed."""
    monkeypatch.setenv("CI", ci)
    report: Any = SimpleNamespace(
        skipped=True, outcome="skipped", longrepr=("file", 1, f"Skipped: {reason}")
    )
    conftest._must_run(report)
    assert report.outcome == outcome


def test_what_is_optional_says_so_in_the_words_that_ci_knows() -> None:
    """Else it fails there."""
    given = [
        reason
        for path in (REPO / "tests").rglob("test_*.py")
        for reason in re.findall(r'reason="([^"]*=1[^"]*)"', path.read_text())
    ]
    assert len(given) >= 3
    assert [reason for reason in given if not reason.startswith(conftest.OPTIONAL)] == []


def test_what_is_left_out_is_said_by_its_reason() -> None:
    """In the last lines, where it is read: how many, where, and what is lacking."""
    reports: Any = [
        SimpleNamespace(nodeid=f"tests/{place}", longrepr=("file", 1, f"Skipped: {reason}"))
        for place, reason in [
            ("b/test_one.py::test[x/y]", "it needs root"),
            ("a/test_two.py::test", "it needs root"),
            ("a/test_two.py", "only with FULL=1"),
        ]
    ]
    assert conftest._left_out(reports) == [
        "Left out: 2 in tests/a, tests/b: it needs root",
        "Left out: 1 in tests/a: only with FULL=1",
    ]

"""
What is kept before a service is touched, on a host that is in trouble itself.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.minion.loading import load

ATTEMPT = "9f0c2a41d7e85b36"
LARGEST = 10
SEEN = {"unit": None, "main": None, "orphans": [], "stopped": False, "executable": None}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """
    The module as a minion has it.
    """
    opts = {"cachedir": str(tmp_path)}
    loaded = load("_utils/_dynatrace_utils/remedy/evidence.py", opts=opts)
    # What is not about the bound must not meet it where many tests run.
    monkeypatch.setattr(loaded, "SECONDS", 60)
    return loaded


def saved(module: ModuleType, attempt: str = ATTEMPT, service: Any = None, **seen: Any) -> Any:
    kept = module.Evidence(attempt, service or {"service": "x"}, {**SEEN, **seen}).begin()
    kept.wait()
    return kept.told()


def command(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A directory whose commands are found before the system's.
    """
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def test_it_is_kept_for_the_minions_user_alone(module: ModuleType, tmp_path: Path) -> None:
    """Processes, listeners and memory at least, whatever the host has; the log's end is shown."""
    log = tmp_path / "error.log"
    log.write_text("started\nfatal: password=hunter2 is wrong\n" * 500)
    told = saved(module, service={"service": "x", "logs": [str(log)]}, main=os.getpid())
    directory = Path(told["path"])
    assert told["lines"] == ["fatal: password=… is wrong"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in directory.iterdir()} == {0o600}
    texts = module.kept(ATTEMPT)
    assert {"processes", "listeners", "memory", "log", "kernel"} <= texts.keys()
    assert "MiB" in texts["processes"]
    assert len(texts["processes"].splitlines()) <= LARGEST
    assert "hunter2" not in json.dumps(texts)


def test_what_can_wait_does_not_slow_down_a_start(
    module: ModuleType, tools: Path, tmp_path: Path
) -> None:
    """Of a dead service its unit is looked at first; of what lives, and before an SLS, all is."""
    command(tools, "systemctl", "echo its status")
    for service, seen, all_first in (
        ({"service": "x"}, {}, False),
        ({"service": "x"}, {"main": os.getpid()}, True),
        ({"service": "x", "sls": "site.x"}, {}, True),
    ):
        kept = module.Evidence(ATTEMPT, service, {**SEEN, "unit": "x.service", **seen}).begin()
        kept.wait()
        there = set(os.listdir(kept.path))
        assert "unit.txt" in there
        assert ({"processes.txt", "listeners.txt"} <= there) is all_first
        kept.rest()
        kept.told()
        assert {"processes", "listeners", "memory", "kernel"} <= module.kept(ATTEMPT).keys()
        shutil.rmtree(kept.path)


def test_a_command_that_hangs_is_killed_with_its_children(
    module: ModuleType, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The healing waits for it no longer than the bound, and the rest is kept."""
    monkeypatch.setattr(module, "SECONDS", 5)
    pid = tmp_path / "pid"
    command(tools, "journalctl", f"sleep 300 & echo $! >{pid}; wait")
    command(tools, "systemctl", "echo its status; trap '' TERM; sleep 300")
    begun = time.monotonic()
    told = saved(module, unit="x.service", main=os.getpid())
    assert time.monotonic() - begun < 60
    assert "memory" in module.kept(ATTEMPT)
    assert told["path"]
    child, until = Path("/proc") / pid.read_text().strip(), time.monotonic() + 30
    while child.exists() and "State:\tZ" not in (child / "status").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_command_says_is_bounded(module: ModuleType, tools: Path) -> None:
    """A journal of hundreds of megabytes and hostile text is as any other."""
    command(
        tools,
        "journalctl",
        "head -c 30000000 /dev/zero | tr '\\0' 'x'; echo; printf '\\033[2J fatal end'",
    )
    command(tools, "systemctl", "cat /dev/urandom | head -c 1000000")
    told = saved(module, unit="x.service")
    assert told["lines"] == ["?[2J fatal end"]
    size = sum(one.stat().st_size for one in Path(told["path"]).iterdir())
    assert size <= module.MOST


def test_the_rest_of_a_line_that_was_cut_is_not_kept(
    module: ModuleType, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret in it has lost the name by which it is known to be one."""
    monkeypatch.setattr(module, "PART", 60)
    text = "Authorization: Bearer " + "hunter2" * 5 + "\nit failed, and more is told of it\n"
    log = tmp_path / "error.log"
    log.write_text(text)
    command(tools, "dmesg", f"printf '%s' '{text}'")
    saved(module, service={"service": "x", "logs": [str(log)]})
    kept = module.kept(ATTEMPT)
    for part in ("log", "kernel"):
        assert "it failed" in kept[part] and "hunter" not in kept[part]


def test_a_place_that_cannot_be_written_is_no_reason_not_to_heal(
    module: ModuleType, tmp_path: Path
) -> None:
    """Nothing is kept, and what was read is still told."""
    log = tmp_path / "error.log"
    log.write_text("fatal: gone\n")
    (tmp_path / "dynatrace").mkdir()
    (tmp_path / "dynatrace" / "evidence").write_text("in the way")
    told = saved(module, service={"service": "x", "logs": [str(log)]})
    assert told == {"path": None, "lines": ["fatal: gone"]}
    assert module.kept(ATTEMPT) is None


def test_a_log_that_is_not_there_is_told_in_its_place(module: ModuleType) -> None:
    """The rest is kept."""
    told = saved(module, service={"service": "x", "logs": ["/nowhere/error.log"]})
    assert told["path"]
    assert "FileNotFoundError" in module.kept(ATTEMPT)["log"]


def test_of_each_service_the_last_ones_are_kept(module: ModuleType) -> None:
    """Another one's are none of its business."""
    saved(module, "a" * 16, {"service": "other"})
    names = [f"{number:016x}" for number in range(module.KEPT + 3)]
    for name in names:
        directory = Path(saved(module, name)["path"])
        assert directory.is_dir()
        os.utime(directory, (1e9 + int(name, 16),) * 2)
    saved(module, "f" * 16)
    left = {one.name for one in Path(module.home()).iterdir()}
    assert left == {"a" * 16, "f" * 16, *names[-module.KEPT + 1 :]}


@pytest.mark.parametrize("name", ["", ".", "..", "../attempts", "a/b", None, 7, "x" * 65])
def test_only_a_name_leads_to_evidence(module: ModuleType, name: Any) -> None:
    """No path does."""
    assert module.kept(name) is None


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_log_that_is_no_plain_file_is_not_read(
    module: ModuleType, tmp_path: Path, kind: str
) -> None:
    """Its directory may be the service's own user's, who could have any file of root's shown, or nobody go on."""
    log, precious = tmp_path / "error.log", tmp_path / "precious"
    precious.write_text("fatal: hunter2\n")
    if kind == "link":
        log.symlink_to(precious)
    else:
        os.mkfifo(log)
    told = saved(module, service={"service": "x", "logs": [str(log)]})
    assert "hunter2" not in json.dumps([told, module.kept(ATTEMPT)])
    assert "OSError" in module.kept(ATTEMPT)["log"]

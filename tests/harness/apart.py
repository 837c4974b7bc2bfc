"""
Runs a command apart from the rest of this machine: with processes, a network, /run, /etc and apache2's directories of
its own, and a place where systemd machines can be booted.

    python apart.py COMMAND …

What it starts ends with it, and it ends with its caller, however that ends; nothing stays behind, no process, no
directory, no cgroup. Needs root, and a kernel that lets root make namespaces: `why_not` tells what is lacking.

Needs the standard library only, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

#: Set inside: the directory that goes when the command ends, the cgroup that machines live below, and two processes
#: as they are numbered outside: who keeps the session, and one that is in its network.
VARIABLE, GROUP = "SALT_DYNATRACE_APART", "SALT_DYNATRACE_APART_GROUP"
KEEPER, MEMBER = "SALT_DYNATRACE_APART_KEEPER", "SALT_DYNATRACE_APART_MEMBER"
SCRIPT = Path(__file__).with_suffix(".sh")
PROGRAMS = ("unshare", "setpriv", "nsenter", "mount", "ip", "bash")
NAMESPACES = ("unshare", "--fork", "--kill-child=KILL", "--pid", "--mount-proc", "--net")
PREFIX = "salt-dynatrace-tests-"
#: What no namespace keeps apart: the clock, the modules, the hardware and the log of the kernel.
LOST = "-sys_time,-sys_module,-sys_rawio,-syslog"
#: How long the command may take to leave, when the session is ended.
LEAVE_S = 10
#: A cgroup that is younger may be empty because its session only begins.
YOUNG_S = 60
#: How long a cgroup may take to be empty after its last process was killed.
EMPTY_S = 10


def inside() -> Path | None:
    """
    Return the directory of the session that this process is in, if it is in one.
    """
    given = os.environ.get(VARIABLE)
    return Path(given) if given else None


def why_not() -> str | None:
    """
    Return what is lacking to run a command apart, or None.
    """
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root"
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    if lacking:
        return f"it needs the programs {', '.join(lacking)}: run `make tools`"
    # What is done to begin with, and nothing else.
    tried = subprocess.run(
        [
            *NAMESPACES,
            "--mount",
            "bash",
            "-euc",
            "mount -t cgroup2 cgroup2 /mnt; ip link set lo up",
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    if tried.returncode:
        return f"root may not make namespaces here: {tried.stderr.strip() or tried.returncode}"
    return None


def stays() -> bool:
    """
    Tell whether this process stays where it is: apart already, or wanted here, or unable to be anywhere else.
    """
    return bool(inside() or os.environ.get("APART") == "0" or why_not())


def keeper() -> list[str]:
    """
    Return what a command is given to, so that it runs apart.
    """
    # In a mount namespace of its own: cgroup2 may be mounted nowhere on this machine, or read-only.
    own = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]
    return [*own, sys.executable, __file__]


def run(command: Sequence[str], cwd: Path) -> int:
    """
    Run a command apart and return its exit status.
    """
    # A Ctrl-C reaches the command by itself, and what it says by then is worth waiting for.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run([*keeper(), *command], cwd=cwd, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def again(module: str) -> int | None:
    """
    Run a program of the project once more, apart, and return its status; None: this is it, or it cannot be.
    """
    if inside() or why_not():
        return None
    return run([sys.executable, "-m", module, *sys.argv[1:]], Path.cwd())


def main(command: Sequence[str]) -> int:
    """
    Keep one session: this process is outside of it, so that it can clear away what a killed one leaves.
    """
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    root = Path(tempfile.mkdtemp(prefix="apart-", dir="/tmp"))
    cgroups = root / "cgroups"
    group = cgroups / (PREFIX + root.name)
    session: subprocess.Popen[bytes] | None = None
    try:
        for name in ("cgroups", "own", "machines"):
            (root / name).mkdir()
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(cgroups)], check=True)
        sweep(cgroups)
        group.mkdir()
        session = _begin(root, group, command)
        return session.wait()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if session is not None:
            _leave(session)
        _empty(group)
        subprocess.run(["umount", "--lazy", str(cgroups)], check=False)
        # Never beyond the file system: rmdir ends a cgroup.
        subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=False)


def sweep(cgroups: Path) -> None:
    """
    Remove the cgroups of sessions whose keeper was killed as well, but for young ones, which are about to be used.

    In a session that lives nothing is removed: an empty group in it may be that of a machine that is about to boot.
    """
    for group in cgroups.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            lives = "populated 1" in (group / "cgroup.events").read_text()
            if not lives and time.time() - group.stat().st_mtime >= YOUNG_S:
                remove_group(group)


def remove_group(group: Path) -> bool:
    """
    Remove a cgroup with all below it; tell whether it is gone. One that is in use stays.
    """
    below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
    for path in [*below, group]:
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _begin(root: Path, group: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
    join = f'echo 0 >"$0/cgroup.procs"; export {MEMBER}=$$; exec "$@"'
    lose = ["setpriv", "--pdeathsig", "KILL", f"--bounding-set={LOST}"]
    begin = ["bash", str(SCRIPT), str(root / "own")]
    return subprocess.Popen(
        ["bash", "-euc", join, str(group), *lose, *NAMESPACES, *begin, *command],
        env={**os.environ, VARIABLE: str(root), GROUP: str(group), KEEPER: str(os.getpid())},
    )


def _leave(session: subprocess.Popen[bytes]) -> None:
    """
    End what is left of a session, after its command had time to clear away.
    """
    below = Path(f"/proc/{session.pid}/task/{session.pid}/children")
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        for child in below.read_text().split():
            os.kill(int(child), signal.SIGTERM)
        session.wait(LEAVE_S)
    session.kill()
    session.wait()


def _empty(group: Path) -> None:
    until = time.monotonic() + EMPTY_S
    while group.exists() and not remove_group(group) and time.monotonic() < until:
        time.sleep(0.02)


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

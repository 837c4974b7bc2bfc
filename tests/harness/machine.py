"""
A machine of its own that runs systemd, made from this machine's own root.

    with Machine() as machine:
        machine.run("systemctl", "start", "apache2")

It needs a session of `apart`, which ends it and clears away after it however the tests end. What is written in it is
seen in it alone, but for the directory `shared`; its network is its own, so port 80 is free. Not changed in it: the
kernel, its clock and its modules.

On two idle cores a boot takes 0.3 s, its end 0.1 s and a `salt-call` in it about a second: each test can have one of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.harness import apart
from tests.harness.config import REPO
from tests.harness.prefork import Place
from tests.harness.started import Started

SCRIPT = Path(__file__).with_suffix(".sh")
#: What a machine is made from, where the root itself cannot be the lower side of an overlay: a Debian in a directory.
ROOT = Path(os.environ.get("MACHINE_ROOT", "/"))
SYSTEMD = "lib/systemd/systemd"
#: In a mount namespace that goes with it.
TRY_OVERLAY = """
mount -t tmpfs machine /mnt; mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$0,upperdir=/mnt/upper,workdir=/mnt/work" machine /mnt/root
"""
BOOT_S = 30.0
POLL_S = 0.01
#: Nothing of the caller's: what a service or a job has there is what a login as root has.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "env", "--chdir=/")
UNIT = ("systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--property=KillMode=process")
_numbers = itertools.count(1)


class MachineError(Exception):
    """
    A machine did not boot, or a command in it did not end well; the text says what was printed.
    """


def why_not() -> str | None:
    """
    Return what is lacking to boot a machine here, or None.
    """
    if apart.inside() is None:
        return f"it needs a session apart from this machine: {apart.why_not() or 'APART=0'}"
    if not (ROOT / SYSTEMD).exists():
        return "it needs systemd as a program: run `make tools`"
    tried = subprocess.run(
        ["unshare", "--mount", "bash", "-euc", TRY_OVERLAY, str(ROOT)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    if tried.returncode:
        return f"no overlay can be laid over {ROOT}, set MACHINE_ROOT: {tried.stderr.strip()}"
    return None


class Machine(Started):
    """
    One machine; its processes are seen from here too, under other numbers.

    It ends with the thread that has started it, at the latest.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        session = apart.inside()
        if session is None:
            raise MachineError(str(why_not()))
        name = f"{os.getpid()}-{next(_numbers)}"
        self.directory = session / "machines" / name
        #: The one directory that both see, at the same path.
        self.shared = self.directory / "shared"
        self.group = Path(os.environ[apart.GROUP]) / name
        self._console = self.directory / "console"
        self._holder: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    def start(self) -> None:
        """
        Boot it, and return when systemd says that all is up.
        """
        self.shared.mkdir(parents=True)
        (self.directory / "top").mkdir()
        self.group.mkdir()
        shown = {REPO, Path(sys.prefix), Path(sys.base_prefix)}
        command = ["bash", str(SCRIPT), *map(str, (self._root, self.directory, self.group))]
        with self._console.open("wb") as console:
            self._holder = subprocess.Popen(
                [*command, *map(str, sorted(shown))],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        # PID 1 is systemd only when this is there, and its root the machine's.
        self.wait_for((self.shared / "pid1").exists, BOOT_S)
        [init] = psutil.Process(self._holder.pid).children()
        self._pid = init.pid
        self.wait_for(self._is_up, BOOT_S)

    def stop(self) -> None:
        """
        End it as the loss of its power does, with all that is in it; may be called twice.
        """
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait(30)
            self._holder = None
        until = time.monotonic() + apart.EMPTY_S
        # Its last processes may still be leaving.
        while self.group.exists() and not apart.remove_group(self.group):
            if time.monotonic() > until:
                raise MachineError(f"{self.group} is still in use")
            time.sleep(POLL_S)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def runs(self) -> bool:
        """
        Whether its PID 1 lives.
        """
        return self._holder is not None and self._holder.poll() is None

    @property
    def pid(self) -> int:
        """
        The process id of its PID 1, as seen from here.
        """
        if self._pid is None:
            raise MachineError(self._failed("has not booted"))
        return self._pid

    def popen(self, *command: str, **how: Any) -> subprocess.Popen[str]:
        """
        Start a command in it: as it is, in no unit.
        """
        enter = ["nsenter", "--target", str(self.pid), *ENTER]
        how.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([*enter, *command], env=ENVIRONMENT, text=True, **how)

    @contextlib.contextmanager
    def unit(self) -> Iterator[Place]:
        """
        Give a place in it as a job of a minion's service has one: in a unit, whose children are left alone.
        """
        name = f"job-{next(_numbers)}.service"
        holding = self.popen(*UNIT, f"--unit={name}", "cat", stdin=subprocess.PIPE)
        try:
            group = self.group / "system.slice" / name
            self.wait_for((group / "cgroup.procs").exists)
            yield Place(self.pid, group, ENVIRONMENT)
        finally:
            holding.communicate(timeout=60)

    def run(
        self, *command: str, status: int | None = 0, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a command in it; raises unless it ends with this status, None allows for any.
        """
        process = self.popen(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            printed, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        done = subprocess.CompletedProcess(command, process.returncode, printed, errors)
        if status is not None and done.returncode != status:
            text = f"{' '.join(command)}\nended with {done.returncode}:\n{printed}{errors}"
            raise MachineError(text)
        return done

    def output(self, *command: str, **how: Any) -> str:
        """
        Return what a command in it prints, without the last line's end.
        """
        return self.run(*command, **how).stdout.rstrip("\n")

    def write(self, path: str | Path, text: str, mode: int = 0o644) -> None:
        """
        Write a file in it, with the directories above.
        """
        given = self.shared / f"given-{next(_numbers)}"
        given.write_text(text)
        self.run("install", "-D", f"--mode={mode:o}", str(given), str(path))
        given.unlink()

    def copy(self, source: Path, name: str | None = None) -> Path:
        """
        Copy a file or a directory to `shared`; return its path, which is the same in it and here.
        """
        target = self.shared / (name or source.name)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)
        return target

    def wait_for(self, condition: Callable[[], Any], timeout: float = 15) -> Any:
        """
        Wait until a condition holds and return its value; raises when it never does, or the machine is gone.
        """
        until = time.monotonic() + timeout
        while not (value := condition()):
            if not self.runs:
                raise MachineError(self._failed("is gone"))
            if time.monotonic() > until:
                raise MachineError(self._failed(f"did not come to that in {timeout:g} s"))
            time.sleep(POLL_S)
        return value

    def _is_up(self) -> bool:
        told = self.run("systemctl", "is-system-running", status=None).stdout.strip()
        return told in ("running", "degraded")

    def _failed(self, what: str) -> str:
        console = ""
        with contextlib.suppress(OSError):
            console = self._console.read_text(errors="replace")
        return f"the machine {what}\n{console}"


def shell(command: Sequence[str] = ("bash", "-l")) -> int:
    """
    Boot a machine and run a command in it, on this terminal; return its status.
    """
    with Machine() as machine:
        enter = ["nsenter", "--target", str(machine.pid), *ENTER]
        return subprocess.run([*enter, *command], env=ENVIRONMENT, check=False).returncode


def main(command: Sequence[str]) -> int:
    """
    Give a shell in a machine: `python -m tests.harness.machine [COMMAND …]`.
    """
    if apart.inside() is None and not (lacking := apart.why_not()):
        again = [sys.executable, "-m", "tests.harness.machine", *command]
        return apart.run(again, Path.cwd())
    if lacking := why_not():
        print(lacking, file=sys.stderr)
        return 1
    return shell(command or ("bash", "-l"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

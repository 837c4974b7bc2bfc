"""
One daemon under a keeper, which ends it with everything that it started.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from tests.harness import prefork

KEEPER = Path(__file__).with_name("keeper.py")


class Daemon:
    """
    A program of the running environment, started again as often as one likes.
    """

    def __init__(self, name: str, config_dir: Path, log_dir: Path) -> None:
        self.name = name
        self.log = log_dir / name.removeprefix("salt-")
        # What the process prints before it logs, and tracebacks that no logger saw.
        self.output = log_dir / f"{name}.out"
        self._config_dir = config_dir
        self._keeper: prefork.Daemon | None = None

    @property
    def running(self) -> bool:
        """
        Whether the daemon runs.
        """
        return self._keeper is not None and self._keeper.poll() is None

    def start(self) -> None:
        """
        Start it; whether it is ready is another question.
        """
        local = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        # An installed minion compiles a module once, not for each job.
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        with self.output.open("ab") as output:
            self._keeper = prefork.start(
                self.name,
                "-c",
                str(self._config_dir),
                environment={**inherited, **local},
                output=output,
            )

    def ask_to_stop(self) -> None:
        """
        Tell it to end and do not wait.
        """
        if self._keeper is not None:
            self._keeper.terminate()

    def stop(self) -> None:
        """
        End it and all that it started.
        """
        self.ask_to_stop()
        if self._keeper is not None:
            self._keeper.wait(timeout=30)
            self._keeper = None

    def kill(self) -> None:
        """
        End it as `kill -9` of all its processes does: none of them can say good-bye.
        """
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.stop()

    def processes(self) -> list[psutil.Process]:
        """
        Return the daemon's processes, its main one first.
        """
        if self._keeper is None:
            return []
        try:
            below = psutil.Process(self._keeper.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [process for process in below if is_alive(process)]

    def tail(self, lines: int = 20) -> str:
        """
        Return the end of the log, or of what it printed while it has none.
        """
        for path in (self.log, self.output):
            if path.exists() and (text := path.read_text(errors="replace").splitlines()):
                return "\n".join(text[-lines:])
        return "(nothing was logged)"


def title(process: psutil.Process) -> str:
    """
    Return the title of a process, which Salt sets; empty when it is over.
    """
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

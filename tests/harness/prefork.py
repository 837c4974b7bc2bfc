"""
Runs Salt's programs as forks of one process that has imported Salt already.

    done = prefork.run("salt-call", "--local", "test.ping")
    daemon = prefork.start("salt-master", "-c", directory, output=file)

Each is a process of its own, with its own arguments, environment and output, and begins after some milliseconds
where a new interpreter computes for a second. It can enter the namespaces of a machine, and a control group.
"""

from __future__ import annotations

import atexit
import functools
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.harness.forked import ask

SERVER = Path(__file__).with_name("prefork_server.py")


@dataclass(frozen=True)
class Place:
    """
    Where a program runs: the namespaces of a process, a control group, and the environment there.
    """

    process: int
    group: Path
    environment: Mapping[str, str]


def run(
    program: str, *arguments: str, timeout: float, place: Place | None = None
) -> subprocess.CompletedProcess[str]:
    """
    Run one of Salt's programs to its end; raises `subprocess.TimeoutExpired` after it was killed.
    """
    request: dict[str, Any] = {
        "argv": [_path(program), *arguments],
        "environment": dict(place.environment if place else os.environ),
        "directory": "/" if place else os.getcwd(),
        "process": place.process if place else None,
        "group": str(place.group) if place else None,
    }
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        with ask(address(), request, [printed.fileno(), errors.fileno()], timeout) as asking:
            status = _status(asking, request, timeout)
        for file in (printed, errors):
            file.seek(0)
        return subprocess.CompletedProcess(request["argv"], status, printed.read(), errors.read())


def _status(asking: socket.socket, request: Mapping[str, Any], timeout: float) -> int:
    try:
        answer = asking.recv(16)
    except TimeoutError:
        # The program is killed when this side hangs up.
        raise subprocess.TimeoutExpired(request["argv"], timeout) from None
    if not answer:
        raise RuntimeError(f"{request['argv']} could not be started")
    return int(answer)


class Daemon:
    """
    A daemon's keeper (see `keeper`), as `subprocess.Popen` has a process.
    """

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self.pid = int.from_bytes(asking.recv(4), "big")
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """
        Return the status, None while it runs.
        """
        return self._look(0)

    def wait(self, timeout: float) -> int:
        """
        Return the status when it has ended; raises `subprocess.TimeoutExpired`.
        """
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return status

    def terminate(self) -> None:
        """
        Ask it to end all that it keeps.
        """
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _look(self, timeout: float) -> int | None:
        if self.returncode is None and self._has_told(timeout):
            # Nothing is said by one that was killed.
            self.returncode = int(self._asking.recv(16) or -signal.SIGKILL)
            self._asking.close()
        return self.returncode

    def _has_told(self, timeout: float) -> bool:
        # `select.select` takes no descriptor above 1023, of which a worker may have more open.
        asked = select.poll()
        asked.register(self._asking, select.POLLIN)
        return bool(asked.poll(timeout * 1000))


def start(
    program: str, *arguments: str, environment: Mapping[str, str], output: IO[bytes]
) -> Daemon:
    """
    Start one of Salt's daemons under a keeper, which ends when this process ends.
    """
    request = {
        "argv": [_path(program), *arguments],
        "environment": dict(environment),
        "directory": os.getcwd(),
        "kept": True,
    }
    return Daemon(ask(address(), request, [output.fileno()] * 2))


def address() -> str:
    """
    Return the address of this process' server, for `forked`.
    """
    return _server(os.getpid())


def _path(program: str) -> str:
    return str(Path(sys.executable).parent / program)


@functools.cache
def _server(_process: int) -> str:
    """
    Return the address of this process' server, which ends with it.
    """
    # Abstract: it leaves no file.
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("")
    listening.listen(64)
    server = subprocess.Popen(
        [sys.executable, str(SERVER), str(listening.fileno())],
        stdin=subprocess.PIPE,
        pass_fds=[listening.fileno()],
        cwd="/",
        # It ends with its input, not with a Ctrl-C: there is an order in which daemons end.
        start_new_session=True,
    )
    name: bytes = listening.getsockname()
    listening.close()
    atexit.register(_end, server)
    return name[1:].decode()


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.stdin:
        server.stdin.close()
    server.wait(30)

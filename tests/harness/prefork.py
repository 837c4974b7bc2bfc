"""
Runs Salt's programs as forks of one process that has imported Salt already.

    done = prefork.run("salt-call", "--local", "test.ping")

Each is a process of its own, with its own arguments, environment and output, and begins after some milliseconds
where a new interpreter computes for a second. It can enter the namespaces of a machine, and a control group.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib.metadata
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

#: In this order: who is in another user's or mount namespace may see the others no more.
NAMESPACES = ("cgroup", "ipc", "uts", "net", "pid", "mnt")
#: What Salt loads in every call, beside what its programs import.
IMPORTED = [
    "salt.cli.call",
    "salt.cli.caller",
    "salt.cli.run",
    "salt.cli.salt",
    "salt.client",
    "salt.crypt",
    "salt.fileclient",
    "salt.fileserver",
    "salt.loader",
    "salt.minion",
    "salt.output",
    "salt.pillar",
    "salt.runner",
    "salt.scripts",
    "salt.state",
    "salt.utils.event",
    "salt.utils.gitfs",
    "salt.utils.http",
    "salt.utils.jinja",
    "salt.utils.templates",
    "git",
    "jinja2",
    "psutil",
    "requests",
]


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
    path = str(Path(sys.executable).parent / program)
    request: dict[str, Any] = {
        "argv": [path, *arguments],
        "environment": dict(place.environment if place else os.environ),
        "directory": "/" if place else os.getcwd(),
        "process": place.process if place else None,
        "group": str(place.group) if place else None,
    }
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        status = _ask(request, [printed.fileno(), errors.fileno()], timeout)
        for file in (printed, errors):
            file.seek(0)
        return subprocess.CompletedProcess(request["argv"], status, printed.read(), errors.read())


def _ask(request: Mapping[str, Any], files: Sequence[int], timeout: float) -> int:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(timeout)
        asking.connect(_server(os.getpid()))
        data = json.dumps(request).encode()
        socket.send_fds(asking, [len(data).to_bytes(4, "big")], files)
        asking.sendall(data)
        try:
            answer = asking.recv(16)
        except TimeoutError:
            # The program is killed when this side hangs up.
            raise subprocess.TimeoutExpired(request["argv"], timeout) from None
    if not answer:
        raise RuntimeError(f"{request['argv']} could not be started")
    return int(answer)


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
        [sys.executable, __file__, str(listening.fileno())],
        stdin=subprocess.PIPE,
        pass_fds=[listening.fileno()],
        cwd="/",
    )
    address = listening.getsockname()
    listening.close()
    atexit.register(_end, server)
    return address


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.stdin:
        server.stdin.close()
    server.wait(30)


# What follows runs in the server.


def serve(listening: socket.socket) -> None:
    """
    Fork for each who asks, until the caller is gone.
    """
    for module in IMPORTED:
        # Another Salt may lack one.
        with contextlib.suppress(ImportError):
            __import__(module)
    _scripts()
    # Its pages stay shared.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listening, 0], [], [])
        if listening not in ready:
            return
        asked, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _keep(asked)
        asked.close()


def _keep(asked: socket.socket) -> None:
    """
    Start one program, tell how it ended, and end it when nobody waits for that any more. Returns in the program.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(asked, 4, 2)
    request = json.loads(_read(asked, int.from_bytes(head, "big")))
    group = os.open(f"{request['group']}/cgroup.procs", os.O_WRONLY) if request["group"] else None
    if request["process"]:
        _enter(request["process"])
    program = os.fork()
    if program == 0:
        asked.close()
        if group is not None:
            os.write(group, b"0")
            os.close(group)
        _become(request, files)
    watched = os.pidfd_open(program)
    ready, _, _ = select.select([watched, asked], [], [])
    if watched not in ready:
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    with contextlib.suppress(OSError):
        asked.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _read(asked: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += asked.recv(length - len(data))
    return data


def _enter(process: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    opened = [os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY) for name in NAMESPACES]
    for namespace in opened:
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(namespace)


def _become(request: Mapping[str, Any], files: Sequence[int]) -> NoReturn:
    """
    Be the program, as the script of its name is.
    """
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number, file in enumerate([nothing, *files]):
        os.dup2(file, number)
    os.closerange(3, 64)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = list(request["argv"])
    sys.exit(_scripts()[Path(sys.argv[0]).name].load()())


@functools.cache
def _scripts() -> dict[str, importlib.metadata.EntryPoint]:
    found = importlib.metadata.entry_points(group="console_scripts")
    return {one.name: one for one in found}


if __name__ == "__main__":
    # As of a script of Salt's: what lies beside this file is no module.
    sys.path.pop(0)
    serve(socket.socket(fileno=int(sys.argv[1])))

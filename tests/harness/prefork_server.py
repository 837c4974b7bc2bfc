"""
The process that `prefork` asks: it has imported Salt, and forks for each program that is to run.

    python prefork_server.py SOCKET

It ends with its input.
"""

from __future__ import annotations

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
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

# Not as of `tests`: it needs the standard library only.
import bus_wait
import keeper
import loader_memory

# As of a script of Salt's: what lies beside this file is no module.
sys.path.pop(0)

#: In this order: who is in another user's or mount namespace may see the others no more.
NAMESPACES = ("cgroup", "ipc", "uts", "net", "pid", "mnt")
#: What Salt loads in every call, beside what its programs import.
IMPORTED = [
    "salt.cli.call",
    "salt.cli.caller",
    "salt.cli.daemons",
    "salt.cli.run",
    "salt.cli.salt",
    "salt.client",
    "salt.crypt",
    "salt.fileclient",
    "salt.fileserver",
    "salt.loader",
    "salt.master",
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


def serve(listening: socket.socket) -> None:
    """
    Fork for each who asks, until the caller is gone.
    """
    for module in IMPORTED:
        # Another Salt may lack one.
        with contextlib.suppress(ImportError):
            __import__(module)
    if os.environ.get("FULL") != "1":
        _hasten()
    _scripts()
    # Found while the environment is as it was at the start; later it fails without a word.
    _title([sys.executable, *sys.argv])
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


def _hasten() -> None:
    """
    Save what Salt computes for nothing.
    """
    import salt.loader.lazy
    import salt.transport.tcp

    loader_memory.remember(salt.loader.lazy.LazyLoader)
    # Salt 3008 has it, and needs it.
    if publisher := getattr(salt.transport.tcp, "_TCPPubServerPublisher", None):
        bus_wait.wait_for_socket(publisher)


def _keep(asked: socket.socket) -> None:
    """
    Start one program, tell how it ended, and end it when nobody waits for that any more. Returns in the program.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(asked, 4, 2)
    request = json.loads(_read(asked, int.from_bytes(head, "big")))
    if request.get("kept"):
        asked.sendall(os.getpid().to_bytes(4, "big"))
        status = keeper.keep(lambda: keeper.Child(_program(asked, request, files)))
    else:
        status = _watch(asked, _program(asked, request, files))
    with contextlib.suppress(OSError):
        asked.sendall(str(status).encode())
    os._exit(0)


def _program(asked: socket.socket, request: Mapping[str, Any], files: Sequence[int]) -> int:
    """
    Fork the program, where it is to run, and return its process id.
    """
    group = None
    if request.get("group"):
        group = os.open(f"{request['group']}/cgroup.procs", os.O_WRONLY)
    if request.get("process"):
        _enter(request["process"])
    program = os.fork()
    if program == 0:
        asked.close()
        if group is not None:
            os.write(group, b"0")
        _become(request, files)
    return program


def _watch(asked: socket.socket, program: int) -> int:
    watched = os.pidfd_open(program)
    ready, _, _ = select.select([watched, asked], [], [])
    if watched not in ready:
        os.kill(program, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])


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
    for number in keeper.ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number, file in enumerate([nothing, *files]):
        os.dup2(file, number)
    os.closerange(3, 64)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = list(request["argv"])
    _title([sys.executable, *sys.argv])
    sys.exit(_scripts()[Path(sys.argv[0]).name].load()())


def _title(command: Sequence[str]) -> None:
    """
    Show the command as `ps` shows a script; Salt adds to it what a process is for.
    """
    # Where it is missing Salt shows nothing either.
    with contextlib.suppress(ImportError):
        import setproctitle

        setproctitle.setproctitle(" ".join(command))


@functools.cache
def _scripts() -> dict[str, importlib.metadata.EntryPoint]:
    found = importlib.metadata.entry_points(group="console_scripts")
    return {one.name: one for one in found}


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

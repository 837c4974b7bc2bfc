"""
Runs one daemon and ends all that came of it: `python keeper.py COMMAND …`.

Salt's daemons fork many processes and lose sight of some. So the keeper is their subreaper: what the
daemon leaves behind becomes the keeper's child. It ends when the daemon ends, on SIGTERM, or when
its own parent is gone, however that ended. Services that a minion started (another session, another
program) are left running: they are the machine's, not ours.

Needs the standard library only, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

PR_SET_CHILD_SUBREAPER = 36
LOOK_S = 0.1
GRACE_S = float(os.environ.get("KEEPER_GRACE_S", "3"))
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Process(Protocol):
    """
    What the keeper needs of its daemon; `subprocess.Popen` has it.
    """

    pid: int

    def poll(self) -> int | None: ...

    def terminate(self) -> None: ...


class Child:
    """
    A daemon that was forked.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """
        Return the status, None while it runs.
        """
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if ended else None
        return self._status

    def terminate(self) -> None:
        """
        Ask it to end.
        """
        os.kill(self.pid, signal.SIGTERM)


def descendants() -> list[int]:
    """
    Return the living processes below this one, in no order.
    """
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(errors="replace")
        except OSError:
            continue
        state, parent = text.rpartition(")")[2].split()[:2]
        if state != "Z":
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, look_at = [], [os.getpid()]
    while look_at:
        below = children.get(look_at.pop(), [])
        found += below
        look_at += below
    return found


def is_ours(pid: int, session: int) -> bool:
    """
    Tell whether a process is Salt's: it runs the same Python, or is in the daemon's session.
    """
    try:
        same = Path(f"/proc/{pid}/exe").samefile(sys.executable)
        return same or os.getsid(pid) == session
    except OSError:
        return False


def end_all(daemon: Process) -> None:
    """
    Ask the daemon to end, wait a little, then end by force all that is left.
    """
    session = daemon.pid
    if daemon.poll() is None:
        daemon.terminate()
    until = time.monotonic() + GRACE_S
    while any(is_ours(pid, session) for pid in descendants()) and time.monotonic() < until:
        reap(daemon)
        time.sleep(0.02)
    # Salt takes a dead process that nobody collected for one that runs, so this ends with `reap`;
    # and a process may fork while it is being looked for, hence more than one round.
    for _ in range(50):
        left = [pid for pid in descendants() if is_ours(pid, session)]
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        reap(daemon)
    reap(daemon)


def reap(daemon: Process) -> None:
    """
    Collect what ended: the daemon, and the orphans, which may be a service's and be waited for.
    """
    daemon.poll()
    with contextlib.suppress(ChildProcessError):
        # Looked at first: the daemon's own status is for `poll`.
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == daemon.pid:
                return
            os.waitpid(ended.si_pid, 0)


def keep(start: Callable[[], Process]) -> int:
    """
    Start a daemon and keep it until it ends or this must end; return its status.
    """
    parent = os.getppid()
    stopping: list[int] = []
    for number in ENDING:
        signal.signal(number, lambda received, _frame: stopping.append(received))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    daemon = start()
    while daemon.poll() is None and not stopping and os.getppid() == parent:
        reap(daemon)
        time.sleep(LOOK_S)
    status = daemon.poll()
    end_all(daemon)
    return 0 if status is None else status if status >= 0 else 1


def main(command: list[str]) -> NoReturn:
    """
    Run the command until it ends or this must end; exit with the command's status.
    """
    sys.exit(
        keep(lambda: subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL))
    )


if __name__ == "__main__":
    main(sys.argv[1:])

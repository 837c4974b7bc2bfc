"""
The processes of a service, by what the kernel says of them; and how they are ended.

Only few processes count as the service's own, because these get signals: those that run the
service's executable, in this minion's pid namespace and root directory, so never a container's. The
mount namespace is no criterion: systemd's ``PrivateTmp`` gives every apache one of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal

from salt.exceptions import CommandExecutionError

from .. import bounded
from . import cgroups, sockets

try:
    import psutil
except ImportError:
    psutil = None

# A process may go while it is looked at.
ERRORS = (psutil.Error, OSError, CommandExecutionError) if psutil else ()

# Orphaned workers of an event MPM ignore TERM for good; those of a prefork one leave at once.
TERM_GRACE_S = 0.3
KILL_GRACE_S = 5


def family(executable):
    """
    Return the living processes of an executable by their pids.
    """
    found = {}
    resolved = os.path.realpath(executable) if executable else None
    # psutil.process_iter takes ten times as long, and this is time of the outage.
    for pid in psutil.pids() if resolved else ():
        try:
            if executable_of(pid) == resolved:
                process = psutil.Process(pid)
                if _is_ours(process, resolved):
                    found[pid] = process
        except (psutil.Error, OSError):
            continue
    return found


def main_process(executable, pid_file=None, ports=None):
    """
    Return the pid of the service's living main process, or None.

    With a pid file it is the process named there, if it really is the service's executable. Without
    one it is the parent of those that listen on one of the ports, and without ports the only one there is.
    """
    if pid_file:
        pid = _pid_in(pid_file)
        return pid if pid and _is_main(pid, executable) else None
    if not ports:
        return _only(mains(executable), executable)
    return next(
        (
            pid
            for pid in family(executable)
            if sockets.listens_on(sockets.listening([pid]), ports) and _is_main(pid, executable)
        ),
        None,
    )


def mains(executable):
    """
    Return the pids of all main processes of an executable.
    """
    return [pid for pid in family(executable) if _is_main(pid, executable)]


def _only(found, executable):
    if len(found) > 1:
        several = ", ".join(map(str, sorted(found)))
        raise CommandExecutionError(
            f"several processes run {executable} ({several}): set `pid_file` or `ports`"
        )
    return found[0] if found else None


def leftovers(executable, pid_file=None, ports=None):
    """
    Return orphaned workers: their main process is gone, and they are in the way.
    """
    found = family(executable)
    dead_main = _pid_in(pid_file) if pid_file else None
    parents = {parent(process) for process in found.values()}
    return [
        process
        for pid, process in found.items()
        # Neither the worker of a living main process nor a main process itself.
        if parent(process) not in found and pid not in parents
        if _was_led_by_the_dead(pid, dead_main, ports)
    ]


def led_by(pid, executable):
    """
    Return a main process, first, and those that it began.
    """
    found = family(executable)
    # The main process first, or it starts new workers for those that go.
    return [found[pid], *(p for p in found.values() if parent(p) == pid)] if pid in found else []


def executable_of(pid):
    """
    Return the full path of what a process runs.
    """
    # A service that was upgraded and not yet restarted runs a file that is no longer there.
    return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")


def described(pid):
    """
    Return when a process began, whether it is stopped, and what it runs; empty when it is gone.
    """
    try:
        process = psutil.Process(pid)
        return {
            "since": process.create_time(),
            "stopped": process.status() == psutil.STATUS_STOPPED,
            "executable": executable_of(pid),
        }
    except (psutil.Error, OSError):
        return {}


def named(pid):
    """
    Return a process as text, with the unit in which it runs.
    """
    try:
        return f"{psutil.Process(pid).name()} ({', '.join([f'pid {pid}', *cgroups.unit_of(pid)])})"
    except psutil.Error:
        return f"pid {pid}"


def holders(ports, own=()):
    """
    Return who listens on the ports, as text: ``port 80 is held by nginx (pid 4711)``.
    """
    found = sorted(entry for entry in sockets.listeners(ports) if entry[1] not in own)
    # Of another pid namespace, or not to be looked at by this minion's user.
    unseen = "a program that this minion cannot see"
    return [f"port {port} is held by {named(pid) if pid else unseen}" for port, pid in found]


def thaw(processes):
    """
    Let stopped processes (SIGSTOP) run again, so that they can end by themselves; return their pids.
    """
    thawed = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_STOPPED:
                process.resume()
                thawed.append(process.pid)
    return thawed


def end(processes):
    """
    End processes and return their pids, sorted; psutil checks their start time, so that a pid used anew is never hit.
    """
    for number, grace in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if bounded.wait(lambda: not any(lives(process.pid) for process in processes), grace):
            # With its last process a listening socket is closed: the port is free.
            return sorted(process.pid for process in processes)
    survivors = ", ".join(str(process.pid) for process in processes if lives(process.pid))
    raise CommandExecutionError(f"these processes did not even obey KILL: {survivors}")


def forget_stale_pid_file(executable, pid_file):
    """
    Remove a pid file that does not name the living main process; tell whether there was one.

    A service's own stop command would signal whoever has the pid now. What does not look like a pid file stays: the
    setting is wrong then.
    """
    if not executable or not pid_file or not os.path.lexists(pid_file):
        return False
    if not re.fullmatch(r"[\s\0]*(?:\d+\s.*|\d*)", _text_in(pid_file), re.DOTALL):
        return False
    if main_process(executable, pid_file):
        return False
    # Systemd may remove it in the same moment.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(pid_file)
    return True


def lives(pid):
    """
    Tell whether a process lives.
    """
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pid_in(pid_file):
    text = _text_in(pid_file).strip()
    return int(text) if text.isdecimal() and 0 < int(text) < 2**31 else None


def _text_in(pid_file):
    try:
        # A FIFO would keep us waiting for who writes to it.
        with os.fdopen(os.open(pid_file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(32).decode("ascii", "replace")
    except FileNotFoundError:
        return ""


def _is_main(pid, executable):
    """
    Tell whether the pid is a main process: alive, the executable, and not a worker of another.
    """
    resolved = os.path.realpath(executable)
    try:
        process = psutil.Process(pid)
        return _is_ours(process, resolved) and not _is_worker(process, resolved)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except (psutil.AccessDenied, PermissionError) as err:
        # Not knowing must lead to nothing being signalled or removed.
        raise CommandExecutionError(
            f"process {pid} cannot be looked at; run the minion as root"
        ) from err


def _is_worker(process, resolved):
    try:
        parent = process.parent()
        return parent is not None and _is_ours(parent, resolved)
    except (psutil.AccessDenied, PermissionError):
        # Some hosts hide their init from everybody; a parent of our own would show itself.
        return False


def _is_ours(process, resolved):
    if executable_of(process.pid) != resolved:
        return False
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    other = f"/proc/{process.pid}"
    return os.readlink("/proc/self/ns/pid") == os.readlink(f"{other}/ns/pid") and os.path.samestat(
        os.stat("/proc/self/root/"), os.stat(f"{other}/root/")
    )


def _was_led_by_the_dead(pid, dead_main, ports):
    try:
        leader, session = os.getpgid(pid), os.getsid(pid)
    except ProcessLookupError:
        return False
    # The kernel gives no pid away that is still the number of a group, so a dead leader's group
    # cannot be mistaken for a later one's.
    if lives(leader):
        return False
    return dead_main in (leader, session) or sockets.listens_on(sockets.listening([pid]), ports)


def parent_of(pid):
    """
    Return the pid of the parent of a process, or None.
    """
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None


def parent(process):
    """
    Return the pid of a process's parent, or None.
    """
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None

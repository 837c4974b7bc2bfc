"""
Looks at the processes of a service on this minion, and clears away what a dead one left behind.

Whom it takes for the service's own is decided narrowly, because the answer decides who gets
signals: a process that runs the service's executable, in this minion's pid namespace and root
directory, so never a container's. The mount namespace is no criterion: systemd's ``PrivateTmp``
gives every apache one of its own.
"""

import contextlib
import os
import signal
import time

from salt.exceptions import CommandExecutionError

try:
    import psutil

    # Its name until psutil 6.
    CONNECTIONS = "net_connections" if hasattr(psutil.Process, "net_connections") else "connections"
except ImportError:
    psutil = None

# Orphaned workers of an event MPM ignore TERM for good; those of a prefork one leave at once.
TERM_GRACE_S = 0.3
KILL_GRACE_S = 5
POLL_S = 0.02


def __virtual__():
    if psutil is None:
        return False, "dynatrace_service needs psutil"
    if not os.path.isdir("/proc/self/ns"):
        return False, "dynatrace_service needs the /proc of Linux"
    return "dynatrace_service"


def main_process(executable, pid_file=None, ports=None):
    """
    Return the pid of the service's living main process, or None.

    With a pid file it is the process named there, if it really is the service's executable. Without
    one it is the parent of those that listen on one of the ports.
    """
    if pid_file:
        pid = _pid_in(pid_file)
        return pid if pid and _is_main(pid, executable) else None
    family = _processes_of(executable)
    listening = [pid for pid in family if _listens(family[pid], ports)]
    return next((pid for pid in listening if _is_main(pid, executable)), None)


def lives(executable):
    """
    Tell whether any process of the service lives, its main process or another.
    """
    return bool(_processes_of(executable))


def leftovers(executable, pid_file=None, ports=None):
    """
    Return the pids of orphaned workers: their main process is gone, and they are in the way.
    """
    return sorted(process.pid for process in _leftovers(executable, pid_file, ports))


def end_leftovers(executable, pid_file=None, ports=None):
    """
    End the orphaned workers and return their pids; raise when one survives even KILL.
    """
    return _end(_leftovers(executable, pid_file, ports))


def end_main(executable, pid_file=None, ports=None):
    """
    End a main process that does not obey the service's own stop, its workers with it.
    """
    pid = main_process(executable, pid_file, ports)
    if pid is None:
        return []
    family = _processes_of(executable)
    # The main process first, or it starts new workers for those that go.
    return _end([family[pid]]) + _end([p for p in family.values() if _parent(p) == pid])


def forget_stale_pid_file(executable, pid_file):
    """
    Remove a pid file that does not name the living main process; tell whether there was one.

    A service's own stop command would signal whoever has the pid now.
    """
    if not pid_file or not os.path.lexists(pid_file) or main_process(executable, pid_file):
        return False
    os.unlink(pid_file)
    return True


def thaw(executable, pid_file=None, ports=None):
    """
    Let stopped processes (SIGSTOP) of the service run again, so that they can take their leave.
    """
    pid = main_process(executable, pid_file, ports)
    thawed = []
    for process in _processes_of(executable).values() if pid else ():
        if pid in (process.pid, _parent(process)) and process.status() == psutil.STATUS_STOPPED:
            process.resume()
            thawed.append(process.pid)
    return thawed


def listens(pid, port):
    """
    Tell whether a process has a listening socket on the port.
    """
    try:
        return _listens(psutil.Process(pid), [port])
    except psutil.NoSuchProcess:
        return False


def holders(ports):
    """
    Return who listens on the ports, as text: ``port 80 is held by nginx (pid 4711)``.
    """
    found = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in (ports or ()):
            found.setdefault((connection.laddr.port, connection.pid), None)
    return [f"port {port} is held by {_described(pid)}" for port, pid in sorted(found)]


def _pid_in(pid_file):
    try:
        with open(pid_file, encoding="ascii", errors="replace") as handle:
            text = handle.read(32).strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() and 0 < int(text) < 2**31 else None


def _is_main(pid, executable):
    """
    Tell whether the pid is a main process: alive, the executable, and not a worker of another.
    """
    try:
        process = psutil.Process(pid)
        return _is_ours(process, executable) and not _is_worker(process, executable)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except (psutil.AccessDenied, PermissionError) as err:
        # Not knowing must lead to nothing being signalled or removed.
        raise CommandExecutionError(
            f"process {pid} cannot be looked at; run the minion as root"
        ) from err


def _is_worker(process, executable):
    try:
        parent = process.parent()
        return parent is not None and _is_ours(parent, executable)
    except (psutil.AccessDenied, PermissionError):
        # Some hosts hide their init from everybody; a parent of our own would show itself.
        return False


def _is_ours(process, executable):
    if _executable_of(process.pid) != os.path.realpath(executable):
        return False
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    other = f"/proc/{process.pid}"
    return os.readlink("/proc/self/ns/pid") == os.readlink(f"{other}/ns/pid") and os.path.samestat(
        os.stat("/proc/self/root/"), os.stat(f"{other}/root/")
    )


def _executable_of(pid):
    # A service that was upgraded and not yet restarted runs a file that is no longer there.
    return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")


def _processes_of(executable):
    found = {}
    resolved = os.path.realpath(executable)
    # psutil.process_iter takes ten times as long, and this is time of the outage.
    for pid in psutil.pids():
        try:
            if _executable_of(pid) == resolved:
                process = psutil.Process(pid)
                if _is_ours(process, executable):
                    found[pid] = process
        except (psutil.Error, OSError):
            continue
    return found


def _leftovers(executable, pid_file, ports):
    family = _processes_of(executable)
    dead_main = _pid_in(pid_file) if pid_file else None
    parents = {_parent(process) for process in family.values()}
    return [
        process
        for pid, process in family.items()
        # Neither the worker of a living main process nor a main process itself.
        if _parent(process) not in family and pid not in parents
        if _was_led_by_the_dead(pid, process, dead_main, ports)
    ]


def _was_led_by_the_dead(pid, process, dead_main, ports):
    try:
        leader, session = os.getpgid(pid), os.getsid(pid)
    except ProcessLookupError:
        return False
    # The kernel gives no pid away that is still the number of a group, so a dead leader's group
    # cannot be mistaken for a later one's.
    if _lives(leader):
        return False
    return dead_main in (leader, session) or _listens(process, ports)


def _parent(process):
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _listens(process, ports):
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port in (ports or ())
            for connection in getattr(process, CONNECTIONS)("tcp")
        )
    except psutil.Error:
        return False


def _end(processes):
    """
    End the processes. psutil checks their start time, so that a pid used anew is never hit.
    """
    for number, grace in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + grace
        while any(_lives(process.pid) for process in processes):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        else:
            # With its last process a listening socket is closed: the port is free.
            return [process.pid for process in processes]
    raise CommandExecutionError(
        "these processes did not even obey KILL: " + ", ".join(str(p.pid) for p in processes)
    )


def _described(pid):
    try:
        return (
            f"{psutil.Process(pid).name()} (pid {pid})" if pid else "a program that cannot be seen"
        )
    except psutil.NoSuchProcess:
        return f"pid {pid}"

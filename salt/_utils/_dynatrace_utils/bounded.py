"""
Waits no longer than is allowed: for a condition, or for a function of Salt's and the command that it waits for.

Salt's ``service`` functions wait for their command as long as it takes, and ``timeout`` of
``cmd.run_all`` is half a bound: it kills the first process of a command and leaves its children,
and the process that runs the job then ends no sooner than the last of them that has the output
open (Salt 3006 to 3008). A command that nobody waits for any more must not do its work hours later
either, when a person has healed the service long since: so all of it is ended.
"""

import contextlib
import contextvars
import os
import threading
import time

from .dunders import __opts__

try:
    import psutil
except ImportError:
    psutil = None

# For the call to notice that its command is gone, and for the processes to go.
GRACE_S = 2
POLL_S = 0.02
# A process that starts others while it is looked at is found in the next look.
LOOKS = 20
TASKS = "/proc/self/task"
# So many processes a message names.
NAMED = 5


def call(seconds, function, *args, spare=None, **kwargs):
    """
    Return what a function returns; raise TimeoutError when that takes longer.

    The processes that the call began are killed then, with their children; what has left them, as
    a daemon does, stays. ``spare`` is a function that returns the pid of a service's main process,
    or None: that process stays with its children, also when it has not left.
    """
    before = frozenset() if os.path.isdir(TASKS) else _children_of_all()
    run = _Run(function, args, kwargs)
    run.start()
    run.join(max(float(seconds), 0))
    if run.is_alive():
        # Looked up before anything is ended: what is spared may be a child of what is ended.
        spared = _family(spare()) if spare else []
        ended = _end(lambda: _begun(run.thread_id, before), spared)
        run.join(GRACE_S)
        # What Salt's loader gives knows its full name; of others the arguments tell more.
        words = [getattr(function, "name", None), *args]
        called = " ".join(word for word in words if word and isinstance(word, str))
        raise TimeoutError(f"{called} did not end within {float(seconds):g} s; {ended}")
    if run.error is not None:
        raise run.error
    return run.value


def wait(condition, seconds, every=POLL_S):
    """
    Wait for a condition, and tell whether it came within the time; it is looked at once at least.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(every)
    return True


class _Run(threading.Thread):
    """
    One call. A thread that may be left behind: it does not keep the job's process from ending.
    """

    def __init__(self, function, args, kwargs):
        super().__init__(name="dynatrace bounded call", daemon=True)
        self._call = (function, args, kwargs)
        # What Salt's loader has set for the caller, its thread has not.
        self._context = contextvars.copy_context()
        self.value = self.error = self.thread_id = None

    def run(self):
        self.thread_id = threading.get_native_id()
        function, args, kwargs = self._call
        try:
            self.value = self._context.run(function, *args, **kwargs)
        except BaseException as err:  # noqa: BLE001 - It is raised where the value would be.
            self.error = err


def _end(look, spared):
    """
    Kill the processes that a call began, and what they began; return what was done, as text.
    """
    try:
        found = _frozen(look, spared)
    except OSError:
        return "its processes, if it left any, cannot be told from others and still run"
    named = _named(found)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # Not psutil's wait, which would take a child's end from the call that waits for it.
    wait(lambda: not any(map(_lives, found)), GRACE_S)
    if alive := [one for one in found if _lives(one)]:
        return f"even KILL did not end {_named(alive)}"
    return f"it was ended: {named}" if found else "no process of it is left"


def _frozen(look, spared):
    """
    Return the processes that are to be ended, after they were stopped, so that none begins another.
    """
    found = []
    for _ in range(LOOKS):
        new = [one for one in look() if one not in found and one not in spared]
        if not new:
            break
        for process in new:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        found += new
    return found


def _begun(thread_id, before):
    """
    Return the processes that a thread of this process began, and what they began.

    Linux keeps children by the thread that began them, so nothing else of this minion is met.
    Elsewhere the process is the job's own, unless the minion runs its jobs in threads.
    """
    if os.path.isdir(TASKS):
        with open(f"{TASKS}/{thread_id}/children", encoding="ascii") as file:
            children = {int(word) for word in file.read().split()}
    elif __opts__.get("multiprocessing", True):
        children = _children_of_all() - before
    else:
        raise OSError("this minion runs its jobs in threads")
    return [one for child in children for one in _family(child)]


def _children_of_all():
    return frozenset(one.pid for one in psutil.Process().children())


def _family(pid):
    """
    Return a process with its children and theirs; nothing for one that has ended.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid) if pid else None
        if process and _lives(process):
            return [process, *process.children(recursive=True)]
    return []


def _lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _named(processes):
    names = []
    for process in processes[:NAMED]:
        try:
            names.append(f"{process.name()} (pid {process.pid})")
        except psutil.NoSuchProcess:
            names.append(f"pid {process.pid}")
    more = len(processes) - NAMED
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")

"""
How the threads of a JVM are written down: by its own tool, as its own user.
"""

from __future__ import annotations

import os
import shutil

from . import unit

try:
    import psutil
except ImportError:
    psutil = None


def thread_dump(seen):
    """
    Return the command that writes the threads of a JVM and the options of ``Popen`` that it runs with; None for another
    program, or without that tool.

    The tool lies where the service's user may write, so it never runs with more than that user's rights.
    """
    program = seen["executable"]
    if not seen["main"] or not program or os.path.basename(program) != "java":
        return None
    beside = os.path.join(os.path.dirname(os.path.realpath(program)), "jcmd")
    tool = beside if os.path.exists(beside) else shutil.which("jcmd", path=unit.tools_path())
    try:
        return as_owner(seen["main"], [tool, str(seen["main"]), "Thread.print"]) if tool else None
    except (psutil.Error, OSError):
        return None  # It has just gone.


def as_owner(pid, command):
    """
    Return a command as it runs as the user of a process and where that sees its files, and the options of ``Popen``.

    It has nothing of this minion's. With a ``/tmp`` of its own the JVM has its socket there. Raises PermissionError for
    root's with other files than this minion's: what is run there would be root here.
    """
    process = psutil.Process(pid)
    user, group = process.uids().effective, process.gids().effective
    options = {"env": {"PATH": unit.PLACES, "LC_ALL": "C"}, "cwd": "/"}
    if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
        if user == 0:
            raise PermissionError("a tool out of another file system does not run as root")
        place = [f"--target={pid}", "--mount", f"--setgid={group}", f"--setuid={user}"]
        return ["nsenter", *place, "--", *command], options
    if (user, group) == (os.geteuid(), os.getegid()):
        return command, options
    return command, {**options, "user": user, "group": group, "extra_groups": []}

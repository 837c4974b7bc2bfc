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
        return ([tool, str(seen["main"]), "Thread.print"], as_owner(seen["main"])) if tool else None
    except psutil.Error:
        return None  # It has just gone.


def as_owner(pid):
    """
    Return the options of ``Popen`` by which a command runs as the user of a process, with nothing of this minion's.
    """
    process = psutil.Process(pid)
    user, group = process.uids().effective, process.gids().effective
    options = {"env": {"PATH": unit.PLACES, "LC_ALL": "C"}, "cwd": "/"}
    if (user, group) == (os.geteuid(), os.getegid()):
        return options
    return {**options, "user": user, "group": group, "extra_groups": []}

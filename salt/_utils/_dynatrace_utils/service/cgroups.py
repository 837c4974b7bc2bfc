"""
Which processes a unit has, by the cgroups that the kernel names.
"""

from __future__ import annotations

import contextlib

try:
    import psutil
except ImportError:
    psutil = None

PROC = "/proc"


def members(path):
    """
    Return the living processes of a cgroup and those below it, by their pids.

    ``path`` is as systemd names it, which is what the kernel says of each process, wherever the
    hierarchy is mounted.
    """
    found = {}
    for pid in psutil.pids() if path else ():
        if any(one == path or one.startswith(f"{path}/") for one in cgroups_of(pid)):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found[pid] = process
    return found


def cgroups_of(pid):
    """
    Return where a process is in the hierarchies that systemd uses: the unified one, or its own of v1.
    """
    try:
        with open(f"{PROC}/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            parts = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    return [part[2] for part in parts if len(part) == 3 and part[1] in ("", "name=systemd")]


def unit_of(pid):
    """
    Return the service, scope or container of a process, as a list of one or none.
    """
    for path in cgroups_of(pid):
        for part in path.split("/"):
            if part.endswith((".service", ".scope")) and part != "init.scope":
                return [part]
    return []

"""
A service's own words: what it wrote to its standard error, its journal and its log.
"""

from __future__ import annotations

import contextlib
import os
import stat

from salt.exceptions import CommandExecutionError

from . import unit

LINES = 10
LINE = 300
# Of a log, from its end.
TAIL = 16384
SYNC_S, JOURNAL_S = 2, 5


def clean(text):
    """
    Return the last lines of a text, bounded and without what controls a terminal.
    """
    lines = [
        "".join(c for c in line.expandtabs(1) if c.isprintable()) for line in text.splitlines()
    ]
    return "\n".join(line[:LINE] for line in [one.strip() for one in lines if one.strip()][-LINES:])


def marks(logs):
    """
    Return how long each log is now, so that later only what is new is told.
    """
    found = {}
    for path in logs or ():
        with contextlib.suppress(OSError):
            found[path] = os.stat(path).st_size
    return found


def opened(path):
    """
    Return a log that is open for reading bytes; raise OSError for a link and for what is no plain file.

    Who may write beside it could have any file of root's shown by a link, and a FIFO would wait for a writer.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is no plain file")
    return os.fdopen(handle, "rb")


def of_logs(logs, before):
    """
    Return the last lines that were written to logs, one text a log.
    """
    told = []
    for path in logs or ():
        with contextlib.suppress(OSError), opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            # One that is shorter than before is another file.
            begin = before.get(path, 0) if before.get(path, 0) <= size else 0
            file.seek(max(begin, size - TAIL))
            text = clean(file.read(TAIL).decode("utf-8", "replace"))
            if text:
                told.append(f"{path} has:\n{text}")
    return told


def added(parts, said, logs, before):
    """
    Return the parts of a cause as text, with what the service has said and what its logs have since.
    """
    texts = ([f"its own words:\n{said}"] if said else []) + of_logs(logs, before)
    return "\n".join(["; ".join([*parts, *texts[:1]]), *texts[1:]])


def of_recent_logs(logs, since):
    """
    Return the last lines of the logs that were written to since a time of the epoch.
    """
    recent = []
    for path in logs or ():
        with contextlib.suppress(OSError):
            recent += [path] if os.stat(path).st_mtime >= since else []
    return of_logs(recent, {})


def of_journal(found, since):
    """
    Return what a unit's latest run has said, or else what systemd says of it; empty when neither is known.
    """
    with contextlib.suppress(CommandExecutionError):
        unit.ask("journalctl", "--sync", seconds=SYNC_S)
    run, name = found["InvocationID"], found["Id"]
    # Of a process that lived too short, journald knows the unit alone.
    matches = [
        [f"_SYSTEMD_INVOCATION_ID={run}"],
        [f"_SYSTEMD_UNIT={name}"],
        ["_PID=1", f"UNIT={name}"],
    ]
    with contextlib.suppress(CommandExecutionError):
        for match in matches[0 if run else 1 :]:
            text = clean(_journal(match, since))
            if text:
                return text
    return ""


def _journal(match, since):
    how = ["--no-pager", "--quiet", "--output", "cat", "--lines", str(LINES)]
    begin = f"--since=@{since:.6f}"
    return unit.ask("journalctl", *how, begin, *match, seconds=JOURNAL_S).stdout

"""
Writes a report as a file that only the master's user may read; what is no report is never overwritten.
"""

import os
import stat
import tempfile

from salt.exceptions import CommandExecutionError

# Every report begins so; one with it may be written anew.
BEGINS = b"<!DOCTYPE html>"
MARK = b'data-report="salt-dynatrace"'
LOOKED_AT = 64 * 1024
SUFFIX = ".html"


def path_of(opts, given, name):
    """
    Return the path of a report: the one that is given, else one in the current directory, or in the master's cache where
    the master's user may not write there. Raises CommandExecutionError for one that ends otherwise than ``.html``.
    """
    if given is None:
        return os.path.join(_directory(opts), f"dynatrace-report-{name}{SUFFIX}")
    path = os.path.abspath(os.path.expanduser(str(given)))
    if not path.endswith(SUFFIX):
        # Whoever may call this runner alone gets no file by it that another program would take for its own.
        raise CommandExecutionError(f"the name of a report ends in {SUFFIX}, not as {path}")
    return path


def _directory(opts):
    try:
        here = os.getcwd()
    except OSError:
        here = "/"
    # The daemons that call runners live in the root directory.
    if here != "/" and os.access(here, os.W_OK | os.X_OK):
        return here
    reports = os.path.join(opts["cachedir"], "dynatrace", "reports")
    os.makedirs(reports, mode=0o700, exist_ok=True)
    return reports


def write(path, html):
    """
    Write a report; raises CommandExecutionError where another file is in its place, or none can be written.
    """
    if os.path.lexists(path) and not _is_report(path):
        raise CommandExecutionError(
            f"{path} is there already and is no report of yours: name another file by file="
        )
    try:
        directory, name = os.path.split(path)
        handle, beside = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(html)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as err:
        what = f"{path} cannot be written: {err.strerror}; name another file by file="
        raise CommandExecutionError(what) from err


def _is_report(path):
    """
    Tell whether a file is a report of this user, and no link to one.
    """
    try:
        known = os.lstat(path)
        if not stat.S_ISREG(known.st_mode) or known.st_uid != os.geteuid():
            return False
        with open(path, "rb") as stream:
            begin = stream.read(LOOKED_AT)
    except OSError:
        return False
    return begin.startswith(BEGINS) and MARK in begin

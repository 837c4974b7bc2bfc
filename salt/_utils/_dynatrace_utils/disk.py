"""
Keeps what a minion remembers: files of JSON for its user alone, each replaced whole or not at all.
"""

import contextlib
import json
import logging
import os

import salt.utils.files

from .dunders import __opts__

log = logging.getLogger(__name__)


def read(name, limit, without):
    """
    Return what was kept under a name, or None when nothing was or it cannot be read.

    A file of more than ``limit`` characters cannot; ``without`` tells, for the log, what that means.
    """
    try:
        with salt.utils.files.fopen(_path(name), encoding="utf-8") as stream:
            return json.loads(stream.read(limit))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        log.warning("dynatrace: %s cannot be read; %s", _path(name), without)
        return None


def write(name, content):
    """
    Replace what is kept under a name.
    """
    replace(_path(name), content)


def remove(name):
    """
    Remove what is kept under a name, if there is anything.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(name))


def replace(path, content):
    """
    Replace a file, and return when it is on the disk.
    """
    home = os.path.dirname(path)
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    # salt.utils.atomicfile would let others read a new file, and on Salt 3006 does not sync it.
    fill(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), content)
    os.replace(path + ".new", path)
    sync_directory(home)


def fill(handle, content):
    """
    Write a file that was opened, and close it when it is on the disk.
    """
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())


def sync_directory(directory):
    """
    Make the names in a directory survive a power cut, as ``fill`` does for the content of a file.
    """
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _path(name):
    return os.path.join(__opts__["cachedir"], "dynatrace", name, "record.json")

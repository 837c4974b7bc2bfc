"""
Keeps what other modules remember on this minion, a file of JSON for each of them.

The record of ``oneagent`` is ``<cachedir>/dynatrace/oneagent/record.json``. It is for the minion's
user alone, and replaced whole or not at all, whenever the minion or its machine stops.

``_dynatrace_oneagent_record`` and ``_dynatrace_tenant_record`` know what is in it.
"""

import contextlib
import json
import logging
import os
import re

import salt.utils.files
from salt.exceptions import CommandExecutionError

from .dunders import __opts__

log = logging.getLogger(__name__)

# It becomes the name of a directory.
NAME = re.compile(r"[a-z]{1,32}")


def read(name, limit, without):
    """
    Return what was kept under a name, or None when nothing was or it cannot be read.

    A file of more than ``limit`` characters cannot; ``without`` tells, for the log, what that means.
    """
    path = _path(name)
    try:
        with salt.utils.files.fopen(path, encoding="utf-8") as stream:
            return json.loads(stream.read(limit))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        log.warning("dynatrace: %s cannot be read; %s", path, without)
        return None


def write(name, content):
    """
    Replace what is kept under a name, and return when it is on the disk.
    """
    path = _path(name)
    home = os.path.dirname(path)
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    # salt.utils.atomicfile would let others read a new file, and on Salt 3006 does not sync it.
    handle = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(path + ".new", path)
    _sync_directory(home)


def remove(name):
    """
    Remove what is kept under a name; that there is nothing is no error.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(name))


def _path(name):
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise CommandExecutionError("a record's name is 1 to 32 letters, from a to z")
    return os.path.join(__opts__["cachedir"], "dynatrace", name, "record.json")


def _sync_directory(directory):
    # Else a power cut may bring back the file that was replaced.
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

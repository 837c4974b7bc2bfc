"""
Remembers what ``dynatrace_oneagent`` has set, so that it can tell that from what a person has set.

The record is ``<cachedir>/dynatrace/oneagent/record.json``. Losing it is no harm but one: what was
set before stays, since nobody knows any more whose it is.
"""

import contextlib
import json
import logging
import os

import salt.utils.files

log = logging.getLogger(__name__)

LISTS = ("properties", "tags")
RECORD_LIMIT = 1024 * 1024


def recall():
    """
    Return what was set: ``{"options": {"host_group": "web"}, "properties": [...], "tags": [...]}``.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent_record.recall
    """
    record = {"options": {}, **{kind: [] for kind in LISTS}}
    try:
        with salt.utils.files.fopen(_path(), encoding="utf-8") as stream:
            found = json.loads(stream.read(RECORD_LIMIT))
    except FileNotFoundError:
        return record
    except (OSError, ValueError, RecursionError):
        log.warning("dynatrace: %s cannot be read; what was set before stays", _path())
        return record
    if isinstance(found, dict):
        options = found.get("options")
        record["options"] = options if isinstance(options, dict) else {}
        for kind in LISTS:
            entries = found.get(kind)
            if isinstance(entries, list):
                record[kind] = [entry for entry in entries if isinstance(entry, str)]
    return record


def remember(record):
    """
    Replace what is remembered, whole or not at all.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent_record.remember '{"options": {}, "properties": [], "tags": []}'
    """
    home = os.path.dirname(_path())
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    handle = os.open(_path() + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(record, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(_path() + ".new", _path())


def forget():
    """
    Remove the record.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent_record.forget
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path())


def _path():
    return os.path.join(__opts__["cachedir"], "dynatrace", "oneagent", "record.json")

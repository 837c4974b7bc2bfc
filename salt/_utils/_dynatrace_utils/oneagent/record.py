"""
Remembers what ``dynatrace_oneagent`` has set, so that it can tell that from what a person has set.

The record is ``<cachedir>/dynatrace/oneagent/record.json``. Losing it is no harm but one: what was
set before stays, since nobody knows any more whose it is.
"""

from .. import disk

LISTS = ("properties", "tags")
RECORD = "oneagent"
RECORD_LIMIT = 1024 * 1024


def recall():
    """
    Return what was set: ``{"options": {"host_group": "web"}, "properties": [...], "tags": [...]}``.
    """
    record = {"options": {}, **{kind: [] for kind in LISTS}}
    found = disk.read(RECORD, RECORD_LIMIT, "what was set before stays")
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
    """
    disk.write(RECORD, record)


def forget():
    """
    Remove the record.
    """
    disk.remove(RECORD)

"""
Remembers on a minion which attempts it has taken, and how they ended.

An attempt id that the engine has given out runs once here, however often its event is seen. Each is a
small file in ``<cachedir>/dynatrace/attempts``. Only states write it: who could by a job, could keep a
service from being healed.
"""

import json
import os
import re
import time
from datetime import datetime, timezone

from salt.exceptions import CommandExecutionError

from .. import disk
from ..dunders import __opts__

ATTEMPT_ID = re.compile(r"[0-9a-f]{16,64}")
KEEP_S = 30 * 86400
GOOD, BAD = ("healed", "healthy"), ("failed", "refused", "unproved")
# What a record holds, for a reader of any version to come.
RECORD_LIMIT = 4096


def claim(attempt_id, about=None):
    """
    Take an attempt for this minion, and tell whether it was free.

    ``about`` is a mapping that is kept with it (job and problem ids). False: it had been taken
    before; ``attempt`` then says what became of it.
    """
    path = _attempt_path(attempt_id)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    _prune(os.path.dirname(path))
    record = {"id": attempt_id, "taken": _now(), "finished": None}
    if isinstance(about, dict):
        record["about"] = about
    try:
        # O_EXCL makes the claim atomic: of two state runs one gets the file.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    disk.fill(handle, record)
    disk.sync_directory(os.path.dirname(path))
    return True


def finish(attempt_id, outcome="healed"):
    """
    Record how a taken attempt ended: ``finished`` is set by a good end, ``outcome`` by every one.

    An attempt that is taken and not finished has failed, was killed, or still runs, and in none of
    these cases may it run again.

    outcome
        ``healed`` and ``healthy`` are good; ``failed``, ``refused`` and ``unproved`` are not.
    """
    if outcome not in (*GOOD, *BAD):
        raise CommandExecutionError(f"an outcome is one of {', '.join((*GOOD, *BAD))}")
    path = _attempt_path(attempt_id)
    record = _recorded(attempt_id)
    if record is None:
        raise CommandExecutionError(f"attempt {attempt_id} was never taken on this minion")
    record.update(outcome=outcome, finished=_now() if outcome in GOOD else None)
    disk.replace(path, record)
    return record


def attempt(attempt_id):
    """
    Return what this minion remembers of an attempt, or None: see ``dynatrace.attempt``.
    """
    record = _recorded(attempt_id)
    return {**record, "now": _now()} if record and record.get("taken") else record


def _recorded(attempt_id):
    try:
        with open(_attempt_path(attempt_id), encoding="utf-8") as handle:
            record = json.loads(handle.read(RECORD_LIMIT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        record = None
    if isinstance(record, dict):
        return record
    # Claimed and not yet written, or cut off by a crash: taken, nothing more is known.
    return {"id": attempt_id, "taken": None, "finished": None}


def _attempt_path(attempt_id):
    if not isinstance(attempt_id, str) or not ATTEMPT_ID.fullmatch(attempt_id):
        raise CommandExecutionError("an attempt id is 16 to 64 characters of 0-9 and a-f")
    return os.path.join(__opts__["cachedir"], "dynatrace", "attempts", attempt_id)


def _prune(directory):
    for entry in os.scandir(directory):
        try:
            if time.time() - entry.stat().st_mtime > KEEP_S:
                os.unlink(entry.path)
        except FileNotFoundError:
            pass


def _now():
    now = datetime.now(timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

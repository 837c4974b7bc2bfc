"""
Reads the order that a remedy is given by the engine, and tells whether it comes in time.

An order is the pillar's ``dynatrace_attempt``. One that is not as it should be is refused: what has no
valid order is no run by hand either.
"""

import os
import re
import time
from datetime import datetime

import salt.utils.minion
from salt.exceptions import CommandExecutionError

ID = re.compile(r"[0-9a-f]{16,64}")
JID = re.compile(r"[0-9]{20}(?:_[0-9]+)?")
TEXTS = ("executable", "command_line", "config", "unit", "failed", "entity", "container", "by")
LAST_PORT = 65535
# In the place of an order, for an SLS that a remedy runs: the attempt is taken by that remedy.
WRAPPED = "taken by the remedy that runs this SLS"
# For other state runs; the engine calls an attempt lost after two minutes, and tries again.
WAIT_S = 110
PAUSE_S = 0.05


def ordered(pillar, minion):
    """
    Return the order of a state run, with this minion's ``process``; None for a run by hand.

    Raises with what is wrong about it. ``until`` and ``failed`` are times, in seconds since the epoch.
    """
    if "dynatrace_attempt" not in pillar or pillar["dynatrace_attempt"] == WRAPPED:
        return None
    given = pillar["dynatrace_attempt"]
    wrong = list(_wrong(given, minion))
    if wrong:
        raise CommandExecutionError(f"the pillar dynatrace_attempt is wrong: {'; '.join(wrong)}")
    process = given["processes"][minion]
    failed = process.get("failed")
    return {
        **given,
        "process": process,
        "until": _seconds(given["valid_until"]),
        "failed": None if failed is None else _seconds(failed),
    }


def late(order, now):
    """
    Return why an order comes too late, None when it does not.
    """
    if now <= order["until"]:
        return None
    return (
        f"it comes too late: it was good until {_clock(order['until'])} by the master's clock, and by "
        f"this minion's it is {_clock(now)}"
    )


def others(opts, jid):
    """
    Wait for state runs that began before this one; return what is in the way when it takes too long.

    ``queue: True`` does not always see to it: many releases of Salt only wait for runs with a smaller
    job id (issue 69825), and an attempt's is derived from the time at which its problem began.
    """
    until = time.monotonic() + WAIT_S
    while True:
        mine, active = _begun(opts, jid), _state_runs(opts)
        others_ = [run for run in active if str(run.get("jid")) != jid]
        before = [run for run in others_ if _begun(opts, run.get("jid")) < mine]
        if not before or time.monotonic() > until:
            return ", ".join(f"{run.get('fun')} ({run.get('jid')})" for run in before)
        time.sleep(PAUSE_S)


def seconds_between(first, second):
    """
    Return the seconds between two ISO times, or None when they are none.
    """
    begin, end = _seconds(first), _seconds(second)
    return None if begin is None or end is None else max(int(end - begin), 0)


def _state_runs(opts):
    # What saltutil.is_running does, without loading that module while the service is down.
    running = salt.utils.minion.running(opts)
    return [run for run in running if str(run.get("fun")).startswith("state.")]


def _begun(opts, jid):
    # Its file in the minion's proc directory is made when it begins.
    try:
        return os.stat(os.path.join(opts["cachedir"], "proc", str(jid))).st_mtime
    except (OSError, ValueError):
        return float("inf")


def _seconds(text):
    """
    Return the time that an ISO text with its zone names; None: it names none.
    """
    try:
        # Python 3.10 does not read the Z of an ISO time.
        moment = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
        return moment.timestamp() if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


def _clock(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _wrong(given, minion):
    if not isinstance(given, dict):
        yield f"it must be a mapping, not {str(given)[:80]!r}"
        return
    if not _is_like(ID, given.get("id")):
        yield "id must be 16 to 64 characters of 0-9 and a-f"
    if not _is_like(JID, given.get("jid")):
        yield "jid must be a job id"
    if _seconds(given.get("valid_until")) is None:
        yield "valid_until must be a time with its zone"
    processes = given.get("processes")
    if not isinstance(processes, dict):
        yield "processes must be a mapping of minions"
    elif not isinstance(processes.get(minion), dict):
        yield f"processes names none on this minion, {minion}"
    else:
        yield from _wrong_process(processes[minion])


def _wrong_process(process):
    for key in TEXTS:
        if not isinstance(process.get(key), (str, type(None))):
            yield f"{key} of the process must be a text"
    ports = process.get("ports")
    if ports is not None and not (isinstance(ports, list) and all(map(_is_port, ports))):
        yield "ports of the process must be a list of ports"
    if process.get("failed") is not None and _seconds(process["failed"]) is None:
        yield "failed of the process must be a time with its zone"


def _is_like(pattern, value):
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _is_port(value):
    return type(value) is int and 0 < value <= LAST_PORT

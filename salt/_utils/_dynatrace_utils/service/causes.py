"""
Why a unit does not come up: what systemd says, who holds its ports, and its own words.
"""

from __future__ import annotations

from . import cgroups, processes, unit, words

CAUSES = {
    "exit-code": "its command failed",
    "signal": "its process was killed",
    "core-dump": "its process crashed",
    "timeout": "it took longer than its unit allows",
    "protocol": "it left no main process",
    "start-limit-hit": "it was started too often (start limit)",
    "oom-kill": "the memory was not enough",
    "watchdog": "its watchdog did not hear of it",
}


def is_lost(found, left):
    """
    Tell whether a unit will not come up by itself in the time that is left.
    """
    if found["SubState"] == "auto-restart":
        pause = unit.seconds(found["RestartUSec"])
        return pause is None or pause > left
    return not unit.number(found["Job"]) and found["ActiveState"] not in unit.BUSY


def failed(found):
    """
    Return why a unit has no main process, as text.
    """
    if found["ActiveState"] == "active":
        return "its unit is active and has no main process"
    if found["ActiveState"] == "inactive" and found["Result"] == "success":
        return _why_inactive(found)
    cause = CAUSES.get(found["Result"], "it does not come up")
    state = f"{found['ActiveState']}, {found['Result']}"
    again = f"; systemd tries again every {found['RestartUSec']}" * (
        found["SubState"] == "auto-restart"
    )
    return f"it does not start: {cause} (systemd: {state}{_status(found)}){again}"


def _status(found):
    status = unit.number(found["ExecMainStatus"])
    return f", status {status}" if status else ""


def _why_inactive(found):
    if found["ConditionResult"] == "no":
        return "it was not started: a condition of its unit does not hold"
    return "it is inactive: it ended by itself, or somebody has stopped it meanwhile"


def explained(place, found, why, since, marks):
    """
    Return why it failed, with who holds its ports and what it said itself.
    """
    own = set(cgroups.members(found["ControlGroup"]))
    parts = [why, *processes.holders(place.get("ports"), own)]
    if found["NeedDaemonReload"] == "yes":
        parts.append("its unit file has changed since systemd read it: `systemctl daemon-reload`")
    return words.added(parts, words.of_journal(found, since), place.get("logs"), marks)

"""
What a service is found to be: its main process, its orphans, what it listens on.

It changes nothing, and raises nothing that is expected of a host in trouble.
"""

from __future__ import annotations

import os

from . import cgroups, processes, sockets, unit

NOTHING = {
    "unit": None,
    "active": None,
    "main": None,
    "since": None,
    "stopped": False,
    "executable": None,
    "listens": [],
    "orphans": [],
    "outside": False,
    "refusal": None,
}


def on_systemd(place):
    """
    Tell whether systemd has the service; ``systemd: false`` says that Salt has another manager for it.
    """
    return unit.is_booted() and place.get("systemd") is not False


def of_files(place):
    """
    Return what a service is, by its pid file and executable.
    """
    files = where(place)
    main = processes.main_process(**files) if files["executable"] else None
    members = processes.led_by(main, files["executable"]) if main else []
    orphans = [] if main else processes.leftovers(**files)
    return {
        **NOTHING,
        "main": main,
        **processes.described(main),
        "listens": sockets.listening([one.pid for one in members]),
        "orphans": sorted(one.pid for one in orphans),
    }


def of_unit(place, found):
    """
    Return what a service is, by what systemd says of its unit.
    """
    members = cgroups.members(found["ControlGroup"])
    main, outside, refusal = _main(place, found, members)
    began = processes.led_by(main, place.get("executable")) if outside else members.values()
    about = processes.described(main)
    frozen = found["FreezerState"] in unit.FREEZING
    return {
        **NOTHING,
        "unit": found["Id"],
        "active": found["ActiveState"],
        "main": main,
        **about,
        "stopped": bool(main) and (frozen or about.get("stopped", False)),
        "listens": sockets.listening([one.pid for one in began]),
        "orphans": [] if main else sorted(one.pid for one in orphans(place, found, members)),
        "outside": outside,
        "refusal": unit.refusal(found) or refusal,
    }


def orphans(place, found, members):
    """
    Return what lives of a unit without a main process, in it or outside, and is in the way.
    """
    at_rest = found["ActiveState"] in unit.AT_REST or found["SubState"] == "auto-restart"
    left = _left_in(place, found, members) if at_rest else {}
    for process in processes.leftovers(**where(place)):
        if process.pid in members or _owner(process.pid, place) is None:
            left[process.pid] = process
    return list(left.values())


def _left_in(place, found, members):
    """
    Return what a unit at rest still has and should not have.

    One that leaves its processes by its own ``KillMode`` may mean it: of those only workers that hold
    its ports are in the way.
    """
    if found["KillMode"] in unit.TAKES_ALL:
        return dict(members)
    own = processes.family(place.get("executable")).keys() & members.keys()
    ports = place.get("ports")
    return {pid: members[pid] for pid in own if sockets.listens_on(sockets.listening([pid]), ports)}


def _main(place, found, members):
    """
    Return the pid of the main process, whether it runs outside of its unit, and why nothing may be done.
    """
    main = unit.number(found["MainPID"])
    if main:
        # It may have ended since systemd was asked.
        return (main if processes.lives(main) else None), False, None
    other = processes.main_process(**where(place)) if place.get("executable") else None
    if other is None or other in members:
        return other, False, None
    owner = _owner(other, place)
    if owner:
        return None, False, f"its main process {other} belongs to another unit, {owner}"
    return other, True, None


def _owner(pid, place):
    """
    Return the other unit whose service a process is, or None for one that only began there.

    What a person, cron or this minion has started stays in their unit; that one's main process
    runs something else.
    """
    name = next(iter(cgroups.unit_of(pid)), "")
    if not name.endswith(".service"):
        return None
    main = unit.number(unit.read(name)["MainPID"])
    about = processes.described(main) if main else {}
    began_there = main != pid and about.get("executable") not in (None, _real(place))
    return None if began_there else name


def _real(place):
    return os.path.realpath(place["executable"])


def where(place):
    """
    Return by what the processes of a place are found without systemd.
    """
    return {key: place.get(key) for key in ("executable", "pid_file", "ports")}

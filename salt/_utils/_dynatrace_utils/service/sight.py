"""
What a service is found to be: its main process, its orphans, what it listens on.

It changes nothing, and raises nothing that is expected of a host in trouble.
"""

from __future__ import annotations

import os

from . import cgroups, processes, programs, sockets, unit

INIT = 1
NOTHING = {
    "unit": None,
    "active": None,
    "main": None,
    "since": None,
    "stopped": False,
    "workers_stopped": False,
    "executable": None,
    "program": None,
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
    if not files["executable"]:
        told = "without systemd the process of a service is found by its `executable`, which is not set"
        return {**NOTHING, "refusal": told}
    if not (files["pid_file"] or files["ports"]) and programs.is_shared(files["executable"]):
        told = f"many services run {files['executable']}: set `pid_file` or `ports`"
        return {**NOTHING, "refusal": told}
    main = processes.main_process(**files)
    members = processes.led_by(main, files["executable"]) if main else []
    orphans = [] if main else processes.leftovers(**files)
    return {
        **NOTHING,
        "main": main,
        **_at_work(main, members),
        "program": files["executable"],
        "listens": sockets.listening([one.pid for one in members]),
        "orphans": sorted(one.pid for one in orphans),
    }


def of_unit(place, found):
    """
    Return what a service is, by what systemd says of its unit.
    """
    place = completed(place, found)
    members = cgroups.members(found["ControlGroup"])
    main, outside, refusal = _main(place, found, members)
    if not main and not place.get("executable"):
        refusal = refusal or unit.processless(found)
    began = processes.led_by(main, place.get("executable")) if outside else members.values()
    about = _at_work(main, began)
    frozen = found["FreezerState"] in unit.FREEZING
    return {
        **NOTHING,
        "unit": found["Id"],
        "active": found["ActiveState"],
        "main": main,
        **about,
        "program": place.get("executable"),
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
    other, refusal = _by_files(place, members)
    if other or refusal:
        return other, bool(other) and other not in members, refusal
    return _leader(found, members)


def _by_files(place, members):
    """
    Return the main process that the files of a place tell, and why nothing may be done.
    """
    files = where(place)
    if not (files["executable"] and (files["pid_file"] or files["ports"])):
        return _by_program(files["executable"], members)
    other = processes.main_process(**files)
    owner = _owner(other, place) if other and other not in members else None
    if owner:
        return None, f"its main process {other} belongs to another unit, {owner}"
    return other, None


def _by_program(executable, members):
    """
    Return the same by the program alone, which others may run too: what runs outside of the unit may be theirs.
    """
    if not executable or programs.is_shared(executable):
        return None, None
    mains = processes.mains(executable)
    own = [one for one in mains if one in members]
    strange = [one for one in mains if one not in members and _is_daemon(one)]
    if own or not strange:
        return (own[0] if len(own) == 1 else None), None
    return None, (
        f"{executable} runs outside of its unit too (pid {strange[0]}); `pid_file` or `ports` would tell "
        "whether that is the service"
    )


def _is_daemon(pid):
    """
    Tell whether a process has left who began it, and belongs to no unit of its own.
    """
    is_alone = not any(name.endswith(".service") for name in cgroups.unit_of(pid))
    return is_alone and processes.parent_of(pid) == INIT


def _leader(found, members):
    """
    Return the same of a unit that runs without telling systemd its main process: the one that began the others.
    """
    if found["ActiveState"] != "active" or not members:
        return None, False, None
    first = [pid for pid, one in members.items() if processes.parent(one) not in members]
    if len(first) == 1:
        return first[0], False, None
    told = (
        f"{found['Id']} runs, and nothing tells its main process: set `executable` and `pid_file`"
    )
    return None, False, told


def completed(place, found):
    """
    Return a place with the executable that its unit starts, if it has none of its own and the unit tells it.

    A script, a shell or an interpreter runs as much else, so processes cannot be told by it.
    """
    if place.get("executable") or found["Type"] == unit.ONESHOT:
        return place
    path = unit.program(found)
    if not path or programs.is_shared(path):
        return place
    return {**place, "executable": os.path.realpath(path)}


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


def _at_work(main, began):
    """
    Return what is told of a main process; it counts as stopped when all its workers are: it lives, and serves nobody.

    What an interpreter begins need not be its workers.
    """
    about = processes.described(main)
    if not about or about["stopped"] or programs.is_interpreter(about["executable"]):
        return about
    idle = _are_stopped(main, about["executable"], began)
    return {**about, "stopped": idle, "workers_stopped": idle}


def _are_stopped(main, executable, began):
    """
    Tell whether a main process has begun others that run what it runs, and all of them are stopped (SIGSTOP).
    """
    found = False
    for process in began:
        about = processes.described(process.pid) if processes.parent(process) == main else None
        # One that has just gone may be a worker.
        if about is not None and about.get("executable", executable) == executable:
            if not about.get("stopped"):
                return False
            found = True
    return found


def _real(place):
    return os.path.realpath(place["executable"])


def where(place):
    """
    Return by what the processes of a place are found without systemd.
    """
    return {key: place.get(key) for key in ("executable", "pid_file", "ports")}

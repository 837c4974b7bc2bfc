"""
Brings a service back by systemd, out of whatever state its unit is in.
"""

from __future__ import annotations

import time

from . import causes, cgroups, orders, processes, sight, unit, words

PAUSE_S = 0.05
# Less is not enough to begin with.
LEAST_S = 2
# A reload that takes longer hangs, and the step after it needs its time.
RELOAD_S = 20


def bring_back(place, how, until):
    """
    Start, restart or reload a service; return whether it lives, what was done, and what was in the way.
    """
    course = orders.Course(place, until, words.marks(place.get("logs")))
    try:
        found = course.read()
        course.place = sight.completed(place, found)
        refusal = course.sees(found)["refusal"]
        if refusal:
            return told(course, refused=True, why=refusal)
        found, why = _others_ended(course, found)
        if why:
            return told(course, why=why)
        if how == "reload":
            return _reloaded(course, found)
        if how == "start" and course.sees(found)["main"]:
            return _proved(course)  # It came back meanwhile, by itself or by somebody.
        return _brought_back(course, found, how)
    except processes.ERRORS as err:
        return told(course, why=str(err))


def told(course, ok=False, refused=False, why=None):
    """
    Return the end of it, with what was done.
    """
    if course.verb:
        course.done[course.place["service"]] = f"{course.verb}ed" if ok else f"{course.verb} tried"
    ends = {"ok": ok, "refused": refused, "by_others": course.by_others}
    return {**ends, "done": course.done, "why": why}


def _others_ended(course, found):
    """
    Wait until nothing is going on with the unit; return what it is then, and why it is left alone.
    """
    while True:
        job = unit.job(found)
        if job and job["type"] == "stop":
            course.by_others = True
            return (
                found,
                f"somebody else stops {found['Id']} (systemd's job {job['id']}): left alone",
            )
        is_waiting = found["SubState"] == "auto-restart"
        if not job and (found["ActiveState"] not in unit.BUSY or is_waiting):
            return found, None
        if time.monotonic() > course.until - LEAST_S:
            doing = f"job {job['id']}, {job['type']}" if job else found["SubState"]
            return found, f"systemd is still busy with {found['Id']} ({doing}), by no order of ours"
        time.sleep(PAUSE_S)
        found = course.read()


def _reloaded(course, found):
    if found["CanReload"] != "yes":
        return told(course, why=f"{found['Id']} cannot be reloaded")
    course.verb = "reload"
    course.until = min(course.until, time.monotonic() + RELOAD_S)
    found, why = orders.ordered(course, found)
    return told(course, ok=not why, why=why)


def _brought_back(course, found, how):
    _cleared(course, found, how)
    is_up = found["ActiveState"] in ("active", *unit.BUSY)
    course.verb = "restart" if how == "restart" or is_up else "start"
    before = found["InvocationID"]
    found, why = orders.ordered(course, found)
    if not why and _hit_limit(found, before):
        _forget_limit(course, found)
        found, why = orders.ordered(course, found)
    if why:
        lives = bool(course.sees(found)["main"]) and found["ActiveState"] != "deactivating"
        return told(course, ok=lives, why=_explained(course, found, why))
    return _proved(course)


def _cleared(course, found, how):
    """
    Take out of the way what would hinder the stop or the start.
    """
    place, done = course.place, course.done
    members = cgroups.members(found["ControlGroup"])
    seen = course.sees(found)
    if seen["main"]:
        if found["FreezerState"] in unit.FREEZING:
            orders.must("thaw", found["Id"])
            done["frozen unit thawed"] = found["Id"]
        began = processes.led_by(seen["main"], place.get("executable"))
        thawed = processes.thaw(
            began if seen["outside"] else _resumed(found, members, seen["main"])
        )
        if thawed:
            done["stopped processes resumed"] = thawed
        if seen["outside"] and how == "restart":
            done["processes outside of the unit ended"] = processes.end(began)
        return
    left = sight.orphans(place, found, members)
    if left:
        done["orphans ended"] = processes.end(left)
    if processes.forget_stale_pid_file(place.get("executable"), place.get("pid_file")):
        done["stale pid file removed"] = place["pid_file"]


def _resumed(found, members, main):
    """
    Return what has to run to end by itself: all that the stop ends, else the main process and those that it began.
    """
    if found["KillMode"] in unit.TAKES_ALL:
        return list(members.values())
    return [one for pid, one in members.items() if main in (pid, processes.parent(one))]


def _hit_limit(found, before):
    """
    Tell whether a start was refused for those before it: then nothing ran, and the result is the last one's.
    """
    is_refused = found["ActiveState"] == "failed" and found["InvocationID"] == before
    return (is_refused and bool(before)) or found["Result"] == "start-limit-hit"


def _forget_limit(course, found):
    orders.must("reset-failed", found["Id"])
    course.done["start limit reset"] = found["Id"]


def _proved(course):
    until = min(course.until, time.monotonic() + course.place["starts_within"])
    while True:
        found = course.read()
        seen = course.sees(found)
        if seen["main"] and not seen["outside"]:
            return told(course, ok=True)
        left = until - time.monotonic()
        if left <= 0 or seen["main"] or causes.is_lost(found, left):
            is_outside = f"its main process {seen['main']} runs outside of its unit"
            why = is_outside if seen["main"] else causes.failed(found)
            return told(course, why=_explained(course, found, why))
        time.sleep(PAUSE_S)


def _explained(course, found, why):
    return causes.explained(course.place, found, why, course.begun, course.marks)

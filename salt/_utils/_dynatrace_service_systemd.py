"""
Brings a service back by systemd, by a job of its own that ends with it.

A client that is killed leaves its job behind, and systemd then stops and starts the service long
after everybody has been told that it failed. So the job is ordered without waiting, followed by
its number, and cancelled when the time is over; what it began is brought to an end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import _dynatrace_service_causes as causes
import _dynatrace_service_processes as processes
import _dynatrace_service_sight as sight
import _dynatrace_service_unit as unit
import _dynatrace_service_words as words
from salt.exceptions import CommandExecutionError

PAUSE_S = 0.05
# To bring to an end what was begun, and before that to make a stop that hangs go on: at most.
END_S, HURRY_S = 5, 15
STARTS_WITHIN_S = 30
# Less is not enough to begin with.
LEAST_S = 2


@dataclass
class Course:
    """
    One bringing back: of what, until when, and what was done so far.
    """

    place: dict[str, Any]
    until: float
    begun: float = field(default_factory=time.time)
    done: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    verb: str | None = None
    job: int | None = None
    is_ordered: bool = False

    @property
    def left(self):
        """
        Return the seconds that are left.
        """
        return self.until - time.monotonic()

    def read(self):
        """
        Return what systemd says of the unit now.
        """
        return unit.read(self.place["service"])

    def sees(self, found):
        """
        Return what the service is found to be.
        """
        return sight.of_unit(self.place, found)


def bring_back(place, how, until):
    """
    Start or restart a service; return whether it lives, what was done, and what was in the way.
    """
    course = Course(place, until, marks=words.marks(place.get("logs")))
    try:
        found = course.read()
        refusal = course.sees(found)["refusal"]
        if refusal:
            return told(course, refused=True, why=refusal)
        found, why = _others_ended(course, found)
        if why:
            return told(course, why=why)
        if how == "start" and course.sees(found)["main"]:
            return _proved(course)  # It came back meanwhile, by itself or by somebody.
        return _brought_back(course, found, how)
    except (CommandExecutionError, OSError) as err:
        return told(course, why=f"{err}{_abandoned(course)}")


def told(course, ok=False, refused=False, why=None):
    """
    Return the end of it, with what was done.
    """
    if course.verb:
        course.done[course.place["service"]] = f"{course.verb}ed" if ok else f"{course.verb} tried"
    return {"ok": ok, "refused": refused, "done": course.done, "why": why}


def _others_ended(course, found):
    """
    Wait until nothing is going on with the unit; return what it is then, and why it is left alone.
    """
    while True:
        job = unit.job(found)
        if job and job["type"] == "stop":
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


def _brought_back(course, found, how):
    _cleared(course, found, how)
    is_up = found["ActiveState"] in ("active", *unit.BUSY)
    course.verb = "restart" if how == "restart" or is_up else "start"
    before = found["InvocationID"]
    found, why = _ordered(course, found)
    if not why and _hit_limit(found, before):
        _forget_limit(course, found)
        found, why = _ordered(course, found)
    if why:
        lives = bool(course.sees(found)["main"]) and found["ActiveState"] != "deactivating"
        return told(course, ok=lives, why=_explained(course, found, why))
    return _proved(course)


def _cleared(course, found, how):
    """
    Take out of the way what would hinder the stop or the start.
    """
    place, done = course.place, course.done
    members = processes.in_cgroup(found["ControlGroup"])
    seen = course.sees(found)
    if seen["main"]:
        if found["FreezerState"] in unit.FREEZING:
            _must("thaw", found["Id"])
            done["frozen unit thawed"] = found["Id"]
        began = processes.led_by(seen["main"], place.get("executable")) if seen["outside"] else []
        thawed = processes.thaw(began or members.values())
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


def _hit_limit(found, before):
    """
    Tell whether a start was refused for those before it: then nothing ran, and the result is the last one's.
    """
    is_refused = found["ActiveState"] == "failed" and found["InvocationID"] == before
    return is_refused or found["Result"] == "start-limit-hit"


def _forget_limit(course, found):
    _must("reset-failed", found["Id"])
    course.done["start limit reset"] = found["Id"]


def _ordered(course, found):
    """
    Have systemd start or restart the unit; return what it is when the job is over, and what went wrong.
    """
    course.is_ordered = True
    _must("--no-block", course.verb, found["Id"])
    found = course.read()
    course.job = unit.number(found["Job"])
    found, why = _followed(course, found)
    course.is_ordered = False
    return found, why


def _abandoned(course):
    """
    Cancel an order whose end is not known; return what has become of it, as text.
    """
    if not course.is_ordered:
        return ""
    try:
        job = unit.number(course.read()["Job"])
        if job and course.job in (None, job):
            _must("cancel", str(job))
            course.done["systemd's job cancelled"] = f"{job} ({course.verb})"
        return ""
    except (CommandExecutionError, OSError):
        return f"; systemd may carry out its {course.verb} once it answers again"


def _followed(course, found):
    """
    Wait for the end of our job; when the time is over, end it with all that it began.
    """
    last = course.until - min(END_S, course.left / 4)
    hurry = last - min(HURRY_S, course.left / 4)
    while unit.number(found["Job"]):
        if unit.number(found["Job"]) != course.job:
            return found, "somebody else has given systemd another order for it meanwhile"
        now = time.monotonic()
        if now >= last:
            return _given_up(course, found)
        if now >= hurry and found["ActiveState"] == "deactivating":
            hurry = now + (last - now) / 2
            _hurried(course, found)
        time.sleep(PAUSE_S)
        found = course.read()
    return found, None


def _hurried(course, found):
    """
    Make a stop that hangs go on, as systemd would by itself a little later.

    One that asks for more time than systemd gives by default has a reason, and keeps it.
    """
    limit = unit.seconds(found["TimeoutStopUSec"])
    if limit is not None and limit > unit.default_stop_s():
        return
    control = unit.number(found["ControlPID"])
    if control:
        course.done["hanging stop command ended"] = control
        _must("kill", "--kill-who=control", "--signal=KILL", found["Id"])
    elif found["SendSIGKILL"] == "yes" and limit is not None:
        main = unit.number(found["MainPID"])
        course.done["ended by KILL, after it did not obey TERM"] = main or found["Id"]
        _must("kill", "--signal=KILL", found["Id"])


def _given_up(course, found):
    """
    Cancel our job and end what it began, so that nothing happens after this.
    """
    ran = unit.systemctl("cancel", str(course.job))
    course.done["systemd's job cancelled"] = f"{course.job} ({course.verb})"
    state = f"{found['ActiveState']} ({found['SubState']})"
    why = f"its {course.verb} did not end within the time there is; systemd had it as {state}"
    found = course.read()
    if found["ActiveState"] == "activating" and not course.sees(found)["main"]:
        found = _start_ended(course, found)
    elif found["ActiveState"] == "activating":
        why += f"; it lives, and its unit ends it after {found['TimeoutStartUSec']} unless it tells that it started"
    elif found["ActiveState"] == "deactivating":
        why += (
            f"; its stop, once begun, goes on by its own TimeoutStopSec"
            f" ({found['TimeoutStopUSec']}), and nothing is started after it"
        )
    if ran.returncode and unit.number(found["Job"]) == course.job:
        why += f"; its job could not be cancelled: {ran.stderr.strip()}"
    return found, why


def _start_ended(course, found):
    """
    End a start that hangs: what was begun here may not come up when nobody expects it any more.
    """
    _must("--no-block", "stop", found["Id"])
    course.done["hanging start ended"] = found["Id"]
    half = course.left / 2
    for signal_at in (half, 0):
        until = course.until - signal_at
        while found["ActiveState"] not in unit.AT_REST and time.monotonic() < until:
            time.sleep(PAUSE_S)
            found = course.read()
        if found["ActiveState"] not in unit.AT_REST and signal_at:
            _must("kill", "--signal=KILL", found["Id"])
    return found


def _proved(course):
    """
    Wait until the service lives, as long as it may take to start.
    """
    until = min(course.until, time.monotonic() + _starts_within(course))
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


def _starts_within(course):
    return course.place.get("starts_within") or STARTS_WITHIN_S


def _explained(course, found, why):
    return causes.explained(course.place, found, why, course.begun, course.marks)


def _must(*arguments):
    ran = unit.systemctl(*arguments)
    if ran.returncode:
        said = words.clean(ran.stderr or ran.stdout)
        raise CommandExecutionError(f"systemctl {' '.join(arguments)} failed: {said}")

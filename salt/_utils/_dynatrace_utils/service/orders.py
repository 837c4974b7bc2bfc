"""
Orders to systemd that end with the attempt.

A client that is killed leaves its job behind, and systemd then stops and starts the service long
after everybody has been told that it failed. So the job is cancelled when the time is over, and what
it began is brought to an end.
"""

from __future__ import annotations

import time

from salt.exceptions import CommandExecutionError

from . import processes, sight, unit, words

PAUSE_S = 0.05
# To bring to an end what was begun, and before that to make a stop that hangs go on: at most.
END_S, HURRY_S = 5, 15


class Course:
    """
    One bringing back: of what, until when, and what was done so far.
    """

    def __init__(self, place, until, marks):
        self.place, self.until, self.begun = place, until, time.time()
        self.done, self.marks = {}, marks
        self.verb, self.by_others = None, False

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


def ordered(course, found):
    """
    Have systemd start or restart the unit; return what it is when the job is over, and what went wrong.
    """
    with unit.client(course.verb, found["Id"]) as client:
        try:
            found = _followed(course, client)
            if client.poll() is None:
                return _given_up(course, found)
            said = client.communicate(timeout=PAUSE_S)[1]
        except processes.ERRORS as err:
            raise CommandExecutionError(f"{err}{_abandoned(course)}") from err
    if "canceled" in said:
        course.by_others = True
        return found, _by_others(found)
    # Else the unit tells more of a job that failed.
    is_untold = found["Result"] == "success" or not said.startswith("Job for")
    return found, words.clean(said) if client.returncode and is_untold else None


def _followed(course, client):
    """
    Wait for the end of our job, or until the time is over; return what the unit is then.

    As long as its client waits, the job of the unit is ours.
    """
    last = course.until - min(END_S, course.left / 4)
    hurry = last - min(HURRY_S, course.left / 4)
    while not unit.is_over(client, PAUSE_S) and time.monotonic() < last:
        now = time.monotonic()
        if now >= hurry:
            hurry = now + (last - now) / 2
            _hurried(course, course.read())
    return course.read()


def _by_others(found):
    is_down = found["ActiveState"] in ("deactivating", *unit.AT_REST)
    what = "stopped it" if is_down else "given systemd another order for it"
    return f"somebody else has {what} meanwhile"


def _abandoned(course):
    """
    Cancel our job when systemd can hardly be asked; return what has become of it, as text.
    """
    try:
        job = unit.number(course.read()["Job"])
        if job:
            _cancelled(course, job)
        return ""
    except processes.ERRORS:
        return f"; systemd may carry out its {course.verb} once it answers again"


def _cancelled(course, job):
    # It may be over in the same moment.
    if unit.systemctl("cancel", str(job)).returncode == 0:
        course.done["systemd's job cancelled"] = f"{job} ({course.verb})"


def _hurried(course, found):
    """
    Make a stop that hangs go on, as systemd would by itself a little later.

    One that asks for more time than systemd gives by default has a reason, and keeps it.
    """
    limit = unit.seconds(found["TimeoutStopUSec"])
    if found["ActiveState"] != "deactivating":
        return
    if limit is not None and limit > unit.default_stop_s():
        return
    control, main = unit.number(found["ControlPID"]), unit.number(found["MainPID"])
    if control:
        _kill(found, "control")
        course.done["hanging stop command ended"] = control
    elif found["SendSIGKILL"] == "yes" and limit is not None:
        _kill(found, "main")
        course.done["ended by KILL, after it did not obey TERM"] = main or found["Id"]


def _kill(found, who):
    """
    Send KILL to a process of the unit, and to all of it where systemd would do so too.

    It may have ended in the same moment: then there is nothing to raise for.
    """
    takes_all = who != "control" and found["KillMode"] in unit.TAKES_ALL
    chosen = "all" if takes_all else who
    unit.systemctl("kill", f"--kill-who={chosen}", "--signal=KILL", found["Id"])


def _given_up(course, found):
    """
    Cancel our job and end what it began, so that nothing happens after this.
    """
    state = f"{found['ActiveState']} ({found['SubState']})"
    why = f"its {course.verb} did not end within the time there is; systemd had it as {state}"
    job = unit.number(found["Job"])
    if job:
        _cancelled(course, job)
    found = course.read()
    if found["ActiveState"] == "activating":
        if not course.sees(found)["main"]:
            return _start_ended(course, found), why
        limit = found["TimeoutStartUSec"]
        why += f"; it lives, and its unit ends it after {limit} unless it tells that it started"
    elif found["ActiveState"] == "reloading":
        _kill(found, "control")
        course.done["hanging reload ended"] = found["Id"]
    elif found["ActiveState"] == "deactivating":
        limit = found["TimeoutStopUSec"]
        why += f"; its stop, once begun, goes on by its own TimeoutStopSec ({limit}), and nothing is started after it"
    return found, why


def _start_ended(course, found):
    """
    End a start that hangs: what was begun here may not come up when nobody expects it any more.
    """
    must("--no-block", "stop", found["Id"])
    course.done["hanging start ended"] = found["Id"]
    half = course.left / 2
    for signal_at in (half, 0):
        until = course.until - signal_at
        while found["ActiveState"] not in unit.AT_REST and time.monotonic() < until:
            time.sleep(PAUSE_S)
            found = course.read()
        if found["ActiveState"] not in unit.AT_REST and signal_at:
            _kill(found, "control")
            _kill(found, "main")
    return found


def must(*arguments):
    """
    Run systemctl; raise with what it says when that does not end well.
    """
    ran = unit.systemctl(*arguments)
    if ran.returncode:
        said = words.clean(ran.stderr or ran.stdout)
        raise CommandExecutionError(f"systemctl {' '.join(arguments)} failed: {said}")

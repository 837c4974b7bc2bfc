"""
Containers of Docker or Podman: which one is meant, what it is found to be, and how it is started again.

It offers what ``control`` offers for a service, and asks the command line of the engine, which both have alike.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from datetime import datetime
from fnmatch import fnmatchcase

from salt.exceptions import CommandExecutionError

from . import processes, sight, unit
from . import words as said

ENGINES = ("docker", "podman")
# systemd begins Docker for whoever asks at its socket, which is in this state while Docker rests.
SOCKET, WAITS = "docker.socket", "listening"
ASK_S = 5
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
# What Dynatrace tells of a container: the metadata by which it knows that it is one, and its value.
NAMED, NUMBERED, OF_A_POD = "CONTAINER_NAME", "CONTAINER_ID", "KUBERNETES_"
# Whole, or as short as the engines show it.
ID = re.compile(r"[0-9a-f]{12,64}")
# RFC 3339 as the engines write it, with nanoseconds.
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)")
# How a container is, in the words of a unit.
ACTIVE = {"running": "active", "paused": "active", "restarting": "activating"}
SHOWN = 5


class NotThere(CommandExecutionError):
    """
    An engine refuses to answer: it is not in use.
    """


def chosen(pattern, told):
    """
    Return the one container whose name fits the pattern and what Dynatrace tells; raise when there is no such one.

    ``told`` is the order's text of a container, such as ``CONTAINER_NAME: cart-1``, or None by hand.
    """
    mark, _, value = (told or "").partition(": ")
    if mark.startswith(OF_A_POD):
        raise CommandExecutionError(
            f"{told[:80]} is a pod's container, which Kubernetes brings back"
        )
    there, silent = _listed(ASK_S)
    fitting = [
        one for one in there if fnmatchcase(_name(one), pattern) and NAME.fullmatch(_name(one))
    ]
    found = [one for one in fitting if _is_told(one, mark, value)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(_name(one) for one in (found or fitting or there))[:SHOWN]) or "none"
    if found:
        engines = sorted({os.path.basename(one["engine"]) for one in found})
        where = f" (of {' and '.join(engines)})" if len(engines) > 1 else ""
        raise CommandExecutionError(f"several containers fit {pattern}: {names}{where}")
    about = f", and Dynatrace tells of {told[:80]}" if told else ""
    here = "; ".join([f"here are: {names}", *silent])
    raise CommandExecutionError(f"no container fits {pattern}{about}; {here}")


def named(name, seconds):
    """
    Return what the engine tells of the container with this name, or None; raise when an engine that may have it does not
    answer.
    """
    there, silent = _listed(seconds)
    found = next((one for one in there if _name(one) == name), None)
    if silent and not found:
        raise CommandExecutionError("; ".join(silent))
    return found


def place(settings, told=None):
    """
    Return the place of the container that a remedy means: its id, its name, and its engine.
    """
    found = chosen(settings["container"], told)
    within = settings["starts_within"]
    about = {"id": str(found["Id"]), "service": _name(found), "starts_within": within}
    return {**about, "engine": found["engine"]}


def look(place):
    """
    Return what the container is found to be: as ``control.look``, and its ``health`` by its own test, or None.

    ``listens`` is None: where its ports lead to, is the engine's matter.
    """
    try:
        return state(_inspected(place["engine"], [place["id"]], ASK_S)[0])
    except processes.ERRORS as err:
        return {**sight.NOTHING, "listens": None, "health": None, "refusal": str(err)}


def state(found):
    """
    Return the same of what the engine tells.
    """
    told = found.get("State") or {}
    status = str(told.get("Status") or "").lower()
    health = told.get("Health") or told.get("Healthcheck") or {}
    runs = status in ("running", "paused")
    ended = "inactive" if told.get("ExitCode") == 0 else "failed"
    return {
        **sight.NOTHING,
        "active": ACTIVE.get(status, ended),
        "main": (told.get("Pid") or None) if runs else None,
        "since": _seconds(told.get("StartedAt")),
        "stopped": status == "paused",
        "executable": f"container {_name(found)}",
        "listens": None,
        "health": (str(health.get("Status") or "").lower() or None),
    }


def bring_back(place, how, until, manage):
    """
    Start or restart the container; return the same as ``control.bring_back``.
    """
    done, name = {}, place["service"]
    try:
        seen = look(place)
        if how == "start" and seen["main"]:
            return _told(True, done)  # It came back meanwhile, by itself or by somebody.
        if seen["stopped"]:
            _ordered("unpause", place, until)
            done["paused container resumed"] = name
        done[name] = f"{how} tried"
        _ordered(how, place, until)
        done[name] = f"{how}ed"
        return _told(True, done)
    except processes.ERRORS as err:
        return _told(False, done, str(err))


def words(place, since):
    """
    Return what the container has printed since a time of the epoch, or None.
    """
    begin = f"--since={int(since)}"
    try:
        ran = unit.ask(place["engine"], "logs", begin, "--tail", "10", place["id"], seconds=ASK_S)
    except processes.ERRORS:
        return None
    text = said.clean(ran.stdout + ran.stderr)
    return f"its own words:\n{text}" if text else None


def _told(ok, done, why=None):
    return {"ok": ok, "refused": False, "by_others": False, "done": done, "why": why}


def _ordered(verb, place, until):
    left = until - time.monotonic()
    if left <= 0:
        raise CommandExecutionError(f"there is no time left to {verb} it")
    ran = unit.ask(place["engine"], verb, place["id"], seconds=left)
    if ran.returncode:
        raise CommandExecutionError(f"{place['engine']} {verb} failed: {said.clean(ran.stderr)}")


def _listed(seconds):
    """
    Return what is told of the containers of all engines, with the ``engine`` of each, and why it is not known of others.

    Both command lines may lead to one engine. One that refuses is no matter where another answers.
    """
    path = unit.tools_path()
    engines = list(filter(None, (shutil.which(name, path=path) for name in ENGINES)))
    found, errors, silent = {}, [], []
    for engine in engines:
        try:
            found.update({str(one.get("Id")): one for one in _listed_by(engine, seconds)})
        except CommandExecutionError as err:
            errors.append(str(err))
            silent += [] if isinstance(err, NotThere) else [str(err)]
    if len(errors) == len(engines):
        lacking = f"this minion has neither {' nor '.join(ENGINES)}"
        raise CommandExecutionError("; ".join(errors) or lacking)
    return list(found.values()), silent


def _listed_by(engine, seconds):
    if os.path.basename(engine) == "docker" and _rests():
        raise CommandExecutionError(f"Docker does not run, and {SOCKET} would start it if asked")
    ran = unit.ask(engine, "ps", "--all", "--quiet", "--no-trunc", seconds=seconds)
    if ran.returncode:
        raise NotThere(f"{engine} ps failed: {said.clean(ran.stderr)}")
    ids = ran.stdout.split()
    return _inspected(engine, ids, seconds) if ids else []


def _rests():
    """
    Tell whether a question to Docker would start it, which somebody has stopped.
    """
    if not unit.is_booted():
        return False
    told = unit.systemctl("show", "--property", "SubState", "--value", SOCKET).stdout
    return told.strip() == WAITS


def _inspected(engine, ids, seconds):
    ran = unit.ask(engine, "inspect", "--type", "container", *ids, seconds=seconds)
    try:
        # Of those that are there it tells, also when one has gone in between.
        found = [{**one, "engine": engine} for one in json.loads(ran.stdout)]
    except (TypeError, ValueError):
        found = []
    if not found:
        raise CommandExecutionError(f"{engine} tells of no container: {said.clean(ran.stderr)}")
    return found


def _name(found):
    # Docker's own begin with a slash.
    return str(found.get("Name") or "").removeprefix("/")


def _is_told(found, mark, value):
    if mark == NAMED:
        return _name(found) == value
    if mark == NUMBERED:
        return bool(ID.fullmatch(value)) and str(found.get("Id") or "").startswith(value)
    return True


def _seconds(text):
    moment = MOMENT.fullmatch(str(text or ""))
    if not moment or text.startswith("0001"):
        return 0.0
    zone = "+00:00" if moment[3] == "Z" else moment[3]
    return datetime.fromisoformat(f"{moment[1]}.{(moment[2] or '0'):0<6}{zone}").timestamp()

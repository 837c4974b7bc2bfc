"""
Looks at a service of this minion, and brings it back by the service manager that it has.

``place`` is what the settings of a remedy say of it: ``service``, ``executable``, ``pid_file``,
``ports``, ``logs``, ``starts_within`` (seconds), and ``systemd``: false when Salt's own ``service`` is
not systemd's. Where systemd runs it is believed about its units, elsewhere the pid file and the
executable are. What is expected of a host in trouble is told and not raised.
"""

import contextlib
import os

from ..dunders import __salt__
from . import processes, sight, unit
from . import words as said

PLACE = ("service", "executable", "pid_file", "ports", "logs", "starts_within")


def lacking():
    """
    Return what this minion lacks to look at a service, or None.
    """
    if processes.psutil is None:
        return "psutil"
    return None if os.path.isdir("/proc/self/ns") else "the /proc of Linux"


def place(settings):
    """
    Return the place of a service by the settings of its remedy.
    """
    # To ask for a function that only Salt's module for systemd has would load all the others.
    systemd_has_it = __salt__["service.start"].__module__.endswith("systemd_service")
    return {**{key: settings[key] for key in PLACE}, "systemd": systemd_has_it}


def look(place):
    """
    Return what the service is found to be: see ``sight.NOTHING`` for the keys.

    ``refusal`` says why nothing may be done with it: its unit is masked or missing, or cannot be
    asked for.
    """
    try:
        if sight.on_systemd(place):
            return sight.of_unit(place, unit.read(place["service"]))
        return sight.of_files(place)
    except processes.ERRORS as err:
        return {**sight.NOTHING, "refusal": str(err)}


def bring_back(place, how, until, manage):
    """
    Start, restart or reload the service; return ``{ok, refused, by_others, done, why}``.

    ``until`` is by the monotonic clock, and nothing that was begun goes on after it. ``manage`` holds
    ``start``, ``restart`` and perhaps ``reload`` of Salt's ``service`` module, for a host without systemd.
    ``ok`` is a main process that lives, or a reload that ended well, ``refused`` that nothing was touched and another try would not either,
    ``by_others`` that somebody else stops it or has ordered something else: it is left to them. ``done``
    tells on every end what was changed, ``why`` what is wrong.
    """
    # Imported here: while a service is down, only what is needed is loaded.
    if sight.on_systemd(place):
        from . import systemd

        return systemd.bring_back(place, how, until)
    from . import sysv

    return sysv.bring_back(place, how, until, manage)


def words(place, since):
    """
    Return what the service has said since a time of the epoch, or None.
    """
    told = said.of_recent_logs(place.get("logs"), since)
    with contextlib.suppress(*processes.ERRORS):
        if sight.on_systemd(place):
            text = said.of_journal(unit.read(place["service"]), since)
            told = ([f"its own words:\n{text}"] if text else []) + told
    return "\n".join(told) or None

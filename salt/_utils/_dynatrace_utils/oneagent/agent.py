"""
Installs, upgrades and removes the OneAgent of this minion; ``want`` is what ``options`` has read and checked.
"""

import contextlib
import os
import re
import shutil

import salt.utils.platform
from salt.exceptions import CommandExecutionError

from .. import bounded
from ..dunders import __opts__
from . import installer, settings, tools

# Until a new agent knows its own id, and until a removed one is gone.
IDENTITY_S = 30
SETTLE_S = 10
POLL_S = 0.2

HOST_ID = re.compile(r"(?:HOST-)?(?:0x)?([0-9a-f]{16})", re.IGNORECASE)


def installed(want):
    """
    Tell whether a OneAgent is installed.
    """
    return os.path.isfile(tools.path(want))


def version(want):
    """
    Return the version of the installed OneAgent, or None without one.
    """
    if not installed(want):
        return None
    found = re.search(r"\d+(?:\.\d+){2,3}(?:-\d+)?", tools.ask(want, "--version"))
    if not found:
        raise CommandExecutionError(f"{tools.path(want)} --version names no version")
    return found.group(0)


def host_id(want):
    """
    Return by which id Dynatrace knows this host, or None if its OneAgent does not know yet.
    """
    if not installed(want):
        return None
    found = HOST_ID.fullmatch(tools.run(want, ["--get-host-id"])["stdout"].strip())
    return "HOST-" + found.group(1).upper() if found else None


def update(want):
    """
    Return which version is to be installed, None when the installed one will do.

    Asks the tenant only when the answer depends on it. Raises rather than go back to an older one.
    """
    have, lacking = version(want), installer.lacking()
    if lacking and have is None:
        raise CommandExecutionError(
            f"No OneAgent is installed, and none can be: {lacking}. Without them an installed "
            "OneAgent is configured, and nothing else."
        )
    if want["version"] != "latest":
        return _pinned(want["version"], have, lacking)
    if have is not None and (lacking or not want["upgrade"]):
        return None
    new = installer.latest(want)
    return new if have is None or _order(new) > _order(have) else None


def install(want):
    """
    Install the wanted version over what is there, verified, and return the version that runs then.

    A first installation also sets all that is wanted; an upgrade keeps what is set.
    """
    have, pin = version(want), want["version"]
    if have is not None and pin != "latest":
        _pinned(pin, have, None)
    arguments = settings.arguments_of(want) if have is None else []
    if want["install_path"]:
        arguments = [*arguments, f"INSTALL_PATH={want['install_path']}"]
    if have is None:
        # Before: whatever a run that is killed has set is known to be ours.
        settings.remember_all(want)
    try:
        installer.run(want, arguments)
    except CommandExecutionError:
        if not installed(want):
            settings.forget()
        raise
    if not installed(want):
        raise CommandExecutionError(f"The installer ended well, but {tools.path(want)} is missing")
    now = version(want)
    if pin != "latest" and _order(now) != _order(pin):
        raise CommandExecutionError(f"OneAgent {now} runs, and {pin} was installed")
    if have is not None and _order(now) < _order(have):
        raise CommandExecutionError(
            f"The installer has replaced OneAgent {have} by the older {now}"
        )
    bounded.wait(lambda: host_id(want) is not None, IDENTITY_S, POLL_S)
    return now


def leftovers(want):
    """
    Return which of the files that are ours are there, for ``dynatrace_oneagent.absent``.
    """
    places = [os.path.join(__opts__["cachedir"], "dynatrace", "oneagent")]
    if want["purge"]:
        places += _dynatrace_places()
    path, link = want["install_path"], tools.default_home()
    # The installer makes it to a place of one's own, and the uninstaller leaves it.
    if path and os.path.islink(link) and os.readlink(link).rstrip("/") == path:
        places.append(link)
    return [place for place in places if os.path.lexists(place)]


def uninstall(want):
    """
    Uninstall the OneAgent, prove that it is gone, and remove what is kept about it.
    """
    if installed(want):
        tools.run_uninstaller(want)
        if not bounded.wait(lambda: not installed(want), SETTLE_S, POLL_S):
            raise CommandExecutionError(f"The uninstaller ended well, but left {tools.path(want)}")
    removed = leftovers(want)
    for place in removed:
        if os.path.isdir(place) and not os.path.islink(place):
            shutil.rmtree(place)
        else:
            os.unlink(place)
    return removed


def forget_grain():
    """
    Make the next refresh of the grains ask anew what it would remember.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(__opts__["cachedir"], "dynatrace", "grain.json"))


def _pinned(pin, have, lacking):
    if have is None or _order(pin) > _order(have):
        if lacking:
            raise CommandExecutionError(
                f"OneAgent {have} is installed, {pin} is wanted, and it cannot be downloaded: "
                f"{lacking}"
            )
        return pin
    if _order(pin) < _order(have):
        raise CommandExecutionError(
            f"OneAgent {have} is installed, which is newer than {pin}, and Dynatrace knows no way "
            "back. Set dynatrace:oneagent:version to it (and auto_update: false to stay there), or "
            "uninstall it first with dynatrace.oneagent.absent."
        )
    return None


def _order(text):
    # The time of its build counts last.
    return tuple(int(number) for number in re.findall(r"\d+", text)[:5])


def _dynatrace_places():
    # The identity of the host is among them.
    if salt.utils.platform.is_windows():
        data = os.path.join(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "dynatrace")
        return [os.path.join(data, "oneagent"), os.path.join(data, "enrichment")]
    return [
        "/var/log/dynatrace/oneagent",
        "/var/lib/dynatrace/oneagent",
        "/var/lib/dynatrace/enrichment",
    ]

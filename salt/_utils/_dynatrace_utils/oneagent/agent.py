"""
Installs, upgrades and removes the OneAgent of this minion.

What is wanted stands under ``dynatrace:oneagent``; ``pillar.example`` explains every key. How it is
set up, ``_dynatrace_oneagent_settings`` knows.
"""

import contextlib
import os
import re
import shutil
import time

import salt.utils.platform
from salt.exceptions import CommandExecutionError

from ..dunders import __opts__
from . import installer
from . import options as oneagent_options
from . import record as oneagent_record
from . import settings as oneagent_settings
from . import tools as oneagent_tools

# Until a new agent knows its own id, and until a removed one is gone.
IDENTITY_S = 30
SETTLE_S = 10
POLL_S = 0.2

HOST_ID = re.compile(r"(?:HOST-)?(?:0x)?([0-9a-f]{16})", re.IGNORECASE)


def installed():
    """
    Tell whether a OneAgent is installed.
    """
    return os.path.isfile(_path())


def version():
    """
    Return the version of the installed OneAgent, or None without one.
    """
    if not installed():
        return None
    found = re.search(r"\d+(?:\.\d+){2,3}(?:-\d+)?", oneagent_tools.ask("--version"))
    if not found:
        raise CommandExecutionError(f"{_path()} --version names no version")
    return found.group(0)


def host_id():
    """
    Return by which id Dynatrace knows this host, or None if its OneAgent does not know yet.
    """
    if not installed():
        return None
    told = oneagent_tools.run(["--get-host-id"])["stdout"]
    found = HOST_ID.fullmatch(told.strip())
    return "HOST-" + found.group(1).upper() if found else None


def update():
    """
    Return which version is to be installed, None when the installed one will do.

    Asks the tenant only when the answer depends on it. Raises rather than go back to an older one.
    """
    want = _wanted()
    have = version()
    lacking = installer.lacking()
    if lacking and have is None:
        raise CommandExecutionError(
            f"No OneAgent is installed, and none can be: {lacking}. Without them an installed "
            "OneAgent is configured, and nothing else."
        )
    if want["version"] == "latest":
        if have is not None and (lacking or not want["upgrade"]):
            return None
        new = installer.latest()
        return new if have is None or _order(new) > _order(have) else None
    return _pinned(want["version"], have, lacking)


def install():
    """
    Install the wanted version over what is there, verified, and return the version that runs then.

    A first installation also sets all that is wanted; an upgrade keeps what is set.
    """
    want, have = _wanted(), version()
    fresh = have is None
    if not fresh and want["version"] != "latest":
        _pinned(want["version"], have, None)
    arguments = oneagent_settings.arguments_of(want) if fresh else []
    if want["install_path"]:
        arguments = [*arguments, f"INSTALL_PATH={want['install_path']}"]
    if fresh:
        # Before: whatever a run that is killed has set is known to be ours.
        oneagent_record.remember(oneagent_settings.ours(want))
    try:
        installer.run(want["version"], arguments)
    except CommandExecutionError:
        if not installed():
            oneagent_record.forget()
        raise
    if not installed():
        raise CommandExecutionError(f"The installer ended well, but {_path()} is missing")
    now = version()
    if want["version"] != "latest" and _order(now) != _order(want["version"]):
        raise CommandExecutionError(f"OneAgent {now} runs, and {want['version']} was installed")
    if not fresh and _order(now) < _order(have):
        raise CommandExecutionError(
            f"The installer has replaced OneAgent {have} by the older {now}"
        )
    _await(lambda: host_id() is not None, IDENTITY_S)
    return now


def leftovers():
    """
    Return which of the files that are ours are there, for ``dynatrace_oneagent.absent``.
    """
    places = [_home()]
    if _wanted()["purge"]:
        places += _dynatrace_places()
    path, link = _wanted()["install_path"], oneagent_tools.default_home()
    # The installer makes it to a place of one's own, and the uninstaller leaves it.
    if path and os.path.islink(link) and os.readlink(link).rstrip("/") == path:
        places.append(link)
    return [place for place in places if os.path.lexists(place)]


def uninstall():
    """
    Uninstall the OneAgent, prove that it is gone, and remove what this module keeps about it.
    """
    if installed():
        oneagent_tools.run_uninstaller()
        if not _await(lambda: not installed(), SETTLE_S):
            raise CommandExecutionError(f"The uninstaller ended well, but left {_path()}")
    removed = leftovers()
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
        os.unlink(_grain_cache())


def _wanted():
    return oneagent_options.wanted()


def _path():
    return oneagent_tools.path()


def _await(condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


# -- versions


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
    """
    Return a version as something that compares; the time of its build counts last.
    """
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    return tuple(numbers[:5])


# -- places


def _home():
    return os.path.join(__opts__["cachedir"], "dynatrace", "oneagent")


def _grain_cache():
    return os.path.join(__opts__["cachedir"], "dynatrace", "grain.json")


def _dynatrace_places():
    """
    Return what Dynatrace's uninstaller leaves behind, the host's identity among it.
    """
    if salt.utils.platform.is_windows():
        data = os.path.join(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "dynatrace")
        return [os.path.join(data, *rest) for rest in (("oneagent",), ("enrichment",))]
    return [
        "/var/log/dynatrace/oneagent",
        "/var/lib/dynatrace/oneagent",
        "/var/lib/dynatrace/enrichment",
    ]

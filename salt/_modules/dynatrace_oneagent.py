"""
Brings the OneAgent of this minion to what pillar or configuration say.

What is wanted stands under ``dynatrace:oneagent``; ``pillar.example`` explains every key. What is
set is asked of ``oneagentctl``, and only a difference is changed, with one restart of the agent:
Dynatrace documents that what is set needs one.

``oneagentctl`` keeps several values of one tag or property and never replaces one. So this module
remembers what it has set (``dynatrace_oneagent_record``). It removes

- what it has set and is no longer wanted,
- every other value of a tag or property that is wanted with another one.

Everything else is a person's own and stays.
"""

import contextlib
import os
import re
import shutil
import time

import salt.utils.platform
from salt.exceptions import CommandExecutionError

CTL_TIMEOUT_S = 30
# A restart of the agent included.
CHANGE_TIMEOUT_S = 180
UNINSTALL_TIMEOUT_S = 600
# Until a new agent knows its own id, and until what was set is shown.
IDENTITY_S = 30
SETTLE_S = 10
POLL_S = 0.2
LAST_LINES = 10

HOST_ID = re.compile(r"(?:HOST-)?(?:0x)?([0-9a-f]{16})", re.IGNORECASE)

# Of oneagentctl, by our names.
OPTIONS = {
    "host_group": "host-group",
    "network_zone": "network-zone",
    "app_log_access": "app-log-content-access",
    "auto_update": "auto-update-enabled",
    "monitoring_mode": "monitoring-mode",
}
# An empty value takes these away; the others have no "unset".
CLEARABLE = ("host_group", "network_zone")
LISTS = {
    "properties": ("--get-host-properties", "--set-host-property", "--remove-host-property"),
    "tags": ("--get-host-tags", "--set-host-tag", "--remove-host-tag"),
}


def installed():
    """
    Tell whether a OneAgent is installed.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.installed
    """
    return os.path.isfile(_oneagentctl())


def version():
    """
    Return the version of the installed OneAgent, or None without one.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.version
    """
    if not installed():
        return None
    found = re.search(r"\d+(?:\.\d+){2,3}(?:-\d+)?", _ask("--version"))
    if not found:
        raise CommandExecutionError(f"{_oneagentctl()} --version names no version")
    return found.group(0)


def host_id():
    """
    Return by which id Dynatrace knows this host, or None if its OneAgent does not know yet.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.host_id
    """
    if not installed():
        return None
    found = HOST_ID.fullmatch(_run([_oneagentctl(), "--get-host-id"])["stdout"].strip())
    return "HOST-" + found.group(1).upper() if found else None


def update():
    """
    Return which version is to be installed, None when the installed one will do.

    Asks the tenant only when the answer depends on it. Raises rather than go back to an older one.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.update
    """
    want = _wanted()
    have = version()
    lacking = __salt__["dynatrace_installer.lacking"]()
    if lacking and have is None:
        raise CommandExecutionError(
            f"No OneAgent is installed, and none can be: {lacking}. Without them an installed "
            "OneAgent is configured, and nothing else."
        )
    if want["version"] == "latest":
        if have is not None and (lacking or not want["upgrade"]):
            return None
        new = __salt__["dynatrace_installer.latest"]()
        return new if have is None or _order(new) > _order(have) else None
    return _pinned(want["version"], have, lacking)


def install():
    """
    Install the wanted version over what is there, verified, and return the version that runs then.

    A first installation also sets all that is wanted; an upgrade keeps what is set.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.install
    """
    want, have = _wanted(), version()
    fresh = have is None
    if not fresh and want["version"] != "latest":
        _pinned(want["version"], have, None)
    arguments = arguments_of(want) if fresh else []
    if want["install_path"]:
        arguments = [*arguments, f"INSTALL_PATH={want['install_path']}"]
    if fresh:
        # Before: whatever a run that is killed has set is known to be ours.
        _remember(_ours(want))
    try:
        __salt__["dynatrace_installer.run"](want["version"], arguments)
    except CommandExecutionError:
        if not installed():
            __salt__["dynatrace_oneagent_record.forget"]()
        raise
    if not installed():
        raise CommandExecutionError(f"The installer ended well, but {_oneagentctl()} is missing")
    now = version()
    if want["version"] != "latest" and _order(now) != _order(want["version"]):
        raise CommandExecutionError(f"OneAgent {now} runs, and {want['version']} was installed")
    if not fresh and _order(now) < _order(have):
        raise CommandExecutionError(
            f"The installer has replaced OneAgent {have} by the older {now}"
        )
    _await(lambda: host_id() is not None, IDENTITY_S)
    forget_grain()
    return now


def arguments_of(want):
    """
    Return the options of oneagentctl and installer that set everything that is wanted.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.arguments_of '{"tags": ["role=web"], "properties": []}'
    """
    plain = [
        f"--set-{flag}={_text(want[name])}"
        for name, flag in OPTIONS.items()
        if want.get(name) is not None
    ]
    listed = [f"{LISTS[kind][1]}={entry}" for kind in LISTS for entry in want[kind]]
    return plain + listed


def difference():
    """
    Return what is set otherwise than wanted: ``{"host_group": {"old": "", "new": "web"}}``.

    For ``properties`` and ``tags``, ``old`` lists what is too much and ``new`` what is missing.
    Changes nothing; empty when nothing differs.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.difference
    """
    if not installed():
        raise CommandExecutionError("No OneAgent is installed, there is nothing to configure")
    want, record = _wanted(), _recall()
    return {**_plain_difference(want, record), **_list_difference(want, record)}


def configure():
    """
    Set and remove what differs, restart the agent once, prove it, and return what has changed.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.configure
    """
    changes = difference()
    want, record = _wanted(), _recall()
    if not changes:
        _remember_if_new(_kept(want, record), record)
        return {}
    # Before: whatever a run that is killed has set is known to be ours.
    _remember(_merged(record, changes))
    removals = [
        f"{LISTS[kind][2]}={e}" for kind in LISTS for e in changes.get(kind, {}).get("old", ())
    ]
    if removals:
        # It fails when one of them is gone already, and removes the others all the same.
        _run([_oneagentctl(), *removals], CHANGE_TIMEOUT_S)
    settings = _settings(changes)
    ran = _run([_oneagentctl(), *settings, "--restart-service"], CHANGE_TIMEOUT_S)
    if ran["retcode"] != 0:
        raise CommandExecutionError(f"oneagentctl {' '.join(settings)} failed: {_said(ran)}")
    if not _await(lambda: not difference(), SETTLE_S):
        raise CommandExecutionError(
            f"oneagentctl took the changes, but still differs in {', '.join(difference())}"
        )
    _remember(_kept(want, _recall()))
    forget_grain()
    return changes


def leftovers():
    """
    Return which of the files that are ours are there, for ``dynatrace_oneagent.absent``.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.leftovers
    """
    places = [_home()]
    if _wanted()["purge"]:
        places += _dynatrace_places()
    path, link = _wanted()["install_path"], _default_path()
    # The installer makes it to a place of one's own, and the uninstaller leaves it.
    if path and os.path.islink(link) and os.readlink(link).rstrip("/") == path:
        places.append(link)
    return [place for place in places if os.path.lexists(place)]


def uninstall():
    """
    Uninstall the OneAgent, prove that it is gone, and remove what this module keeps about it.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.uninstall
    """
    if installed():
        command = _uninstaller()
        ran = _run(command, UNINSTALL_TIMEOUT_S)
        if ran["retcode"] != 0:
            raise CommandExecutionError(f"{' '.join(command)} failed: {_said(ran)}")
        if not _await(lambda: not installed(), SETTLE_S):
            raise CommandExecutionError(f"The uninstaller ended well, but left {_oneagentctl()}")
    removed = leftovers()
    for place in removed:
        if os.path.isdir(place) and not os.path.islink(place):
            shutil.rmtree(place)
        else:
            os.unlink(place)
    forget_grain()
    return removed


def forget_grain():
    """
    Make the next refresh of the grains ask anew what it would remember.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.forget_grain
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_grain_cache())


def _wanted():
    return __salt__["dynatrace_oneagent_options.wanted"]()


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


# -- what is set


def _oneagentctl():
    path = __salt__["config.get"]("dynatrace:oneagent:install_path", None) or _default_path()
    name = "oneagentctl.exe" if salt.utils.platform.is_windows() else "oneagentctl"
    return os.path.join(path, "agent", "tools", name)


def _default_path():
    if salt.utils.platform.is_windows():
        programs = os.environ.get("PROGRAMFILES", r"C:\Program Files")
        return os.path.join(programs, "dynatrace", "oneagent")
    return "/opt/dynatrace/oneagent"


def _run(command, timeout_s=CTL_TIMEOUT_S):
    ran = __salt__["cmd.run_all"](
        command, python_shell=False, timeout=timeout_s, ignore_retcode=True
    )
    # Without a code it was ended by the timeout.
    code = ran.get("retcode")
    return {
        "retcode": -1 if code is None else code,
        "stdout": ran.get("stdout") or "",
        "stderr": ran.get("stderr") or "",
    }


def _ask(getter):
    ran = _run([_oneagentctl(), getter])
    if ran["retcode"] != 0:
        raise CommandExecutionError(f"{_oneagentctl()} {getter} failed: {_said(ran)}")
    return ran["stdout"]


def _said(ran):
    lines = f"{ran['stdout']}\n{ran['stderr']}".strip().splitlines()
    return f"it ended with {ran['retcode']}: " + " / ".join(lines[-LAST_LINES:])


def _set_now(name):
    value = _ask(f"--get-{OPTIONS[name]}").strip()
    # Shown for a host that has none.
    return "" if name == "network_zone" and value == "default" else value


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain_difference(want, record):
    changes = {}
    for name in OPTIONS:
        value = want[name]
        if value is None and name in CLEARABLE and name in record["options"]:
            now = _set_now(name)
            # Somebody may have set another one since; that is no longer ours.
            if now and _same(name, now, record["options"][name]):
                changes[name] = {"old": now, "new": ""}
        elif value is not None:
            now = _set_now(name)
            if not _same(name, now, _text(value)):
                changes[name] = {"old": now, "new": _text(value)}
    return changes


def _same(name, one, other):
    if name == "network_zone":
        # Dynatrace stores them in lower case.
        one, other = ("" if zone.lower() == "default" else zone.lower() for zone in (one, other))
    return one == other


def _list_difference(want, record):
    changes = {}
    for kind, (getter, _, _) in LISTS.items():
        now = list(dict.fromkeys(filter(None, map(str.strip, _ask(getter).splitlines()))))
        keys = {_key(entry) for entry in want[kind]}
        surplus = [
            entry
            for entry in now
            if entry not in want[kind] and (_key(entry) in keys or entry in record[kind])
        ]
        missing = [entry for entry in want[kind] if entry not in now]
        if surplus or missing:
            changes[kind] = {"old": surplus, "new": missing}
    return changes


def _key(entry):
    return entry.partition("=")[0]


def _settings(changes):
    plain = [f"--set-{OPTIONS[n]}={changes[n]['new']}" for n in OPTIONS if n in changes]
    return plain + [
        f"{LISTS[kind][1]}={e}" for kind in LISTS for e in changes.get(kind, {}).get("new", ())
    ]


def _await(condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


# -- what was set by us


def _home():
    return os.path.join(__opts__["cachedir"], "dynatrace", "oneagent")


def _grain_cache():
    return os.path.join(__opts__["cachedir"], "dynatrace", "grain.json")


def _ours(want):
    options = {name: _text(want[name]) for name in OPTIONS if want[name] is not None}
    return {"options": options, **{kind: list(want[kind]) for kind in LISTS}}


def _merged(record, changes):
    """
    Return the record with what is about to be set.
    """
    options = {name: changes[name]["new"] for name in OPTIONS if name in changes}
    lists = {
        kind: list(dict.fromkeys([*record[kind], *changes.get(kind, {}).get("new", ())]))
        for kind in LISTS
    }
    return {"options": {**record["options"], **{k: v for k, v in options.items() if v}}, **lists}


def _kept(want, record):
    """
    Return of the record what is still wanted: the rest has been removed, or is another's now.
    """
    options = {k: v for k, v in record["options"].items() if want.get(k) is not None}
    return {"options": options, **{k: [e for e in record[k] if e in want[k]] for k in LISTS}}


def _remember_if_new(record, old):
    if record != old:
        _remember(record)


def _recall():
    return __salt__["dynatrace_oneagent_record.recall"]()


def _remember(record):
    __salt__["dynatrace_oneagent_record.remember"](record)


# -- removal


def _uninstaller():
    if not salt.utils.platform.is_windows():
        agent = os.path.dirname(os.path.dirname(_oneagentctl()))
        return ["/bin/sh", os.path.join(agent, "uninstall.sh")]
    # As Dynatrace documents it; untested.
    find = "(Get-WmiObject win32_product -filter \"Name like 'Dynatrace OneAgent'\")"
    ran = _run(["powershell.exe", "-NoProfile", "-Command", f"{find}.IdentifyingNumber"])
    product = ran["stdout"].strip()
    if not re.fullmatch(r"\{[0-9A-Fa-f-]{36}\}", product):
        raise CommandExecutionError("Windows knows no product named Dynatrace OneAgent")
    return ["msiexec.exe", "/x", product, "/quiet", "/norestart"]


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

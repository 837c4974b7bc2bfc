"""
Brings the settings of the OneAgent of this minion to what is wanted, with one restart of the agent.

``oneagentctl`` keeps several values of one tag or property and never replaces one. So what was set is
remembered, in ``<cachedir>/dynatrace/oneagent/record.json``, and these are removed:

- what was set before and is no longer wanted,
- every other value of a tag or property that is wanted with another one.

Everything else is a person's own and stays; when the record is lost, so does what was set before.
"""

import os
import time

from salt.exceptions import CommandExecutionError

from .. import disk
from . import tools

# A restart of the agent included.
CHANGE_TIMEOUT_S = 180
# Until what was set is shown.
SETTLE_S = 10
POLL_S = 0.2
RECORD, RECORD_LIMIT = "oneagent", 1024 * 1024

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


def arguments_of(want):
    """
    Return the options of oneagentctl and installer that set everything that is wanted.
    """
    plain = [f"--set-{OPTIONS[name]}={value}" for name, value in _plain(want).items()]
    return plain + [f"{LISTS[kind][1]}={entry}" for kind in LISTS for entry in want[kind]]


def remember_all(want):
    """
    Remember a OneAgent on which everything that is wanted is set by us.
    """
    _remember({"options": _plain(want), **{kind: list(want[kind]) for kind in LISTS}})


def forget():
    """
    Remember nothing any more.
    """
    disk.remove(RECORD)


def difference(want):
    """
    Return what is set otherwise than wanted: ``{"host_group": {"old": "", "new": "web"}}``.

    For ``properties`` and ``tags``, ``old`` lists what is too much and ``new`` what is missing.
    """
    if not os.path.isfile(tools.path(want)):
        raise CommandExecutionError("No OneAgent is installed, there is nothing to configure")
    record = _recall()
    return {**_plain_difference(want, record), **_list_difference(want, record)}


def configure(want):
    """
    Set and remove what differs, restart the agent once, prove it, and return what has changed.
    """
    changes, record = difference(want), _recall()
    if not changes:
        if (kept := _kept(want, record)) != record:
            _remember(kept)
        return {}
    # Before: whatever a run that is killed has set is known to be ours.
    _remember(_merged(record, changes))
    removals = _flags(changes, 2, "old")
    if removals:
        # It fails when one of them is gone already, and removes the others all the same.
        tools.run(want, removals, CHANGE_TIMEOUT_S)
    plain = [f"--set-{OPTIONS[n]}={changes[n]['new']}" for n in OPTIONS if n in changes]
    settings = plain + _flags(changes, 1, "new")
    ran = tools.run(want, [*settings, "--restart-service"], CHANGE_TIMEOUT_S)
    if ran["retcode"] != 0:
        raise CommandExecutionError(f"oneagentctl {' '.join(settings)} failed: {ran['said']}")
    _prove(want)
    _remember(_kept(want, _recall()))
    return changes


def _flags(changes, flag, which):
    return [
        f"{LISTS[kind][flag]}={entry}"
        for kind in LISTS
        for entry in changes.get(kind, {}).get(which, ())
    ]


def _plain(want):
    return {name: _text(want[name]) for name in OPTIONS if want[name] is not None}


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain_difference(want, record):
    changes = {}
    for name in OPTIONS:
        value = want[name]
        if value is not None:
            now = _set_now(want, name)
            if not _same(name, now, _text(value)):
                changes[name] = {"old": now, "new": _text(value)}
        elif name in CLEARABLE and name in record["options"]:
            now = _set_now(want, name)
            # Somebody may have set another one since; that is no longer ours.
            if now and _same(name, now, record["options"][name]):
                changes[name] = {"old": now, "new": ""}
    return changes


def _set_now(want, name):
    value = tools.ask(want, f"--get-{OPTIONS[name]}").strip()
    # Shown for a host that has none.
    return "" if name == "network_zone" and value == "default" else value


def _same(name, one, other):
    if name == "network_zone":
        # Dynatrace stores them in lower case.
        one, other = ("" if zone.lower() == "default" else zone.lower() for zone in (one, other))
    return one == other


def _list_difference(want, record):
    changes = {}
    for kind, (getter, _, _) in LISTS.items():
        lines = tools.ask(want, getter).splitlines()
        now = list(dict.fromkeys(filter(None, map(str.strip, lines))))
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


def _prove(want):
    until = time.monotonic() + SETTLE_S
    while left := difference(want):
        if time.monotonic() > until:
            raise CommandExecutionError(
                f"oneagentctl took the changes, but still differs in {', '.join(left)}"
            )
        time.sleep(POLL_S)


def _merged(record, changes):
    new = {name: changes[name]["new"] for name in OPTIONS if name in changes}
    lists = {
        kind: list(dict.fromkeys([*record[kind], *changes.get(kind, {}).get("new", ())]))
        for kind in LISTS
    }
    return {"options": {**record["options"], **{k: v for k, v in new.items() if v}}, **lists}


def _kept(want, record):
    """
    Return of the record what is still wanted: the rest has been removed, or is another's now.
    """
    options = {k: v for k, v in record["options"].items() if want.get(k) is not None}
    return {"options": options, **{k: [e for e in record[k] if e in want[k]] for k in LISTS}}


def _recall():
    found = disk.read(RECORD, RECORD_LIMIT, "what was set before stays")
    found = found if isinstance(found, dict) else {}
    options = found.get("options")
    record = {"options": options if isinstance(options, dict) else {}}
    for kind in LISTS:
        entries = found.get(kind)
        entries = entries if isinstance(entries, list) else []
        record[kind] = [entry for entry in entries if isinstance(entry, str)]
    return record


def _remember(record):
    disk.write(RECORD, record)

"""
Brings the settings of the OneAgent of this minion to what pillar or configuration say.

What is set is asked of ``oneagentctl``, and only a difference is changed, with one restart of the
agent: Dynatrace documents that what is set needs one.

``oneagentctl`` keeps several values of one tag or property and never replaces one. So this module
remembers what it has set (``_dynatrace_oneagent_record``). It removes

- what it has set and is no longer wanted,
- every other value of a tag or property that is wanted with another one.

Everything else is a person's own and stays.
"""

import os
import time

from salt.exceptions import CommandExecutionError

from . import options as oneagent_options
from . import record as oneagent_record
from . import tools as oneagent_tools

# A restart of the agent included.
CHANGE_TIMEOUT_S = 180
# Until what was set is shown.
SETTLE_S = 10
POLL_S = 0.2

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
    plain = [
        f"--set-{flag}={_text(want[name])}"
        for name, flag in OPTIONS.items()
        if want.get(name) is not None
    ]
    listed = [f"{LISTS[kind][1]}={entry}" for kind in LISTS for entry in want[kind]]
    return plain + listed


def ours(want):
    """
    Return the record of a OneAgent on which everything that is wanted was set by us.
    """
    options = {name: _text(want[name]) for name in OPTIONS if want.get(name) is not None}
    return {"options": options, **{kind: list(want[kind]) for kind in LISTS}}


def difference():
    """
    Return what is set otherwise than wanted: ``{"host_group": {"old": "", "new": "web"}}``.

    For ``properties`` and ``tags``, ``old`` lists what is too much and ``new`` what is missing.
    Changes nothing; empty when nothing differs.
    """
    if not os.path.isfile(oneagent_tools.path()):
        raise CommandExecutionError("No OneAgent is installed, there is nothing to configure")
    want, record = _wanted(), _recall()
    return {**_plain_difference(want, record), **_list_difference(want, record)}


def configure():
    """
    Set and remove what differs, restart the agent once, prove it, and return what has changed.
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
        _run(removals)
    settings = _settings(changes)
    ran = _run([*settings, "--restart-service"])
    if ran["retcode"] != 0:
        raise CommandExecutionError(f"oneagentctl {' '.join(settings)} failed: {ran['said']}")
    _prove()
    _remember(_kept(want, _recall()))
    return changes


def _wanted():
    return oneagent_options.wanted()


def _ask(getter):
    return oneagent_tools.ask(getter)


def _run(arguments):
    return oneagent_tools.run(arguments, CHANGE_TIMEOUT_S)


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


def _prove():
    until = time.monotonic() + SETTLE_S
    while left := difference():
        if time.monotonic() > until:
            raise CommandExecutionError(
                f"oneagentctl took the changes, but still differs in {', '.join(left)}"
            )
        time.sleep(POLL_S)


# -- what was set by us


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
    return oneagent_record.recall()


def _remember(record):
    oneagent_record.remember(record)

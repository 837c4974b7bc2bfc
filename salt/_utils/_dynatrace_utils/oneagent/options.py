"""
Reads what is wanted of the OneAgent, and says all that is wrong with it at once.

The rules for names, tags and properties are those that Dynatrace documents for ``oneagentctl``, so
that a bad value is told before anything is installed.
"""

import os
import re

import salt.utils.platform
from salt.exceptions import CommandExecutionError

from .. import arguments
from ..dunders import __opts__, __salt__

LONGEST_ENTRY = 256
# The property by which the engine finds the minion.
MINION = "salt_minion"
LISTS = ("properties", "tags")
NAME = re.compile(r"[A-Za-z0-9._-]+")
VERSION = re.compile(r"\d{1,4}(?:\.\d{1,6}){2}\.\d{8}-\d{6}")
MODES = ("fullstack", "infra-only", "discovery")
ARCHITECTURES = ("x86", "arm", "ppcle", "s390")
# The largest value of each; all are above 0.
NUMBERS = {"download_attempts": 20, "download_pause": 600, "install_timeout": 7200}
DEFAULTS = {
    "version": "latest",
    "upgrade": False,
    "install_path": None,
    "arch": None,
    "ca_certificate": "salt://dynatrace/oneagent/dt-root.cert.pem",
    "ca_sha256": None,
    "host_group": None,
    "network_zone": None,
    "app_log_access": None,
    "auto_update": None,
    "monitoring_mode": None,
    "properties": {},
    "tags": {},
    "purge": False,
    "download_attempts": 5,
    "download_pause": 10,
    "install_timeout": 900,
}


def place():
    """
    Return where pillar or configuration say that the OneAgent is, as much of ``wanted`` as it takes to ask it.
    """
    return {"install_path": __salt__["config.get"]("dynatrace:oneagent:install_path", None)}


def wanted(own=None):
    """
    Return what a state's arguments want, or else pillar or configuration; raises with all that is wrong.
    """
    given = __salt__["config.get"]("dynatrace:oneagent", None) or {}
    if not isinstance(given, dict):
        raise CommandExecutionError("dynatrace:oneagent is no mapping")
    given = {**given, **(own or {})}
    options = {**DEFAULTS, **{k: v for k, v in given.items() if v is not None}}
    problems = [*arguments.unknown(given, DEFAULTS), *_wrong_plain(options), *_wrong_names(options)]
    lists = {}
    for kind in LISTS:
        lists[kind], wrong = _entries(kind, options[kind])
        problems += wrong
    identity = f"{MINION}={__opts__['id']}"
    problems += _wrong_entry("the property salt_minion", identity, MINION, __opts__["id"])
    if problems:
        raise CommandExecutionError("dynatrace:oneagent is not valid: " + "; ".join(problems))
    return {**options, **lists, "properties": [identity, *lists["properties"]]}


def _wrong_plain(options):
    for key in ("upgrade", "purge", "app_log_access", "auto_update"):
        if options[key] is not None and not isinstance(options[key], bool):
            yield f"`{key}` is true or false"
    for key, most in NUMBERS.items():
        value = options[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
            yield f"`{key}` is a number above 0, at most {most}"
    if options["version"] != "latest" and not VERSION.fullmatch(str(options["version"])):
        yield "`version` is latest, or a version such as 1.155.275.20181112-084458"
    if options["monitoring_mode"] not in (None, *MODES):
        yield f"`monitoring_mode` is one of {', '.join(MODES)}"
    if options["arch"] not in (None, *ARCHITECTURES):
        yield f"`arch` is one of {', '.join(ARCHITECTURES)}"
    path = options["install_path"]
    if path is not None and not (isinstance(path, str) and _good_path(path)):
        yield "`install_path` is an absolute path without blanks, and not a root directory"
    if not isinstance(options["ca_certificate"], str):
        yield "`ca_certificate` is a salt:// URL, an absolute path, or a certificate in PEM"


def _good_path(path):
    forbidden = r"[\s;]" if salt.utils.platform.is_windows() else r"[^A-Za-z0-9._/-]"
    plain = os.path.isabs(path) and not re.search(forbidden, path)
    return plain and os.path.normpath(path) == path and os.path.dirname(path) != path


def _wrong_names(options):
    group, zone = options["host_group"], options["network_zone"]
    if group is not None and not (_is_name(group, 100) and not group.startswith("dt.")):
        yield "`host_group` is at most 100 of A-Z a-z 0-9 . _ - and does not begin with dt."
    if zone is not None and not (_is_name(zone, 256) and not zone.startswith(".")):
        yield "`network_zone` is at most 256 of A-Z a-z 0-9 . _ - and does not begin with a dot"


def _is_name(value, longest):
    return isinstance(value, str) and len(value) <= longest and bool(NAME.fullmatch(value))


def _entries(kind, given):
    # As oneagentctl takes and shows them, and what is wrong with them.
    if not isinstance(given, dict):
        return [], [f"`{kind}` is a mapping of keys to values"]
    entries, wrong = [], []
    for key, value in given.items():
        what = f"`{kind}` {key!r}"
        if str(key) == MINION:
            wrong.append(f"{what} is set by this state, to the minion's id")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(key, bool) or isinstance(one, (bool, float, dict, list)):
                # YAML has read something else than was written: yes, 1.10, ...
                wrong.append(f"{what} is no text; put key and value in quotes")
                continue
            entry = str(key) if one is None else f"{key}={one}"
            wrong += _wrong_entry(what, entry, str(key), "" if one is None else str(one))
            entries.append(entry)
    return list(dict.fromkeys(entries)), wrong


def _wrong_entry(what, entry, key, value):
    if len(entry) > LONGEST_ENTRY:
        yield f"{what} is longer than {LONGEST_ENTRY} characters with its key"
    if not key or key.startswith("#"):
        yield f"{what}: a key is not empty and does not begin with #"
    if "=" in key or "=" in value:
        yield f"{what}: neither key nor value may hold an equals sign"
    if re.search(r"\s", entry) or not entry.isprintable():
        yield f"{what}: neither key nor value may hold blanks or control characters"

"""
Checks what a master is configured with: lists that Salt drops, modules, key, reactor, states, options of the engines.

Belongs to the runner ``dynatrace``, which imports it when it is loaded; Salt's loader passes it over.
"""

import fnmatch
import os
import stat

import _dynatrace_ask as bus
import salt.fileserver
import salt.utils.files
import salt.utils.yaml

# Lists that a file in master.d takes away from the main file.
LISTS = ("engines", "reactor", "module_dirs", "file_roots")
TAG = "dynatrace/problem/open/availability/P-1"
STATE = "dynatrace/remedy/apache2.sls"
RESTART = "and restart the master"


def dropped(found, opts):
    """
    Tell which lists of the main file are not in what the master uses.
    """
    path = opts.get("conf_file") or ""
    try:
        with salt.utils.files.fopen(path, encoding="utf-8") as stream:
            main = salt.utils.yaml.safe_load(stream) or {}
    except OSError:
        main = {}
    lost = [key for key in LISTS if _names(main.get(key)) - _names(opts.get(key))]
    if lost:
        what = f"{', '.join(lost)} of {path} are dropped, since a file in master.d sets them too"
        fix = f"move them from {path} into a file in master.d, {RESTART}"
        found.add("fail", "configuration files", what, fix)
    else:
        found.add("ok", "configuration files", "no list of the main file is dropped")


def _names(value):
    """
    Return what identifies the entries of a list: their values may have come from sdb since.
    """
    if isinstance(value, dict):
        return {(env, str(root)) for env, roots in value.items() for root in roots or ()}
    names = set()
    for entry in value if isinstance(value, list) else ():
        names |= {str(name) for name in entry} if isinstance(entry, dict) else {str(entry)}
    return names


def modules(found, opts, loaded):
    """
    Tell whether the reactor will find what it asks.
    """
    if "dynatrace.genuine" in loaded:
        found.add("ok", "modules", "the reactor finds `dynatrace.genuine`")
    else:
        fix = f"name <clone>/salt in `module_dirs` as master.d/roots.conf does, {RESTART}"
        found.add("fail", "modules", "the master does not find `dynatrace.genuine`", fix)


def signing_key(found, opts):
    """
    Tell whether the key is there, and is the master's user's alone.
    """
    path = os.path.join(opts["cachedir"], "dynatrace", "signing.key")
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as err:
        what = f"{path}: {err.strerror}"
        fix = "the engine makes it when it first runs; run this as the master's user"
        found.add("fail", "signing key", what, fix)
        return
    if mode & 0o077:
        what = f"others may read {path} (mode {mode:04o}): events can be forged"
        found.add("fail", "signing key", what, f"remove it, {RESTART}: a new one is made")
    else:
        found.add("ok", "signing key", "only the master's user can read it")


def reactor(found, opts):
    """
    Tell whether anything acts on the engine's events, and whether it asks if they are genuine.
    """
    mapped = opts.get("reactor") or []
    if isinstance(mapped, str):
        with salt.utils.files.fopen(mapped, encoding="utf-8") as stream:
            mapped = salt.utils.yaml.safe_load(stream) or []
    files = [
        path
        for entry in mapped
        for glob, paths in entry.items()
        if fnmatch.fnmatch(TAG, str(glob))
        for path in ([paths] if isinstance(paths, str) else paths or ())
    ]
    if not files:
        what = "no reactor takes the engine's events: they are reported, and nothing is healed"
        found.add("warn", "reactor", what, f"copy master.d/reactor.conf, {RESTART}")
    for path in dict.fromkeys(map(str, files)):
        _reactor_file(found, opts, path)


def _reactor_file(found, opts, path):
    place = _served(opts, path.removeprefix("salt://")) if path.startswith("salt://") else path
    if not place or not os.path.isfile(place):
        fix = "correct the path in reactor.conf, " + RESTART
        found.add("fail", "reactor", f"{path} is not there", fix)
        return
    with salt.utils.files.fopen(place, encoding="utf-8", errors="replace") as stream:
        if "dynatrace.genuine" in stream.read():
            found.add("ok", "reactor", path)
            return
    what = f"{path} does not ask `dynatrace.genuine`: any minion can make it act"
    found.add("fail", "reactor", what, "begin it as reactor/apache2.sls begins")


def remedy(found, opts):
    """
    Tell whether minions are served the remedy.
    """
    if _served(opts, STATE):
        found.add("ok", "remedy", "the state dynatrace.remedy.apache2 is served")
    else:
        fix = f"name <clone>/salt in `file_roots` as master.d/roots.conf does, {RESTART}"
        found.add("fail", "remedy", f"no file root has {STATE}", fix)


def _served(opts, path):
    return salt.fileserver.Fileserver(opts).find_file(path, "base").get("path")


def configs(found, opts, engine):
    """
    Return the configuration of each engine that has a good one, by name.
    """
    good = {}
    if engine is None:
        return good
    for name, options in bus.configured(opts).items():
        problems = engine["configuration"].validate(options)
        for problem in problems:
            fix = f"correct it, {RESTART}"
            found.add("fail", "configuration", problem, fix, name)
        if not problems:
            good[name] = engine["configuration"].load(options)
            found.add("ok", "configuration", "all options are good", instance=name)
    return good

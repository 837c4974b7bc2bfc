"""
Checks what a master is configured with: files that Salt cannot read, lists that it drops, modules, key, states, options
of the engines.
"""

import glob
import os
import stat

import salt.utils.files
import salt.utils.user
import salt.utils.yaml

from . import bus, environments
from .report import RESTART

# Lists that a file in master.d takes away from the main file.
LISTS = ("engines", "reactor", "module_dirs", "file_roots")
STATE = "dynatrace.remedy"


def check_files(found, opts):
    """
    Tell which files of the configuration Salt cannot read, and which of their lists are not in what the master uses.
    """
    good = True
    for path in files(opts):
        try:
            given = _content(path)
        except salt.utils.yaml.YAMLError as err:
            mark = getattr(err, "problem_mark", None)
            place = f", line {mark.line + 1}" if mark else ""
            what = (
                f"{path}{place} is no YAML: {getattr(err, 'problem', None) or 'it cannot be read'}"
            )
            fix = "correct it (indent with spaces, a space after each colon): the master does not start with it"
            found.add("fail", "configuration files", what, fix)
            good = False
            continue
        lost = [key for key in LISTS if _names(given.get(key)) - _names(opts.get(key))]
        if lost:
            what = f"{', '.join(lost)} of {path} are dropped, since another file sets them too"
            fix = f"move them into a file in master.d, as lists like those of the other files, {RESTART}"
            found.add("fail", "configuration files", what, fix)
            good = False
    if good:
        found.add("ok", "configuration files", "all can be read, and no list of theirs is dropped")


def files(opts):
    """
    Return the main file and those that it includes, as Salt finds them.
    """
    main = opts.get("conf_file") or ""
    wanted = [opts.get("default_include"), *_listed(opts.get("include"))]
    included = [
        path
        for pattern in wanted
        if isinstance(pattern, str) and main
        for path in sorted(
            glob.glob(os.path.join(os.path.dirname(main), os.path.expanduser(pattern)))
        )
    ]
    return [path for path in dict.fromkeys([main, *included]) if os.path.isfile(path)]


def _listed(value):
    return value if isinstance(value, list) else [value]


def _content(path):
    try:
        with salt.utils.files.fopen(path, encoding="utf-8") as stream:
            content = salt.utils.yaml.safe_load(stream)
    except OSError:
        return {}
    return content if isinstance(content, dict) else {}


def _names(value):
    """
    Return what identifies the entries of a list: their values may have come from sdb since.
    """
    if isinstance(value, dict):
        return {(str(key), str(item)) for key, items in value.items() for item in _listed(items)}
    names = set()
    for entry in value if isinstance(value, list) else ():
        names |= {str(name) for name in entry} if isinstance(entry, dict) else {str(entry)}
    return names


def check_modules(found, opts, loaded):
    # The first calls the second, which has the key.
    needed = ("dynatrace.genuine", "dynatrace_master.genuine")
    lacking = [function for function in needed if function not in loaded]
    if not lacking:
        found.add("ok", "modules", "the reactor finds `dynatrace.genuine`")
    else:
        fix = f"name <clone>/salt in `module_dirs` as master.d/roots.conf does, {RESTART}"
        found.add("fail", "modules", f"the master does not find `{lacking[0]}`", fix)


def check_signing_key(found, opts):
    """
    Tell whether the key is there, and is the master's user's alone.
    """
    path = os.path.join(opts["cachedir"], "dynatrace", "signing.key")
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as err:
        what = f"{path} cannot be looked at by {salt.utils.user.get_user()}: {err.strerror}"
        fix = "the engine makes it when it first runs; run this as the master's user"
        found.add("fail", "signing key", what, fix)
        return
    if mode & 0o077:
        what = f"others may read {path} (mode {mode:04o}): events can be forged"
        found.add("fail", "signing key", what, f"remove it, {RESTART}: a new one is made")
    else:
        found.add("ok", "signing key", "only the master's user can read it")


def check_remedy(found, opts):
    places = environments.serving(opts, STATE)
    if places:
        where = "" if environments.BASE in places else f" in {', '.join(places)}"
        found.add("ok", "remedy", f"the state {STATE} is served{where}")
    else:
        fix = f"name <clone>/salt in `file_roots` as master.d/roots.conf does, {RESTART}"
        found.add("fail", "remedy", f"no file root has the state {STATE}", fix)


def check_options(found, opts, engine):
    """
    Return the configuration of each engine that has a good one, by name.
    """
    good = {}
    if engine is None:
        return good
    misplaced = engine["entries"].misplaced(opts.get("engines"))
    for problem in misplaced:
        found.add("fail", "configuration", problem, f"correct it, {RESTART}")
    for name, options in bus.configured(opts).items():
        if misplaced and not options:
            continue  # What it is said to lack stands elsewhere.
        problems = engine["configuration"].validate(options)
        for problem in problems:
            fix = f"correct it, {RESTART}"
            found.add("fail", "configuration", problem, fix, name)
        if not problems:
            good[name] = engine["configuration"].load(options)
            found.add("ok", "configuration", "all options are good", instance=name)
    return good

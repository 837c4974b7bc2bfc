"""
Where this master serves a state, and whether minions look there: each looks in the environment that its own ``saltenv``
names, else in base. A reaction names none, so that it is honoured.
"""

import re

import salt.fileserver

BASE = "base"
# It may become a part of a path of the file server, and comes from a minion.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# What minions are asked for: their own configuration's, and nothing of the master's, of pillar or of grains.
ASKED = ["saltenv", BASE, "omit_pillar=True", "omit_grains=True", "omit_master=True"]


def served(opts, path, environment=BASE):
    """
    Return where the master's file server has a file of an environment, or None.
    """
    return salt.fileserver.Fileserver(opts).find_file(path, environment).get("path")


def is_served(opts, name, environment):
    """
    Tell whether the master's file server has a state in an environment, one of ``__env__`` or a branch included.
    """
    path = name.replace(".", "/")
    return any(served(opts, path + end, environment) for end in (".sls", "/init.sls"))


def serving(opts, name):
    """
    Return the environments that have a state.
    """
    names = dict.fromkeys([BASE, *salt.fileserver.Fileserver(opts).envs()])
    return [one for one in names if is_served(opts, name, one)]


def check(found, opts, told, names):
    """
    Tell of minions that look for a state where it is not; ``told`` is what each said of its ``saltenv``.
    """
    minions = {}
    for minion, own in sorted(told.items()):
        environment = BASE if own is None else own
        if isinstance(environment, str) and NAME.fullmatch(environment):
            minions.setdefault(environment, []).append(minion)
    for environment, them in minions.items():
        lost = [name for name in names if not is_served(opts, name, environment)]
        if lost:
            what = (
                f"{', '.join(them)} look in the environment {environment}, which has not got "
                f"the state {lost[0]}: it is in {', '.join(serving(opts, lost[0])) or 'none'}"
            )
            fix = (
                f"name its root below `{environment}` in `file_roots` too, as master.d/roots.conf does for base, restart "
                f"the master, and run salt -L '{them[0]}' saltutil.sync_all saltenv={environment}"
            )
            found.add("fail", "minions", what, fix)

"""
Checks that the master's user can read what is the master's: many masters are no root.

`salt-run` runs as the master's user, whoever calls it.
"""

import os
import stat

import salt.utils.user

from .report import named

SECRETS = "yaml"


def check(found, opts, files):
    """
    Tell which files of the configuration, of its secrets, and of the engine's own directory are closed to this user.

    ``files`` are those of the configuration. Salt leaves out what it cannot read, and mostly does not log it.
    """
    user = salt.utils.user.get_user()
    closed = [path for path in [*files, *_secrets(opts)] if not _readable(path)]
    if closed:
        what = f"{user} cannot read {named(closed)}"
        fix = f"chown {user}: {closed[0]}"
        found.add("fail", "rights", what, fix)
    own = os.path.join(opts["cachedir"], "dynatrace")
    lost = [path for path in _tree(own) if not _own(path)]
    if lost:
        what = f"{user} cannot read and write {named(lost)}: the engine once ran as another user"
        fix = f"chown -R {user}: {own}, and restart the master"
        found.add("fail", "rights", what, fix)
    if not closed and not lost:
        what = f"{user} can read the configuration, and read and write what the engine keeps"
        found.add("ok", "rights", what)


def _secrets(opts):
    """
    Return the files of the sdb profiles that read secrets from files.
    """
    profiles = [value for value in opts.values() if isinstance(value, dict)]
    for profile in profiles:
        files = profile.get("files") if profile.get("driver") == SECRETS else None
        yield from (str(path) for path in files or () if isinstance(path, str))


def _readable(path):
    try:
        os.stat(path)
    except FileNotFoundError:
        return True  # It is not there, which others tell.
    except OSError:
        return False
    return os.access(path, os.R_OK)


def _tree(place):
    if os.path.lexists(place):
        yield place
    for directory, directories, names in os.walk(place):
        yield from (os.path.join(directory, name) for name in (*directories, *names))


def _own(path):
    try:
        wanted = os.R_OK | os.W_OK | (os.X_OK if stat.S_ISDIR(os.lstat(path).st_mode) else 0)
    except FileNotFoundError:
        return True  # It went meanwhile.
    except OSError:
        return False
    return os.access(path, wanted)

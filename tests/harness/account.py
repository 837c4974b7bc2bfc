"""
The system user that a packaged master runs as, on a machine that has none: made apart from this machine, whose own
accounts stay as they are.
"""

from __future__ import annotations

import functools
import os
import pwd
import subprocess
import sys
from pathlib import Path

from tests.harness import apart
from tests.harness.config import REPO

NAME = "salt"


@functools.cache
def made() -> str:
    """
    Return the user's name, made and able to run what runs here; who runs this, where nothing is apart.
    """
    session = apart.inside()
    if session is None:
        return current()
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
    for number, path in enumerate(_closed([Path(sys.base_prefix), Path(sys.prefix), REPO])):
        _open(path, session / "own" / f"open-{number}")
    return NAME


def current() -> str:
    """
    Return the name of the user that runs this.
    """
    return pwd.getpwuid(os.geteuid()).pw_name


def _closed(paths: list[Path]) -> list[Path]:
    """
    Return the directories above the paths through which not everybody gets, the outermost first.
    """
    above = {one for path in paths for one in [path.resolve(), *path.resolve().parents]}
    return sorted(one for one in above if not one.stat().st_mode & 0o001)


def _open(path: Path, own: Path) -> None:
    """
    Show everybody a view of a directory, such as /root, in which Python may lie; the directory itself stays closed.
    """
    for name in ("upper", "work"):
        (own / name).mkdir(mode=0o755, parents=True)
    layers = f"lowerdir={path},upperdir={own}/upper,workdir={own}/work"
    command = ["mount", "-t", "overlay", "-o", layers, "open", str(path)]
    subprocess.run(command, check=True, timeout=60)


def hand_over(path: Path, user: str) -> None:
    """
    Give a directory with all in it to a user, as a package does.
    """
    account = pwd.getpwnam(user)
    for one in [path, *path.rglob("*")]:
        os.chown(one, account.pw_uid, account.pw_gid, follow_symlinks=False)

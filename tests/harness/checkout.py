"""
What this checkout ships, a copy of it, and how it is seen which file a loader has found.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.harness.config import REPO

SHIPPED = ("_engines", "master.d", "reactor", "salt")

#: One function of each kind that a master loads; all but that of the modules need a sibling.
NEEDED = {
    "engines": "dynatrace.start",
    "modules": "dynatrace.genuine",
    "runners": "dynatrace.status",
    "states": "dynatrace_setup.synced",
    "output": "dynatrace",
}

#: Python for a master of its own: `sources(opts, modules, wanted)` gives the file of each of them.
SOURCES = """
import salt.loader
def sources(opts, modules, wanted):
    found = {
        "engines": salt.loader.engines(opts, modules, {}, {}),
        "modules": modules,
        "runners": salt.loader.runner(opts),
        "states": salt.loader.states(opts, modules, {}, None),
        "output": salt.loader.outputters(opts),
    }
    def source(function):
        return getattr(function, "func", function).__code__.co_filename
    return {k: source(found[k][n]) if n in found[k] else None for k, n in wanted.items()}
"""


def copy_shipped(directory: Path) -> Path:
    """
    Copy what is shipped into a directory, and return it.
    """
    no_caches = shutil.ignore_patterns("__pycache__")
    for name in SHIPPED:
        shutil.copytree(REPO / name, directory / name, ignore=no_caches)
    return directory

"""
Spreads the tests over several workers of pytest-xdist: which stay together, and which begin.

    pytest -n auto

Each worker runs apart from this machine and from the other workers, with a port 80 and an apache2 of its own.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.harness import apart

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

#: Most tests wait more than they compute, so there are more workers than cores.
WORKERS_PER_CORE, MOST_WORKERS = 3, 12
#: Files whose tests need nothing of each other, and are long enough to be handed out one by one.
ONE_BY_ONE = (
    "tests/functional/oneagent/",
    "tests/functional/systemd/",
)
#: Files that use one set of daemons, which takes long to start.
TOGETHER = {
    "tests/integration/test_healing.py": "stage",
    "tests/integration/test_hostile.py": "stage",
    "tests/integration/test_orchestrations.py": "stage",
}
#: What begins, by the start of the path: what takes longest, so that no worker is left with it in the end.
FIRST = (
    "tests/integration/test_healing.py",
    "tests/integration/test_hostile.py",
    # It takes back what set up the stage.
    "tests/integration/test_orchestrations.py",
    "tests/integration/test_two_masters.py",
    "tests/integration/test_bus.py",
    "tests/integration/test_walk.py",
    "tests/integration/",
    "tests/functional/services/",
    "tests/functional/systemd/",
    "tests/functional/",
    "tests/harness/",
    "tests/fuzz/",
)


def workers(wanted: str = "auto") -> int:
    """
    Return how many workers this machine is good for; `logical`: for tests that wait for nothing, one a core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    each = 1 if wanted == "logical" else WORKERS_PER_CORE
    return min(each * (cores or 1), MOST_WORKERS)


def unit(test: str) -> str:
    """
    Return what a test is handed out with: the name is that of its file, as a rule.
    """
    path = test.partition("::")[0]
    return test if path.startswith(ONE_BY_ONE) else TOGETHER.get(path, path)


def rank(test: str) -> int:
    """
    Return the place of a test in the order of the whole run; tests of one rank stay as they are.
    """
    return next((n for n, start in enumerate(FIRST) if test.startswith(start)), len(FIRST))


def run_apart(specs: Sequence[Any]) -> None:
    """
    Have each worker run apart, where that can be done.
    """
    if apart.stays():
        return
    for spec in specs:
        spec.python = shlex.join([*apart.keeper(), sys.executable])


def scheduler(config: Any, log: Any) -> LoadScopeScheduling:
    """
    Return who hands the units out, in the order of the tests.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)

"""
Makes the siblings of runner and outputter importable, as Salt's loader does while it loads them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.unit.minion.loading import REPO

sys.path += [str(REPO / "salt" / "_runners"), str(REPO / "salt" / "_output")]


@pytest.fixture(autouse=True)
def kept_package() -> Iterator[None]:
    """
    Keep the engine's package: the loader that a check asks loads it anew, and tests that come after mean the one before.
    """
    before = {name: sys.modules[name] for name in _package()}
    yield
    for name in _package():
        del sys.modules[name]
    sys.modules.update(before)


def _package() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "_dynatrace"]

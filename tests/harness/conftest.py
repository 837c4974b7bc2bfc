"""
What the tests of the harness share.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import machine as machines
from tests.harness.machine import Machine


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    if lacking := machines.why_not():
        pytest.skip(lacking)
    with Machine() as machine:
        yield machine

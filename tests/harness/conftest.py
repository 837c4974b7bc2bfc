"""
What the tests of the harness share.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import salt.version

from tests.harness import machine as machines
from tests.harness.machine import Machine

#: An older Salt does not need what they test.
collect_ignore = [] if salt.version.__version_info__ >= (3008,) else ["test_bus_wait.py"]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    if lacking := machines.why_not():
        pytest.skip(lacking)
    with Machine() as machine:
        yield machine

"""
A machine that runs systemd and many real services, one for all tests of a file, and a minion in it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.services.services import Services
from tests.harness import machine as machines
from tests.harness.machine import Machine
from tests.harness.masterless import Masterless


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """
    A machine that has just booted; what one test leaves in it the next one finds.
    """
    if lacking := machines.why_not():
        pytest.skip(lacking)
    with Machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def services(machine: Machine) -> Services:
    """
    Its services, which are not running.
    """
    minion = Masterless(machine.shared / "minion", machine, tree=[machine.shared / "tree"])
    minion.sync()
    return Services(machine, minion)

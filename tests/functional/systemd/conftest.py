"""
A machine that runs systemd and Debian's apache2 with all its defaults, new for each test, and a minion in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.functional.systemd.troubles import Troubled
from tests.harness import apache as apache2
from tests.harness import machine as machines
from tests.harness.machine import Machine
from tests.harness.masterless import Masterless, Outcome

Remedy = Callable[..., Outcome]


@pytest.fixture(scope="session")
def _machines_boot() -> None:
    if lacking := machines.why_not() or apache2.why_not():
        pytest.skip(lacking)


@pytest.fixture
def machine(_machines_boot: None) -> Iterator[Machine]:
    """
    A machine that has just booted; nothing that is done in it is seen by another test.
    """
    with Machine() as machine:
        yield machine


@pytest.fixture
def apache(machine: Machine) -> Troubled:
    """
    Its apache2, which is not running, in the words of the troubles that it gets into.
    """
    return Troubled(machine)


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Masterless:
    """
    A minion that has our modules, for others to take them from.
    """
    minion = Masterless(tmp_path_factory.mktemp("synced") / "minion")
    assert "states.dynatrace" in minion.sync()["states"]
    return minion


@pytest.fixture
def minion(machine: Machine, synced: Masterless) -> Masterless:
    """
    A masterless minion in the machine: `minion.call("service.status", "apache2")`.
    """
    minion = Masterless(machine.shared / "minion", machine)
    minion.take(synced)
    return minion


@pytest.fixture
def remedy(minion: Masterless) -> Remedy:
    """
    Run the remedy in the machine, as it is shipped: `remedy("an attempt's id", test=True, pillar={…}, url=…)`.
    """
    return minion.remedy

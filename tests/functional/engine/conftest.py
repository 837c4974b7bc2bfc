"""
A tenant with one host that is one minion, and the engine on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.engine.replayed import Replayed
from tests.functional.engine.world import REPLAYED, World
from tests.harness.logins import LOGINS
from tests.tenant import Problem, Tenant

#: Modules that count what the ledger is asked for a decision.
COUNTED = ("test_many",)


@pytest.fixture(params=LOGINS)
def tenant(request: pytest.FixtureRequest) -> Iterator[Tenant]:
    """
    Run a tenant that the engine reaches by its classic URL, and one that it reaches on the platform.
    """
    with Tenant() as running:
        running.login = request.param
        yield running
        running.check()


@pytest.fixture(autouse=True)
def replayed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replayed | None]:
    """
    Compare each decision of every engine here with what is explained and simulated of it.
    """
    if request.module.__name__.rpartition(".")[2] in COUNTED:
        yield None
        return
    home = tmp_path_factory.mktemp("replayed")
    hears = Replayed(home)
    REPLAYED.append(hears)
    yield hears
    REPLAYED.remove(hears)
    shutil.rmtree(home)
    assert hears.differences == []


class Scene:
    """
    A world with named hosts and the apache2 process on each.
    """

    def __init__(self, tenant: Tenant, directory: Path) -> None:
        self.tenant = tenant
        self.directory = directory
        self.hosts: dict[str, str] = {}
        self.apaches: dict[str, str] = {}
        self.worlds: list[World] = []
        #: Of minions that do not know the id of their host.
        self.grains: dict[str, dict[str, Any]] = {}

    def host(self, minion: str) -> str:
        """
        Add a host with an apache2, on which the minion runs; return the process.
        """
        self.hosts[minion] = self.tenant.add_host(f"{minion}.example.com")
        self.apaches[minion] = self.tenant.add_process(
            self.hosts[minion], "Apache Web Server apache2"
        )
        return self.apaches[minion]

    def world(self, **config: Any) -> World:
        """
        Start an engine that knows the hosts added so far as minions.
        """
        grains = {minion: {"dynatrace": {"host_id": host}} for minion, host in self.hosts.items()}
        grains.update(self.grains)
        self.worlds.append(World(self.tenant, self.directory, grains, **config))
        return self.worlds[-1]

    def gone(self) -> tuple[World, Problem]:
        """
        Return an engine and the problem of a minion whose job did not return, and that answers nothing since.
        """
        apache = self.host("web01")
        world = self.world(policy={"cooldown": 0, "outcome_timeout": 60})
        world.gone = {"web01"}
        problem = self.tenant.open_problem(apache)
        world.poll()
        world.take(world.events("open")[0])
        world.cycle(1)
        world.cycle(70)
        world.cycle(1)
        return world, problem

    def healed(self, **config: Any) -> World:
        """
        Return an engine that healed a problem which is closed since.
        """
        apache = self.host("web01")
        world = self.world(**config)
        problem = self.tenant.open_problem(apache)
        world.poll()
        world.salt_runs(world.events("open")[0])
        world.cycle(5)
        self.tenant.close_problem(problem)
        world.poll(30)
        return world


@pytest.fixture
def scene(tenant: Tenant, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tenant, tmp_path)
    yield made
    for world in made.worlds:
        world.close()

"""
What the crowd benchmark plays on: the bus of a real salt-master, a tenant, accepted minions, and engines one after the other.
"""

from __future__ import annotations

import shutil
from typing import Any

import salt.config

from tests.bench import crowd_minions
from tests.bench.crowd_process import REPO, Child
from tests.bench.crowd_run import Ear, Run
from tests.bench.crowd_tenant import CrowdTenant
from tests.bench.webhook_load import TOKEN
from tests.harness import ScratchSalt, free_ports
from tests.harness.started import Started

#: Machines that the tenant knows, and as many minions that the master has accepted.
FLEET = 10_000
#: As many more, for a problem that is opened while each of the others has one.
SPARE = 100


class Stage(Started):
    """
    Master, tenant and minions of a whole run.
    """

    def __init__(self, fleet: int = FLEET) -> None:
        self.fleet = fleet
        self.salt = ScratchSalt(minions={}, shipped=("roots.conf",), with_api=False)
        self.file = str(self.salt.config_dir / "master")
        self.logs = self.salt.root / "bench.log"
        self.ear = Ear(self.salt.config_dir)
        self.ear.forget()
        self.tenant: CrowdTenant | None = None

    def start(self) -> None:
        """
        Start master and tenant, and accept the minions.
        """
        self.salt.start()
        self.ear.start()
        self.tenant = CrowdTenant()
        self.tenant.call("fleet", count=self.fleet + SPARE)
        crowd_minions.accept(salt.config.master_config(self.file), self.fleet + SPARE)

    def stop(self) -> None:
        """
        End everything.
        """
        self.ear.stop()
        if self.tenant is not None:
            self.tenant.stop()
        self.salt.stop()

    def ask(self, name: str, **arguments: Any) -> Any:
        """
        Have the tenant's process do something.
        """
        assert self.tenant is not None
        return self.tenant.call(name, **arguments)

    def child(self, kind: str, minions: bool = True, **given: Any) -> Child:
        """
        Start another process with this master's options; without minions nobody is accepted.
        """
        nobody = self.salt.root / "nobody"
        (nobody / "minions").mkdir(parents=True, exist_ok=True)
        opts: dict[str, Any] = {} if minions else {"pki_dir": str(nobody)}
        # What takes the orders, as the engine sees it; the master itself reacts to nothing, so that no minion is called.
        opts["reactor"] = [
            {f"dynatrace/problem/{what}/availability/*": [str(REPO / "reactor" / "apache2.sls")]}
            for what in ("open", "retry")
        ]
        return Child(kind, self.logs, master=self.file, opts=opts, **given)

    def engine(self, minions: bool = True, page: bool = False, **config: Any) -> Run:
        """
        Start an engine with a ledger of its own, and a status page if one is wanted.
        """
        assert self.tenant is not None
        self.ear.forget()
        self.ask("calls")
        home = self.salt.root / "engine"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        port = free_ports(1)[0]
        given = {
            "environment_url": self.tenant.url,
            "api_token": self.tenant.token,
            "ledger": str(home / "ledger.db"),
            "webhook": {"port": port, "token": TOKEN, "page": page},
            **config,
        }
        child = self.child("engine", minions, config=given)
        return Run(child, self.ear, self.tenant, home, port)

"""
Salt, a simulated tenant and the engine between them: what the demo and the benchmark play on.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.harness import account
from tests.harness.logins import LOGINS
from tests.harness.ports import free_ports
from tests.harness.scratch import ScratchError, ScratchSalt, scratch_root
from tests.harness.shell import Shell
from tests.harness.started import Started
from tests.tenant import Tenant

MINION = "web01"
#: Where salt-api puts what its /hook/dynatrace receives.
HOOK = "salt/netapi/hook/dynatrace"
#: The first request after a start reads much; what is normal takes a tenth of it.
SYNC_S = 60.0


class Stage(Started):
    """
    One minion whose host the tenant knows by its id, and an engine that is told by webhook, by
    polling, or both.

    `states` are directories with further states, `options` further keys of the engine, `included`
    further files of master.d. `login` says how the engine reaches the tenant: "classic", or
    "platform" with OAuth, Grail and a workflow.
    """

    def __init__(
        self,
        webhook: bool = True,
        poll_interval: float = 5,
        options: Mapping[str, Any] | None = None,
        states: Sequence[Path] = (),
        included: Mapping[str, Mapping[str, Any]] | None = None,
        login: str = "classic",
    ) -> None:
        self.webhook_token = secrets.token_urlsafe(32)
        self.webhook_url = f"http://127.0.0.1:{free_ports(1)[0]}/dynatrace" if webhook else None
        self.root = scratch_root()
        self.kind = login
        self.tenant = self.new_tenant().start()
        self.login = LOGINS[login](self.tenant)
        engine: dict[str, Any] = {
            **self.login.options,
            "poll_interval": poll_interval,
            **(options or {}),
        }
        if self.webhook_url:
            port = urlsplit(self.webhook_url).port
            engine["webhook"] = {"port": port, "token": self.webhook_token, "page": True}
        minion, files, settings = self.furnish()
        self.salt = ScratchSalt(
            # Chaos may be made on it.
            minions={MINION: {"dynatrace_chaos": True, **minion}},
            included={
                "engines.conf": {"engines": [{"dynatrace": engine}]},
                "states.conf": {"file_roots": {"base": [str(path) for path in states]}},
                **files,
                **(included or {}),
            },
            settings=settings,
            root=self.root,
            user=account.made(),
        )
        #: For commands of the documentation.
        self.shell = Shell(self.salt)

    def new_tenant(self) -> Tenant:
        """
        Make the tenant.
        """
        return Tenant()

    def furnish(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """
        Let the tenant know host and process; return the minion's settings, files of master.d, and
        settings of the master.
        """
        self.host = self.tenant.add_host("web01.example.com")
        self.process = self.tenant.add_process(self.host)
        # Where a OneAgent would leave it; the grain `dynatrace` reads it.
        enrichment = self.root / "dt_host_metadata.json"
        enrichment.write_text(json.dumps({"dt.entity.host": self.host}))
        return {"dynatrace_enrichment_file": str(enrichment)}, {}, {}

    def start(self) -> None:
        """
        Start Salt with the engine.
        """
        self.salt.start()

    def stop(self) -> None:
        """
        End everything.
        """
        self.salt.stop()
        self.tenant.stop()
        self.tenant.stop_sending()

    def tell_webhook(self) -> None:
        """
        Let the tenant notify the engine from now on.
        """
        if self.webhook_url:
            self.login.tell(self.webhook_url, self.webhook_token)

    def sync(self) -> str:
        """
        Bring modules, states and grains to the minion; return the host id that the master then knows.
        """
        self.salt.api.call("saltutil.sync_all", tgt=MINION)
        deadline = time.monotonic() + SYNC_S
        while time.monotonic() < deadline:
            known = self.salt.run("cache.grains", MINION) or {}
            host = (known.get(MINION) or {}).get("dynatrace", {}).get("host_id")
            if host == self.host:
                return str(host)
            self.salt.api.call("saltutil.refresh_grains", tgt=MINION)
            time.sleep(0.2)
        raise ScratchError(
            f"the grain dynatrace:host_id of {MINION} did not reach the master in {SYNC_S:g} s:\n"
            + self.salt.minions[MINION].tail()
        )

    def orchestrate(self, name: str, pillar: Mapping[str, Any], **more: Any) -> list[Any]:
        """
        Run `dynatrace.orch.<name>` on the master and return its states in their order.
        """
        given = {"pillar": json.dumps(pillar), **more}
        told = self.salt.run("state.orchestrate", f"dynatrace.orch.{name}", **given)
        [states] = told["data"].values()
        if not isinstance(states, dict):
            raise ScratchError(f"dynatrace.orch.{name} did not run: {states}")
        return sorted(states.values(), key=lambda state: int(state["__run_num__"]))

    def wait_for_engine(self, timeout: float = 30) -> None:
        """
        Return when the engine runs.
        """
        deadline = time.monotonic() + timeout
        while not self.salt.engine_processes():
            if time.monotonic() > deadline:
                raise ScratchError(f"the engine does not run:\n{self.salt.master.tail()}")
            time.sleep(0.1)

    def secrets_in_logs(self) -> list[str]:
        """
        Name the logs that hold a secret.
        """
        found = []
        for path in sorted(self.salt.logs.iterdir()):
            text = path.read_text(errors="replace")
            found += [str(path)] if any(secret in text for secret in self.secrets) else []
        return found

    @property
    def secrets(self) -> list[str]:
        """
        What may be in no log.
        """
        return [*self.login.secrets, self.webhook_token, self.salt.secret]

    @property
    def api_token(self) -> str:
        """
        The token with which the engine logs in, or the secret of its OAuth client.
        """
        return self.login.secrets[0]

    def tracebacks_in_logs(self) -> list[str]:
        """
        Name the logs that hold a traceback.
        """
        return [
            str(path)
            for path in sorted(self.salt.logs.iterdir())
            if "Traceback (most recent call last)" in path.read_text(errors="replace")
        ]

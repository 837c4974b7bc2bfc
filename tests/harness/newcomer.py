"""
A stage on which nothing is set up yet: no OneAgent on the host, and a tenant that knows nobody.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from tests.functional.oneagent.installers import Authority, script
from tests.harness import apache
from tests.harness.stage import MINION, Stage
from tests.tenant import Tenant
from tests.tenant.wire import Answer, Request, Route

VERSION = "1.303.50.20241015-120000"
#: As the stub of oneagentctl says.
HOST = "HOST-5FD609AD6757BE7D"
LOOK_S = 0.1
PATTERN = "/api/v1/deployment/installer/agent/unix/default/(?P<what>latest/metainfo|latest)"


class Newcomer(Stage):
    """
    What `dynatrace.orch.setup` finds on the first day, with all that it needs in pillar and
    configuration: the OneAgent's installer is a stub that installs below the scratch root.

    A OneAgent reports its host and the processes on it; here a thread does, as soon as the stub is
    installed, and then watches apache2 as the tenant's monitor. With `watch=False` problems are
    raised by the test alone.
    """

    def __init__(self, watch: bool = True, **more: Any) -> None:
        self._watch = watch
        super().__init__(**more)

    def new_tenant(self) -> Tenant:
        """
        Make an empty tenant, which accepts that the engine is on the loopback.
        """
        return Tenant.empty(site_local_urls=True)

    def furnish(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """
        Prepare installer, pillar and configuration.
        """
        self.oneagent = self.root / "oneagent"
        self.host, self.process = HOST, ""
        self.installer_token = self.tenant.add_token(["InstallerDownload"])
        self.settings_token = self.tenant.add_token(
            ["settings.read", "settings.write", "entities.read"]
        )
        authority = Authority(self.root / "authority", "Root of the demo")
        installer = authority.sign(script(VERSION, self.root / "installed", self.oneagent))
        self.tenant.routes.append(_deployment(installer))
        self._stopping = threading.Event()
        self._agent = threading.Thread(target=self._report, name="oneagent", daemon=True)
        pillar = self._pillar(authority.certificate.read_text())
        minion = {
            "dynatrace_oneagentctl": f"{self.oneagent}/agent/tools/oneagentctl",
            "dynatrace_enrichment_file": f"{self.root}/dt_host_metadata.json",
            "dynatrace_host_id_file": f"{self.root}/ruxithost.id",
        }
        tenant = {"tenant.conf": {"dynatrace": self._wanted()}}
        return minion, tenant, {"pillar_roots": {"base": [str(pillar)]}}

    def start(self) -> None:
        """
        Start Salt with the engine, and what stands for the OneAgent.
        """
        super().start()
        self._agent.start()

    def stop(self) -> None:
        """
        End everything.
        """
        self._stopping.set()
        super().stop()

    def set_up(self, **more: Any) -> list[dict[str, Any]]:
        """
        Run `dynatrace.orch.setup` and return its states in their order.
        """
        return self.orchestrate("setup", {"minions": [MINION], "timeout": 60}, **more)

    @property
    def secrets(self) -> list[str]:
        """
        What may be in no log.
        """
        tokens = (self.installer_token, self.settings_token)
        return [*super().secrets, *tokens, *(token.split(".")[-1] for token in tokens)]

    def _pillar(self, certificate: str) -> Path:
        directory = self.root / "pillar"
        directory.mkdir()
        site = {
            "environment_url": self.tenant.url,
            "installer_token": self.installer_token,
            "oneagent": {
                "install_path": str(self.oneagent),
                "ca_certificate": certificate,
                "host_group": "web",
                "tags": {"role": "web"},
            },
        }
        (directory / "top.sls").write_text(json.dumps({"base": {MINION: ["site"]}}))
        (directory / "site.sls").write_text(json.dumps({"dynatrace": site}))
        return directory

    def _wanted(self) -> dict[str, Any]:
        """
        Return what the master has in its configuration, to set up the tenant with.
        """
        wanted: dict[str, Any] = {"process_alerting": {"apache": {"technology": "APACHE_HTTPD"}}}
        if self.webhook_url:
            wanted["webhook"] = {"url": self.webhook_url}
        return {
            "environment_url": self.tenant.url,
            "settings_token": self.settings_token,
            "webhook_token": self.webhook_token,
            "tenant": wanted,
        }

    def _report(self) -> None:
        control = self.oneagent / "agent" / "tools" / "oneagentctl"
        while not self._stopping.wait(LOOK_S):
            if control.exists():
                self.tenant.add_host("web01.example.com", host_id=self.host)
                self.process = self.tenant.add_process(self.host)
                if self._watch:
                    self.tenant.monitor(self.process, apache.URL)
                return


def _deployment(installer: bytes) -> Route:
    """
    Return the tenant's route for the installer and its version.
    """

    def answer(_: Tenant, request: Request) -> Answer:
        if request.parts["what"] == "latest":
            return Answer(body=installer, content_type="application/octet-stream")
        return Answer(body={"latestAgentVersion": VERSION})

    return Route("GET", PATTERN, "InstallerDownload", answer, frozenset(["arch"]))

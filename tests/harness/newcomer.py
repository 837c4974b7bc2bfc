"""
A stage on which nothing is set up yet: no OneAgent on the host, and a tenant that knows nobody.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.harness import apache
from tests.harness.stage import MINION, Stage
from tests.tenant import Tenant

#: What `dynatrace.tenant` needs of an OAuth client, by the documentation of the workflow.
SET_UP_SCOPES = (
    *("settings:objects:read", "settings:objects:write", "settings:schemas:read"),
    *("environment-api:credentials:read", "environment-api:credentials:write"),
    *("environment-api:entities:read", "storage:events:read", "storage:buckets:read"),
    *("automation:workflows:read", "automation:workflows:write"),
)
VERSION = "1.303.50.20241015-120000"
HOST = "5FD609AD6757BE7D"


class Newcomer(Stage):
    """
    What `dynatrace.orch.setup` finds on the first day, with all that it needs in pillar and
    configuration: the OneAgent's installer is a stub that installs below the scratch root.

    The tenant knows the host when the stub has reported it, and its process a little later.
    """

    def new_tenant(self) -> Tenant:
        """
        Make an empty tenant, which accepts that the engine is on the loopback; on the platform one without notifications.
        """
        return Tenant.empty(site_local_urls=True, phase=2 if self.kind == "platform" else 1)

    def furnish(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """
        Prepare installer, pillar and configuration.
        """
        self.oneagent = self.root / "host" / "oneagent"
        self.host = f"HOST-{HOST}"
        self.installer_token = self.tenant.add_token(["InstallerDownload"])
        self.setter = self._setter()
        self.tenant.offer_installer(VERSION, self.root, host_id=HOST)
        self.tenant.discover(after=4, **self.discovered())
        pillar = self._pillar(self.tenant.authority.certificate.read_text())
        minion = {
            "dynatrace_oneagentctl": f"{self.oneagent}/agent/tools/oneagentctl",
            "dynatrace_enrichment_file": f"{self.oneagent.parent}/dt_host_metadata.json",
            "dynatrace_host_id_file": f"{self.oneagent.parent}/ruxithost.id",
        }
        tenant = {"tenant.conf": {"dynatrace": {**self._wanted(), **self.setter}}}
        return minion, tenant, {"pillar_roots": {"base": [str(pillar)]}}

    def discovered(self) -> dict[str, Any]:
        """
        Return how its process differs from that of Debian's own apache2.
        """
        return apache.discovered()

    def site(self) -> dict[str, Any]:
        """
        Return what the minion's pillar has beside what the setup needs.
        """
        return {}

    def set_up(self, command: str = "", **more: Any) -> list[dict[str, Any]]:
        """
        Run `dynatrace.orch.setup`, by a command of the documentation if one is given, and return its states.
        """
        if command:
            states = self.shell.states(command)
        else:
            states = self.orchestrate(
                "setup", {"minions": [MINION], "timeout": 60, "wait": 60}, **more
            )
        found = self.tenant.entities.values()
        processes = [one.entity_id for one in found if one.type == "PROCESS_GROUP_INSTANCE"]
        self.process = processes[0] if processes else ""
        return states

    def watch(self) -> None:
        """
        Let the tenant watch apache2, as a OneAgent does.
        """
        self.tenant.monitor(self.process, apache.URL)

    @property
    def secrets(self) -> list[str]:
        """
        What may be in no log.
        """
        token = self.setter.get("settings_token") or self.setter["oauth"]["client_secret"]
        tokens = (self.installer_token, token)
        return [*super().secrets, *tokens, *(token.split(".")[-1] for token in tokens)]

    def _setter(self) -> dict[str, Any]:
        """
        Return where the tenant is set up, and by which credentials.
        """
        if self.kind == "platform":
            client_id, secret = self.tenant.add_oauth_client(SET_UP_SCOPES)
            login = {
                "client_id": client_id,
                "client_secret": secret,
                "token_url": self.tenant.sso_url,
            }
            return {"environment_url": self.tenant.platform_url, "oauth": login}
        token = self.tenant.add_token(["settings.read", "settings.write", "entities.read"])
        return {"environment_url": self.tenant.url, "settings_token": token}

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
        # The minion may ask the tenant, too, as the one that `via` names. Installers come from the classic URL.
        own = self.setter if self.kind == "classic" else {}
        site = {**self._wanted(), **own, **site, **self.site()}
        orchestrations = {"chaos": {"allow": [MINION]}}
        top = {MINION: ["site"], "master": ["orchestrations"]}
        (directory / "top.sls").write_text(json.dumps({"base": top}))
        (directory / "site.sls").write_text(json.dumps({"dynatrace": site}))
        (directory / "orchestrations.sls").write_text(json.dumps({"dynatrace": orchestrations}))
        return directory

    def _wanted(self) -> dict[str, Any]:
        """
        Return what the master has in its configuration, to set up the tenant with.
        """
        group = {"technology": apache.technology()}
        wanted: dict[str, Any] = {"process_alerting": {apache.NAME.rstrip("2"): group}}
        if self.webhook_url:
            wanted["webhook"] = {"url": self.webhook_url}
        return {"webhook_token": self.webhook_token, "tenant": wanted}

"""
OneAgents: the installers that the tenant has, and the hosts that it knows because one reported.

That tags set on the host get the context Environment, and properties become customHostMetadata, is
Dynatrace documentation's. A removed one is gone at once, though in reality it lingers for hours.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

from tests.tenant.authority import Authority, simulated
from tests.tenant.core import Switches
from tests.tenant.installers import Recipe
from tests.tenant.tags import Tag
from tests.tenant.timeframe import now_ms
from tests.tenant.webhooks import Notifications

REPORTS = "/communication"


class Deployment(Notifications):
    """
    The layer that has installers, and hears from what they install.

    `installers` are the signed files by version; a test may put any bytes there. `latest_version`
    is the one that was offered last.
    """

    environment_path: str

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.installers: dict[str, bytes] = {}
        self.latest_version = ""
        self.agent_secret = secrets.token_hex(16)
        self._discovered: list[tuple[float, dict[str, Any]]] = []
        self._appearing: list[threading.Timer] = []

    @property
    def authority(self) -> Authority:
        """
        Who signs the installers; its `certificate` is the file to verify with.
        """
        return simulated()

    @property
    def environment_id(self) -> str:
        """
        The id of the environment, as `oneagentctl --get-tenant` tells it.
        """
        return self.environment_path.rpartition("/")[2] or "abc12345"

    def offer_installer(
        self, version: str, root: Path, *, mark: Path | None = None, host_id: str = ""
    ) -> bytes:
        """
        Have a signed installer of a version, which becomes the latest; give the unsigned script.

        The arguments are those of `Recipe`. The tenant must have been started, since the stub
        learns its URL.
        """
        if not self.url:
            raise RuntimeError("start the tenant before it offers installers")
        recipe = Recipe(version, root, mark, host_id)
        script = recipe.script(self.url + REPORTS, self.agent_secret, self.environment_id)
        self.installers[version] = self.authority.sign(script)
        self.latest_version = version
        self.log.add("installer offered", version=version)
        return script

    def discover(self, after: float = 0.0, **process: Any) -> None:
        """
        Let every host that is new by its OneAgent have a process; the options of `add_process`.

        It appears, with its group, so many seconds after the host: minutes, in reality.
        """
        self._discovered.append((after, process))

    def discover_no_more(self) -> None:
        """
        Forget the processes that have not appeared yet.
        """
        for timer in self._appearing:
            timer.cancel()

    def agent_reported(self, report: dict[str, Any]) -> str:
        """
        Keep what a OneAgent says of its host, which becomes known by it; give the host's id.
        """
        host_id, name = str(report["hostId"]), str(report["hostName"])
        with self.lock:
            new = host_id not in self.entities
            if new:
                self.add_host(name, host_id=host_id)
            host = self.entities[host_id]
            host.name, host.last_seen = name, now_ms() if report["gone"] else None
            metadata = [_pair(entry) for entry in report["properties"]]
            host.properties |= {
                "installerVersion": report["version"],
                "networkZone": report["networkZone"],
                "customHostMetadata": metadata,
                "hostGroupName": report["hostGroup"],
            }
            host.properties = {key: one for key, one in host.properties.items() if one != ""}
            if not metadata:
                del host.properties["customHostMetadata"]
            own = [tag for tag in host.tags if tag.label != "Environment"]
            host.tags = own + [_tag(entry) for entry in report["tags"]]
            for after, process in self._discovered if new else ():
                self._appear(host_id, after, process)
        what = "agent gone" if report["gone"] else "agent reported"
        self.log.add(what, host=host_id, name=name, tags=report["tags"])
        return host_id

    def _appear(self, host_id: str, after: float, process: dict[str, Any]) -> None:
        if not after:
            self.add_process(host_id, **process)
            return
        timer = threading.Timer(after, self.add_process, (host_id,), process)
        timer.daemon = True
        timer.start()
        self._appearing.append(timer)


def _pair(entry: str) -> dict[str, str]:
    key, _, value = entry.partition("=")
    return {"key": key, "value": value}


def _tag(entry: str) -> Tag:
    key, given, value = entry.partition("=")
    return Tag("Environment", key, value if given else None)

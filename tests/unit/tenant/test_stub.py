"""
The stub of a OneAgent: installed by its installer, changed by oneagentctl, known to the tenant.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client

NEW = "1.303.50.20241015-120000"


class Place:
    """
    A directory that stands for a host, and what is installed in it.
    """

    def __init__(self, root: Path, tenant: Tenant) -> None:
        self.root, self.tenant = root, tenant
        self.path = root / "oneagent"
        self.installer = root / "installer.sh"
        self.enrichment = root / "dt_host_metadata.json"

    def install(self, *arguments: str, version: str = NEW) -> int:
        self.tenant.offer_installer(version, self.root, mark=self.root / "mark")
        self.installer.write_bytes(self.tenant.installers[version])
        return self.run("/bin/sh", self.installer, *arguments).returncode

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    def control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.path / "agent" / "tools" / "oneagentctl", *arguments)

    def ask(self, getter: str) -> list[str]:
        return self.control(getter).stdout.split()

    @property
    def host_id(self) -> str:
        return "HOST-" + self.ask("--get-host-id")[0].upper()

    @property
    def facts(self) -> Any:
        return json.loads(self.enrichment.read_text())


@pytest.fixture
def place(tmp_path: Path, tenant: Tenant) -> Place:
    return Place(tmp_path, tenant)


@pytest.fixture
def client(tenant: Tenant) -> Iterator[Client]:
    one = Client(tenant, tenant.add_token())
    with one.session:
        yield one


def test_an_installation_makes_the_host_known(place: Place, client: Client) -> None:
    """By its id, with tags, properties, group and zone, to the tenant and in the file beside it."""
    arguments = [
        "--set-host-group=web",
        "--set-network-zone=dmz",
        "--set-host-property=salt_minion=web01",
        "--set-host-tag=Role=web",
        "--set-host-tag=lonely",
        "--set-host-name=web01.example.com",
        "INSTALL_PATH=" + str(place.path),
    ]
    assert place.install(*arguments) == 0
    assert (place.root / "mark").read_text().split() == arguments
    selector = 'type("HOST"),tag("[Environment]Role:web"),entityName.equals("web01.example.com")'
    (found,) = client.get("/api/v2/entities", entitySelector=selector).json()["entities"]
    assert found["entityId"] == place.host_id
    host = client.get(f"/api/v2/entities/{place.host_id}").json()
    properties = host["properties"]
    assert properties["customHostMetadata"] == [{"key": "salt_minion", "value": "web01"}]
    wanted = {"hostGroupName": "web", "networkZone": "dmz", "installerVersion": NEW}
    assert wanted.items() <= properties.items()
    tags = [tag["stringRepresentation"] for tag in host["tags"]]
    assert tags == ["[Environment]Role:web", "[Environment]lonely"]
    assert place.facts == {
        "dt.entity.host": place.host_id,
        "host.name": "web01.example.com",
        "dt.host_group.id": "web",
        "salt_minion": "web01",
        "role": "web",
    }


def test_oneagentctl_keeps_what_it_is_told(place: Place) -> None:
    """Several values of a key stand side by side, and go one by one."""
    place.install("--set-host-tag=role=web", "--set-app-log-content-access=true")
    place.control("--set-host-tag=role=db", "--set-host-tag=role=db", "--set-host-group=db")
    assert place.ask("--get-host-tags") == ["role=web", "role=db"]
    assert place.ask("--get-host-group") == ["db"]
    assert place.ask("--get-app-log-content-access") == ["true"]
    assert place.ask("--get-network-zone") == ["default"]
    assert place.ask("--get-tenant") == ["abc12345"]
    assert place.ask("--version") == [NEW]
    both = place.control("--remove-host-tag=role=web", "--remove-host-tag=missing=x")
    assert both.returncode == 1
    assert place.ask("--get-host-tags") == ["role=db"]
    assert place.control("--set-host-tag=two words").returncode == 1
    assert place.control("--unknown").returncode == 2
    host = place.tenant.entities[place.host_id]
    assert [(tag.label, tag.key, tag.value) for tag in host.tags] == [("Environment", "role", "db")]
    assert host.properties["hostGroupName"] == "db"


def test_tags_of_others_and_the_identity_stay(place: Place) -> None:
    """An upgrade is the same host; what the OneAgent did not set is not its to remove."""
    place.install("--set-host-tag=role=web", version="1.299.1.20240101-000000")
    before = place.host_id
    host = place.tenant.entities[before]
    host.tags.extend(place.tenant.entities[place.tenant.add_host(tags=["[AWS]owner:me"])].tags)
    place.install()
    assert place.host_id == before
    assert place.ask("--get-host-tags") == ["role=web"]
    assert [tag.key for tag in host.tags] == ["owner", "role"]
    assert host.properties["installerVersion"] == NEW


def test_an_uninstalled_host_is_seen_no_more(place: Place) -> None:
    """The tenant knows since when; its identity stays, so that it comes back as the same host."""
    place.install()
    host_id = place.host_id
    assert place.tenant.entities[host_id].last_seen is None
    assert place.run("/bin/sh", place.path / "agent" / "uninstall.sh").returncode == 0
    assert not place.path.exists()
    assert place.facts["dt.entity.host"] == host_id
    assert place.tenant.entities[host_id].last_seen is not None
    place.install()
    assert place.host_id == host_id
    assert place.tenant.entities[host_id].last_seen is None


def test_a_host_that_is_new_has_the_processes_that_are_to_be_found(
    place: Place, tenant: Tenant
) -> None:
    """Once, however often it reports."""
    tenant.discover(name="Apache Web Server apache2")
    place.install()
    place.control("--restart-service")
    kinds = sorted(one.type for one in tenant.entities.values())
    assert kinds == ["HOST", "PROCESS_GROUP", "PROCESS_GROUP_INSTANCE"]
    process = next(one for one in tenant.entities.values() if one.type.endswith("INSTANCE"))
    assert process.links["isProcessOf"] == [place.host_id]


def test_a_process_may_appear_later_than_its_host(place: Place, tenant: Tenant) -> None:
    """As at Dynatrace, where that takes minutes; its group appears with it."""
    tenant.discover(after=0.2, name="soon")
    tenant.discover(after=3600, name="late")
    place.install()
    tenant.wait_for(lambda: len(tenant.entities) == 3, timeout=30)
    assert {one.name for one in tenant.entities.values() if one.type != "HOST"} == {"soon"}


@pytest.mark.parametrize("path", ["/proc/1/oneagent", "{root}/../x", "{root}x/oneagent"])
def test_it_installs_below_its_root_only(place: Place, path: str) -> None:
    """Whatever path it is given."""
    assert place.install("INSTALL_PATH=" + path.format(root=place.root)) == 7
    assert not place.path.exists()
    assert not place.enrichment.exists()
    assert place.tenant.entities == {}


def test_two_installations_are_two_hosts(place: Place, tenant: Tenant) -> None:
    """Each by its path, unless the installer names one."""
    place.install("INSTALL_PATH=" + str(place.root / "a" / "oneagent"))
    place.install("INSTALL_PATH=" + str(place.root / "b" / "oneagent"))
    assert len(tenant.entities) == 2
    tenant.offer_installer(NEW, place.root, host_id="5FD609AD6757BE7D")
    place.installer.write_bytes(tenant.installers[NEW])
    place.run("/bin/sh", place.installer)
    assert place.host_id == "HOST-5FD609AD6757BE7D"


def test_it_works_while_its_tenant_is_away(place: Place, tenant: Tenant) -> None:
    """What it could not tell is told with the next change."""
    place.install()
    tenant.stop()
    assert place.control("--set-host-tag=role=web").returncode == 0
    assert place.facts["role"] == "web"
    tenant.start()
    place.control("--restart-service")
    assert [tag.key for tag in tenant.entities[place.host_id].tags] == ["role"]

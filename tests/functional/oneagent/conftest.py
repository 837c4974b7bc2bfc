"""
A masterless minion with the whole state tree, and a tenant that has installers for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness import prefork
from tests.tenant import Authority, Tenant
from tests.unit.minion.oneagent import MIDDLE, NEW, OLD

REPO = Path(__file__).resolve().parents[3]
# No real one: the right form, made up.
TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE." + "MADEUPMADEUP" * 5 + "1234"
HOST_ID = "5FD609AD6757BE7D"


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """
    An authority of which the minion knows nothing.
    """
    return Authority(tmp_path_factory.mktemp("stranger") / "other", "Stranger")


class Minion:
    """
    One scratch minion: its pillar, what it returns, what lies on its disk.
    """

    def __init__(self, root: Path, tenant: Tenant) -> None:
        self.root, self.tenant = root, tenant
        self.oneagent, self.mark = root / "oneagent", root / "mark"
        self.output = ""
        tools = self.oneagent / "agent" / "tools"
        settings = {
            "root_dir": str(root),
            "id": "scratch",
            "file_client": "local",
            "module_dirs": [str(REPO / "salt")],
            "file_roots": {"base": [str(REPO / "salt"), str(root / "tree")]},
            "pillar_roots": {"base": [str(root / "pillar")]},
            "cachedir": str(root / "cache"),
            "pki_dir": str(root / "pki"),
            "sock_dir": str(root / "sock"),
            "log_file": str(root / "minion.log"),
            "cache_jobs": True,
            "dynatrace_oneagentctl": str(tools / "oneagentctl"),
            "dynatrace_enrichment_file": str(root / "dt_host_metadata.json"),
            "dynatrace_host_id_file": str(root / "ruxithost.id"),
        }
        (root / "conf").mkdir()
        (root / "conf" / "minion").write_text(json.dumps(settings))
        tree = root / "tree" / "dynatrace" / "oneagent"
        tree.mkdir(parents=True)
        (tree / "dt-root.cert.pem").write_bytes(tenant.authority.certificate.read_bytes())
        self.pillar(host_group="web", app_log_access=True, tags={"role": "web"})

    def pillar(self, top: Mapping[str, Any] | None = None, **wanted: Any) -> None:
        """
        Write the pillar, all of it: what a test names below ``oneagent``, and ``top`` beside it.
        """
        oneagent = {
            "install_path": str(self.oneagent),
            "download_pause": 0.1,
            "install_timeout": 60,
            **wanted,
        }
        dynatrace = {
            "environment_url": self.tenant.url,
            "installer_token": TOKEN,
            "oneagent": oneagent,
            **(top or {}),
        }
        directory = self.root / "pillar"
        directory.mkdir(exist_ok=True)
        (directory / "top.sls").write_text(json.dumps({"base": {"*": ["site"]}}))
        (directory / "site.sls").write_text(json.dumps({"dynatrace": dynatrace}))

    def command(self, *arguments: str, level: str = "warning") -> list[str]:
        call = [str(Path(sys.executable).parent / "salt-call"), "--local"]
        return [*call, "-c", str(self.root / "conf"), "-l", level, "--out=json", *arguments]

    def call(self, *arguments: str) -> Any:
        ran = prefork.run("salt-call", *self.command(*arguments)[1:], timeout=150)
        self.output = ran.stdout + ran.stderr
        assert ran.stdout, ran.stderr
        return json.loads(ran.stdout)["local"]

    def apply(self, sls: str = "dynatrace.oneagent", test: bool = False) -> dict[str, Any]:
        """
        Apply a state SLS and return its states by the function that they called.
        """
        returned = self.call("state.apply", sls, f"test={test}")
        assert isinstance(returned, dict), returned
        return {key.split("_|-")[-1]: value for key, value in returned.items()}

    def oneagentctl(self, argument: str) -> str:
        path = self.oneagent / "agent" / "tools" / "oneagentctl"
        return subprocess.run([path, argument], capture_output=True, text=True, check=True).stdout

    @property
    def has_run(self) -> bool:
        """
        Tell whether any installer ran, to whatever end.
        """
        return self.mark.exists()

    @property
    def leftovers(self) -> list[Path]:
        home = self.root / "cache" / "dynatrace" / "oneagent"
        return [path for path in home.rglob("*") if path.name != "record.json"]


def asked(tenant: Tenant) -> list[str]:
    """
    Return what the deployment API was asked for.
    """
    paths = [call.path.partition("/agent/unix/default/")[2] for call in tenant.requests]
    return [path for path in paths if path]


def downloads(tenant: Tenant) -> list[str]:
    """
    Return which installers were asked for.
    """
    return [path for path in asked(tenant) if path != "latest/metainfo"]


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """
    A tenant with a token that may download; its installers are put there by ``minion``.
    """
    with Tenant() as one:
        one.add_token(["InstallerDownload"], token=TOKEN)
        yield one


@pytest.fixture
def minion(tmp_path: Path, tenant: Tenant) -> Minion:
    """
    A minion without a OneAgent, whose tenant has three versions of it.
    """
    scratch = Minion(tmp_path, tenant)
    for version in (OLD, MIDDLE, NEW):
        tenant.offer_installer(version, tmp_path, mark=scratch.mark, host_id=HOST_ID)
    return scratch


def results(returned: dict[str, Any]) -> list[bool | None]:
    """
    Return how each state ended, in the order of their names.
    """
    return [returned[name]["result"] for name in sorted(returned)]

"""
The same with a real master between: what it learns, and what it must not keep.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.oneagent.conftest import HOST_ID, TOKEN
from tests.harness.scratch import ScratchSalt, scratch_root
from tests.tenant import Tenant
from tests.unit.minion.oneagent import NEW

SECRET = TOKEN.rpartition(".")[2].encode()


@pytest.fixture
def master(tenant: Tenant) -> Iterator[ScratchSalt]:
    """
    A master whose pillar holds the token, and a minion that logs all there is to log.
    """
    root = scratch_root()
    tenant.offer_installer(NEW, root, host_id=HOST_ID)
    oneagent = {
        "install_path": str(root / "oneagent"),
        "ca_certificate": tenant.authority.certificate.read_text(),
        "host_group": "web",
    }
    given = {"environment_url": tenant.url, "installer_token": TOKEN, "oneagent": oneagent}
    (root / "pillar").mkdir()
    (root / "pillar" / "top.sls").write_text(json.dumps({"base": {"*": ["site"]}}))
    (root / "pillar" / "site.sls").write_text(json.dumps({"dynatrace": given}))
    minion = {
        "log_level": "trace",
        "log_level_logfile": "trace",
        "dynatrace_oneagentctl": f"{root}/oneagent/agent/tools/oneagentctl",
        "dynatrace_enrichment_file": f"{root}/dt_host_metadata.json",
        "dynatrace_host_id_file": f"{root}/ruxithost.id",
    }
    with ScratchSalt(
        minions={"web01": minion},
        settings={"pillar_roots": {"base": [str(root / "pillar")]}},
        shipped=("roots.conf",),
        with_api=False,
        root=root,
    ) as salt:
        yield salt


def host_id_at_the_master(salt: ScratchSalt) -> Any:
    grains = (salt.run("cache.grains", "web01") or {}).get("web01") or {}
    return (grains.get("dynatrace") or {}).get("host_id")


def where_the_secret_lies(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and SECRET in path.read_bytes()
    )


def test_the_master_learns_the_host_and_keeps_no_token(master: ScratchSalt) -> None:
    """The grain is in the master's cache; the token neither in the job nor in the minion's log."""
    master.call("saltutil.sync_all")
    assert host_id_at_the_master(master) is None
    returned = master.call("state.apply", "dynatrace.oneagent", tgt="web01")["web01"]
    assert [state["result"] for state in returned.values()] == [True, True], returned
    until = time.monotonic() + 60
    while host_id_at_the_master(master) != f"HOST-{HOST_ID}":
        assert time.monotonic() < until, "the master never learned of the host"
        time.sleep(0.5)
    [jid] = [
        jid for jid, job in master.run("jobs.list_jobs").items() if job["Function"] == "state.apply"
    ]
    job = master.command("salt-run", "jobs.lookup_jid", jid, "--out=json")
    assert NEW in job.stdout
    assert SECRET.decode() not in job.stdout + job.stderr
    assert "TRACE" in (master.logs / "minion-web01").read_text(errors="replace")
    # The pillar's own file, and where the master caches the pillar of its minions.
    lies = where_the_secret_lies(master.root)
    assert "pillar/site.sls" in lies
    assert [place for place in lies if not place.startswith("cache/master/")] == ["pillar/site.sls"]
    assert [place for place in lies if "/jobs/" in place] == []

"""
A change that is announced, made and over, with a real master, and what the tenant makes of it.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.functional.settings.conftest import (
    NOTIFICATION,
    SCOPES,
    URL,
    WEBHOOK_TOKEN,
    WINDOW,
    Site,
)
from tests.harness.scratch import ScratchSalt, scratch_root
from tests.tenant import Tenant

HOST = "HOST-5FD609AD6757BE7D"


@dataclass
class World:
    """
    A master that may ask the tenant, a minion whose host the tenant knows, and a slow change.
    """

    salt: ScratchSalt
    tenant: Tenant
    process: str
    token: str

    def change(self, *more: str, **given: Any) -> threading.Thread:
        """
        Run the orchestration in the background.
        """
        self.returned: Any = None
        pillar = {"dynatrace": {"planned_change": {"targets": ["web01"], "sls": "slow", **given}}}

        def run() -> None:
            done = self.salt.command(
                "salt-run",
                "state.orchestrate",
                "dynatrace.orch.planned_change",
                f"pillar={json.dumps(pillar)}",
                *more,
                "--out=json",
                "--log-level=quiet",
            )
            with contextlib.suppress(ValueError):
                self.returned = json.loads(done.stdout)
            self.printed = done.stdout + done.stderr

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def states(self) -> list[dict[str, Any]]:
        [highstate] = self.returned["data"].values()
        return sorted(highstate.values(), key=lambda state: state["__run_num__"])

    @property
    def window(self) -> Any:
        found = self.tenant.settings_objects(WINDOW)
        return found[-1].value if found else None

    def ends(self) -> str:
        return str(self.window["schedule"]["onceRecurrence"]["endTime"])


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    root = scratch_root()
    with Tenant.empty() as tenant:
        process = tenant.add_process(tenant.add_host(host_id=HOST))
        tenant.alerting(process, True)
        token = tenant.add_token(SCOPES)
        metadata = root / "dt_host_metadata.json"
        metadata.write_text(json.dumps({"dt.entity.host": HOST}))
        tree = root / "tree"
        tree.mkdir()
        wait = f"touch {root}/begun; until [ -e {root}/go ]; do sleep 0.05; done; rm {root}/begun"
        slow = {"slow": {"cmd.run": [{"name": wait}, {"timeout": 60}]}}
        (tree / "slow.sls").write_text(json.dumps(slow))
        (tree / "bad.sls").write_text(json.dumps({"bad": {"test.fail_without_changes": []}}))
        given = {
            "environment_url": tenant.url,
            "settings_token": token,
            "webhook_token": WEBHOOK_TOKEN,
            "tenant": {"webhook": {"url": URL}},
        }
        with ScratchSalt(
            minions={"web01": {"dynatrace_enrichment_file": str(metadata), "dynatrace": given}},
            included={"site.conf": {"dynatrace": given, "file_roots": {"base": [str(tree)]}}},
            shipped=("roots.conf",),
            with_api=False,
            root=root,
        ) as salt:
            salt.call("saltutil.sync_all")
            wait_for(lambda: "dynatrace" in (salt.run("cache.grains", "web01") or {})["web01"])
            yield World(salt, tenant, process, token)
        tenant.check()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def test_no_problem_is_raised_while_the_change_is_made(world: World) -> None:
    """Before and after it one is; the window is bounded, and ended when all is done."""
    root = world.salt.root
    problem = world.tenant.raise_problem(world.process)
    assert problem
    world.tenant.close_problem(problem)
    thread = world.change(minutes=7)
    wait_for((root / "begun").exists)
    window = world.window
    assert [one["entityId"] for one in window["filters"]] == [HOST]
    assert window["generalProperties"]["suppression"] == "DONT_DETECT_PROBLEMS"
    assert now() < world.ends()
    assert world.tenant.raise_problem(world.process) is None
    (root / "go").touch()
    thread.join(60)
    assert [state["result"] for state in world.states()] == [True, True, True], world.printed
    assert world.ends() <= now()
    assert world.tenant.raise_problem(world.process)
    assert world.token.rpartition(".")[2] not in world.printed


def test_a_test_run_opens_no_window_and_changes_nothing(world: World) -> None:
    """It shows the window that there would be."""
    (world.salt.root / "go").unlink(missing_ok=True)
    before = world.tenant.settings_objects(WINDOW)
    world.change("test=True").join(60)
    announced, change, _ = world.states()
    assert (announced["result"], change["result"]) == (None, None), world.printed
    assert len(announced["changes"]) == 1
    assert world.tenant.settings_objects(WINDOW) == before
    assert not (world.salt.root / "begun").exists()


def test_a_change_that_fails_ends_its_window_too(world: World) -> None:
    """And the failure is told; here a minion speaks to the tenant, in the master's place."""
    world.change(sls="bad", via="web01").join(60)
    assert [state["result"] for state in world.states()] == [True, False, True], world.printed
    assert world.ends() <= now()


def test_without_a_window_nothing_is_changed(world: World) -> None:
    """A token that may not write is found out before anything is restarted."""
    (world.salt.root / "go").unlink(missing_ok=True)
    world.tenant.expire_token(world.token)
    try:
        world.change().join(60)
    finally:
        world.tenant.revive_token(world.token)
    results = [state["result"] for state in world.states()]
    assert results[:2] == [False, False], world.printed
    assert "dynatrace:settings_token (401)" in world.printed
    assert not (world.salt.root / "begun").exists()


def test_the_master_itself_may_set_up_the_tenant(world: World) -> None:
    """Where no minion shall have the token."""
    [returned] = world.salt.run("state.orchestrate", "dynatrace.tenant")["data"].values()
    assert {state["result"] for state in returned.values()} == {True}, returned
    assert len(world.tenant.settings_objects(NOTIFICATION)) == 1


def test_the_token_is_in_no_job(world: World) -> None:
    """Neither the master's job cache nor a log has it."""
    secrets = (world.token.rpartition(".")[2].encode(), WEBHOOK_TOKEN.encode())
    lies = {
        str(path.relative_to(world.salt.root))
        for path in world.salt.root.rglob("*")
        if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
    }
    assert lies == {"conf/master/master.d/site.conf", "conf/web01/minion"}


def test_a_window_is_kept_while_it_covers_and_ended_once(site: Site) -> None:
    """Announcing and ending are states like others: twice is as once."""
    given = {"hosts": [HOST], "minutes": 5}
    state = site.run("planned_change_present", "patches", test=True, **given)
    assert (state["result"], len(state["changes"])) == (None, 1)
    assert site.tenant.settings_objects(WINDOW) == []
    for changes in (1, 0):
        state = site.run("planned_change_present", "patches", **given)
        assert (state["result"], len(state["changes"])) == (True, changes)
    state = site.run("planned_change_present", "patches", hosts=[HOST], minutes=0)
    assert "`minutes` is a whole number from 1 to 1440" in state["comment"]
    for changes in (1, 0):
        state = site.run("planned_change_absent", "patches")
        assert (state["result"], len(state["changes"])) == (True, changes)
    assert site.value(WINDOW)["schedule"]["onceRecurrence"]["endTime"] <= now()


def test_a_window_of_a_person_is_not_taken_for_ours(site: Site) -> None:
    """Neither made longer nor ended."""
    site.tenant.maintenance(HOST)
    [found] = site.tenant.settings_objects(WINDOW)
    name = found.value["generalProperties"]["name"]
    given = {"hosts": [HOST], "minutes": 5}
    for function, more in (("planned_change_present", given), ("planned_change_absent", {})):
        told = site.run(function, name, **more)
        assert told["result"] is False
        assert "was not made by an announcement" in told["comment"]
    assert site.tenant.settings_objects(WINDOW) == [found]


def test_old_windows_are_deleted_and_only_ours(site: Site) -> None:
    """An environment holds 2000 of them; yesterday's is of no use to anybody."""
    given = {"hosts": [HOST], "minutes": 5}
    site.run("planned_change_present", "old", **given)
    site.tenant.maintenance(HOST, start=-200000, seconds=60)
    with site.tenant.lock:
        for one in site.tenant.settings.values():
            if one.schema_id == WINDOW and one.external_id:
                times = one.value["schedule"]["onceRecurrence"]
                times["startTime"], times["endTime"] = "2020-01-01T00:00:00", "2020-01-01T01:00:00"
    site.run("planned_change_present", "new", **given)
    names = [
        one.value["generalProperties"]["name"]
        for one in site.tenant.settings_objects(WINDOW)
        if one.external_id
    ]
    assert names == ["new"]
    assert len(site.tenant.settings_objects(WINDOW)) == 2

"""
How the engine loads and says what is wrong, in a master of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.harness.ports import free_ports
from tests.harness.scratch import ScratchSalt

REPO = Path(__file__).resolve().parents[2]
MODULE_DIRS = [str(REPO), str(REPO / "salt")]
TOKEN = "dt0c01." + "A" * 24 + "." + "B" * 64


def engine(**options: Any) -> dict[str, Any]:
    return {"environment_url": "http://127.0.0.1:9", "api_token": TOKEN, **options}


def master_alone(**settings: Any) -> ScratchSalt:
    """
    A master without a minion, which has nothing of the project but what its settings bring.
    """
    return ScratchSalt(minions={}, settings=settings, shipped=(), with_api=False)


def test_the_engine_starts_from_module_dirs_and_answers_its_runner() -> None:
    """
    One line, `module_dirs`, brings engine, execution module and runner to a master; two instances keep apart.
    """
    ports = free_ports(1)
    engines = [
        {"dynatrace": engine(webhook={"port": ports[0], "token": "secret"})},
        {"second": engine(engine_module="dynatrace", poll_interval=60)},
    ]
    with master_alone(module_dirs=MODULE_DIRS, engines=engines) as salt:
        # Salt starts them side by side: either may be the first that listens.
        wait_for(lambda: answering(salt) == {"dynatrace", "second"}, "an answer of both")
        assert (salt.cachedir / "dynatrace" / "second" / "ledger.db").exists()


def test_who_asks_minions_before_a_key_is_accepted_has_no_answer() -> None:
    """
    The tests wait like that for a minion on a machine of its own, and Salt says it in words.
    """
    with master_alone() as salt:
        assert salt.call("test.ping") == {}


def test_a_configuration_that_cannot_be_used_is_said_once_and_whole() -> None:
    """
    One ERROR lists everything; the engine sleeps, the master goes on, and nothing is repeated.
    """
    engines = [
        {"dynatrace": engine(poll_intervall=5, policy={"cooldown": "soon"})},
        {"policy": {"dry_run": True}},
    ]
    with master_alone(module_dirs=MODULE_DIRS, engines=engines) as salt:
        said = wait_for_text(salt.master.log, "does not run: its configuration cannot be used")
        # Salt starts an engine that ended again within 10 s; this one must not have ended.
        time.sleep(12)
        text = salt.master.log.read_text()
    assert text.count("its configuration cannot be used") == 1
    assert "`poll_intervall` is not a known key; did you mean `poll_interval`?" in said
    assert "`policy:cooldown` must be" in text
    assert "`policy` in `engines` must stand below `- dynatrace:`" in text
    assert "Traceback" not in text


def test_a_master_runs_the_version_that_was_synced_last(tmp_path: Path) -> None:
    """
    After an update, `fileserver.clear_file_list_cache` and `saltutil.sync_all`, whether the engine alone starts again, in
    a fork of the master that still holds the old package, or the master does.
    """
    serve(tmp_path, "0.0.1")
    roots = {"base": [str(tmp_path)]}
    salt = master_alone(file_roots=roots, engines=[{"dynatrace": engine(poll_interval=0)}])
    log = salt.master.log

    def sync() -> None:
        for function in ("fileserver.clear_file_list_cache", "saltutil.sync_all"):
            assert salt.command("salt-run", function).returncode == 0

    # A runner needs it, and the master makes it when it starts.
    (salt.cachedir / "proc").mkdir(parents=True)
    sync()
    with salt:
        wait_for_text(log, "dynatrace: version 0.0.1 started")
        serve(tmp_path, "0.0.2")
        sync()
        [running] = salt.engine_processes()
        running.kill()
        wait_for_text(log, "dynatrace: version 0.0.2 started")
        serve(tmp_path, "0.0.3")
        sync()
        salt.master.stop()
        salt.master.start()
        text = wait_for_text(log, "dynatrace: version 0.0.3 started")
    assert [text.count(f"version 0.0.{number} started") for number in (1, 2, 3)] == [1, 1, 1]


def answering(salt: ScratchSalt) -> set[str]:
    """
    Return the instances that answer the runner; none does while the first is starting, and it says so by its exit code.
    """
    done = salt.command("salt-run", "dynatrace.status", "--out=json", timeout=60)
    return set() if done.returncode else set(json.loads(done.stdout))


def serve(root: Path, version: str) -> None:
    """
    Put the engine of a version into a file root; its number stands deep in the package.
    """
    shutil.copytree(REPO / "_engines", root / "_engines", dirs_exist_ok=True)
    place = root / "_engines/_dynatrace/engine/health.py"
    place.write_text(re.sub(r'(?m)^VERSION = ".*"$', f'VERSION = "{version}"', place.read_text()))


def wait_for(condition: Callable[[], Any], what: str, timeout: float = 60) -> None:
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, f"{what} never came"
        time.sleep(0.1)


def wait_for_text(log: Path, wanted: str, timeout: float = 60) -> str:
    wait_for(lambda: log.exists() and wanted in log.read_text(), repr(wanted), timeout)
    time.sleep(0.2)
    return log.read_text()

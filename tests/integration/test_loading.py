"""
How the engine loads and says what is wrong, in a master of pytest-salt-factories.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import salt.config
from salt.runner import RunnerClient
from saltfactories.utils import random_string

from tests.harness.ports import free_ports

REPO = Path(__file__).resolve().parents[2]
TOKEN = "dt0c01." + "A" * 24 + "." + "B" * 64


@pytest.fixture(scope="session")
def salt_factories_config() -> Iterator[dict[str, Any]]:
    """
    A fresh root: the plugin's own is kept between runs, with the interpreter of the first.
    """
    root = Path(tempfile.mkdtemp(prefix="sf-", dir="/tmp"))
    yield {"root_dir": str(root), "code_dir": str(REPO), "start_timeout": 120}
    shutil.rmtree(root, ignore_errors=True)


def engine(**options: Any) -> dict[str, Any]:
    return {"environment_url": "http://127.0.0.1:9", "api_token": TOKEN, **options}


def test_the_engine_starts_from_module_dirs_and_answers_its_runner(
    salt_factories: Any,
) -> None:
    """
    One line, `module_dirs`, brings engine, execution module and runner to a master; two instances keep apart.
    """
    ports = free_ports(1)
    master = salt_factories.salt_master_daemon(
        random_string("m-"),
        overrides={
            "log_level_logfile": "info",
            "module_dirs": [str(REPO), str(REPO / "salt")],
            "engines": [
                {"dynatrace": engine(webhook={"port": ports[0], "token": "secret"})},
                {"second": engine(engine_module="dynatrace", poll_interval=60)},
            ],
        },
    )
    with master.started():
        wait_for_text(Path(master.config["log_file"]), "second: version ")
        done = master.salt_run_cli().run("dynatrace.status", _timeout=60)
        assert done.returncode == 0
        assert set(done.data) == {"dynatrace", "second"}
        assert (Path(master.config["cachedir"]) / "dynatrace" / "second" / "ledger.db").exists()


def test_a_configuration_that_cannot_be_used_is_said_once_and_whole(salt_factories: Any) -> None:
    """
    One ERROR lists everything; the engine sleeps, the master goes on, and nothing is repeated.
    """
    master = salt_factories.salt_master_daemon(
        random_string("m-"),
        overrides={
            "module_dirs": [str(REPO), str(REPO / "salt")],
            "engines": [
                {"dynatrace": engine(poll_intervall=5, policy={"cooldown": "soon"})},
                {"policy": {"dry_run": True}},
            ],
        },
    )
    log = Path(master.config["log_file"])
    with master.started():
        said = wait_for_text(log, "does not run: its configuration cannot be used")
        # Salt starts an engine that ended again within 10 s; this one must not have ended.
        time.sleep(12)
        text = log.read_text()
    assert text.count("its configuration cannot be used") == 1
    assert "`poll_intervall` is not a known key; did you mean `poll_interval`?" in said
    assert "`policy:cooldown` must be" in text
    assert "`policy` in `engines` must stand below `- dynatrace:`" in text
    assert "Traceback" not in text


def test_a_master_runs_the_version_that_was_synced_last(
    salt_factories: Any, tmp_path: Path
) -> None:
    """
    After an update, `fileserver.clear_file_list_cache` and `saltutil.sync_all`, whether the engine alone starts again, in
    a fork of the master that still holds the old package, or the master does.
    """
    serve(tmp_path, "0.0.1")
    master = salt_factories.salt_master_daemon(
        random_string("m-"),
        overrides={
            "log_level_logfile": "info",
            "file_roots": {"base": [str(tmp_path)]},
            "engines": [{"dynatrace": engine(poll_interval=0)}],
        },
    )
    log = Path(master.config["log_file"])

    runners = RunnerClient(salt.config.master_config(str(master.config_file)))

    def sync() -> None:
        for function in ("fileserver.clear_file_list_cache", "saltutil.sync_all"):
            runners.cmd(function, print_event=False)

    sync()
    with master.started():
        wait_for_text(log, "dynatrace: version 0.0.1 started")
        serve(tmp_path, "0.0.2")
        sync()
        [running] = [
            process
            for process in psutil.Process(master.pid).children(recursive=True)
            if any(file.path.endswith("ledger.db") for file in process.open_files())
        ]
        running.kill()
        wait_for_text(log, "dynatrace: version 0.0.2 started")
        serve(tmp_path, "0.0.3")
        sync()
        with master.stopped():
            pass
        text = wait_for_text(log, "dynatrace: version 0.0.3 started")
    assert [text.count(f"version 0.0.{number} started") for number in (1, 2, 3)] == [1, 1, 1]


def serve(root: Path, version: str) -> None:
    """
    Put the engine of a version into a file root; its number stands deep in the package.
    """
    shutil.copytree(REPO / "_engines", root / "_engines", dirs_exist_ok=True)
    place = root / "_engines/_dynatrace/engine/health.py"
    place.write_text(re.sub(r'(?m)^VERSION = ".*"$', f'VERSION = "{version}"', place.read_text()))


def wait_for_text(log: Path, wanted: str, timeout: float = 60) -> str:
    until = time.monotonic() + timeout
    while True:
        text = log.read_text() if log.exists() else ""
        if wanted in text:
            time.sleep(0.2)
            return log.read_text()
        assert time.monotonic() < until, f"{wanted!r} never came"
        time.sleep(0.1)

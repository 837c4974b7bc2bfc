"""
How the engine's parts are put together.
"""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from _dynatrace.config.config import load
from _dynatrace.engine.startup import announce
from _dynatrace.engine.wiring import Engine
from _dynatrace.master.job_cache import Jobs
from _dynatrace.master.salt_interface import Master

from tests.harness.ports import free_ports
from tests.tenant import Tenant


def no_bus() -> Any:
    raise ConnectionError("there is none")


def engine(directory: Path, **config: Any) -> Engine:
    """
    Return an engine of a master that has no minions and no bus.
    """
    jobs = Jobs(lambda _: [], lambda _: {})
    master = Master(
        directory=directory,
        connect_to_fire=no_bus,
        connect_to_listen=no_bus,
        accepted=lambda: [],
        is_accepted=lambda _: False,
        grains=lambda _: None,
        why_untaken=lambda *_: None,
        publish=lambda *_: "",
        jobs=jobs,
    )
    return Engine("test", load(config), master)


def test_all_parts_are_made_before_a_thread_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Else two threads that ask for a part at the same time would make it twice, each with a queue of its own.
    """
    one = engine(
        tmp_path,
        environment_url="https://abc12345.live.dynatrace.com",
        api_token="dt0c01.x.y",
        hook_tag="salt/netapi/hook/dynatrace",
        webhook={"token": "a-secret"},
        metrics={"port": free_ports(1)[0]},
    )
    made: list[set[str]] = []
    monkeypatch.setattr(Thread, "start", lambda _: made.append(set(vars(one))))
    one.start()
    one.ledger.close()
    parts = {name for name, part in vars(Engine).items() if isinstance(part, cached_property)}
    assert len(made) == 10
    assert [parts - already for already in made] == [set()] * len(made)


def test_metrics_are_served_without_a_webhook_by_a_thread_that_is_supervised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Where neither is configured no port is opened; the log tells at the start where they are.
    """
    login = {"environment_url": "https://abc12345.live.dynatrace.com", "api_token": "dt0c01.x.y"}
    silent = engine(tmp_path / "silent", **login)
    [port] = free_ports(1)
    one = engine(tmp_path / "one", **login, metrics={"port": port})
    try:
        assert {"listener", "exporter"} & set(silent.loops) == set()
        assert {"listener", "exporter"} & set(one.loops) == {"exporter"}
        one.threads.start({"exporter": one.loops["exporter"]})
        assert one.threads.working() == {"exporter": True}
        assert 'thread_up{engine="test",thread="exporter"} 1' in one.exposition.text()
        with caplog.at_level(logging.INFO):
            announce("test", one.config, one.ledger)
        assert f"and serves metrics on http://127.0.0.1:{port}/metrics" in caplog.text
    finally:
        for made in (silent, one):
            made.ledger.close()


def test_requests_of_the_client_are_measured(tmp_path: Path, tenant: Tenant) -> None:
    """
    By the client that the engine makes itself.
    """
    one = engine(tmp_path, environment_url=tenant.url, api_token=tenant.add_token())
    assert one.client is not None
    one.client.list_open()
    labels = {sample.labels for sample in one.measures.tenant_request.samples()}
    assert labels == {("GET /problems", "200")}
    one.ledger.close()

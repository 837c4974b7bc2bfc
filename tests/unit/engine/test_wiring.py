"""
How the engine's parts are put together.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from _dynatrace.config.config import load
from _dynatrace.engine.wiring import Engine
from _dynatrace.master.job_cache import Jobs
from _dynatrace.master.salt_interface import Master


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
    )
    made: list[set[str]] = []
    monkeypatch.setattr(Thread, "start", lambda _: made.append(set(vars(one))))
    one.start()
    one.ledger.close()
    parts = {name for name, part in vars(Engine).items() if isinstance(part, cached_property)}
    assert len(made) == 9
    assert [parts - already for already in made] == [set()] * len(made)

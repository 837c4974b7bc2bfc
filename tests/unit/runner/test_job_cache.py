"""
What `dynatrace.check` says of the master's job cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from _dynatrace.core import errors
from _dynatrace.master.job_cache import through
from _dynatrace_runner import checkup, job_cache, minions


class Client:
    """
    A LocalClient whose minions answer, and whose master files what its returner takes.
    """

    loads: ClassVar[dict[str, Any]] = {}
    returns: ClassVar[dict[str, Any]] = {}
    silent: ClassVar[bool] = False

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def cmd(self, minions: list[str], *_: Any, jid: str, **options: Any) -> dict[str, Any]:
        assert options["tgt_type"] == "list"
        self.loads[jid] = {"tgt": minions}
        answers = {} if self.silent else dict.fromkeys(minions, True)
        self.returns[jid] = {name: {"return": True} for name in answers}
        return answers


def nothing(_: str) -> dict[str, Any]:
    return {}


def raises(_: str) -> Any:
    raise ConnectionError("Error 111 connecting to redis:6379")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minions.salt.client, "LocalClient", Client)
    monkeypatch.setattr(job_cache, "FILED_S", 0.0)
    Client.loads, Client.returns, Client.silent = {}, {}, False


def check(
    functions: Mapping[str, Callable[[str], Any]], keeps: bool = True, **opts: Any
) -> tuple[str, str]:
    """
    Return result and detail of the one line on a cache whose returner has these functions.
    """
    rows = checkup.Found({})
    known = {f"redis.{name}": function for name, function in functions.items()}
    engine = {
        "_jobs": lambda: through("redis", "ext_job_cache", lambda: known, keeps),
        "_accepted": lambda: ["web01", "web02", "web03", "web04"],
        "errors": SimpleNamespace(JobCacheError=errors.JobCacheError),
    }
    given = {"ext_job_cache": "redis", "utc_timezone": True, **opts}
    job_cache.check(rows, given, engine, time.monotonic() + 5)
    (row,) = rows.rows
    assert bool(row["fix"]) == (row["result"] != "ok")
    return row["result"], row["detail"]


WORKS = {
    "get_load": lambda jid: Client.loads.get(jid),
    "get_jid": lambda jid: Client.returns.get(jid),
}


def test_a_cache_that_has_what_was_just_returned_is_good() -> None:
    """
    Three minions prove it.
    """
    assert check(WORKS) == ("ok", "it has what web01, web02, web03 returned")


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ({}, "it cannot be read: `ext_job_cache` names the returner redis, which cannot be loaded"),
        ({"get_load": WORKS["get_load"]}, "cannot be loaded here or has no get_jid"),
        ({"get_load": raises, "get_jid": raises}, "redis.get_load of `ext_job_cache` failed, Conn"),
        (
            {"get_load": nothing, "get_jid": nothing},
            "`ext_job_cache` (redis) does not give the load",
        ),
        (
            {**WORKS, "get_jid": nothing},
            "`ext_job_cache` (redis) does not give the return of a job",
        ),
    ],
)
def test_a_cache_that_cannot_be_read_is_named(
    functions: Mapping[str, Callable[[str], Any]], said: str
) -> None:
    """
    A returner that is gone, cannot read, raises, or silently gives nothing.
    """
    result, detail = check(functions)
    assert result == "fail"
    assert said in detail


def test_without_an_answer_nothing_is_proved() -> None:
    """
    Minions that are down say nothing about the cache.
    """
    Client.silent = True
    assert check(WORKS) == ("ok", "it can be read; no minion answered, to prove what is in it")


def test_a_master_without_a_job_cache_is_warned() -> None:
    """
    Then the bus is believed.
    """
    assert check(WORKS, keeps=False)[0] == "warn"

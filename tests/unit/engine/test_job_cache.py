"""
How the master's job cache is read, whatever its returner does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import salt.config
import salt.loader
from _dynatrace.core.errors import JobCacheError
from _dynatrace.core.log_once import LogOnce
from _dynatrace.master import job_cache

JID = "20240721065959123456"


def raises(*_: Any) -> Any:
    raise ConnectionError("Error 111 connecting to redis:6379")


def cache(**functions: Callable[..., Any]) -> Any:
    """
    Return access through a returner that has these functions only.
    """
    known = {f"redis.{name}": function for name, function in functions.items()}
    return job_cache.through("redis", "ext_job_cache", lambda: known, True)


def test_a_job_that_is_not_there_is_none() -> None:
    """
    Returners say so in two ways.
    """
    for nothing in (None, {}):
        jobs = cache(
            get_load=lambda _, found=nothing: found, get_jid=lambda _, found=nothing: found
        )
        assert jobs.minions(JID) is None
        assert jobs.returns(JID) == {}


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ({"Minions": ["web01"], "tgt": "web*"}, ["web01"]),
        ({"tgt": ["web01", "web02"]}, ["web01", "web02"]),
        ({"tgt": "web01"}, ["web01"]),
        ({"fun": "state.apply"}, []),
    ],
)
def test_whom_a_job_was_sent_to_is_in_its_load(load: Any, expected: list[str]) -> None:
    """
    Salt's own cache adds the minions, others know the target alone.
    """
    assert cache(get_load=lambda _: load).minions(JID) == expected


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        (
            {},
            "`ext_job_cache` names the returner redis, which cannot be loaded here or has no get_",
        ),
        ({"get_load": raises, "get_jid": raises}, "of `ext_job_cache` failed, ConnectionError: "),
        ({"get_load": lambda _: "x", "get_jid": lambda _: ["x"]}, "gave no mapping"),
    ],
)
def test_a_cache_that_cannot_be_read_is_no_answer(functions: Any, said: str) -> None:
    """
    The error names the option and what failed: a returner that is gone, that raises, that gives what it should not.
    """
    jobs = cache(**functions)
    for ask in (jobs.minions, jobs.returns):
        with pytest.raises(JobCacheError, match=said):
            ask(JID)


def test_it_is_said_once_until_it_has_worked_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    One entry among others that can be read does not make it come and go.
    """
    now = [0.0]
    real = LogOnce.__init__

    def init(self: LogOnce, *arguments: Any) -> None:
        real(self, *arguments, clock=lambda: now[0])

    monkeypatch.setattr(LogOnce, "__init__", init)
    fails = {JID}
    jobs = cache(get_load=lambda jid: raises() if jid in fails else {})
    jobs = job_cache.watched(jobs, "dynatrace")
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            now[0] += 15
            with pytest.raises(JobCacheError):
                jobs.minions(JID)
            assert jobs.minions("another") is None
        fails.clear()
        for _ in range(5):
            now[0] += 15
            jobs.minions(JID)
    texts = [one.getMessage() for one in caplog.records]
    assert len(texts) == 2
    assert texts[0].startswith("dynatrace: the job cache cannot be read, and nothing is ordered")
    assert texts[1] == "dynatrace: the job cache can be read again"


def test_what_is_just_being_written_is_read_a_moment_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    Salt's cache writes the files of a new job one after the other, and that is no reason to call anybody.
    """
    looks: list[str] = []

    def half_written(jid: str) -> Any:
        looks.append(jid)
        return raises() if len(looks) == 1 else {"Minions": ["web01"]}

    jobs = job_cache.watched(cache(get_load=half_written), "dynatrace")
    with caplog.at_level(logging.INFO):
        assert jobs.minions(JID) == ["web01"]
    assert not caplog.records


def test_a_cache_that_is_known_to_fail_is_asked_once_a_look() -> None:
    """
    The engine does not wait for it each time.
    """
    looks: list[str] = []

    def never(jid: str) -> Any:
        looks.append(jid)
        return raises()

    jobs = job_cache.watched(cache(get_load=never), "dynatrace")
    for expected in (2, 3, 4):
        with pytest.raises(JobCacheError):
            jobs.minions(JID)
        assert len(looks) == expected


def test_a_returner_that_once_could_not_be_loaded_is_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Salt's own loader, which gives a module up for good when it could not be imported once.
    """
    broken = tmp_path / "broken"
    broken.touch()
    (tmp_path / "returners").mkdir()
    (tmp_path / "returners" / "unsteady.py").write_text(
        "import os\n"
        f"if os.path.exists({str(broken)!r}): raise ImportError('partially initialized')\n"
        "def get_load(jid): return {'Minions': ['web01']}\n"
        "def get_jid(jid): return {}\n"
    )
    opts = salt.config.master_config(None)
    opts["returner_dirs"] = [str(tmp_path / "returners")]
    jobs = job_cache.through(
        "unsteady",
        "master_job_cache",
        lambda: salt.loader.returners(opts, {}, whitelist=["unsteady"]),
        True,
    )
    broken.unlink()
    with pytest.raises(JobCacheError, match="cannot be loaded here"):
        jobs.minions(JID)
    monkeypatch.setattr(job_cache, "RELOAD_S", 0.0)
    assert jobs.minions(JID) == ["web01"]


def test_the_returner_is_loaded_before_any_thread_asks() -> None:
    """
    Threads of the engine that load something at the same time may make an import fail.
    """
    asked: list[str] = []

    class Functions(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            asked.append(str(name))
            return True

    job_cache.through("redis", "ext_job_cache", Functions, True)
    assert asked == ["redis.get_load", "redis.get_jid"]

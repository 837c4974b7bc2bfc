"""
What the engine orders, as the minion reads it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load

PROCESS = {
    "entity": "PROCESS_GROUP_INSTANCE-00000000000000C1",
    "failed": "2026-11-26T16:52:00.000Z",
    "executable": "/usr/sbin/apache2",
    "command_line": None,
    "config": None,
    "ports": [80],
    "unit": None,
}
ORDER = {
    "id": "9f0c2a41d7e85b36",
    "jid": "20240721065959123456",
    "number": 1,
    "valid_until": "2026-11-26T16:54:00Z",
    "processes": {"web01": PROCESS},
}
UNTIL = 1795712040


def module() -> Any:
    return load("_utils/_dynatrace_utils/remedy/order.py")


def test_an_order_names_the_process_of_this_minion() -> None:
    """Its times are seconds, so that nobody reads them twice."""
    found = module().ordered({"dynatrace_attempt": ORDER}, "web01")
    assert found["process"] == PROCESS
    assert (found["until"], found["failed"]) == (UNTIL, UNTIL - 120)


@pytest.mark.parametrize("pillar", [{}, {"dynatrace": {"lookup": {}}}, {"dynatrace": "x"}])
def test_without_an_order_it_is_run_by_hand(pillar: Any) -> None:
    """Whatever else the pillar holds."""
    assert module().ordered(pillar, "web01") is None


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in ORDER.items() if name != key}


def process(**more: Any) -> dict[str, Any]:
    return {**ORDER, "processes": {"web01": {**PROCESS, **more}}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "must be a mapping"),
        ({}, "id must be"),
        ("9f0c2a41d7e85b36", "must be a mapping"),
        ({**ORDER, "id": "../../x"}, "id must be"),
        (without("jid"), "jid must be"),
        ({**ORDER, "jid": "now"}, "jid must be"),
        (without("valid_until"), "valid_until must be a time with its zone"),
        ({**ORDER, "valid_until": "2026-11-26T16:54:00"}, "valid_until must be"),
        ({**ORDER, "valid_until": 7}, "valid_until must be"),
        (without("processes"), "processes must be a mapping"),
        ({**ORDER, "processes": {"web02": PROCESS}}, "names none on this minion, web01"),
        ({**ORDER, "processes": {"web01": None}}, "names none on this minion"),
        (process(executable=["x"]), "executable of the process must be a text"),
        (process(ports=["80"]), "ports of the process must be"),
        (process(failed="yesterday"), "failed of the process must be"),
    ],
)
def test_a_wrong_order_says_what_is_wrong_and_is_no_run_by_hand(given: Any, said: str) -> None:
    """By hand nothing is compared, so a broken order must not become that."""
    with pytest.raises(CommandExecutionError) as refused:
        module().ordered({"dynatrace_attempt": given}, "web01")
    assert said in str(refused.value)


def test_an_order_that_comes_too_late_names_both_clocks() -> None:
    """A minion whose clock is wrong refuses all, and this is how one sees why."""
    found = module().ordered({"dynatrace_attempt": ORDER}, "web01")
    assert module().late(found, UNTIL) is None
    told = module().late(found, UNTIL + 3600)
    assert "2026-11-26 16:54:00 UTC by the master's clock" in told
    assert "by this minion's it is 2026-11-26 17:54:00 UTC" in told


def test_what_began_before_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named when it does not end; what began after does not count."""
    attempt, opts = module(), {"cachedir": str(tmp_path)}
    (tmp_path / "proc").mkdir()
    for number, jid in enumerate(("1", ORDER["jid"], "3")):
        (tmp_path / "proc" / jid).touch()
        os.utime(tmp_path / "proc" / jid, (time.time() + number,) * 2)
    running = [{"jid": jid, "fun": "state.apply"} for jid in ("1", "3", ORDER["jid"])]
    monkeypatch.setattr(attempt.salt.utils.minion, "running", lambda opts: running)
    monkeypatch.setattr(attempt, "WAIT_S", 0.1)
    assert attempt.others(opts, ORDER["jid"]) == "state.apply (1)"
    assert attempt.others(opts, "1") == ""

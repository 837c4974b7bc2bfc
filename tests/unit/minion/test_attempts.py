"""
A minion remembers which attempts it took.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load

ATTEMPT = "9f0c2a41d7e85b36"


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    """
    The module as a minion has it.
    """
    return load("_utils/_dynatrace_utils/remedy/attempts.py", opts={"cachedir": str(tmp_path)})


def test_an_attempt_is_claimed_once(module: ModuleType) -> None:
    """Of many that ask at once, one gets it."""
    got: list[bool] = []
    threads = [
        threading.Thread(target=lambda: got.append(module.claim(ATTEMPT))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 15 + [True]


def test_only_a_good_end_is_recorded(module: ModuleType) -> None:
    """Taken is not finished; the record keeps what the attempt was about."""
    assert module.attempt(ATTEMPT) is None
    module.claim(ATTEMPT, {"jid": "20240721065959123456"})
    assert module.attempt(ATTEMPT)["finished"] is None
    module.finish(ATTEMPT)
    record = module.attempt(ATTEMPT)
    assert record["finished"] >= record["taken"]
    assert record["about"] == {"jid": "20240721065959123456"}


@pytest.mark.parametrize("outcome", ["failed", "refused", "unproved"])
def test_a_bad_end_is_remembered_and_is_no_finish(module: ModuleType, outcome: str) -> None:
    """The engine asks for it when the job's return was lost."""
    module.claim(ATTEMPT)
    module.finish(ATTEMPT, outcome)
    record = module.attempt(ATTEMPT)
    assert (record["outcome"], record["finished"]) == (outcome, None)
    assert module.claim(ATTEMPT) is False


def test_an_outcome_that_nobody_knows_is_not_recorded(module: ModuleType) -> None:
    """Who reads it decides by it."""
    module.claim(ATTEMPT)
    with pytest.raises(CommandExecutionError, match="healed, healthy, failed, refused, unproved"):
        module.finish(ATTEMPT, "good")
    assert "outcome" not in module.attempt(ATTEMPT)


def test_an_attempt_that_was_never_taken_cannot_finish(module: ModuleType) -> None:
    """A good end without a beginning is an error, and leaves nothing."""
    with pytest.raises(CommandExecutionError):
        module.finish(ATTEMPT)
    assert module.attempt(ATTEMPT) is None


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_record_cut_off_by_a_crash_counts_as_taken(
    module: ModuleType, tmp_path: Path, record: bytes
) -> None:
    """Nothing more than that is known, so it is not finished and cannot be claimed again."""
    module.claim(ATTEMPT)
    (tmp_path / "dynatrace" / "attempts" / ATTEMPT).write_bytes(record)
    assert module.attempt(ATTEMPT) == {"id": ATTEMPT, "taken": None, "finished": None}
    assert module.claim(ATTEMPT) is False


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "../../../etc/passwd",
        "9f0c",
        "9F0C2A41D7E85B36",
        ATTEMPT + "\n",
        "a" * 65,
        7,
        None,
        [ATTEMPT],
    ],
)
def test_an_id_that_is_no_id_is_refused(module: ModuleType, tmp_path: Path, bad: Any) -> None:
    """An id becomes a file name, so only its own pattern is taken."""
    with pytest.raises(CommandExecutionError):
        module.claim(bad)
    assert not list(tmp_path.rglob("*"))


def test_records_older_than_a_month_go(module: ModuleType, tmp_path: Path) -> None:
    """The directory does not grow for ever."""
    module.claim(ATTEMPT)
    old = time.time() - 31 * 86400
    os.utime(tmp_path / "dynatrace" / "attempts" / ATTEMPT, (old, old))
    module.claim("0" * 16)
    assert [path.name for path in (tmp_path / "dynatrace" / "attempts").iterdir()] == ["0" * 16]

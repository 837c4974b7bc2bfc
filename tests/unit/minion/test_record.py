"""
How what a minion remembers lies on its disk.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.minion.loading import private


@pytest.fixture
def records(tmp_path: Path) -> ModuleType:
    return private(opts={"cachedir": str(tmp_path)}).disk


def path(tmp_path: Path) -> Path:
    return tmp_path / "dynatrace" / "oneagent" / "record.json"


def test_what_is_written_is_read(records: ModuleType, tmp_path: Path) -> None:
    """Until it is removed, once or twice."""
    assert records.read("oneagent", 100, "x") is None
    records.write("oneagent", {"a": [1, "ü"]})
    assert records.read("oneagent", 100, "x") == {"a": [1, "ü"]}
    assert records.read("tenant", 100, "x") is None
    records.remove("oneagent")
    records.remove("oneagent")
    assert records.read("oneagent", 100, "x") is None


def test_a_write_that_fails_leaves_what_there_was(
    records: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, or the machine goes down before all of it is on the disk."""
    records.write("oneagent", {"a": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(records.os, "fsync", full)  # type: ignore[attr-defined]
        with pytest.raises(OSError, match="No space left"):
            records.write("oneagent", {"a": 2})
    assert records.read("oneagent", 100, "x") == {"a": 1}
    records.write("oneagent", {"a": 3})
    assert records.read("oneagent", 100, "x") == {"a": 3}
    assert [one.name for one in path(tmp_path).parent.iterdir()] == ["record.json"]


def test_the_files_are_for_the_minions_user_alone(records: ModuleType, tmp_path: Path) -> None:
    """Also where the directory was there before, open to all."""
    home = path(tmp_path).parent
    home.mkdir(parents=True, mode=0o755)
    records.write("oneagent", {})
    assert path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["{", '{"a": "longer than ten characters"}', "[" * 9])
def test_what_cannot_be_read_is_told_with_what_it_means(
    records: ModuleType, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut off, or too long."""
    path(tmp_path).parent.mkdir(parents=True)
    path(tmp_path).write_text(text)
    assert records.read("oneagent", 10, "what was set stays") is None
    assert f"{path(tmp_path)} cannot be read; what was set stays" in caplog.text

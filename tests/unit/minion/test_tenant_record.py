"""
What is remembered of the tenant's settings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.minion.tenant import modules


def record(tmp_path: Path, **given: Any) -> Any:
    settings = {f"dynatrace:{key}": value for key, value in given.items()}
    return lambda name, *more: getattr(modules(settings, tmp_path).tenant.record, name)(*more)


def path(tmp_path: Path) -> Path:
    return tmp_path / "dynatrace" / "tenant" / "record.json"


def test_entries_are_kept_by_tenant(tmp_path: Path) -> None:
    """Two environments may know objects of one id."""
    one, other = record(tmp_path), record(tmp_path, environment_url="https://other.example.com")
    one("remember", "id", {"label": "a"})
    other("remember", "id", {"label": "b"})
    assert one("recall") == {"id": {"label": "a"}}
    one("forget", "id")
    one("forget", "id")
    assert one("recall") == {}
    assert other("recall") == {"id": {"label": "b"}}


def test_a_fingerprint_tells_secrets_apart_and_is_none(tmp_path: Path) -> None:
    """It is the same in every run, and keyed, so that guesses cannot be tried elsewhere."""
    first = record(tmp_path)("fingerprint", "s3cret")
    assert record(tmp_path)("fingerprint", "s3cret") == first
    assert record(tmp_path)("fingerprint", "s3cret ") != first
    assert record(tmp_path / "other")("fingerprint", "s3cret") != first
    assert "s3cret" not in path(tmp_path).read_text()


def test_the_file_is_for_the_minions_user_alone(tmp_path: Path) -> None:
    """What was there before may hold what a person wrote into a header."""
    record(tmp_path)("remember", "id", {})
    assert path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert path(tmp_path).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tenants": []}', '{"tenants": {}, "key": "x"}'])
def test_a_broken_record_is_as_if_there_were_none(tmp_path: Path, text: str) -> None:
    """And it is whole again after the next change."""
    path(tmp_path).parent.mkdir(parents=True)
    path(tmp_path).write_text(text)
    assert record(tmp_path)("recall") == {}
    record(tmp_path)("remember", "id", {"label": "a"})
    record(tmp_path)("fingerprint", "x")
    assert record(tmp_path)("recall") == {"id": {"label": "a"}}
    assert len(json.loads(path(tmp_path).read_text())["key"]) == 64

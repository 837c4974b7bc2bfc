"""
What `dynatrace.check` says of files that the master's user cannot read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _dynatrace_runner import checkup, permissions

from tests.unit.somebody import as_nobody, entered


@pytest.fixture
def root() -> Iterator[Path]:
    """
    A master's files, in a directory that everybody may enter.
    """
    with entered() as place:
        (place / "cache" / "dynatrace" / "dynatrace").mkdir(parents=True)
        for name in ("master", "dynatrace.secrets"):
            (place / name).write_text("id: master\n")
        yield place


def rows(root: Path) -> list[dict[str, Any]]:
    secrets = {"driver": "yaml", "files": [str(root / "dynatrace.secrets"), str(root / "absent")]}
    opts = {"cachedir": str(root / "cache"), "dynatrace": secrets, "other": {"files": ["/absent"]}}
    found = checkup.Found(opts)
    permissions.check(found, opts, [str(root / "master")])
    return found.rows


def test_what_can_be_read_is_good(root: Path) -> None:
    """By root, who can."""
    [row] = rows(root)
    assert (row["check"], row["result"]) == ("rights", "ok")


@pytest.mark.parametrize("name", ["master", "dynatrace.secrets"])
def test_a_file_that_the_masters_user_cannot_read_is_named(root: Path, name: str) -> None:
    """With that user: Salt leaves out what it cannot read."""
    (root / name).chmod(0o600)
    row, *_ = as_nobody(rows, root)
    assert row["result"] == "fail"
    assert row["detail"] == f"nobody cannot read {root / name}"
    assert row["fix"] == f"chown nobody: {root / name}"


def test_a_file_in_a_closed_directory_is_named(root: Path) -> None:
    """Whether it is there cannot be told."""
    closed = root / "closed"
    closed.mkdir(mode=0o700)
    (root / "dynatrace.secrets").rename(closed / "dynatrace.secrets")
    (root / "dynatrace.secrets").symlink_to(closed / "dynatrace.secrets")
    assert as_nobody(rows, root)[0]["detail"].endswith("dynatrace.secrets")


def test_what_another_user_left_in_the_engines_directory_is_named(root: Path) -> None:
    """An engine that once ran as root leaves a ledger that the master's user cannot open."""
    own = root / "cache" / "dynatrace"
    (own / "signing.key").touch(mode=0o600)
    [row] = as_nobody(rows, root)
    assert (row["result"], str(own / "signing.key") in row["detail"]) == ("fail", True)
    assert row["fix"].startswith(f"chown -R nobody: {own}")

"""
By which id a minion says that Dynatrace knows it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.minion.loading import load

HOST = "HOST-5FD609AD6757BE7D"


def grain(tmp_path: Path) -> Any:
    opts = {
        "dynatrace_enrichment_file": str(tmp_path / "metadata.json"),
        "dynatrace_oneagentctl": str(tmp_path / "oneagentctl"),
        "dynatrace_host_id_file": str(tmp_path / "ruxithost.id"),
    }
    return load("_grains/dynatrace.py", opts=opts).dynatrace()


def oneagentctl(tmp_path: Path, script: str) -> None:
    path = tmp_path / "oneagentctl"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def test_without_a_oneagent_there_is_no_grain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A host that Dynatrace does not watch says nothing, in grains and log."""
    assert grain(tmp_path) == {}
    assert not caplog.records


def test_the_enrichment_file_comes_first(tmp_path: Path) -> None:
    """It is documented and cheap; oneagentctl is not even run."""
    metadata = {"dt.entity.host": HOST, "host.name": "web01", "dt.host_group.id": "web"}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    oneagentctl(tmp_path, f"touch {tmp_path}/ran; echo HOST-0000000000000000")
    assert grain(tmp_path) == {"dynatrace": {"host_id": HOST, "host_group": "web"}}
    assert not (tmp_path / "ran").exists()


def test_oneagentctl_is_asked_before_the_id_file(tmp_path: Path) -> None:
    """The id file is undocumented, so it comes last."""
    (tmp_path / "ruxithost.id").write_text("0" * 16)
    oneagentctl(
        tmp_path, 'case $1 in --get-host-id) echo "0x5fd609ad6757be7d";; *) echo web;; esac'
    )
    assert grain(tmp_path) == {"dynatrace": {"host_id": HOST, "host_group": "web"}}


@pytest.mark.parametrize(
    "content", ["0x5fd609ad6757be7d\nmore\n", "5FD609AD6757BE7D", f"{HOST}\r\n"]
)
def test_the_id_file_is_read_in_each_of_its_forms(tmp_path: Path, content: str) -> None:
    """With and without 0x, in either case, and only its first line."""
    (tmp_path / "ruxithost.id").write_text(content)
    assert grain(tmp_path) == {"dynatrace": {"host_id": HOST}}


def test_a_failing_oneagentctl_is_passed_over(tmp_path: Path) -> None:
    """An error's output is no host id."""
    oneagentctl(tmp_path, f"echo {HOST}; exit 1")
    (tmp_path / "ruxithost.id").write_text("5fd609ad6757be7d")
    assert grain(tmp_path) == {"dynatrace": {"host_id": HOST}}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"HOST-5FD609AD6757BE7D"',
        "[" * 100_000,
        '{"dt.entity.host": 7}',
        '{"dt.entity.host": "HOST-XXXXXXXXXXXXX"}',
        '{"dt.entity.host": "HOST-5FD609AD6757BE7D7"}',
        '{"dt.entity.host": "HOST-5FD609AD6757BE7D\\nx: y"}',
        '{"dt.entity.host": "PROCESS_GROUP-5FD609AD6757BE7D"}',
    ],
)
def test_what_is_no_host_id_gives_no_grain(tmp_path: Path, content: str) -> None:
    """The engine matches by this grain, so nothing but a HOST id gets in."""
    (tmp_path / "metadata.json").write_text(content)
    (tmp_path / "ruxithost.id").write_text(content)
    assert grain(tmp_path) == {}


@pytest.mark.parametrize("group", ["a b", "x" * 101, "{{ x }}", 7, None])
def test_an_odd_host_group_is_left_out(tmp_path: Path, group: Any) -> None:
    """The host id stands without it."""
    (tmp_path / "metadata.json").write_text(
        json.dumps({"dt.entity.host": HOST, "dt.host_group.id": group})
    )
    assert grain(tmp_path) == {"dynatrace": {"host_id": HOST}}

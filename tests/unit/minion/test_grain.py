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


def places(tmp_path: Path) -> dict[str, str]:
    """
    Return where a OneAgent of a test has its files.
    """
    return {
        "dynatrace_enrichment_file": str(tmp_path / "metadata.json"),
        "dynatrace_oneagentctl": str(tmp_path / "oneagentctl"),
        "dynatrace_host_id_file": str(tmp_path / "ruxithost.id"),
    }


def grain(tmp_path: Path, **opts: str) -> Any:
    """
    Return the grain of a minion whose OneAgent is where such are; `opts` is its configuration.
    """
    module = load("_grains/dynatrace.py", opts=opts)
    module._places = lambda: places(tmp_path)  # type: ignore[attr-defined]
    return module.dynatrace()


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


def left_behind(tmp_path: Path) -> None:
    """
    Leave what an uninstaller leaves, and what an image of such a host has.
    """
    (tmp_path / "metadata.json").write_text(json.dumps({"dt.entity.host": HOST}))
    (tmp_path / "ruxithost.id").write_text("5fd609ad6757be7d")


def test_what_a_oneagent_left_behind_is_no_identity(tmp_path: Path) -> None:
    """A clone would be taken for the host that it was made of, and restarted in its place."""
    left_behind(tmp_path)
    assert grain(tmp_path) == {}
    assert grain(tmp_path, **places(tmp_path)) == {}
    oneagentctl(tmp_path, "exit 1")
    assert grain(tmp_path) == {"dynatrace": {"host_id": HOST}}


@pytest.mark.parametrize("named", ["dynatrace_enrichment_file", "dynatrace_host_id_file"])
def test_a_file_that_a_person_names_alone_is_believed(tmp_path: Path, named: str) -> None:
    """A OneAgent in a container has no oneagentctl on the host."""
    left_behind(tmp_path)
    assert grain(tmp_path, **{named: places(tmp_path)[named]}) == {"dynatrace": {"host_id": HOST}}


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
    oneagentctl(tmp_path, "exit 1")
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
    oneagentctl(tmp_path, "exit 1")
    (tmp_path / "metadata.json").write_text(content)
    (tmp_path / "ruxithost.id").write_text(content)
    assert grain(tmp_path) == {}


@pytest.mark.parametrize("group", ["a b", "x" * 101, "{{ x }}", 7, None])
def test_an_odd_host_group_is_left_out(tmp_path: Path, group: Any) -> None:
    """The host id stands without it."""
    oneagentctl(tmp_path, "exit 1")
    (tmp_path / "metadata.json").write_text(
        json.dumps({"dt.entity.host": HOST, "dt.host_group.id": group})
    )
    assert grain(tmp_path) == {"dynatrace": {"host_id": HOST}}


def cached(tmp_path: Path) -> Any:
    """
    Return the grain of a minion that has a cache directory, as each real one has.
    """
    opts = {**places(tmp_path), "cachedir": str(tmp_path / "cache")}
    return load("_grains/dynatrace.py", opts=opts).dynatrace()


TELLS = """
echo "$1" >> %s/asked
case $1 in
  --get-host-id) echo 5fd609ad6757be7d;;
  --get-host-group) echo web;;
  --get-tenant) echo abc12345;;
  --version) echo 1.303.50.20241015-120000;;
esac
"""
WHOLE = {
    "host_id": HOST,
    "host_group": "web",
    "tenant": "abc12345",
    "oneagent_version": "1.303.50.20241015-120000",
}


def asked(tmp_path: Path) -> list[str]:
    path = tmp_path / "asked"
    return path.read_text().split() if path.exists() else []


def test_tenant_and_version_come_from_oneagentctl(tmp_path: Path) -> None:
    """Nothing that the enrichment file knows is asked for."""
    metadata = {"dt.entity.host": HOST, "dt.host_group.id": "web"}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    oneagentctl(tmp_path, TELLS % tmp_path)
    assert cached(tmp_path) == {"dynatrace": WHOLE}
    assert asked(tmp_path) == ["--get-tenant", "--version"]


def test_a_second_grain_run_asks_nobody(tmp_path: Path) -> None:
    """Grains are collected often, and oneagentctl takes time."""
    oneagentctl(tmp_path, TELLS % tmp_path)
    first = cached(tmp_path)
    before = asked(tmp_path)
    assert cached(tmp_path) == first == {"dynatrace": WHOLE}
    assert asked(tmp_path) == before


def test_a_changed_file_is_seen_at_once(tmp_path: Path) -> None:
    """What is kept goes by the times of the files it came from."""
    oneagentctl(tmp_path, TELLS % tmp_path)
    cached(tmp_path)
    metadata = {"dt.entity.host": HOST, "dt.host_group.id": "db"}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    assert cached(tmp_path)["dynatrace"]["host_group"] == "db"


def test_what_is_kept_grows_old(tmp_path: Path) -> None:
    """The tenant may be another one without any of the files telling."""
    oneagentctl(tmp_path, TELLS % tmp_path)
    cached(tmp_path)
    kept = tmp_path / "cache" / "dynatrace" / "grain.json"
    content = json.loads(kept.read_text())
    kept.write_text(json.dumps({**content, "at": content["at"] - 3601}))
    oneagentctl_again = len(asked(tmp_path))
    cached(tmp_path)
    assert len(asked(tmp_path)) > oneagentctl_again


def test_a_oneagent_that_is_gone_leaves_no_grain(tmp_path: Path) -> None:
    """What is kept does not outlive the files."""
    oneagentctl(tmp_path, TELLS % tmp_path)
    cached(tmp_path)
    (tmp_path / "oneagentctl").unlink()
    assert cached(tmp_path) == {}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at": "x"}', '{"at": 0, "identity": 7}'])
def test_a_broken_cache_is_passed_over(tmp_path: Path, content: str) -> None:
    """A power cut may leave anything."""
    oneagentctl(tmp_path, TELLS % tmp_path)
    kept = tmp_path / "cache" / "dynatrace" / "grain.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(content)
    assert cached(tmp_path) == {"dynatrace": WHOLE}


def test_a_hanging_oneagentctl_is_given_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second getter waits as long, and the next grain run does not wait at all."""
    opts = {**places(tmp_path), "cachedir": str(tmp_path / "cache")}
    metadata = {"dt.entity.host": HOST}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    oneagentctl(tmp_path, f'echo "$1" >> {tmp_path}/asked; exec sleep 60')
    module = load("_grains/dynatrace.py", opts=opts)
    monkeypatch.setattr(module, "ONEAGENTCTL_TIMEOUT_S", 0.5)
    assert module.dynatrace() == module.dynatrace() == {"dynatrace": {"host_id": HOST}}
    assert asked(tmp_path) == ["--get-tenant"]

"""
Reading the master's minion data cache by Salt's own, and telling why it cannot be read.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dynatrace as engine
import pytest
import salt.cache
import salt.config
from _dynatrace.core import errors

GRAINS = {"dynatrace": {"host_id": "HOST-0000000000000001"}, "nodename": "web01"}
NOBODY = 65534


@pytest.fixture
def opts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """
    A master's options, whose cache knows the grains of web01; others may enter the directory, as they may not pytest's.
    """
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        found = salt.config.master_config(None)
        found.update(cachedir=f"{home}/cache", pki_dir=f"{home}/pki", id="m")
        monkeypatch.setattr(engine, "__opts__", found, raising=False)
        salt.cache.factory(found).store("grains", "web01", GRAINS)
        yield dict(found)


def entry(opts: dict[str, Any]) -> Path:
    """
    Return the file of web01.
    """
    return Path(opts["cachedir"]) / "grains" / "web01.p"


@contextmanager
def as_nobody() -> Iterator[None]:
    """
    Be a user who is not root for a moment.
    """
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def why() -> str:
    """
    Return why the grains of web01 cannot be told.
    """
    read = engine._grains()
    with pytest.raises(errors.GrainsUnknown) as told:
        read("web01")
    return str(told.value)


def test_both_layouts_are_read(opts: dict[str, Any]) -> None:
    """
    Salt 3008 keeps grains in a bank of their own, 3006 and 3007 beside the pillar.
    """
    cache = salt.cache.factory(opts)
    cache.store("minions/web02", "data", {"grains": {"nodename": "web02"}, "pillar": {}})
    cache.store("minions/web03", "data", {"pillar": {}})
    read = engine._grains()
    assert read("web01") == GRAINS
    assert read("web02") == {"nodename": "web02"}
    assert [read("web03"), read("web04")] == [{}, {}]


def test_a_grain_that_was_written_anew_has_another_stamp(opts: dict[str, Any]) -> None:
    """
    Also within one second and with the same length, in either layout; nobody's is one too.
    """
    cache = salt.cache.factory(opts)
    stamp = engine._master().stamp
    seen = [stamp("web01"), stamp("web04")]
    for bank, key, grains in (("grains", "web01", GRAINS), ("minions/web04", "data", {})):
        cache.store(bank, key, grains)
        seen.append(stamp("web01" if bank == "grains" else "web04"))
    assert None not in seen
    assert len(set(seen)) == 4
    assert [stamp("web01"), stamp("web04")] == seen[2:]


def test_a_cache_that_keeps_no_files_has_no_stamps(opts: dict[str, Any]) -> None:
    """
    Then all are read.
    """
    engine.__opts__["cache"] = "redis"  # type: ignore[attr-defined]
    assert engine._master().stamp("web01") is None


@pytest.mark.parametrize("state", ["minions", "minions_pre", "minions_rejected", None])
def test_one_key_is_looked_at(opts: dict[str, Any], state: str | None) -> None:
    """
    Only that of an accepted minion counts, and what is no name of a minion has none.
    """
    if state:
        place = Path(opts["pki_dir"]) / state / "web01"
        place.parent.mkdir(parents=True)
        place.write_text("a key")
    is_accepted = engine._is_accepted()
    assert is_accepted("web01") == (state == "minions")
    strange = ["", ".", "..", "../minions/web01", "a/b", "web\0"]
    assert [name for name in strange if is_accepted(name)] == []


@pytest.mark.parametrize("entry_of", [True, False], ids=["since 3008", "before"])
def test_a_key_that_the_masters_user_may_not_look_at_is_not_gone(
    opts: dict[str, Any], monkeypatch: pytest.MonkeyPatch, entry_of: bool
) -> None:
    """
    Nothing is known then.
    """
    if not entry_of:
        monkeypatch.setattr(engine.salt.key, "get_key", lambda _: None)
    keys = Path(opts["pki_dir"]) / "minions"
    keys.mkdir(parents=True)
    (keys / "web01").write_text("a key")
    is_accepted = engine._is_accepted()
    assert is_accepted("web01")
    keys.parent.chmod(0)
    try:
        with as_nobody(), pytest.raises(Exception, match="ermission denied"):
            is_accepted("web01")
    finally:
        keys.parent.chmod(0o700)


def test_the_option_that_keeps_no_grains_is_named(opts: dict[str, Any]) -> None:
    """
    Nothing else would tell why nobody is found.
    """
    engine.__opts__["minion_data_cache"] = False  # type: ignore[attr-defined]
    assert "`minion_data_cache` is False in its configuration: remove that" in why()


DAMAGED = [b"", b"\x93\x01\x02\x03", b"\xa4text", b"\x82\xa2id\xa3web\xa4nod"]


@pytest.mark.parametrize("content", DAMAGED, ids=["empty", "a list", "a text", "truncated"])
def test_a_damaged_entry_is_named(opts: dict[str, Any], content: bytes) -> None:
    """
    With its file, and what brings a new one.
    """
    entry(opts).write_bytes(content)
    told = why()
    assert told.startswith(f"{entry(opts)} ")
    assert "saltutil.sync_all" in told


@pytest.mark.parametrize("part", [".", ".."], ids=["file", "directory"])
def test_an_entry_that_the_masters_user_may_not_read_is_named(
    opts: dict[str, Any], part: str
) -> None:
    """
    Also where Salt finds no entry, since it may not enter the directory.
    """
    read = engine._grains()
    entry(opts).chmod(0o644)
    with as_nobody():
        assert read("web01") == GRAINS
    locked = entry(opts) if part == "." else entry(opts).parent
    locked.chmod(0)
    try:
        with as_nobody(), pytest.raises(errors.GrainsUnknown) as told:
            read("web01")
    finally:
        locked.chmod(0o700)
    assert str(told.value).startswith(f"{entry(opts)} cannot be read by the master's user (")
    assert "ermission denied" in str(told.value)


def test_a_driver_that_cannot_be_loaded_is_named(opts: dict[str, Any]) -> None:
    """
    Its library is missing, or it is misspelt.
    """
    engine.__opts__["cache"] = "redsi"  # type: ignore[attr-defined]
    assert "the cache driver `redsi` cannot be loaded" in why()


def test_keys_that_the_masters_user_may_not_list_are_not_nobody(opts: dict[str, Any]) -> None:
    """
    Salt takes the directory for one that is not there; 3006 says so itself.
    """
    keys = Path(opts["pki_dir"]) / "minions"
    with contextlib.suppress(FileNotFoundError):
        assert engine._accepted() == []
    keys.mkdir(parents=True)
    with as_nobody():
        assert engine._accepted() == []
    keys.parent.chmod(0)
    try:
        with as_nobody(), pytest.raises(OSError, match="ermission denied"):
            engine._accepted()
    finally:
        keys.parent.chmod(0o700)

"""
What is remembered for Salt's loaders is what they would find.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import salt.config
import salt.loader
from salt.loader.lazy import LazyLoader

from tests.harness.loader_memory import remember


class Remembering(LazyLoader):  # type: ignore[misc]
    """
    Salt's loader, so that the one of this process stays as it is.
    """

    looked = 0

    def _refresh_file_mapping(self) -> None:
        Remembering.looked += 1
        super()._refresh_file_mapping()


remember(Remembering)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """
    A directory of modules that was changed long ago.
    """
    (tmp_path / "one.py").write_text("def called():\n    return 1\n")
    settle(tmp_path)
    return tmp_path


def settle(place: Path, ago: float = 60) -> None:
    os.utime(place, (time.time() - ago,) * 2)


def loader(place: Path, **opts: Any) -> LazyLoader:
    given = salt.config.minion_config(None)
    given.update(grains={}, pillar={}, **opts)
    return Remembering([str(place), *salt.loader._module_dirs(given, "modules", "module")], given)


def test_it_finds_what_salt_finds(place: Path) -> None:
    """For all of Salt's own modules, the first time and later."""
    opts = salt.config.minion_config(None)
    opts.update(grains={}, pillar={})
    real = LazyLoader(loader(place).module_dirs, opts)
    for _ in range(2):
        ours = loader(place)
        assert ours.file_mapping == real.file_mapping
        assert (ours.suffix_map, ours.suffix_order) == (real.suffix_map, real.suffix_order)


def test_it_looks_once(place: Path) -> None:
    """And what one loader does with what it was given is not seen by the next."""
    loader(place).file_mapping.clear()
    before = Remembering.looked
    assert "one" in loader(place).file_mapping
    assert Remembering.looked == before


def test_what_comes_is_seen_at_once(place: Path) -> None:
    """However soon, and within the same tick of the file system's clock."""
    loader(place)
    (place / "two.py").write_text("")
    assert "two" in loader(place).file_mapping
    settle(place, ago=0)
    moment = place.stat().st_mtime_ns
    loader(place)
    (place / "three.py").write_text("")
    os.utime(place, ns=(moment, moment))
    assert "three" in loader(place).file_mapping


def test_other_options_are_another_list(place: Path) -> None:
    """A module that is disabled is not found."""
    assert "one" in loader(place).file_mapping
    assert "one" not in loader(place, disable_modules=["one"]).file_mapping

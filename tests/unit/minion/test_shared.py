"""
What states and modules of a minion share, by Salt's own loaders: found by them, and by nobody who only may publish.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import salt.config
import salt.loader

from tests.unit.minion.loading import REPO

SHARED = sorted(path.stem for path in (REPO / "salt" / "_utils").glob("dynatrace_*.py"))


@pytest.fixture
def opts(tmp_path: Path) -> dict[str, Any]:
    """
    A minion that has this checkout, without the system's own configuration.
    """
    found = salt.config.minion_config(str(tmp_path / "none"), minion_id="scratch")
    found.update(
        file_client="local",
        grains={"kernel": "Linux", "os_family": "Debian"},
        pillar={},
        test=False,
        module_dirs=[str(REPO / "salt")],
        cachedir=str(tmp_path),
        extension_modules=str(tmp_path / "extmods"),
    )
    return dict(found)


def test_what_is_shared_is_loaded(opts: dict[str, Any]) -> None:
    """Each file has a function there; a name that does not load would be missed at the first failure."""
    utils = salt.loader.utils(opts)
    assert SHARED
    assert [name for name in SHARED if not any(key.startswith(f"{name}.") for key in utils)] == []


def test_what_is_shared_cannot_be_called_from_outside(opts: dict[str, Any]) -> None:
    """It runs any function and signals processes: an ACL of `dynatrace*` must not open that."""
    modules = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
    assert "dynatrace.attempt" in modules
    assert [key for key in modules if key.partition(".")[0] in SHARED] == []


def test_states_and_modules_reach_what_is_shared(opts: dict[str, Any]) -> None:
    """By `__utils__`, which Salt gives to both when they are called."""
    utils = salt.loader.utils(opts)
    modules = salt.loader.minion_mods(opts, utils=utils)
    states = salt.loader.states(opts, modules, utils, None)
    assert states["dynatrace.attempt_taken"]("apache2")["result"] is True
    assert modules["dynatrace_tenant.asked"]("webhook") == {"problem": None, "entries": []}
    told = states["dynatrace_tenant.webhook_present"]("x", url="https://m.example.com/")
    assert "webhook_token is not set" in told["comment"]

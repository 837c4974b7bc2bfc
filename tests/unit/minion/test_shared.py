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


def test_what_is_shared_cannot_be_called_from_outside(opts: dict[str, Any]) -> None:
    """It runs any function and signals processes: an ACL of `dynatrace*` must not open that."""
    modules = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
    assert "dynatrace.attempt" in modules
    assert [key for key in modules if "dynatrace_utils" in key] == []
    assert [key for key in salt.loader.utils(opts) if "dynatrace" in key] == []


def test_states_and_modules_reach_what_is_shared(opts: dict[str, Any]) -> None:
    """What they import has the dunders of whoever calls it."""
    utils = salt.loader.utils(opts)
    modules = salt.loader.minion_mods(opts, utils=utils)
    states = salt.loader.states(opts, modules, utils, None)
    assert states["dynatrace.attempt_taken"]("apache2")["result"] is True
    assert modules["dynatrace_tenant.asked"]("webhook") == {"problem": None, "entries": []}
    told = states["dynatrace_tenant.webhook_present"]("x", url="https://m.example.com/")
    assert "webhook_token is not set" in told["comment"]

"""
Where minions look for a state, and whether this master serves it there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import salt.config
from _dynatrace_runner import checkup, environments

from tests.unit.minion.loading import REPO

STATE = "dynatrace.remedy.apache2"
TREE = str(REPO / "salt")


def master(tmp_path: Path, **roots: Any) -> dict[str, Any]:
    opts = salt.config.master_config(None)
    opts.update(cachedir=str(tmp_path), file_roots=roots, fileserver_backend=["roots"])
    opts.update(__role="master", __opts=None)
    return dict(opts)


def looked_for(opts: dict[str, Any], **told: Any) -> list[dict[str, Any]]:
    found = checkup.Found({})
    environments.check(found, opts, told, [STATE])
    return found.rows


def test_a_minion_that_looks_in_another_environment_is_named(tmp_path: Path) -> None:
    """Its run would say that there is no such SLS; those in base are well served."""
    opts = master(tmp_path, base=[TREE], prod=[str(REPO / "docs")])
    [row] = looked_for(opts, web01="prod", web02=None, web03="base", web04="prod")
    assert row["result"] == "fail"
    said = "web01, web04 look in the environment prod, which has not got the state"
    assert row["detail"] == f"{said} {STATE}: it is in base"
    assert "saltenv=prod" in row["fix"]


@pytest.mark.parametrize("roots", [{"prod": [TREE]}, {"base": [], "__env__": [TREE]}])
def test_a_state_in_the_minions_own_environment_is_good(tmp_path: Path, roots: Any) -> None:
    """Named, or by the root that is every environment's."""
    opts = master(tmp_path, **roots)
    assert looked_for(opts, web01="prod") == []
    assert environments.serving(opts, STATE)


def test_where_no_environment_has_it_that_is_said(tmp_path: Path) -> None:
    """As for a reactor with a slip in `mods`."""
    [row] = looked_for(master(tmp_path, base=[str(REPO / "docs")]), web01=None)
    assert row["detail"].endswith("it is in none")


@pytest.mark.parametrize(
    "own", ["../..", "a/b", "x" * 65, "", 5, ["base"], {"base": 1}, "prod\nok"]
)
def test_what_is_no_name_of_an_environment_is_not_looked_up(tmp_path: Path, own: Any) -> None:
    """A minion may say anything, and `__env__` makes a path of it."""
    opts = master(tmp_path, base=[TREE], __env__=[str(REPO / "docs")])
    assert looked_for(opts, web01=own) == []

"""
The files of master.d, read as a master reads them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import salt.config
import yaml

REPO = Path(__file__).resolve().parents[3]
FILES = sorted((REPO / "master.d").glob("*.conf"))
CLONE = "/srv/salt-dynatrace"


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """
    The configuration of a master with our files and one more that a site has.
    """
    (tmp_path / "master").write_text(f"root_dir: {tmp_path}\n")
    (tmp_path / "master.d").mkdir()
    for path in FILES:
        shutil.copy(path, tmp_path / "master.d")
    (tmp_path / "master.d" / "site.conf").write_text(
        "engines: [{test: {}}]\n"
        "reactor: [{'salt/key': [/srv/reactor/key.sls]}]\n"
        "module_dirs: [/srv/ours]\n"
        "file_roots: {base: [/srv/ours/states]}\n"
    )
    return salt.config.master_config(str(tmp_path / "master"))


def test_our_lists_stand_beside_those_of_the_site(config: Any) -> None:
    """Among the files of master.d nothing is lost, ours or theirs."""
    assert {name for engine in config["engines"] for name in engine} == {"dynatrace", "test"}
    assert {tag for entry in config["reactor"] for tag in entry} == {
        "dynatrace/problem/open/*",
        "dynatrace/problem/retry/*",
        "salt/key",
    }
    assert {"/srv/ours", CLONE, CLONE + "/salt"} <= set(config["module_dirs"])
    assert {"/srv/ours/states", "/srv/salt", CLONE + "/salt"} <= set(config["file_roots"]["base"])


def test_the_reactor_maps_to_files_that_we_ship(config: Any) -> None:
    """A reaction to a file that is not there is lost without a word."""
    ours = [path for entry in config["reactor"] for paths in entry.values() for path in paths]
    for path in ours:
        if path.startswith(CLONE):
            assert (REPO / path.removeprefix(CLONE + "/")).is_file()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_the_first_lines_warn_of_lists_that_salt_drops(path: Path) -> None:
    """The most common way to lose one's own reactors stands where nobody can miss it."""
    head = " ".join(line.lstrip("# ") for line in path.read_text().splitlines()[:12])
    assert "Salt drops them otherwise" in head
    assert "salt-run config.get" in head


def test_what_is_commented_out_is_valid_too() -> None:
    """Uncommenting every line of the engine's options gives the documented keys and defaults."""
    text = (REPO / "master.d" / "dynatrace.conf").read_text()
    text = re.sub(r"^( {6})# ( *(?:[a-z_]+:(?: .*)?|# .*))$", r"\1\2", text, flags=re.MULTILINE)
    [engine] = yaml.safe_load(text)["engines"]
    options = engine["dynatrace"]
    assert options["poll_interval"] == 30
    assert options["hook_tag"] is None
    assert options["webhook"]["port"] == 8765
    assert set(options["policy"]) == {
        "dry_run",
        "act_on",
        "allow",
        "deny",
        "cooldown",
        "max_attempts",
        "attempt_window",
        "outcome_timeout",
        "max_minions",
        "hold_in_maintenance",
        "escalate_without_remedy",
    }

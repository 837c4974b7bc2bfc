"""
How what is private on a minion is laid out; and what a minion that lacks it is told, before anything is done.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.minion import loading
from tests.unit.minion.loading import PACKAGE, REPO, UTILS, load

FILES = {
    ".".join(path.relative_to(UTILS / PACKAGE).with_suffix("").parts): path
    for path in (UTILS / PACKAGE).rglob("*.py")
    if path.stem != "__init__"
}
#: From the bottom up: each may import from those before it, and from the modules that all share.
ROOMS = ["service", "remedy", "tenant", "oneagent"]
#: What the remedy of a service may not wait for: `requests` alone takes longer to import than a request.
SLOW = {"tenant", "oneagent", "session"}
STATES = {
    "dynatrace": "healed",
    "dynatrace_oneagent": "installed",
    "dynatrace_tenant": "webhook_absent",
}
LONGEST = 300


@functools.cache
def imported(path: Path) -> set[str]:
    """
    Return the modules of the package that a file imports, such as `tenant.http`.
    """
    package = path.parent.relative_to(UTILS).as_posix().replace("/", ".")
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (
            node.level or (node.module or "").startswith(PACKAGE)
        ):
            base = resolve_name("." * node.level + (node.module or ""), package)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {one.removeprefix(f"{PACKAGE}.") for one in found} & set(FILES)


def test_the_rooms_are_those_that_stand_here() -> None:
    """And each says what it is for."""
    assert sorted(
        path.name
        for path in (UTILS / PACKAGE).iterdir()
        if path.is_dir() and path.name != "__pycache__"
    ) == sorted(ROOMS)
    for place in (UTILS / PACKAGE).rglob("__init__.py"):
        [only] = ast.parse(place.read_text()).body
        assert isinstance(only, ast.Expr)
    assert sorted(path.name for path in UTILS.iterdir() if path.name != "__pycache__") == [PACKAGE]


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_imported_lies_below(name: str) -> None:
    """What all share imports no room."""
    allowed = ROOMS[: ROOMS.index(name.partition(".")[0]) + 1] if "." in name else []
    found = {one.partition(".")[0] for one in imported(FILES[name]) if "." in one}
    assert found <= set(allowed)


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_two_modules_import_each_other(name: str) -> None:
    """Over any number of others."""
    found: set[str] = set()
    new = imported(FILES[name])
    while new:
        found |= new
        new = {one for other in new for one in imported(FILES[other])} - found
    assert name not in found
    if name.partition(".")[0] in ("service", "remedy"):
        assert not {one.partition(".")[0] for one in found} & SLOW


def test_modules_stay_small_enough_to_be_read() -> None:
    """Above the limit a module has a second job."""
    files = [path for kind in (REPO / "salt").glob("_*") for path in kind.rglob("*.py")]
    lengths = {str(path): len(path.read_text().splitlines()) for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize("state", sorted(STATES))
def test_a_state_without_its_private_modules_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Salt itself would only say that there is no such state."""
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(loading.UTILS)])
    opts = {"test": False, "id": "web01"}
    module: ModuleType = load(f"_states/{state}.py", opts=opts, pillar={})
    acts = [STATES[state], *(["attempt_taken", "attempt_finished"] if state == "dynatrace" else [])]
    for told in (getattr(module, act)("x") for act in acts):
        assert told["result"] is False
        assert re.search(r"lacks _dynatrace_\w+; run: .*saltutil\.sync_all", told["comment"])


def test_no_private_name_is_used_twice() -> None:
    """Whichever of two is imported first, is everybody's in that process, and says nothing."""
    places = [REPO / "_engines", *(REPO / "salt").glob("_*")]
    found: dict[str, list[Path]] = {}
    for path in [path for place in places for path in place.glob("_dynatrace*")]:
        found.setdefault(path.stem, []).append(path)
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}

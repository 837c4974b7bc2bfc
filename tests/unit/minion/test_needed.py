"""
What the states say that they need of other modules: a minion that lacks one is told to sync, before anything is done.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.minion import loading
from tests.unit.minion.loading import PACKAGE, REPO, UTILS, load, private

FILES = {path.stem: path for path in UTILS.glob("dynatrace_*.py")} | {
    ".".join(path.relative_to(UTILS).with_suffix("").parts): path
    for path in (UTILS / PACKAGE).rglob("*.py")
}
STATES = ["dynatrace", "dynatrace_oneagent", "dynatrace_tenant"]
#: Asked only for a process that is to be spared, which no OneAgent has.
SPARED = {"dynatrace_oneagent": {"dynatrace_service"}}


def named(text: str, package: str = "") -> set[str]:
    """
    Return the modules of ours that a text calls, as in `"dynatrace_http.ask"`, or imports.
    """
    found = set(re.findall(r'"(dynatrace\w*)\.', text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.level or node.module.startswith(PACKAGE)):
            base = resolve_name("." * node.level + (node.module or ""), package)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found & set(FILES)


def reached(text: str) -> set[str]:
    """
    Return the modules that a text calls or imports, and those that they do.
    """
    found: set[str] = set()
    new = named(text)
    while new:
        found |= new
        texts = {module: FILES[module].read_text() for module in new}
        new = {
            one for m, text in texts.items() for one in named(text, m.rpartition(".")[0])
        } - found
    return found


@pytest.mark.parametrize("state", STATES)
def test_what_is_called_is_what_is_needed(state: str) -> None:
    """A module that came later is asked for as well; what is private is missed when it is imported."""
    private()
    module = load(f"_states/{state}.py")
    needed = {
        one.partition(".")[0] for one in (*getattr(module, "NEEDED", ()), *module.NEEDED_UTILS)
    }
    text = (REPO / "salt" / "_states" / f"{state}.py").read_text()
    text = re.sub(r"^NEEDED\w* = \([^)]*\)", "", text, flags=re.MULTILINE)
    public = {one for one in reached(text) if not one.startswith("_")}
    assert needed == public - SPARED.get(state, set())


@pytest.mark.parametrize("state", ["dynatrace_oneagent", "dynatrace_tenant"])
def test_a_state_without_its_private_modules_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Salt itself would only say that there is no such state."""
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(loading.UTILS)])
    module: ModuleType = load(f"_states/{state}.py", utils={}, opts={"test": False})
    act: Any = {"dynatrace_oneagent": "installed", "dynatrace_tenant": "webhook_absent"}[state]
    told = getattr(module, act)("x")
    assert told["result"] is False
    assert re.search(r"lacks _dynatrace_\w+, .*run: .*saltutil\.sync_all", told["comment"])


def test_no_private_name_is_used_twice() -> None:
    """Whichever of two is imported first, is everybody's in that process, and says nothing."""
    places = [REPO / "_engines", *(REPO / "salt").glob("_*")]
    found: dict[str, list[Path]] = {}
    for path in [path for place in places for path in place.glob("_dynatrace*")]:
        found.setdefault(path.stem, []).append(path)
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}

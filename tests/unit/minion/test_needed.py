"""
What the states say that they need of other modules: a minion that lacks one is told to sync, before anything is done.
"""

from __future__ import annotations

import re

import pytest

from tests.unit.minion.loading import REPO, load

MODULES = {
    path.stem: path.read_text()
    for kind in ("_modules", "_utils")
    for path in (REPO / "salt" / kind).glob("dynatrace*.py")
}
STATES = ["dynatrace", "dynatrace_oneagent", "dynatrace_tenant"]
#: Asked only for a process that is to be spared, which no OneAgent has.
SPARED = {"dynatrace_oneagent": {"dynatrace_service"}}


def named(text: str) -> set[str]:
    """
    Return the modules of ours that a text calls, as in `"dynatrace_http.ask"`.
    """
    return set(re.findall(r'"(dynatrace\w*)\.', text)) & set(MODULES)


def reached(text: str) -> set[str]:
    """
    Return the modules that a text calls, and those that they call.
    """
    found: set[str] = set()
    new = named(text)
    while new:
        found |= new
        new = {one for module in new for one in named(MODULES[module])} - found
    return found


@pytest.mark.parametrize("state", STATES)
def test_what_is_called_is_what_is_needed(state: str) -> None:
    """A module that came later is asked for as well."""
    module = load(f"_states/{state}.py")
    needed = {one.partition(".")[0] for one in (*module.NEEDED, *module.NEEDED_UTILS)}
    text = (REPO / "salt" / "_states" / f"{state}.py").read_text()
    text = re.sub(r"^NEEDED\w* = \([^)]*\)", "", text, flags=re.MULTILINE)
    assert needed == reached(text) - SPARED.get(state, set())

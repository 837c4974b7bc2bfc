"""
The runbook, against what the engine may say at night; and the runner's commands that it uses.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from _dynatrace.core import reasons

from tests.unit.docs.pages import PAGES, REPO, blocks, chapter, commands, prose, rows, section

PAGE = REPO / "docs" / "runbook.md"
ENTRIES = chapter(PAGE, "Escalated")


def public(path: Path) -> set[str]:
    """
    Return the functions that Salt shows of a module.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {f"{path.stem}.{function}" for function in defined if not function.startswith("_")}


def test_each_reason_to_call_a_person_has_an_entry() -> None:
    """Who is called finds why, and no entry is of a reason that is gone."""
    assert set(ENTRIES) == {reason.value for reason in reasons.Escalation}


@pytest.mark.parametrize("reason", ENTRIES)
def test_an_entry_says_what_is_seen_what_it_means_and_what_to_do(reason: str) -> None:
    """In this order, each once."""
    starts = [line.split(".**")[0] for line in ENTRIES[reason].splitlines() if ".**" in line]
    assert starts == ["**Symptom", "**Meaning", "**What to do"]


def test_each_reason_for_holding_has_a_line() -> None:
    """What to do about it; what it means is in the reference of the events."""
    held = section(PAGE, "held")
    documented = {key for key, _ in rows(PAGE) if f"\n| `{key}` | " in held}
    assert documented == {reason.value for reason in reasons.Reason}


def test_the_runbook_begins_with_how_to_stop_it() -> None:
    """The first command stops the engine."""
    headings = [line for line in prose(PAGE).splitlines() if line.startswith("#")]
    assert headings[1] == "## Stop it now"
    assert blocks(PAGE, "bash")[0].startswith("salt-run dynatrace.pause ")


def test_each_command_of_the_runner_is_documented() -> None:
    """And none that does not exist."""
    page = REPO / "docs" / "reference" / "runner.md"
    runners = REPO / "salt" / "_runners"
    shown = {key.split()[1] for key, _ in rows(page) if key.startswith("salt-run ")}
    assert shown == public(runners / "dynatrace.py") | public(runners / "dynatrace_listener.py")


def test_no_page_calls_a_runner_that_does_not_exist() -> None:
    """A renamed function takes its commands with it."""
    runners = (REPO / "salt" / "_runners").glob("*.py")
    known = {function for path in runners for function in public(path)}
    said = [one for page in PAGES for text in blocks(page, "bash") for one in commands(text)]
    called = {one.split()[1] for one in said if one.startswith("salt-run dynatrace")}
    assert called - known == set()

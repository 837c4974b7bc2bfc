"""
The reference of the options, and the file to copy, against the table that the engine goes by.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from _dynatrace.config import config as configuration
from _dynatrace.config import validator as checks

from tests.unit.docs.pages import PAGES, REPO, blocks, rows

PAGE = REPO / "docs" / "reference" / "configuration.md"
FILE = REPO / "master.d" / "dynatrace.conf"
#: What every installation must set itself; the file shows an example instead of the default.
OWN = {"environment_url", "api_token", "webhook.token"}


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def engines(text: str) -> list[dict[str, Any]]:
    """
    Return the options of the engines that a text in YAML configures.
    """
    found = (yaml.safe_load(text) or {}).get("engines", [])
    return [
        {k: v for k, v in one.items() if k != "engine_module"} for e in found for one in e.values()
    ]


@pytest.mark.parametrize("option", configuration.OPTIONS, ids=lambda option: str(option.name))
def test_an_option_is_documented_with_its_default(option: configuration.Option) -> None:
    """Each option has a row with its name, its default, what is allowed, and what it means."""
    [cells] = [cells for key, cells in rows(PAGE) if key == option.name.replace(".", ":")]
    assert cells[1] == f"`{shown(option.default)}`"
    assert len(cells) == 4
    assert all(cells)


def test_no_option_is_documented_that_does_not_exist() -> None:
    """A row for a removed option would lead to a configuration that does not start."""
    known = {option.name.replace(".", ":") for option in configuration.OPTIONS}
    listed = {key for key, cells in rows(PAGE) if len(cells) == 4}
    assert listed == known


def test_the_file_to_copy_names_each_option_with_its_default() -> None:
    """With every line of it uncommented, master.d/dynatrace.conf holds the whole table."""
    text = re.sub(
        r"^( {6})# ( *(?:[a-z_]+:(?: .*)?|# .*))$", r"\1\2", FILE.read_text(), flags=re.MULTILINE
    )
    [options] = engines(text)
    flat = dict(configuration._flatten(options))
    defaults = {option.name: option.default for option in configuration.OPTIONS}
    assert flat.keys() == defaults.keys()
    assert {k: v for k, v in flat.items() if k not in OWN} == {
        k: v for k, v in defaults.items() if k not in OWN
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_an_engine_in_an_example_would_start(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No example has a misspelt or misplaced option, or a value that is not allowed."""
    monkeypatch.setattr(checks.os, "access", lambda *_: True)
    for block in blocks(page, "yaml"):
        for options in engines(block.replace("sdb://", "from-sdb-")):
            assert configuration.validate(options) == []

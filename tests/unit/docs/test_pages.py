"""
What holds for every page: links lead somewhere, examples can be read, each module has its line.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.tenant import RECOMMENDED_TEMPLATE
from tests.unit.docs.pages import PAGES, REPO, anchors, blocks, name, prose

CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
LINKS = [
    pytest.param(page, link, id=f"{name(page)}:{link}")
    for page in PAGES
    for link in LINK.findall(CODE.sub("", prose(page)))
    if not link.startswith(("https://", "http://"))
]
EXAMPLES = [
    pytest.param(text, id=f"{name(page)}:{number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "yaml"))
]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_a_link_leads_to_a_file_and_a_heading(page: Path, link: str) -> None:
    """Whoever follows a link at night arrives."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_in_yaml_is_yaml(text: str) -> None:
    """Examples are copied as they are; a mapping at the top is what Salt reads."""
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=f"{name(page)}:{number}")
        for page in PAGES
        for number, text in enumerate(blocks(page, "bash"))
    ],
)
def test_no_argument_by_name_holds_a_line_break(text: str) -> None:
    """Salt takes `pillar='{...}'` on several lines for the next positional argument, an environment of that name."""
    words = [word for word in shlex.split(text) if re.match(r"[A-Za-z_]+=", word)]
    assert [word for word in words if "\n" in word] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_sentence_is_a_line(page: Path) -> None:
    """A change of one sentence is a difference of one line."""
    text = re.sub(r"^\|.*$|^\s*(?:\d+\.|-) .*$", "", prose(page), flags=re.MULTILINE)
    text = CODE.sub("code", text)
    assert not re.findall(r"^.*[a-z)]\. [A-Z].*$", text, re.MULTILINE)


def test_each_room_of_the_engine_has_a_line() -> None:
    """Who looks for where something is finds it in CONTRIBUTING.md."""
    listed = prose(REPO / "CONTRIBUTING.md")
    rooms = {path.parent.name for path in (REPO / "_engines").glob("_dynatrace/*/__init__.py")}
    assert "core" in rooms
    assert [room for room in rooms if f"| `_engines/_dynatrace/{room}/` |" not in listed] == []


def test_the_readme_begins_with_commands_that_exist() -> None:
    """The first commands that a reader sees are targets of the Makefile."""
    first = blocks(REPO / "README.md", "bash")[0].split("\n")
    targets = re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert first[:2] == ["make demo", "make test"]
    assert {"demo", "test"} <= set(targets)


def test_the_recommended_payload_is_the_one_that_is_tested() -> None:
    """What the README tells admins to paste is what the simulated tenant sends."""
    shown = [text for text in blocks(REPO / "README.md", "") if text.startswith("{\n")]
    assert [re.sub(r"\s", "", text) for text in shown] == [re.sub(r"\s", "", RECOMMENDED_TEMPLATE)]

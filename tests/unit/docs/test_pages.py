"""
What holds for every page: links lead somewhere, examples can be read, no page is too long.
"""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.tenant import RECOMMENDED_TEMPLATE
from tests.unit.docs.pages import PAGES, REPO, anchors, blocks, name, prose, rows, section

CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
LINKS = [
    pytest.param(page, link, id=f"{name(page)}:{link}")
    for page in PAGES
    for link in LINK.findall(CODE.sub("", prose(page)))
    if not link.startswith(("https://", "http://"))
]
ARCHITECTURE = REPO / "docs" / "architecture.md"
ROOMS = section(ARCHITECTURE, "Rooms of the engine")
HOW_TO = sorted((REPO / "docs" / "how-to").glob("*.md"))
SENT_TO = re.compile(r"(docs/[\w/.-]+\.(?:md|yaml))(?:, ([A-Z][a-z ]+[a-z]))?")
SALT = REPO / "salt"
#: A name of Salt's loader or of a state; no file, host, key of an option or path.
NAMED = re.compile(
    r"(?<![\w./:-])(dynatrace(?:_[a-z]+)?\.(?!conf|py|key|com|secrets|sls|event_driven)[a-z_]+)"
)
QUAINT = ("said once", "is to hear", "who had no", "anew", "of whom", "be told of")
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


def test_a_page_that_the_code_sends_to_exists() -> None:
    """A message of the engine, a comment to copy or a docstring leads to a page, and to its heading if it names one."""
    roots = [REPO / root for root in ("_engines", "salt", "reactor", "master.d")]
    files = [one for root in roots for one in root.rglob("*.*") if one.suffix != ".pyc"]
    named = [
        found
        for file in (*files, REPO / "pillar.example")
        for found in SENT_TO.findall(file.read_text(encoding="utf-8"))
    ]
    assert len(named) > 10
    headings = {page: prose(REPO / page) for page, _ in named if page.endswith(".md")}
    assert [page for page, _ in named if not (REPO / page).is_file()] == []
    assert [(p, h) for p, h in named if h and not re.search(f"^#+ {h}$", headings[p], re.M)] == []


def test_a_function_or_a_state_that_a_page_names_exists() -> None:
    """What was renamed is renamed in the pages, too."""
    loaded = [
        path for kind in ("modules", "states", "runners") for path in SALT.glob(f"_{kind}/*.py")
    ]
    known = {
        f"{path.stem}.{node.name}"
        for path in loaded
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    known |= {f"dynatrace.{path.stem}" for path in SALT.glob("dynatrace/*")}
    named = {
        (name(page), found)
        for page in PAGES
        if "adr" not in page.parts
        for found in NAMED.findall(page.read_text(encoding="utf-8"))
    }
    assert len(named) > 30
    assert sorted(one for one in named if one[1] not in known) == []


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
    """A maintainer finds each room in docs/architecture.md, and no room that is gone."""
    listed = [key for key, cells in rows(ARCHITECTURE) if f"| `{key}` | {cells[1]} |" in ROOMS]
    rooms = {path.parent.name for path in (REPO / "_engines").glob("_dynatrace/*/__init__.py")}
    assert "core" in rooms
    assert sorted(listed) == sorted(rooms)


@pytest.mark.parametrize("page", [REPO / "CONTRIBUTING.md", ARCHITECTURE], ids=name)
def test_a_path_that_a_maintainer_is_sent_to_exists(page: Path) -> None:
    """A renamed file takes its mention with it."""
    named = [text for text in re.findall(r"`([^` ]+/[^` ]*)`", prose(page)) if "<" not in text]
    assert named
    assert [path for path in named if not (REPO / path).exists()] == []


def test_the_readme_begins_with_commands_that_exist() -> None:
    """The first commands that a reader sees get the repository, and are targets of its Makefile."""
    first = blocks(REPO / "README.md", "bash")[0].splitlines()
    targets = re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert first[0].startswith("git clone ")
    assert first[1:] == ["make demo", "make test"]
    assert {"demo", "test"} <= set(targets)


@pytest.mark.parametrize(
    ("page", "lines"),
    [
        pytest.param(REPO / "README.md", 90, id="README.md"),
        pytest.param(ARCHITECTURE, 150, id="docs/architecture.md"),
        *(pytest.param(page, 120, id=name(page)) for page in HOW_TO),
    ],
)
def test_a_page_is_read_in_one_sitting(page: Path, lines: int) -> None:
    """The README is one screen, a task one or two."""
    assert len(page.read_text(encoding="utf-8").splitlines()) <= lines


def test_each_task_and_each_page_of_the_reference_is_listed() -> None:
    """Who looks for a task or a fact finds its page in docs/README.md."""
    index = REPO / "docs" / "README.md"
    links = {(index.parent / link).resolve() for link in LINK.findall(prose(index))}
    pages = {*HOW_TO, *(REPO / "docs" / "reference").iterdir()}
    assert pages - links == set()


def test_pages_are_plain_english() -> None:
    """No phrase that a reader has to read twice."""
    texts = {name(page): prose(page).lower() for page in PAGES}
    found = [(page, one) for page, text in texts.items() for one in QUAINT if one in text]
    assert found == []


def test_the_recommended_payload_is_the_one_that_is_tested() -> None:
    """What the documentation tells admins to paste is what the simulated tenant sends."""
    page = REPO / "docs" / "how-to" / "receive-notifications.md"
    shown = [text for text in blocks(page, "") if text.startswith("{\n")]
    assert [re.sub(r"\s", "", text) for text in shown] == [re.sub(r"\s", "", RECOMMENDED_TEMPLATE)]

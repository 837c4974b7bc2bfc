"""
Reads the documentation: pages, tables, code blocks, headings.
"""

from __future__ import annotations

import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
PAGES = sorted([*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")])

#: How a page names a test: `I/test_healing.py::test_…`.
_SHORT = {"I/": "tests/integration/", "F/": "tests/functional/", "U/": "tests/unit/"}
_TEST = re.compile(r"`([^` ]+\.py)::(test_\w+)`")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """
    Return a page's path in the repository.
    """
    return str(page.relative_to(REPO))


@functools.cache
def prose(page: Path) -> str:
    """
    Return a page without its code blocks.
    """
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[str]:
    """
    Return the code blocks of a page that are in a language.
    """
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def commands(text: str) -> list[str]:
    """
    Return the commands of a block in bash, each with all of its lines.
    """
    found, begun = [], ""
    for line in text.splitlines():
        begun = f"{begun}\n{line}" if begun else line
        try:
            shlex.split(begun)
        except ValueError:  # A quote is open, or a backslash ends the line.
            continue
        if not line.endswith("\\"):
            found.append(begun)
            begun = ""
    return [command for command in found if command.strip()]


def session(text: str) -> list[str]:
    """
    Return the commands of a session at a console: what stands behind the prompt, and the lines that it goes on in.
    """
    return [str(one) for one in re.findall(r"^# ((?:.*\\\n)*.*)$", text, re.MULTILINE)]


def rows(page: Path, column: int = 0) -> Iterator[tuple[str, list[str]]]:
    """
    Yield each table row whose cell in `column` is one code span: the span's text, and all cells.
    """
    for line in prose(page).splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) > column and (span := re.fullmatch(r"`([^`]+)`", cells[column])):
            yield span.group(1), cells


def section(page: Path, heading: str) -> str:
    """
    Return the text below a heading, up to the next one.
    """
    parts = re.split(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def chapter(page: Path, heading: str) -> dict[str, str]:
    """
    Return the sections below a heading of the second level, by their headings.
    """
    text = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    parts = re.split(
        r"^### (.+)$", re.split(r"^## ", text, flags=re.MULTILINE)[0], flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@functools.cache
def anchors(page: Path) -> set[str]:
    """
    Return the anchors that the headings of a page get.
    """
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def claims(table: str, head: str) -> list[str]:
    """
    Return the rows of a page's tables, without the rules below their heads and those heads, which begin with a word.
    """
    heads = ("| ---", f"| {head}")
    return [
        line for line in table.splitlines() if line.startswith("| ") and not line.startswith(heads)
    ]


def named_tests(text: str) -> list[tuple[Path, str]]:
    """
    Return file and name of each test that a text names.
    """
    found = []
    for path, test in _TEST.findall(text):
        whole = path.replace(path[:2], _SHORT[path[:2]], 1) if path[:2] in _SHORT else path
        found.append((REPO / whole, test))
    return found


@functools.cache
def functions(path: Path) -> set[str]:
    """
    Return the names of the tests in a file.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

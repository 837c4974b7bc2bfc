"""
The rules of the split into modules, so that every form of installation can load the engine.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ENGINES = Path(__file__).parents[3] / "_engines"
ENGINE = ENGINES / "dynatrace.py"
SIBLINGS = sorted(ENGINES.glob("_dynatrace_*.py"))
NAMES = {path.stem for path in SIBLINGS}
LONGEST = 300
#: What Salt brings along, wherever it is installed.
THIRD_PARTY = {"requests", "tornado", "urllib3"}
BANNED = re.compile(r"(?i)(manager|handler|helpers?|utils?)$")


def tree(path: Path) -> ast.Module:
    """
    Return the parsed file.
    """
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path, everywhere: bool = True) -> set[str]:
    """
    Return the absolute names that a file imports.
    """
    found: set[str] = set()
    for node in ast.walk(tree(path)) if everywhere else tree(path).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{path.name} line {node.lineno}: a relative import does not load"
            )
            found.add(node.module or "")
    return found


def test_there_are_modules() -> None:
    """
    The tests below have something to look at.
    """
    assert ENGINE.exists()
    assert len(SIBLINGS) > 10
    others = {path.name for path in ENGINES.glob("*.py")} - {path.name for path in SIBLINGS}
    assert others == {"dynatrace.py", "__init__.py"}


@pytest.mark.parametrize("path", [ENGINE, *SIBLINGS], ids=lambda path: path.stem)
def test_imports_are_absolute_and_at_module_level(path: Path) -> None:
    """
    The directory is on the path only while the engine loads: a later import would fail on a master.
    """
    top = {id(node) for node in tree(path).body}
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert not (isinstance(node, ast.ImportFrom) and node.level), (
                f"line {node.lineno} is relative"
            )
    late = [
        node.lineno
        for outer in tree(path).body
        for node in ast.walk(outer)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node is not outer
    ]
    assert top
    assert late == []


@pytest.mark.parametrize("path", SIBLINGS, ids=lambda path: path.stem)
def test_only_the_engine_itself_knows_salt(path: Path) -> None:
    """
    A sibling imports nothing of Salt and names nothing that Salt's loader would have to set.
    """
    assert [name for name in imports(path) if name.partition(".")[0] == "salt"] == []
    used = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
    dunders = {name for name in used if re.fullmatch("__[a-z]+__", name)} - {"__name__", "__file__"}
    assert dunders == set()


def test_the_engine_has_no_postponed_annotations() -> None:
    """
    With them a dataclass in the engine's own file does not load.
    """
    assert "__future__" not in imports(ENGINE)
    assert not [node for node in tree(ENGINE).body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("path", [ENGINE, *SIBLINGS], ids=lambda path: path.stem)
def test_only_what_salt_brings_is_imported(path: Path) -> None:
    """
    Salt is silent about an engine whose import fails.
    """
    outside = (
        {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - NAMES
    )
    assert outside <= THIRD_PARTY | ({"salt"} if path == ENGINE else set())


def test_the_dependencies_point_one_way() -> None:
    """
    No circle, over any number of modules.
    """
    needs = {path.stem: imports(path) & NAMES for path in SIBLINGS}
    while needs:
        free = {name for name, others in needs.items() if not others}
        assert free, f"these import each other in a circle: {sorted(needs)}"
        needs = {name: others - free for name, others in needs.items() if name not in free}


def test_decision_and_parsing_know_nothing_of_the_world() -> None:
    """
    They are pure: no clock, no disk, no network, no thread.
    """
    world = {
        "time",
        "datetime",
        "os",
        "socket",
        "threading",
        "requests",
        "sqlite3",
        "tornado",
        "logging",
        "random",
    }
    for name in (
        "problems",
        "parsing",
        "notifications",
        "fields",
        "grail",
        "policy",
        "targets",
        "evidence",
        "processes",
        "unhealable",
        "jobs",
    ):
        assert imports(ENGINES / f"_dynatrace_{name}.py") & world == set(), name


@pytest.mark.parametrize("path", [ENGINE, *SIBLINGS], ids=lambda path: path.stem)
def test_modules_stay_small_enough_to_be_read(path: Path) -> None:
    """
    Above the limit a module has a second job.
    """
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST


@pytest.mark.parametrize("path", [ENGINE, *SIBLINGS], ids=lambda path: path.stem)
def test_names_say_the_domain_and_not_the_pattern(path: Path) -> None:
    """
    No manager, handler, helper or utils.
    """
    named = [path.stem] + [
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    assert [name for name in named if BANNED.search(name)] == []


@pytest.mark.parametrize("path", SIBLINGS, ids=lambda path: path.stem)
def test_public_names_are_described(path: Path) -> None:
    """
    A docstring on its own lines; annotations on every argument and return of a sibling.
    """
    assert ast.get_docstring(tree(path))
    bare = []
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if node.returns is None or any(
                one.annotation is None for one in taken if one.arg not in ("self", "cls")
            ):
                bare.append(f"{node.name} is not annotated")
        if (
            isinstance(node, ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ):
            bare.append(f"{node.name} has no docstring")
    for node in tree(path).body:
        public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if public and not ast.get_docstring(node):
            bare.append(f"{node.name} has no docstring")
    assert bare == []


def test_functions_are_short() -> None:
    """
    Nine of ten have at most 35 lines.
    """
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in [ENGINE, *SIBLINGS]
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    assert lengths[len(lengths) * 9 // 10] <= 35

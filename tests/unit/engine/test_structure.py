"""
The rules of the split into modules, so that every form of installation can load the engine.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

ENGINES = Path(__file__).parents[3] / "_engines"
ENGINE = ENGINES / "dynatrace.py"
PACKAGE = ENGINES / "_dynatrace"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in FILES if path.name != "__init__.py"]
#: The rooms, lower first: each imports only from itself and from those before it.
ROOMS = [
    *("core", "config", "api", "store", "master", "remediation", "webhook", "pages", "facts"),
    *("engine", "simulation"),
]
LONGEST = 300
#: What Salt brings along, wherever it is installed.
THIRD_PARTY = {"jinja2", "markupsafe", "requests", "tornado", "urllib3"}
BANNED = re.compile(r"(?i)(manager|handler|helpers?|utils?)$")


def dotted(path: Path) -> str:
    """
    Return a file's name within the package, such as ``core.policy``.
    """
    return ".".join(path.relative_to(ENGINES).with_suffix("").parts).removeprefix("_dynatrace.")


@functools.cache
def tree(path: Path) -> ast.Module:
    """
    Return the parsed file.
    """
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@functools.cache
def walked(path: Path) -> tuple[ast.AST, ...]:
    """
    Return all of a parsed file.
    """
    return tuple(ast.walk(tree(path)))


@functools.cache
def imports(path: Path) -> set[str]:
    """
    Return the names that a file imports; those of the package as ``_dynatrace.core.policy``, however it says them.
    """
    found: set[str] = set()
    for node in walked(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= _named(path, node)
    return found


def _named(path: Path, node: ast.ImportFrom) -> set[str]:
    if not node.level:
        base = node.module or ""
    else:
        parts = path.relative_to(ENGINES).parts[: -node.level]
        base = ".".join([*parts, *([node.module] if node.module else [])])
    if (ENGINES / base.replace(".", "/")).is_dir():
        return {f"{base}.{alias.name}" for alias in node.names}
    return {base}


def needs(path: Path) -> set[str]:
    """
    Return the modules of the package that a file imports, as ``core.policy``.
    """
    ours = {name for name in imports(path) if name.partition(".")[0] == "_dynatrace"}
    return {name.removeprefix("_dynatrace.") for name in ours}


def test_there_are_modules() -> None:
    """
    The tests below have something to look at.
    """
    assert ENGINE.exists()
    assert len(MODULES) > 10
    assert {path.name for path in ENGINES.glob("*.py")} == {"dynatrace.py", "__init__.py"}
    assert {path.parent.name for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("path", [ENGINE, *MODULES], ids=dotted)
def test_imports_are_at_module_level(path: Path) -> None:
    """
    The directory is on the path only while the engine loads: a later import would fail on a master.
    """
    late = [
        node.lineno
        for outer in tree(path).body
        for node in ast.walk(outer)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node is not outer
    ]
    assert late == []


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_the_package_names_itself_by_dots_alone(path: Path) -> None:
    """
    Under a name of its own, such as ``salt_dynatrace._dynatrace``, there would be two copies of it.
    """
    said = [node for node in walked(path) if isinstance(node, ast.ImportFrom)]
    assert [node.lineno for node in said if "_dynatrace" in (node.module or "")] == []
    assert not [name for name in imports(path) if "salt_dynatrace" in name]


def test_the_engine_names_the_package_absolutely() -> None:
    """
    The loader gives its modules a package that is none: a relative import does not load.
    """
    nodes = [node for node in walked(ENGINE) if isinstance(node, ast.ImportFrom)]
    assert [node.lineno for node in nodes if node.level] == []
    assert needs(ENGINE)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_the_engine_itself_knows_salt(path: Path) -> None:
    """
    The package imports nothing of Salt and names nothing that Salt's loader would have to set.
    """
    assert [name for name in imports(path) if name.partition(".")[0] == "salt"] == []
    used = {node.id for node in walked(path) if isinstance(node, ast.Name)}
    dunders = {name for name in used if re.fullmatch("__[a-z]+__", name)} - {"__name__", "__file__"}
    assert dunders == set()


def test_the_engine_has_no_postponed_annotations() -> None:
    """
    With them a dataclass in the engine's own file does not load.
    """
    assert "__future__" not in imports(ENGINE)
    assert not [node for node in tree(ENGINE).body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("path", [ENGINE, *MODULES], ids=dotted)
def test_only_what_salt_brings_is_imported(path: Path) -> None:
    """
    Salt is silent about an engine whose import fails.
    """
    outside = {name.partition(".")[0] for name in imports(path)}
    outside -= {"_dynatrace", *sys.stdlib_module_names}
    assert outside <= THIRD_PARTY | ({"salt"} if path == ENGINE else set())


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_room_imports_only_from_those_before_it(path: Path) -> None:
    """
    Each module belongs to a room, and no edge goes upwards.
    """
    allowed = ROOMS[: ROOMS.index(path.parent.name) + 1]
    assert [name for name in needs(path) if name.partition(".")[0] not in allowed] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """
    Over any number of modules, also within a room.
    """
    waiting = {dotted(path): needs(path) for path in MODULES}
    while waiting:
        free = {name for name, others in waiting.items() if not others}
        assert free, f"these import each other in a circle: {sorted(waiting)}"
        waiting = {name: others - free for name, others in waiting.items() if name not in free}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room: str) -> None:
    """
    Its file holds a docstring and no imports: re-exports invite circles.
    """
    body = tree(PACKAGE / room / "__init__.py").body
    assert ast.get_docstring(tree(PACKAGE / room / "__init__.py"))
    assert len(body) == 1


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
        "api.davis",
        "api.decompression",
        "api.entities",
        "api.json_values",
        "api.problems",
        "core.evidence",
        "core.failure",
        "core.policy",
        "core.problem",
        "core.remedies",
        "core.resolution",
        "core.rules",
        "core.unhealable",
        "core.notification",
        "master.job_results",
        "webhook.fields",
        "webhook.payload",
    ):
        assert imports(PACKAGE / f"{name.replace('.', '/')}.py") & world == set(), name


@pytest.mark.parametrize("path", [ENGINE, *MODULES], ids=dotted)
def test_modules_stay_small_enough_to_be_read(path: Path) -> None:
    """
    Above the limit a module has a second job.
    """
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST


@pytest.mark.parametrize("path", [ENGINE, *MODULES], ids=dotted)
def test_names_say_the_domain_and_not_the_pattern(path: Path) -> None:
    """
    No manager, handler, helper or utils.
    """
    named = [path.stem] + [
        node.name
        for node in walked(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    assert [name for name in named if BANNED.search(name)] == []


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_public_names_are_described(path: Path) -> None:
    """
    A docstring on its own lines; annotations on every argument and return of the package.
    """
    assert ast.get_docstring(tree(path))
    bare = []
    for node in walked(path):
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
        for path in [ENGINE, *MODULES]
        for node in walked(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    assert lengths[len(lengths) * 9 // 10] <= 35

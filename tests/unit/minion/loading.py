"""
Loads a Salt module from the tree as Salt's loader does, with the dunders that the test names.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

REPO = Path(__file__).resolve().parents[3]
UTILS = REPO / "salt" / "_utils"
# Where the siblings of a module lie; Salt's loader does so while it loads one.
sys.path.append(str(UTILS))
#: Those that have Salt's dunders; what only looks at the machine is the same for everybody.
_PRIVATE = sorted(
    path.stem for path in UTILS.glob("_dynatrace_*.py") if "_service_" not in path.stem
)
#: What `private` has loaded last, by name.
_loaded: dict[str, ModuleType] = {}


def load(path: str, **dunders: Any) -> ModuleType:
    """
    Return the module of a path below ``salt/``, e.g. ``_modules/dynatrace.py``.

    It imports the private modules that were loaded last.
    """
    name = "salt_dynatrace_" + path.strip("_").removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, REPO / "salt" / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with _imported(_loaded):
        spec.loader.exec_module(module)
    for key, value in dunders.items():
        setattr(module, f"__{key}__", value)
    return module


def private(**dunders: Any) -> SimpleNamespace:
    """
    Return the private modules, each loaded anew, by their names without `_dynatrace_`.
    """
    with _imported({}):
        modules = {name: importlib.import_module(name) for name in _PRIVATE}
    for module in modules.values():
        for key, value in dunders.items():
            if hasattr(module, f"__{key}__"):
                setattr(module, f"__{key}__", value)
    _loaded.update(modules)
    return SimpleNamespace(
        **{name.removeprefix("_dynatrace_"): module for name, module in modules.items()}
    )


@contextmanager
def _imported(modules: dict[str, ModuleType]) -> Iterator[None]:
    """
    Let these private modules be what is imported meanwhile, and those of before afterwards.
    """
    own = set(_PRIVATE)
    before = {name: sys.modules.pop(name) for name in own & set(sys.modules)}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in own & set(sys.modules):
            del sys.modules[name]
        sys.modules.update(before)


def utils(opts: dict[str, Any]) -> dict[str, Any]:
    """
    Return what `__utils__` holds of this project.
    """
    found = {}
    for path in sorted((REPO / "salt" / "_utils").glob("dynatrace_*.py")):
        module = load(f"_utils/{path.name}", opts=opts)
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith(
                (module.__name__, "_dynatrace_", "dynatrace_")
            )
            if not name.startswith("_") and ours:
                found[f"{path.stem}.{name}"] = value
    return found


def named(functions: dict[str, Any]) -> dict[str, Any]:
    """
    Return the functions as Salt's loader gives them: each knows its name.
    """
    found = {}
    for name, function in functions.items():
        found[name] = functools.partial(function)
        found[name].name = name
    return found


def source(path: str) -> str:
    """
    Return the text of a file of the tree.
    """
    return (REPO / path).read_text(encoding="utf-8")

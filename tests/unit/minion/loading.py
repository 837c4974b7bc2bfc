"""
Loads a Salt module from the tree as Salt's loader does, with the dunders that the test names.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

REPO = Path(__file__).resolve().parents[3]
# Where the siblings of a module lie; Salt's loader does so while it loads one.
sys.path.append(str(REPO / "salt" / "_utils"))


def load(path: str, **dunders: Any) -> ModuleType:
    """
    Return the module of a path below ``salt/``, e.g. ``_modules/dynatrace.py``.
    """
    name = "salt_dynatrace_" + path.strip("_").removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, REPO / "salt" / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for key, value in dunders.items():
        setattr(module, f"__{key}__", value)
    return module


def utils(opts: dict[str, Any]) -> dict[str, Any]:
    """
    Return what `__utils__` holds of this project.
    """
    found = {}
    for path in sorted((REPO / "salt" / "_utils").glob("dynatrace_*.py")):
        module = load(f"_utils/{path.name}", opts=opts)
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__:
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

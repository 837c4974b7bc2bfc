"""
Loads a Salt module from the tree as Salt's loader does, with the dunders that the test names.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

REPO = Path(__file__).resolve().parents[3]


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


def source(path: str) -> str:
    """
    Return the text of a file of the tree.
    """
    return (REPO / path).read_text(encoding="utf-8")

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
from types import ModuleType
from typing import Any

REPO = Path(__file__).resolve().parents[3]
UTILS = REPO / "salt" / "_utils"
# Where the siblings of a module lie; Salt's loader does so while it loads one.
sys.path.append(str(UTILS))
#: What is shared and private, with its sub-packages.
PACKAGE = "_dynatrace_utils"
_PRIVATE = sorted(
    ".".join([PACKAGE, *path.relative_to(UTILS / PACKAGE).with_suffix("").parts])
    for path in (UTILS / PACKAGE).rglob("*.py")
    if path.stem != "__init__"
)
#: The private modules by name, and what was in each when it was loaded.
_loaded: dict[str, ModuleType] = {}
_contents: dict[str, dict[str, Any]] = {}


def load(path: str, **dunders: Any) -> ModuleType:
    """
    Return the module of a path below ``salt/``, e.g. ``_modules/dynatrace.py``.

    It imports the private modules as `private` has left them.
    """
    module = _module(path)
    for key, value in dunders.items():
        setattr(module, f"__{key}__", value)
    return module


def _module(path: str) -> ModuleType:
    parts = path.removesuffix(".py").split("/")
    # One of the package finds its siblings by its name.
    is_private = parts[1] == PACKAGE
    name = ".".join(parts[1:]) if is_private else "salt_dynatrace_" + "_".join(parts).strip("_")
    spec = importlib.util.spec_from_file_location(name, REPO / "salt" / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    if is_private:
        private()
    with _imported(_loaded):
        spec.loader.exec_module(module)
    return module


def private(**dunders: Any) -> Any:
    """
    Return the package of what is private, as if it were loaded anew: `private().tenant.http`.

    What a test has put into its modules is gone then: there is one of each, since to import all takes long.
    """
    if not _loaded:
        with _imported({}):
            for name in _PRIVATE:
                importlib.import_module(name)
            _loaded.update({name: sys.modules[name] for name in sys.modules if _is_ours(name)})
        _contents.update({name: dict(vars(module)) for name, module in _loaded.items()})
    for name, module in _loaded.items():
        own, first = vars(module), _contents[name]
        for key in own.keys() - first.keys():
            del own[key]
        own.update(first)
        own.update({f"__{key}__": one for key, one in dunders.items() if f"__{key}__" in own})
    return _loaded[PACKAGE]


@contextmanager
def together() -> Iterator[None]:
    """
    Let what the private modules import meanwhile, when they are called, be each other.
    """
    with _imported(_loaded):
        yield


@contextmanager
def _imported(modules: dict[str, ModuleType]) -> Iterator[None]:
    """
    Let these private modules be what is imported meanwhile, and those of before afterwards.
    """
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in list(sys.modules):
            if _is_ours(name):
                del sys.modules[name]
        sys.modules.update(before)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


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

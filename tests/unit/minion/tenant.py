"""
The modules of the tenant's states, loaded together and without a tenant.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.minion.loading import load

URL = "https://abc12345.live.dynatrace.com"


def functions(given: dict[str, Any], cachedir: Path | None = None) -> dict[str, Callable[..., Any]]:
    """
    Return what `__salt__` holds, with this configuration; nothing of it calls the tenant.
    """
    salt: dict[str, Callable[..., Any]] = {}
    settings = {"dynatrace:environment_url": URL, **given}
    salt["config.get"] = lambda key, default=None, **_: settings.get(key, default)
    parts = [
        f"tenant_{name}" for name in ("answer", "http", "options", "record", "values", "window")
    ]
    for name in ("record", *parts):
        module = load(
            f"_modules/dynatrace_{name}.py",
            salt=salt,
            opts={"cachedir": str(cachedir), "id": "master01"},
        )
        for function in vars(module):
            if not function.startswith("_") and callable(getattr(module, function)):
                salt[f"dynatrace_{name}.{function}"] = getattr(module, function)
    return salt


def checked(kind: str, **given: Any) -> dict[str, Any]:
    """
    Return the options of a state as its module completes them.
    """
    found = functions({})["dynatrace_tenant_options.checked"](kind, given)
    assert isinstance(found, dict)
    return found

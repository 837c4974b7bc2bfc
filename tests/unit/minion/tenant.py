"""
The modules of the tenant's states, loaded together and without a tenant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.minion.loading import private

URL = "https://abc12345.live.dynatrace.com"


def modules(given: dict[str, Any], cachedir: Path | None = None) -> Any:
    """
    Return the private package with this configuration; nothing of it calls the tenant.
    """
    settings = {"dynatrace:environment_url": URL, **given}
    salt = {"config.get": lambda key, default=None, **_: settings.get(key, default)}
    return private(salt=salt, opts={"cachedir": str(cachedir), "id": "master01"})


def checked(kind: str, **given: Any) -> dict[str, Any]:
    """
    Return the options of a state as its module completes them.
    """
    found = modules({}).tenant.options.checked(kind, given.pop("name"), given)
    assert isinstance(found, dict)
    return found

"""
The shipped entries on a machine where a second instance of the program runs, and the first is stopped on purpose.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.services.services import SHIPPED, Services, lacking, shipped
from tests.functional.services.test_orders import outcome


@pytest.mark.parametrize(
    ("name", "unit", "program", "port"),
    [
        ("redis", "redis-server", "redis-server", 26379),
        ("memcached", "memcached", "memcached", 11212),
    ],
)
def test_the_service_is_not_started_for_another_instance(
    services: Services, name: str, unit: str, program: str, port: int
) -> None:
    """Its program is the same, and nothing else of it need be known."""
    if missing := lacking(name):
        pytest.skip(missing)
    services.machine.run("systemctl", "stop", unit)
    by = next(kind for kind in ("unit", "technology") if kind in SHIPPED[name][True])
    path = str((Path("/usr/bin") / program).resolve())
    told = services.ordered(shipped(name), by=by, executable=path, ports=[port])
    assert outcome(told) == "refused", told
    assert services.show(unit, "ActiveState") == "inactive"
    told = services.ordered(shipped(name), by=by, executable=path, unit=f"{unit}.service")
    assert outcome(told) == "healed", told

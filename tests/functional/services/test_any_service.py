"""
Services of every kind, stopped, killed and wedged on a real systemd: each is healed by two lines, and proved.

All are in the same trouble at once, and one run heals them: what a state costs is the proof, not the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.services.services import KINDS, Services, lacking

TROUBLES: dict[str, Callable[[Services], None]] = {
    "stopped": lambda services: services.systemctl("stop"),
    "killed": lambda services: services.systemctl("kill", "--signal=KILL"),
    "wedged": lambda services: services.systemctl("kill", "--signal=STOP"),
}


@pytest.fixture(scope="module")
def healed(services: Services) -> Callable[[str], dict[str, Any]]:
    """
    Return what came of each service after a trouble, with the main process of before and after.
    """
    found: dict[str, dict[str, Any]] = {}

    def heal(trouble: str) -> dict[str, Any]:
        if trouble not in found:
            services.start()
            before = {name: services.main(name) for name in services.names}
            assert 0 not in before.values(), before
            TROUBLES[trouble](services)
            told = services.heal_all()
            after = {name: services.main(name) for name in services.names}
            found[trouble] = {
                name: {"told": told[name], "before": before[name], "after": after[name]}
                for name in services.names
            }
        return found[trouble]

    return heal


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_it_is_healed_and_proved(
    healed: Callable[[str], dict[str, Any]], services: Services, trouble: str, name: str
) -> None:
    """Another main process lives, by its own unit, and its proof holds; what was before is kept."""
    if reason := lacking(name):
        pytest.skip(reason)
    found = healed(trouble)[name]
    told = found["told"]
    assert told["dynatrace"]["outcome"] == "healed", told["comment"]
    verb = "restarted" if trouble == "wedged" else "started"
    assert verb in told["changes"].values(), told
    # It ends by itself, however many processes it has; systemd does not lose patience.
    assert "hanging stop command ended" not in told["changes"]
    assert found["after"] not in (0, found["before"])
    kept = services.machine.output("ls", told["dynatrace"]["evidence"]["path"]).split()
    assert {"unit.txt", "journal.txt", "processes.txt", "memory.txt"} <= set(kept)
    assert told["dynatrace"]["evidence"]["path"] in told["comment"]


def test_what_serves_is_left_alone(services: Services) -> None:
    """All of them, by the same remedies."""
    services.start()
    before = {name: services.main(name) for name in services.names}
    told = services.heal_all()
    assert {name: told[name]["dynatrace"]["outcome"] for name in before} == dict.fromkeys(
        before, "healthy"
    ), told
    assert before == {name: services.main(name) for name in services.names}

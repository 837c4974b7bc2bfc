"""
What the engine tells of itself while a part of Dynatrace's API fails.
"""

from __future__ import annotations

import json

import pytest

from tests.functional.engine.conftest import Scene
from tests.unit.engine.bodies import recommended


@pytest.mark.parametrize("what", ["problems", "details", "entities"])
def test_what_cannot_be_read_is_named_until_it_can(scene: Scene, what: str) -> None:
    """
    The last poll is the last list that was good, whatever becomes of what it shows.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    paths = {
        "problems": "/problems",
        "details": f"/problems/{problem.problem_id}",
        "entities": "/entities",
    }
    scene.tenant.fault("server_error", times=None, path=paths[what])
    world.poll(31)
    assert world.status.failing.get(what) == "Unavailable"
    assert (world.status.last_poll is None) is (what == "problems")
    scene.tenant.clear_faults()
    for _ in range(2):
        world.poll(31)
    assert world.status.failing == {}
    assert "open" in world.whats()


def test_what_is_notified_and_cannot_be_read_is_named(scene: Scene) -> None:
    """
    The list may be good meanwhile.
    """
    scene.host("web01")
    world = scene.world()
    world.poll()
    path = f"/problems/{recommended()['PID']}"
    scene.tenant.fault("server_error", times=None, path=path)
    world.notify(json.dumps(recommended()).encode())
    world.cycle(1)
    assert world.status.failing == {"notified": "Unavailable"}

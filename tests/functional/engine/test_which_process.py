"""
Which process an order is about, where a technology alone does not tell: all that is named here is synthetic.
"""

from __future__ import annotations

from tests.functional.engine.conftest import Scene


def test_a_second_process_of_a_kind_gets_an_attempt_of_its_own(scene: Scene) -> None:
    """One job on a minion is about one process; the second one waits until the first is done."""
    first = scene.host("web01")
    second = scene.tenant.add_process(scene.hosts["web01"], "Apache Web Server apache2-foo")
    world = scene.world()
    scene.tenant.open_problem([first, second])
    world.poll()
    [order] = world.events("open")
    assert order["processes"]["web01"]["entity"] == first
    assert [(one["entity"], one["reason"]) for one in order["held"]] == [(second, "in progress")]
    world.poll(5)
    assert world.events("retry") == []
    world.salt_runs(order)
    world.cycle(1)
    world.cycle(1)
    [retry] = world.events("retry")
    assert (retry["minions"], retry["attempt"]) == (["web01"], 2)
    assert retry["processes"]["web01"]["entity"] == second

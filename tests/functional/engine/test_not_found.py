"""
One problem that the tenant does not find, while its list shows it: a server that lags behind, a proxy, a moment.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import GOOD, World
from tests.tenant.problems import Problem
from tests.unit.engine.bodies import problem_v2


def lose(scene: Scene, problem: Problem, times: int | None = 1) -> None:
    """
    Let the tenant answer 404 for a problem that it lists.
    """
    scene.tenant.fault(
        "server_error", status=404, times=times, path=f"/problems/{problem.problem_id}"
    )


def healing(scene: Scene, **config: Any) -> tuple[World, Problem]:
    """
    Return an engine that gave an order, and the problem.
    """
    apache = scene.host("web01")
    world = scene.world(**config)
    problem = scene.tenant.open_problem(apache)
    world.poll()
    return world, problem


def test_a_404_ends_nothing_that_the_list_still_shows(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is read again with each poll, which is said once, and is healed once: no second episode, no second order.
    """
    world, problem = healing(scene)
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    lose(scene, problem, times=5)
    scene.tenant.update_problem(problem, title="another title")
    for _ in range(30):
        world.poll(31)
    assert world.whats() == ["open", "healed", "changed"]
    assert {data["episode"] for data in world.events()} == {1}
    assert caplog.text.count("may be open and is not found") == 1


def test_a_new_problem_that_is_listed_before_it_is_found_is_healed_when_it_is(scene: Scene) -> None:
    """
    Its detail may lag behind the list.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    lose(scene, problem, times=2)
    for _ in range(3):
        world.poll(31)
    assert [data["minions"] for data in world.events("open")] == [["web01"]]


@pytest.mark.parametrize("tenant", ["classic"], indirect=True)
def test_a_404_of_what_the_list_does_not_show_ends_it(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The tenant no longer knows the problem.
    """
    world, problem = healing(scene)
    scene.tenant.forget_problem(problem)
    world.poll(31)
    assert world.whats() == ["open", "resolved"]
    assert "no longer knows the problem" in caplog.text


def test_a_404_ends_nothing_when_the_list_could_not_be_read_whole(scene: Scene) -> None:
    """
    The entry that could not be read may be that problem.
    """
    world, problem = healing(scene)
    lose(scene, problem, times=None)
    broken = {**problem_v2(problemId=problem.problem_id), "status": 7}
    scene.tenant.fault("wrong_type", body={"problems": [broken]}, times=3, path="/problems")
    for _ in range(3):
        world.poll(31)
    assert world.whats() == ["open"]
    world.poll(31)
    assert world.whats() == ["open"]


def test_an_order_waits_while_its_problem_is_not_found(scene: Scene) -> None:
    """
    What was read a while ago is read again before an order; without an answer there is none, and nothing is over.
    """
    world, problem = healing(scene, policy={"cooldown": 60})
    world.salt_runs(
        world.events("open")[0], {**GOOD, "retcode": 2, "success": False, "return": "x"}
    )
    world.cycle(1)
    assert world.whats() == ["open", "failed"]
    lose(scene, problem, times=3)
    waited = 0
    while world.whats() == ["open", "failed"]:
        world.cycle(5)
        waited += 5
    assert world.whats() == ["open", "failed", "retry"]
    assert 120 + 3 * 15 <= waited < 240


@pytest.mark.parametrize("what", ["comment", "close"])
def test_what_is_told_waits_while_an_open_problem_is_not_found(
    scene: Scene, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A comment, or the closing of what was healed, is given up only for a problem that is over.
    """
    close = {"close": True, "close_after": 60, "comment": what == "comment"}
    world, problem = healing(scene, feedback=close)
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    lose(scene, problem, times=2)
    for _ in range(10):
        world.send_comments()
        world.poll(31)
    assert not [
        one
        for one in caplog.records
        if one.levelno >= logging.WARNING and "given up" in one.message
    ]
    if what == "comment":
        assert len(scene.tenant.comments(problem)) == 2
    assert problem.status == "CLOSED"

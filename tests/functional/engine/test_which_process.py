"""
Which process an order is about, where a technology alone does not tell: all that is named here is synthetic.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, down
from tests.tenant import Problem

FOO = {
    "COMMAND_LINE_ARGS": "/usr/sbin/apache2 -d /etc/apache2-foo -k start",
    "APACHE_CONFIG_PATH": "/etc/apache2-foo/apache2.conf",
}


def test_a_second_process_of_a_kind_gets_an_attempt_of_its_own(scene: Scene) -> None:
    """One job on a minion is about one process; the second one waits until the first is done."""
    first = scene.host("web01")
    second = scene.tenant.add_process(scene.hosts["web01"], "Apache apache2-foo", build=FOO)
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
    assert retry["processes"]["web01"]["config"] == FOO["APACHE_CONFIG_PATH"]


def test_an_order_describes_the_process_as_the_tenant_knows_it(scene: Scene) -> None:
    """The minion compares it with what its remedy would touch."""
    apache = scene.host("web01")
    scene.tenant.add_os_service(scene.hosts["web01"], "apache2", apache)
    world = scene.world()
    scene.tenant.open_problem(apache, evidence=[down(apache, world.now - 60)])
    world.poll()
    [order] = world.events("open")
    told = order["processes"]["web01"]
    assert told.pop("failed").endswith("Z")
    assert told == {
        "entity": apache,
        "executable": "/usr/sbin/apache2",
        "command_line": "/usr/sbin/apache2 -k start",
        "config": "/etc/apache2/apache2.conf",
        "ports": [80],
        "unit": "apache2",
        "name": "Apache Web Server apache2",
        "container": None,
        "by": None,
    }
    assert order["act_until"] > order["valid_until"] > order["fired"]


def test_the_unit_of_a_process_is_remembered_while_it_is_down(scene: Scene) -> None:
    """A host may name no process of a unit that is down; the one seen last in this problem is kept."""
    apache = scene.host("web01")
    scene.tenant.add_os_service(scene.hosts["web01"], "apache2", apache)
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    scene.tenant.set_os_service_status(scene.hosts["web01"], "apache2", "inactive")
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    world.poll(
        660
    )  # The cooldown is over, and what was known of the host is too old to be believed.
    [retry] = world.events("retry")
    assert retry["processes"]["web01"]["unit"] == "apache2"


CONTAINERS: list[tuple[dict[str, Any], str]] = [
    ({"pod": "web-6c9f-xk2"}, "KUBERNETES_FULL_POD_NAME: web-6c9f-xk2"),
    ({"build": {"CONTAINER_NAME": "web"}}, "CONTAINER_NAME: web"),
    ({"properties": {"isDockerized": True}}, "isDockerized"),
]


@pytest.mark.parametrize(("what", "mark"), CONTAINERS, ids=[mark for _, mark in CONTAINERS])
def test_a_process_in_a_container_is_not_healed_as_the_service_of_its_host(
    scene: Scene, what: dict[str, Any], mark: str
) -> None:
    """The host's own apache2 is another process: nobody is ordered or called, and the event names the mark."""
    scene.host("web01")
    inside = scene.tenant.add_process(scene.hosts["web01"], "apache in a container", **what)
    world = scene.world()
    scene.tenant.open_problem(inside)
    world.poll()
    for _ in range(20):
        world.cycle(15)
    [opened] = world.events()
    assert (opened["minions"], opened["attempt"]) == ([], 0)
    [held] = opened["held"]
    assert (held["minion"], held["reason"]) == ("web01", "another process")
    assert mark in held["detail"]


def test_the_comment_on_an_attempt_says_why_another_process_was_left_alone(scene: Scene) -> None:
    """Who reads the problem learns of the container without looking for the event."""
    apache = scene.host("web01")
    inside = scene.tenant.add_process(scene.hosts["web01"], "apache in a pod", pod="web-6c9f-xk2")
    world = scene.world()
    problem = scene.tenant.open_problem([apache, inside])
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    world.send_comments()
    [comment] = scene.tenant.comments(problem)
    assert "web01 (another process: it runs in a container (KUBERNETES_FULL_POD_NAME" in (
        comment.message
    )


def closed(scene: Scene, apache: str, start: float) -> Problem:
    """
    Raise a problem that stays open though the event of its process is closed.
    """
    return scene.tenant.open_problem(apache, evidence=[down(apache, start, "CLOSED")])


def test_a_process_that_is_back_is_not_ordered_and_calls_nobody(scene: Scene) -> None:
    """A person started it meanwhile, and Dynatrace closes the problem late."""
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache, evidence=[down(apache, world.now - 60)])
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    scene.tenant.update_problem(problem, evidence=[down(apache, world.now - 60, "CLOSED")])
    for _ in range(30):
        world.poll(31)
    assert world.whats() == ["open", "failed", "changed"]
    assert held_of(scene) == {"web01": "not down"}


def held_of(scene: Scene) -> dict[str, str]:
    """
    Return why each minion is held now, as a problem that is seen anew tells.
    """
    world = scene.worlds[-1]
    [episode] = world.ledger.episodes.shown(9)
    _, held = world.verdicts(episode, 10)
    return {target.minion: verdict.reason.value for target, verdict in held if verdict.reason}


def test_a_process_that_goes_down_again_is_ordered_though_the_list_shows_nothing(
    scene: Scene,
) -> None:
    """The evidence of an open problem is looked at now and then while its process is not down."""
    apache = scene.host("web01")
    world = scene.world()
    problem = closed(scene, apache, world.now - 60)
    world.poll()
    assert [data["attempt"] for data in world.events()] == [0]
    again = [down(apache, world.now - 60, "CLOSED"), down(apache, world.now)]
    scene.tenant.update_problem(problem, evidence=again)
    for _ in range(8):
        world.poll(31)
        world.cycle(0)
    assert [data["minions"] for data in world.events("retry")][:1] == [["web01"]]


def test_a_host_that_is_busy_is_not_ordered_and_calls_nobody(scene: Scene) -> None:
    """No process of it is down: no remedy of a service has anything to do there."""
    apache = scene.host("web01")
    world = scene.world(policy={"max_minions": 1})
    scene.tenant.open_problem(
        scene.hosts["web01"],
        title="CPU saturation",
        severity="RESOURCE_CONTENTION",
        event_type="OSI_HIGH_CPU",
    )
    world.poll()
    for _ in range(20):
        world.cycle(15)
    [opened] = world.events()
    assert [(one["minion"], one["reason"]) for one in opened["held"]] == [("web01", "not down")]
    assert "no process on it is said to be down" in opened["held"][0]["detail"]
    scene.tenant.open_problem(apache)
    world.poll(31)
    assert world.events("open")[-1]["minions"] == ["web01"]


def test_an_order_is_taken_back_when_its_process_is_back(scene: Scene) -> None:
    """Nobody took it, and there is nothing left to do: it is not given again, and nobody is called."""
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache, evidence=[down(apache, world.now - 60)])
    world.poll()
    scene.tenant.update_problem(problem, evidence=[down(apache, world.now - 60, "CLOSED")])
    for _ in range(12):
        world.poll(31)
    assert [data["what"] for data in world.events() if data["minions"]] == ["open"]
    assert world.events("escalated") == []
    assert world.ledger.attempts.open() == []

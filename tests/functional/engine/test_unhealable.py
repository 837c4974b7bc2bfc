"""
Problems that no remedy takes: each is announced with a reason, and none orders, holds room or calls anybody.

Bodies of process availability rules and OS services are constructed: no capture of a whole one is known.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import World
from tests.tenant import Problem

RULE = {"Event source": "Process availability", "Message": "Missing process matching rule apache"}


def availability_event(host: str, start: float, **properties: str) -> dict[str, Any]:
    """
    Return evidence of an AVAILABILITY_EVENT on a host, as a process availability rule raises it.
    """
    entity = {"entityId": {"id": host, "type": "HOST"}, "name": "web01.example.com"}
    begun = int(start * 1000)
    pairs = [{"key": key, "value": value} for key, value in properties.items()]
    return {
        "evidenceType": "EVENT",
        "displayName": "No process found for rule apache",
        "entity": entity,
        "rootCauseRelevant": True,
        "eventType": "AVAILABILITY_EVENT",
        "startTime": begun,
        "endTime": -1,
        "data": {"status": "OPEN", "startTime": begun, "properties": pairs},
    }


def quiet(world: World) -> list[dict[str, Any]]:
    """
    Let a quarter of an hour pass in which a person would have been called, and return what was fired.
    """
    world.poll()
    for _ in range(30):
        world.poll(31)
    return world.events()


def raise_on_host(scene: Scene, world: World, **properties: str) -> Problem:
    """
    Raise a problem by an availability event on the host of web01.
    """
    shown = availability_event(scene.hosts["web01"], world.now - 60, **properties)
    return scene.tenant.open_problem(scene.hosts["web01"], root_cause=None, evidence=[shown])


def test_a_process_availability_rule_is_told_what_would_make_it_healable(scene: Scene) -> None:
    """It counts processes and names none: the event and one comment say what to turn on instead."""
    scene.host("web01")
    world = scene.world()
    problem = raise_on_host(scene, world, **RULE)
    [opened] = quiet(world)
    [held] = opened["held"]
    assert (held["minion"], held["reason"], opened["attempt"]) == ("web01", "no remedy", 0)
    assert "a process availability rule counts processes and names none" in held["detail"]
    assert "availability monitoring of the process's group" in held["detail"]
    world.send_comments()
    [comment] = scene.tenant.comments(problem)
    assert f"web01: {held['detail']}." in comment.message


def test_an_os_service_on_a_host_is_named_by_its_unit(scene: Scene) -> None:
    """A policy whose metadata names the unit tells which one it is."""
    scene.host("web01")
    world = scene.world()
    raise_on_host(scene, world, **{"dt.osservice.name": "apache2"})
    [opened] = quiet(world)
    assert opened["held"][0]["reason"] == "no remedy"
    assert "the OS service apache2 is reported" in opened["held"][0]["detail"]


def test_the_comment_on_what_nothing_takes_is_written_once(scene: Scene) -> None:
    """An engine that lost its ledger finds it there; the next episode has one of its own."""
    scene.host("web01")
    world = scene.world()
    problem = raise_on_host(scene, world, **RULE)
    world.poll()
    world.send_comments()
    world.ledger.close()
    (scene.directory / "ledger.db").unlink()
    world.build()
    world.poll(31)
    world.send_comments()
    assert len(scene.tenant.comments(problem)) == 1
    scene.tenant.close_problem(problem)
    world.poll(31)
    scene.tenant.reopen_problem(problem)
    world.poll(31)
    world.send_comments()
    assert len(scene.tenant.comments(problem)) == 2


@pytest.mark.parametrize("config", [{"feedback": False}, {"policy": {"dry_run": True}}])
def test_without_feedback_or_leave_to_act_no_comment_says_what_to_turn_on(
    scene: Scene, config: dict[str, Any]
) -> None:
    """An engine that only looks writes nothing to the tenant."""
    scene.host("web01")
    world = scene.world(**config)
    problem = raise_on_host(scene, world, **RULE)
    world.poll()
    world.send_comments()
    assert scene.tenant.comments(problem) == []


def test_an_os_service_is_placed_on_the_host_that_it_is_related_to(scene: Scene) -> None:
    """Its relations are not documented: any that leads to one host will do, and an answer without sense does no harm."""
    scene.host("web01")
    service = "OS_SERVICE-00000000000000E1"
    world = scene.world()
    scene.tenant.fault("wrong_type", times=1, path=f"/entities/{service}")
    scene.tenant.open_problem(service, root_cause=None)
    [opened] = quiet(world)
    assert [one["entity"] for one in opened["unmatched"]] == [service]
    scene.tenant.relate(service, "runsOnHost", scene.hosts["web01"])
    scene.tenant.open_problem(service, root_cause=None)
    world.poll(31)
    [held] = world.events("open")[-1]["held"]
    assert (held["minion"], held["entity"], held["reason"]) == ("web01", service, "no remedy")
    assert "an OS service is reported" in held["detail"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ENVIRONMENT", "the environment as a whole"),
        ("SYNTHETIC_TEST", "a synthetic test"),
        ("HTTP_CHECK", "an HTTP monitor"),
        ("APPLICATION", "an application as its users see it"),
        ("CLOUD_APPLICATION", "a workload of Kubernetes"),
        ("KUBERNETES_NODE", "a part of Kubernetes"),
        ("CUSTOM_DEVICE", "a custom device"),
        ("OS_SERVICE", "an OS service"),
        ("OS:SERVICE", "an OS service"),
        ("SOMETHING_NEW", "SOMETHING_NEW is no host and no process"),
    ],
)
def test_what_names_no_process_stands_in_unmatched_with_a_reason(
    scene: Scene, kind: str, said: str
) -> None:
    """Whoever reads the event learns why nobody is acted on, and nobody is called for it."""
    world = scene.world()
    entity = f"{kind}-00000000000000E1"
    scene.tenant.open_problem(entity, root_cause=None)
    [opened] = quiet(world)
    assert [one["entity"] for one in opened["unmatched"]] == [entity]
    assert opened["unmatched"][0]["reason"].startswith(said)
    assert (opened["minions"], opened["held"]) == ([], [])


def test_what_can_never_be_matched_costs_no_further_look(scene: Scene) -> None:
    """No minion that is accepted later changes it."""
    world = scene.world()
    scene.tenant.open_problem("APPLICATION-00000000000000E1", root_cause=None)
    world.poll()
    [episode] = world.ledger.episodes.shown(9)
    assert (episode.due, episode.waiting) == (None, None)


def test_what_no_reactor_takes_is_announced_and_waits_for_nobody(scene: Scene) -> None:
    """It is no order that somebody failed to take: nobody is called."""
    scene.hosts["web01"] = scene.tenant.add_host("web01.example.com")
    nginx = scene.tenant.add_process(scene.hosts["web01"], "nginx", technology="NGINX")
    world = scene.world()
    world.takes = lambda technologies: "APACHE_HTTPD" in technologies
    scene.tenant.open_problem(nginx)
    [opened] = quiet(world)
    assert [(one["minion"], one["reason"]) for one in opened["held"]] == [("web01", "no remedy")]
    assert opened["held"][0]["detail"] == "no reactor takes it"


def test_a_reactor_that_is_written_while_a_problem_is_open_takes_it(scene: Scene) -> None:
    """A changed SLS is read at the next event, and the problem is looked at again by itself."""
    apache = scene.host("web01")
    world = scene.world()
    world.takes = lambda _: False
    scene.tenant.open_problem(apache)
    quiet(world)
    world.takes = lambda _: True
    for _ in range(10):
        world.poll(31)
    assert world.events("retry")[0]["minions"] == ["web01"]


def test_what_nobody_takes_keeps_nothing_else_from_being_healed(scene: Scene) -> None:
    """Thirty older problems without a remedy take no room from the one that has one."""
    others = []
    for number in range(30):
        host = scene.hosts[f"ngx{number:02d}"] = scene.tenant.add_host(f"ngx{number:02d}")
        others.append(scene.tenant.add_process(host, "nginx", technology="NGINX"))
    apache = scene.host("web01")
    world = scene.world(policy={"max_minions": 1})
    world.takes = lambda technologies: "APACHE_HTTPD" in technologies
    for number, nginx in enumerate(others):
        scene.tenant.open_problem(nginx, start=world.now - 600 + number)
    scene.tenant.open_problem(apache, start=world.now - 30)
    world.poll()
    assert [data["minions"] for data in world.events() if data["minions"]] == [["web01"]]


def test_a_dry_run_says_what_it_would_do_and_that_no_reactor_is_mapped(scene: Scene) -> None:
    """It comes first in an installation, before the reactor is copied."""
    apache = scene.host("web01")
    world = scene.world(policy={"dry_run": True})
    world.reacts = lambda _: False
    scene.tenant.open_problem(apache)
    world.poll()
    [held] = world.events("open")[0]["held"]
    assert (held["reason"], held["detail"]) == ("dry run", "no reactor is mapped to its events")


def test_a_host_that_is_gone_is_not_called_busy(scene: Scene) -> None:
    """No remedy on it can heal that, and the event says so."""
    scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(scene.hosts["web01"])
    [opened] = quiet(world)
    assert opened["held"][0]["reason"] == "no remedy"
    assert "the host itself is gone or shut down" in opened["held"][0]["detail"]


def test_a_notification_alone_names_what_it_cannot_match(scene: Scene) -> None:
    """Without a token the entities of the payload are all that is known."""
    world = scene.world(api_token=None, webhook={"token": "secret"})
    body = {
        "State": "OPEN",
        "ProblemID": "P-24071",
        "PID": "7000000000000000001_1721545199999V2",
        "ProblemTitle": "Availability",
        "ProblemSeverity": "AVAILABILITY",
        "ImpactedEntities": [
            {"type": "HTTP_CHECK", "name": "shop", "entity": "HTTP_CHECK-00000000000000E1"}
        ],
    }
    world.notify(json.dumps(body).encode())
    world.cycle()
    [opened] = world.events()
    assert [one["entity"] for one in opened["unmatched"]] == ["HTTP_CHECK-00000000000000E1"]

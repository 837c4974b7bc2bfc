"""
The catalogue of remedies in the engine: what is ordered, by which remedy, and what is only announced.

Problems of OS services are constructed, as tests/tenant/os_services.py says.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, HEALTHY, World, down
from tests.tenant import Problem

NGINX = {"on": {"technology": "NGINX"}, "service": "nginx", "proof": "http://127.0.0.1/"}
PHP = {"on": {"technology": "PHP"}, "service": "php8.2-fpm"}
UNIT = {True: {"unit": ["app-*", "worker@*"]}}
VAR = {"on": {"event": "LOW_DISK_SPACE"}, "sls": "site.free_var", "proof": "disk:/var<90%"}


def world_of(scene: Scene, remedies: Any, **config: Any) -> World:
    """
    Start an engine with a catalogue; the shipped reactor alone is mapped.
    """
    world = scene.world(remedies=remedies, **config)
    world.takes = lambda _: False
    return world


def process(scene: Scene, minion: str, name: str, technology: str | None, **known: Any) -> str:
    """
    Add a process to a host that is a minion, or will be.
    """
    if minion not in scene.hosts:
        scene.host(minion)
    return scene.tenant.add_process(scene.hosts[minion], name, technology=technology, **known)


def held(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["minion"], one["reason"]) for one in data["held"]]


def settle(world: World, data: dict[str, Any], *returned: Any) -> None:
    """
    Let a job take an order and return, and decide anew.
    """
    world.salt_runs(data, *returned)
    world.cycle(1)
    world.cycle(1)


def test_an_order_names_its_remedy(scene: Scene) -> None:
    """At top level, by target and by process, with the kind by which it was chosen."""
    nginx = process(scene, "web01", "nginx web", "NGINX")
    world = world_of(scene, {"nginx": NGINX})
    scene.tenant.open_problem(nginx)
    world.poll()
    [order] = world.events("open")
    assert (order["remedy"], order["minions"]) == ("nginx", ["web01"])
    told = order["processes"]["web01"]
    assert (told["name"], told["container"], told["by"]) == ("nginx web", None, "technology")
    [target] = order["targets"]
    assert (target["remedy"], target["by"]) == ("nginx", "technology")
    [attempt] = world.ledger.attempts.open()
    assert attempt.remedy == "nginx"
    settle(world, order)
    [healed] = world.events("healed")
    assert healed["remedy"] == "nginx"


def test_what_no_remedy_takes_is_announced_and_takes_no_place(scene: Scene) -> None:
    """It is never ordered, calls nobody, and the event has the line that would take it."""
    other = process(scene, "db01", "redis", "REDIS")
    nginx = process(scene, "web01", "nginx", "NGINX")
    world = world_of(scene, {"nginx": NGINX}, policy={"max_minions": 1})
    scene.tenant.open_problem(other, start=world.now - 600)
    scene.tenant.open_problem(nginx, start=world.now - 60)
    world.poll()
    assert [one["minions"] for one in world.events("open") if one["minions"]] == [["web01"]]
    [announced] = [one for one in world.events("open") if not one["minions"]]
    assert held(announced) == [("db01", "no remedy")]
    detail = announced["held"][0]["detail"]
    assert "redis: {on: {technology: REDIS}, service: <its unit>}" in detail
    assert announced["remedy"] is None
    for _ in range(30):
        world.poll(31)
    assert [one["what"] for one in world.events() if "REDIS" in str(one["targets"])] == ["open"]


def test_a_person_is_called_to_what_no_remedy_takes_if_the_policy_says_so(scene: Scene) -> None:
    """Once, and the engine goes on with what a remedy takes in the same problem."""
    redis = process(scene, "web01", "redis", "REDIS")
    nginx = process(scene, "web02", "nginx", "NGINX")
    world = world_of(scene, {"nginx": NGINX}, policy={"escalate_without_remedy": True})
    problem = scene.tenant.open_problem([redis, nginx], evidence=[redis, nginx])
    world.poll()
    [order] = world.events("open")
    assert order["minions"] == ["web02"]
    [escalated] = world.events("escalated")
    assert escalated["reason"] == "no remedy"
    settle(world, order, BAD)
    world.poll(700)
    assert [one["minions"] for one in world.events("retry")] == [["web02"]]
    assert len(world.events("escalated")) == 1
    world.send_comments()
    said = [one.message for one in scene.tenant.comments(problem)]
    assert any("no remedy takes what Dynatrace tells of" in one for one in said)


def test_without_a_catalogue_all_is_as_before(scene: Scene) -> None:
    """A reactor of a site's own may take anything, and the event names no remedy."""
    redis = process(scene, "web01", "redis", "REDIS")
    world = scene.world()
    scene.tenant.open_problem(redis)
    world.poll()
    [order] = world.events("open")
    assert (order["minions"], order["remedy"]) == (["web01"], None)
    assert order["processes"]["web01"]["by"] is None


def test_a_site_s_own_reactor_takes_what_no_remedy_does(scene: Scene) -> None:
    """It asks for a technology, and the order has no remedy."""
    redis = process(scene, "web01", "redis", "REDIS")
    world = world_of(scene, {"nginx": NGINX})
    world.takes = lambda technologies: "REDIS" in technologies
    scene.tenant.open_problem(redis)
    world.poll()
    assert [(one["minions"], one["remedy"]) for one in world.events("open")] == [(["web01"], None)]


def test_nginx_and_php_fpm_of_one_problem_get_an_attempt_each(scene: Scene) -> None:
    """On one minion one after the other, on another one at once."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    php = process(scene, "web01", "php-fpm", "PHP")
    far = process(scene, "web02", "php-fpm", "PHP")
    world = world_of(scene, {"nginx": NGINX, "php": PHP})
    scene.tenant.open_problem([nginx, php, far], evidence=[nginx, php, far])
    world.poll()
    world.cycle(1)
    first, second = [one for one in world.events() if one["minions"]]
    assert (first["remedy"], first["minions"]) == ("nginx", ["web01"])
    assert (second["remedy"], second["minions"]) == ("php", ["web02"])
    assert ("web01", "in progress") in held(second)
    for _ in range(5):
        world.cycle(1)
    assert len(world.events()) == 2
    settle(world, first)
    third = world.events()[-1]
    assert (third["remedy"], third["minions"], third["attempt"]) == ("php", ["web01"], 3)
    assert third["processes"]["web01"]["entity"] == php


def test_what_is_at_work_makes_nobody_decide_again_and_again(scene: Scene) -> None:
    """The target that waits for its minion does not say which remedy is next."""
    first = process(scene, "web01", "nginx", "NGINX")
    second = process(scene, "web01", "nginx two", "NGINX")
    php = process(scene, "web02", "php-fpm", "PHP")
    world = world_of(scene, {"nginx": NGINX, "php": PHP})
    shown = [first, second, php]
    scene.tenant.open_problem(shown, evidence=shown)
    world.poll()
    world.cycle(1)
    assert [one["remedy"] for one in world.events() if one["minions"]] == ["nginx", "php"]
    [episode] = world.ledger.episodes.shown(9)
    assert episode.due is None or episode.due > world.now


def test_one_remedy_takes_two_processes_of_a_host_one_after_the_other(scene: Scene) -> None:
    """Two instances of a template unit: one job on a minion is about one process."""
    units = []
    for number in (1, 2):
        units.append(process(scene, "web01", f"worker {number}", None))
        scene.tenant.add_os_service(scene.hosts["web01"], f"worker@{number}", units[-1])
    world = world_of(scene, {"unit": UNIT})
    scene.tenant.open_problem(units, evidence=units)
    world.poll()
    [order] = world.events("open")
    assert (order["remedy"], order["processes"]["web01"]["unit"]) == ("unit", "worker@1")
    assert order["processes"]["web01"]["by"] == "unit"
    assert held(order) == [("web01", "in progress")]
    settle(world, order)
    assert world.events("retry")[-1]["processes"]["web01"]["unit"] == "worker@2"


def test_two_remedies_hold_a_process_and_are_named(scene: Scene) -> None:
    """A process with NGINX and PHP; a site's own reactor does not decide it either."""
    both = process(scene, "web01", "nginx", ["NGINX", "PHP"])
    world = world_of(scene, {"nginx": NGINX, "php": PHP})
    world.takes = lambda _: True
    scene.tenant.open_problem(both)
    world.poll()
    for _ in range(5):
        world.poll(31)
    [opened] = world.events()
    assert held(opened) == [("web01", "two remedies")]
    assert "nginx and php" in opened["held"][0]["detail"]


@pytest.mark.parametrize("about", ["host", "service"])
def test_a_unit_that_dynatrace_names_is_healed(scene: Scene, about: str) -> None:
    """One line of the catalogue; the event is about the OS service, or about its host with the unit's name."""
    scene.host("web01")
    host = scene.hosts["web01"]
    scene.tenant.add_os_service(host, "app-orders")
    scene.tenant.switches.os_service_events_on = about
    scene.tenant.os_service_policy(
        "all", "$prefix(app)", metadata={"dt.osservice.name": "{dt.osservice.name}"}
    )
    world = world_of(scene, {"unit": UNIT})
    problem = scene.tenant.set_os_service_status(host, "app-orders", "failed")
    assert problem is not None
    world.poll()
    [order] = world.events("open")
    told = order["processes"]["web01"]
    assert (order["remedy"], told["unit"], told["by"]) == ("unit", "app-orders", "unit")
    settle(world, order)
    assert world.events("healed")
    world.poll(31)
    assert held_now(world) == {("web01", "healed")}
    scene.tenant.set_os_service_status(host, "app-orders", "active")
    world.poll(31)
    assert world.whats() == ["open", "healed", "resolved"]


def held_now(world: World) -> set[tuple[str, str]]:
    [episode] = world.ledger.episodes.shown(9)
    _, found = world.verdicts(episode, 10)
    return {(target.minion, verdict.reason.value) for target, verdict in found if verdict.reason}


def test_an_os_service_is_known_by_its_entity_alone(scene: Scene) -> None:
    """Its event need not name the unit: the entity does."""
    scene.host("web01")
    host = scene.hosts["web01"]
    scene.tenant.add_os_service(host, "app-orders")
    scene.tenant.switches.os_service_events_on = "service"
    scene.tenant.os_service_policy("all", "$prefix(app)")
    world = world_of(scene, {"unit": UNIT})
    scene.tenant.set_os_service_status(host, "app-orders", "failed")
    world.poll()
    assert world.events("open")[0]["processes"]["web01"]["unit"] == "app-orders"


def test_two_units_of_one_host_are_healed_one_after_the_other(scene: Scene) -> None:
    """Each has records of its own: that one serves says nothing of the other."""
    scene.host("web01")
    world = world_of(scene, {"unit": UNIT})
    host = scene.hosts["web01"]
    shown = [unit_event(host, world.now - 60, unit) for unit in ("app-a", "app-b", "ssh.service")]
    scene.tenant.open_problem(host, root_cause=None, evidence=shown)
    world.poll()
    [order] = world.events("open")
    assert order["processes"]["web01"]["unit"] == "app-a"
    assert held(order) == [("web01", "no remedy"), ("web01", "in progress")]
    settle(world, order)
    [retry] = world.events("retry")
    assert retry["processes"]["web01"]["unit"] == "app-b"
    settle(world, retry, BAD)
    assert held_now(world) == {("web01", "healed"), ("web01", "cooldown"), ("web01", "no remedy")}


def unit_event(host: str, start: float, unit: str | None, **more: str) -> dict[str, Any]:
    shown = down(host, start, kind="AVAILABILITY_EVENT")
    shown["entity"]["entityId"]["type"] = "HOST"
    named = {"dt.osservice.name": unit, **more}
    shown["data"]["properties"] = [{"key": key, "value": named[key]} for key in named]
    return shown


HOSTILE = ["ssh.service", "../x", "app-x/../../ssh", "app-x.mount", "app-x.target", "-app-x", ""]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_unit_that_no_glob_takes_is_never_ordered(scene: Scene, unit: str) -> None:
    """Whatever text Dynatrace gives for it; the reason is told."""
    scene.host("web01")
    world = world_of(scene, {"unit": UNIT, "all": {"on": {"unit": ["a*"]}}})
    host = scene.hosts["web01"]
    shown = unit_event(host, world.now - 60, unit)
    scene.tenant.open_problem(host, root_cause=None, evidence=[shown])
    world.poll()
    for _ in range(5):
        world.poll(31)
    [opened] = world.events()
    assert held(opened) == [("web01", "no remedy")]
    assert opened["held"][0]["detail"]


@pytest.mark.parametrize("named", ["../x", "unit; reboot", "*", "x" * 500, "ngin\u0131x"])
def test_a_hostile_salt_remedy_names_nothing(scene: Scene, named: str) -> None:
    """Nothing else is tried then, though another entry would take the process."""
    nginx = process(scene, "web01", "nginx", "NGINX", tags=[f"salt_remedy:{named}"])
    world = world_of(scene, {"nginx": NGINX})
    world.takes = lambda _: True
    scene.tenant.open_problem(nginx)
    world.poll()
    [opened] = world.events()
    assert held(opened) == [("web01", "no remedy")]
    assert "salt_remedy" in opened["held"][0]["detail"]


def test_the_tenant_names_the_remedy_by_a_tag(scene: Scene) -> None:
    """Of the process or of its host; it goes before all that would fit otherwise."""
    nginx = process(scene, "web01", "nginx", "NGINX", tags=["salt_remedy:orders"])
    world = world_of(scene, {"nginx": NGINX, "orders": {"service": "orders"}})
    scene.tenant.open_problem(nginx)
    world.poll()
    [order] = world.events("open")
    assert (order["remedy"], order["processes"]["web01"]["by"]) == ("orders", "remedy")


def test_a_process_availability_rule_is_healed_by_the_remedy_that_it_names(scene: Scene) -> None:
    """By an event property of the rule; without one it names nothing."""
    scene.host("web01")
    world = world_of(scene, {"orders": {"service": "orders"}})
    host = scene.hosts["web01"]
    scene.tenant.raise_process_rule(host, "orders", {"salt_remedy": "orders"})
    world.poll()
    assert world.events("open")[0]["remedy"] == "orders"
    scene.tenant.raise_process_rule(host, "other")
    world.poll(31)
    assert held(world.events("open")[-1]) == [("web01", "no remedy")]


def test_a_full_disk_is_taken_by_its_event(scene: Scene) -> None:
    """A host that is not down; nothing else on it counts as healed by that."""
    scene.host("web01")
    world = world_of(scene, {"var": VAR, "unit": UNIT})
    host = scene.hosts["web01"]
    problem = scene.tenant.open_problem(
        host, "Low disk space", severity="RESOURCE_CONTENTION", event_type="LOW_DISK_SPACE"
    )
    world.poll()
    [order] = world.events("open")
    assert (order["remedy"], order["technologies"]) == ("var", {})
    settle(world, order)
    assert held_now(world) == {("web01", "healed")}
    scene.tenant.close_problem(problem)
    world.poll(31)
    shown = unit_event(host, world.now - 6000, "app-a")
    scene.tenant.open_problem(host, root_cause=None, evidence=[shown])
    world.poll(31)
    assert world.events("open")[-1]["remedy"] == "unit"


def test_a_container_is_taken_by_an_entry_for_containers_alone(scene: Scene) -> None:
    """The host's own service is another process."""
    scene.host("web01")
    inside = process(scene, "web01", "cart", "NODE_JS", container="cart-1")
    node = {"on": {"technology": "NODE_JS"}, "service": "cart"}
    world = world_of(scene, {"node": node})
    problem = scene.tenant.open_problem(inside)
    world.poll()
    assert held(world.events("open")[0]) == [("web01", "another process")]
    world.remedies = {"node": node, "cart": {"on": node["on"], "container": "cart*"}}
    world.restart()
    world.cycle(1)
    retry = world.events()[-1]
    assert (retry["what"], retry["remedy"]) == ("retry", "cart")
    assert "cart-1" in retry["processes"]["web01"]["container"]
    scene.tenant.close_problem(problem)


def test_a_new_line_heals_what_is_open_already(scene: Scene) -> None:
    """The restart that reads it has all open problems decided again, also those that waited for nothing."""
    scene.host("web01")
    host = scene.hosts["web01"]
    world = world_of(scene, None)
    scene.tenant.open_problem(
        host, root_cause=None, evidence=[unit_event(host, world.now - 60, "app-orders")]
    )
    world.poll()
    assert held(world.events("open")[0]) == [("web01", "no remedy")]
    assert "unit: {on: {unit: ['app-orders']}}" in world.events("open")[0]["held"][0]["detail"]
    world.remedies = {"unit": UNIT}
    world.restart()
    world.cycle(1)
    assert [one["remedy"] for one in world.events("retry")] == ["unit"]


def test_an_order_is_not_given_when_its_remedy_takes_it_by_another_kind(scene: Scene) -> None:
    """It tells the minion by which, and by a process the minion asks for less than by a technology."""
    java = process(scene, "web01", "orders", "JAVA")
    world = world_of(scene, {"orders": {"on": {"process": "orders"}, "service": "orders"}})
    world.bus.refuse = True
    scene.tenant.open_problem(java)
    world.poll()
    world.remedies = {"orders": {"on": {"technology": "JAVA"}, "service": "orders"}}
    world.restart()
    world.bus.refuse = False
    for _ in range(5):
        world.poll(31)
    given = {one["processes"]["web01"]["by"] for one in world.events() if one["minions"]}
    assert given == {"technology"}


def test_a_unit_whose_process_is_named_too_has_one_budget(scene: Scene) -> None:
    """Its failed attempt cools down, although the event of the OS service is open as well."""
    java = process(scene, "web01", "orders", None)
    host = scene.hosts["web01"]
    scene.tenant.add_os_service(host, "app-orders", java)
    world = world_of(scene, {"unit": UNIT})
    shown = [down(java, world.now - 60), unit_event(host, world.now - 30, "app-orders")]
    scene.tenant.open_problem([java, host], evidence=shown)
    world.poll()
    settle(world, world.events("open")[0], BAD)
    for _ in range(5):
        world.poll(31)
    assert [one["what"] for one in world.events() if one["minions"]] == ["open"]


def test_an_order_of_a_remedy_that_is_gone_is_not_given(scene: Scene) -> None:
    """The master was restarted with another catalogue before it was fired."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    world = world_of(scene, {"nginx": NGINX})
    scene.tenant.open_problem(nginx)
    world.reconciler._next_poll = 0.0
    world.cycle(fire=False)
    [attempt] = world.ledger.attempts.open()
    assert not world.engine.dispatch.forbids(attempt.attempt_id)
    for remedies in ({"php": PHP}, {"other": NGINX}, None, {"nginx": {**NGINX, "servce": 1}}):
        world.remedies = remedies
        world.restart()
        world.takes = lambda _: False
        assert world.engine.dispatch.forbids(attempt.attempt_id)
    own = {**NGINX, "policy": {"deny": ["web*"]}}
    world.remedies = {"nginx": own}
    world.restart()
    assert world.engine.dispatch.forbids(attempt.attempt_id)
    world.fire()
    assert [one["minions"] for one in world.events()] == [[]] or world.events() == []


OWN: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"dry_run": True}, "dry run"),
    ({"deny": ["web*"]}, "not allowed"),
    ({"allow": ["db*"]}, "not allowed"),
]


@pytest.mark.parametrize(("policy", "reason"), OWN)
def test_a_remedy_has_a_policy_of_its_own(
    scene: Scene, policy: dict[str, Any], reason: str | None
) -> None:
    """Another remedy on the same minion has the engine's."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    world = world_of(scene, {"nginx": {**NGINX, "policy": policy}, "php": PHP})
    scene.tenant.open_problem(nginx)
    world.poll()
    assert held(world.events("open")[0]) == ([("web01", reason)] if reason else [])
    php = process(scene, "web01", "php", "PHP")
    scene.tenant.open_problem(php)
    world.poll(31)
    assert world.events("open")[-1]["minions"] == ["web01"]


def test_a_remedy_has_its_own_cooldown_and_budget(scene: Scene) -> None:
    """One attempt is all that it gets, and the comment counts so."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    own = {**NGINX, "policy": {"max_attempts": 2, "cooldown": 10}}
    world = world_of(scene, {"nginx": own})
    problem = scene.tenant.open_problem(nginx)
    world.poll()
    settle(world, world.events("open")[0], BAD)
    world.cycle(25)
    settle(world, world.events("retry")[0], BAD)
    assert [one["reason"] for one in world.events("escalated")] == ["attempts spent"]
    world.send_comments()
    said = "\n".join(one.message for one in scene.tenant.comments(problem))
    assert "Attempt 1 of 2 by the remedy nginx" in said
    assert "2 in 3600 s" in said


def test_a_remedy_has_its_own_limit_of_minions(scene: Scene) -> None:
    """It counts the minions that are being healed by it, and others go on."""
    world_remedies = {"nginx": {**NGINX, "policy": {"max_minions": 1}}, "php": PHP}
    web = [process(scene, f"web0{n}", f"nginx {n}", "NGINX") for n in (1, 2, 3)]
    php = process(scene, "app01", "php", "PHP")
    world = world_of(scene, world_remedies)
    for number, one in enumerate([*web, php]):
        scene.tenant.open_problem(one, start=world.now - 600 + number)
    world.poll()
    ordered = [one for one in world.events() if one["minions"]]
    assert [one["minions"] for one in ordered] == [["web01"], ["app01"]]
    world.restart()
    world.takes = lambda _: False
    world.cycle(1)
    assert len([one for one in world.events() if one["minions"]]) == 2
    settle(world, ordered[0])
    world.cycle(1)
    assert [one["minions"] for one in world.events() if one["minions"]][2:] == [["web02"]]


def test_an_attempt_that_was_lost_with_the_ledger_keeps_its_remedy(scene: Scene) -> None:
    """It is taken over from the job cache, and its end is told with the remedy."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    world = world_of(scene, {"nginx": NGINX})
    scene.tenant.open_problem(nginx)
    world.poll()
    [order] = world.events("open")
    world.take(order)
    world.ledger.close()
    (scene.directory / "ledger.db").unlink()
    world.build()
    world.poll(1)
    [attempt] = world.ledger.attempts.open()
    assert (attempt.attempt_id, attempt.remedy) == (order["attempt_id"], "nginx")
    world.give(order["jid"], "web01", HEALTHY)
    world.cycle(1)
    assert [one["remedy"] for one in world.events("healthy")] == ["nginx"]


def test_the_runner_is_told_of_remedies(scene: Scene) -> None:
    """The catalogue as the engine reads it with its faults, and the remedy of targets and attempts."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    world = world_of(scene, {"nginx": NGINX, "bad": {"servce": "x"}})
    problem: Problem = scene.tenant.open_problem(nginx)
    world.poll()
    told = world.commands._known["remedies"]({}, world.now)
    assert "`dynatrace_remedies:bad:servce` is not a known key" in told["facts"]["faults"][0]
    first, second = told["rows"]
    assert (first["remedy"], first["on"]) == ("nginx", {"technology": ["NGINX"]})
    assert (first["settings"]["service"], first["fault"]) == ("nginx", None)
    assert (second["remedy"], second["fault"]) == ("bad", told["facts"]["faults"][0])
    shown = world.commands._known["show"]({"display_id": problem.display_id}, world.now)
    assert [(one["remedy"], one["by"]) for one in shown["facts"]["targets"]] == [
        ("nginx", "technology")
    ]
    assert [one["remedy"] for one in shown["rows"]] == ["nginx"]


def test_faults_of_the_catalogue_are_one_error(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine runs, and what is right heals."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    world = world_of(scene, {"nginx": NGINX, "a": {"servce": "x"}, "b": 7})
    [record] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert record.getMessage().count("\n  - ") == 2
    scene.tenant.open_problem(nginx)
    world.poll()
    assert world.events("open")[0]["remedy"] == "nginx"


def test_what_heals_a_unit_is_reported_on_its_host(scene: Scene) -> None:
    """And the problem is closed if it stays open, since all that it tells of is healed."""
    scene.host("web01")
    host = scene.hosts["web01"]
    scopes = ("problems.read", "problems.write", "entities.read", "events.ingest")
    feedback = {"event": True, "close": True, "close_after": 900}
    token = scene.tenant.add_token(scopes)
    world = world_of(scene, {"unit": UNIT}, api_token=token, feedback=feedback)
    problem = scene.tenant.open_problem(
        host, root_cause=None, evidence=[unit_event(host, world.now - 60, "app-a")]
    )
    world.poll()
    settle(world, world.events("open")[0])
    world.send_comments()
    [told] = [one.detail["body"] for one in scene.tenant.journal if one.what == "event ingested"]
    assert (told["entitySelector"], told["properties"]["salt.remedy"]) == (
        f'entityId("{host}")',
        "unit",
    )
    world.now += 901
    world.send_comments()
    assert problem.status == "CLOSED"


def test_no_comment_says_that_nothing_takes_what_a_remedy_does(scene: Scene) -> None:
    """What it is held for passes; the line to add is told where none takes it."""
    scene.host("web01")
    host = scene.hosts["web01"]
    world = world_of(scene, {"unit": UNIT})
    world.ledger.settings.put("paused", "{}")
    shown = [unit_event(host, world.now - 60, unit) for unit in ("app-a", "db")]
    problem = scene.tenant.open_problem(host, root_cause=None, evidence=shown)
    world.poll()
    world.send_comments()
    [comment] = scene.tenant.comments(problem)
    assert "unit: {on: {unit: ['db']}}" in comment.message
    assert "app-a" not in comment.message


@pytest.mark.parametrize(("remedies", "expected"), [(None, 0), ({"unit": UNIT}, 1)])
def test_hosts_are_read_ahead_only_for_a_catalogue(
    scene: Scene, remedies: Any, expected: int
) -> None:
    """Their tags may name a remedy; without a catalogue a busy host costs no call, and with one many cost one."""
    for number in range(5):
        scene.host(f"web0{number}")
    world = world_of(scene, remedies)
    for host in scene.hosts.values():
        scene.tenant.open_problem(
            host, "CPU", severity="RESOURCE_CONTENTION", event_type="OSI_HIGH_CPU"
        )
    before, queries = len(scene.tenant.requests), len(scene.tenant.dql)
    world.poll()
    asked = [one.path for one in scene.tenant.requests[before:]] + scene.tenant.dql[queries:]
    assert sum("/entities" in one or "fetch dt.entity" in one for one in asked) == expected
    assert len(world.events("open")) == 5


def test_a_tag_of_the_host_names_the_remedy(scene: Scene) -> None:
    """For each process that is down on it."""
    nginx = process(scene, "web01", "nginx", "NGINX")
    scene.tenant.entities[scene.hosts["web01"]].properties["customHostMetadata"] = [
        {"key": "salt_remedy", "value": "orders"}
    ]
    world = world_of(scene, {"nginx": NGINX, "orders": {"service": "orders"}})
    scene.tenant.open_problem(nginx)
    world.poll()
    [order] = world.events("open")
    assert (order["remedy"], order["processes"]["web01"]["by"]) == ("orders", "tag")


def test_a_disk_leads_to_the_host_that_it_is_of(scene: Scene) -> None:
    """Where a tenant raises the event on the disk; without a catalogue it leads to nobody."""
    scene.host("web01")
    disk = "DISK-00000000000000E1"
    scene.tenant.relate(disk, "isDiskOf", scene.hosts["web01"])
    shown = down(disk, time.time() - 60, kind="LOW_DISK_SPACE")
    shown["entity"]["entityId"]["type"] = "DISK"
    severity = {"severity": "RESOURCE_CONTENTION", "root_cause": None}
    world = world_of(scene, {"var": VAR})
    scene.tenant.open_problem(disk, "Low disk space", evidence=[shown], **severity)
    world.poll()
    [order] = world.events("open")
    assert (order["remedy"], order["minions"]) == ("var", ["web01"])

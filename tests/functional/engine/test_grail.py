"""
The engine on a platform environment, which it reads by queries of Grail.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_promises import open_body
from tests.functional.engine.world import World
from tests.tenant import Tenant
from tests.unit.engine.platform import READS

#: Nothing of these is needed to find problems.
BARE = tuple(one for one in READS if "events" in one or "buckets" in one)


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """
    Run a tenant; each engine is told here how it reaches it.
    """
    with Tenant() as running:
        yield running
        running.check()


def on_platform(scene: Scene, scopes: tuple[str, ...] = READS, **config: Any) -> World:
    """
    Start an engine that knows the tenant by its platform URL alone.
    """
    token = scene.tenant.add_platform_token(scopes)
    given = {"environment_url": scene.tenant.platform_url, "api_token": token, "feedback": False}
    return scene.world(**{**given, **config})


def queries(tenant: Tenant) -> int:
    """
    Return how many requests there were that ask Grail.
    """
    return sum(one.path.partition("?")[0].endswith("query:execute") for one in tenant.requests)


def test_a_process_that_is_down_is_healed(scene: Scene) -> None:
    """
    As on a classic environment: open, healed, resolved.
    """
    apache = scene.host("web01")
    world = on_platform(scene)
    problem = scene.tenant.open_problem(apache)
    world.poll()
    [opened] = world.events("open")
    assert opened["problem_id"] == problem.problem_id
    assert opened["technologies"] == {"APACHE_HTTPD": ["web01"]}
    assert opened["source"] == "api"
    world.salt_runs(opened)
    world.cycle(1)
    scene.tenant.close_problem(problem)
    world.poll(30)
    assert world.whats() == ["open", "healed", "resolved"]


def test_a_poll_is_one_query_while_nothing_changes(scene: Scene) -> None:
    """
    Also of what is under maintenance. An order is preceded by a reading of its problem; here is none.
    """
    for number in range(5):
        problem = scene.tenant.open_problem(scene.host(f"web{number}"))
    problem.under_maintenance = True
    world = on_platform(scene, policy={"dry_run": True})
    world.poll()
    before = queries(scene.tenant)
    for _ in range(4):
        world.poll(30)
    assert queries(scene.tenant) - before == 4


def test_many_new_problems_take_few_queries(scene: Scene) -> None:
    """
    The list, one for the details and events of 500, and two for their processes and hosts.
    """
    for number in range(60):
        scene.tenant.open_problem(scene.host(f"web{number}"))
    world = on_platform(scene)
    world.poll()
    assert len(world.events("open")) == 60
    assert queries(scene.tenant) == 4


def test_what_is_asked_grows_by_500_problems_at_a_time(scene: Scene) -> None:
    """
    Here by 20: a list, and for each 20 one query for the problems and their events, one for processes, one for hosts.
    """
    for number in range(60):
        scene.tenant.open_problem(scene.host(f"web{number}"))
    world = on_platform(scene, source="grail", policy={"dry_run": True})
    world.engine.client._problems.batch = 20  # type: ignore[union-attr, misc]
    world.poll()
    assert len(world.events("open")) == 60
    assert queries(scene.tenant) == 1 + 3 + 3 + 3


WAYS = ("api", "grail", "notification", "workflow")


@pytest.mark.parametrize("ways", list(itertools.permutations(WAYS)), ids="-".join)
def test_a_problem_is_one_whoever_tells_of_it(scene: Scene, ways: tuple[str, ...]) -> None:
    """
    By the Problems API, Grail, a notification and a workflow, in any order: one episode, and one attempt.
    """
    apache = scene.host("web01")
    world = scene.world()
    classic = world.given["environment_url"], world.given["api_token"]
    platform = scene.tenant.platform_url, scene.tenant.add_platform_token(READS)
    problem = scene.tenant.open_problem(apache)
    for way in ways:
        if way in ("api", "grail"):
            login = classic if way == "api" else platform
            world.given["environment_url"], world.given["api_token"] = login
            world.restart()
            world.poll(6)
        else:
            body = {"eventData": scene.tenant.workflow_event(problem)}
            told = open_body(problem) if way == "notification" else json.dumps(body).encode()
            world.notify(told)
            world.cycle(6)
        opened = world.events("open")
        assert [one["episode"] for one in opened] == [1]
        if len(world.whats()) == 1:
            world.salt_runs(opened[0])
            world.cycle(1)
    assert world.whats() == ["open", "healed"]
    assert {one["attempt_id"] for one in world.events()} == {opened[0]["attempt_id"]}


def test_the_record_alone_finds_the_minion(scene: Scene) -> None:
    """
    Where no entity may be read: no technology is known, and an entry of the catalogue takes it by its name.
    """
    apache = scene.host("web01")
    remedies = {"web": {"on": {"process": ["Apache*"]}, "service": "apache2"}}
    world = on_platform(scene, BARE, remedies=remedies)
    scene.tenant.open_problem(apache)
    world.poll()
    [opened] = world.events("open")
    assert (opened["minions"], opened["remedy"]) == (["web01"], "web")
    assert [one["matched_by"] for one in opened["targets"]] == ["host_id"]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Scene]:
    """
    A tenant that has no tables of entities, and no Smartscape.
    """
    with Tenant(grail_entity_tables=False, smartscape=False) as tenant:
        made = Scene(tenant, tmp_path)
        yield made
        for world in made.worlds:
            world.close()


def test_a_tenant_without_entities_works(bare: Scene) -> None:
    """
    The host is named by the record; without technologies nothing but a catalogue can say what heals it.
    """
    apache = bare.host("web01")
    world = on_platform(bare)
    bare.tenant.open_problem(apache)
    world.poll()
    [opened] = world.events("open")
    assert [(one["minion"], one["entity"]) for one in opened["targets"]] == [("web01", apache)]
    assert opened["technologies"] == {}


def test_a_lost_right_closes_nothing(scene: Scene) -> None:
    """
    Results are empty without it, and no error tells of it.
    """
    apache = scene.host("web01")
    world = on_platform(scene)
    token = world.given["api_token"]
    problem = scene.tenant.open_problem(apache)
    world.poll()
    scene.tenant.lose_scope(token, "storage:buckets:read")
    for _ in range(5):
        world.poll(60)
    assert world.whats() == ["open"]
    scene.tenant.gain_scope(token, "storage:buckets:read")
    scene.tenant.close_problem(problem)
    world.poll(60)
    assert "resolved" in world.whats()


def test_a_cut_list_closes_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """
    What it does not show is asked for by id, and that it is cut is said once.
    """
    problems = [scene.tenant.open_problem(scene.host(f"web{number}")) for number in range(3)]
    world = on_platform(scene)
    world.poll()
    scene.tenant.close_problem(problems[0])
    caplog.clear()
    for _ in range(3):
        scene.tenant.fault("grail_truncated", keep=0)
        world.poll(30)
    assert [one["problem_id"] for one in world.events("resolved")] == [problems[0].problem_id]
    said = [one.getMessage() for one in caplog.records if "not whole" in one.getMessage()]
    assert len(said) == 1


@pytest.mark.parametrize("fault", ["grail_429", "grail_500_html", "grail_503_html", "html_200"])
def test_a_failed_list_closes_nothing(scene: Scene, fault: str) -> None:
    """
    And the next one is taken.
    """
    apache = scene.host("web01")
    world = on_platform(scene)
    world.poll()
    scene.tenant.fault(fault)
    scene.tenant.open_problem(apache)
    world.poll(30)
    assert world.whats() == []
    if fault == "grail_429":
        world.engine.client._transports[1]._rate_limiter._held_until.clear()
    world.poll(30)
    assert world.whats() == ["open"]


def test_a_reopening_between_two_polls_is_a_new_episode(scene: Scene) -> None:
    """
    Grail tells when a problem was opened again: the tenant saw it closed, though the engine did not.
    """
    apache = scene.host("web01")
    world = on_platform(scene, policy={"cooldown": 0})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    scene.tenant.close_problem(problem)
    scene.tenant.reopen_problem(problem)
    world.poll(30)
    assert world.whats() == ["open", "healed", "resolved", "open"]
    first, second = world.events("open")
    assert (first["episode"], second["episode"]) == (1, 2)
    assert first["attempt_id"] != second["attempt_id"]
    world.poll(30)
    assert len(world.events("open")) == 2


def test_a_duplicate_ends_as_merged(scene: Scene) -> None:
    """
    It lives on in another problem.
    """
    apache = scene.host("web01")
    world = on_platform(scene)
    problem = scene.tenant.open_problem(apache)
    world.poll()
    problem.record["dt.davis.is_duplicate"] = True
    problem.changed += 1
    world.poll(30)
    [ended] = world.events("resolved")
    assert ended["merged"] is True


def test_switching_to_the_platform_goes_on(scene: Scene) -> None:
    """
    The same ledger, another URL: nothing is announced twice, and nothing is acted on twice.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    before = world.whats()
    world.given["environment_url"] = scene.tenant.platform_url
    world.given["api_token"] = scene.tenant.add_platform_token(READS)
    world.engine.ledger.close()
    world.build()
    for _ in range(3):
        world.poll(30)
    assert [one for one in world.whats() if one in ("open", "retry")] == ["open"]
    assert world.whats()[: len(before)] == before
    scene.tenant.close_problem(problem)
    world.poll(30)
    assert world.whats()[-1] == "resolved"

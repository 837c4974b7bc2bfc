"""
What would be done is told by the engine's own functions, under its policy or another, and nothing is done.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.core.errors import DynatraceError, NotificationError
from _dynatrace.core.states import ActionState
from _dynatrace.remediation import scheduler
from _dynatrace.simulation.simulation import Asked, Simulation
from _dynatrace.simulation.trial import Leaves

from tests.functional.engine.conftest import Scene
from tests.functional.engine.night import AGO_S, CATALOGUE, Night, play
from tests.functional.engine.test_why import why
from tests.functional.engine.world import BAD, GOOD, World, down
from tests.unit.docs.pages import REPO, rows

#: What reads at a tenant of the platform comes by POST too, and is noted there.
ASKED = ("query", "access token issued")
READS = ("query:execute", "query:poll", "/sso/oauth2/token")


def simulation(world: World) -> Simulation:
    given = {**world.given, "ledger": str(world.directory / "ledger.db")}
    return Simulation("test", given, world.master(), world.now)


def simulated(world: World, problem: str | None = None, **asked: Any) -> dict[str, Any]:
    """
    Simulate, and see that it told plain data and that nothing was done.
    """
    before = traces(world)
    requests = len(world.tenant.requests)
    told = simulation(world).run(Asked(problem=problem, **asked))
    assert traces(world) == before
    for one in world.tenant.requests[requests:]:
        read = one.method == "GET" or any(part in one.path for part in READS)
        assert read, f"{one.method} {one.path}"
    assert json.loads(json.dumps(told)) == told
    return told


def traces(world: World) -> dict[str, Any]:
    """
    Return what would have changed if anything had been written, fired or asked.
    """
    files = [world.directory / name for name in ("ledger.db", "ledger.db-wal")]
    return {
        "files": [hashlib.sha256(one.read_bytes()).hexdigest() for one in files],
        "rows": list(world.ledger.database.connection.iterdump()),
        "events": len(world.bus.events),
        "asked": (len(world.pings), len(world.recalls)),
        "tenant": [one for one in world.tenant.journal if one.what not in ASKED],
        "comments": [len(world.tenant.comments(one)) for one in world.tenant.by_id.values()],
    }


def cells(told: dict[str, Any], column: str = "now") -> list[tuple[str | None, str]]:
    return [(row["minion"], row[column]) for row in told["simulated"]]


@pytest.fixture
def night(scene: Scene) -> Night:
    return play(scene)


def test_an_open_problem_is_decided_as_the_engine_does(night: Night) -> None:
    """
    Each of a night: on the same minion, for the same reason, told by the same rule.
    """
    world = night.world
    for story, problem in night.problems.items():
        if problem.status != "OPEN":
            continue
        told = why(world, problem.display_id)
        wanted = [(one["minion"], one["verdict"]) for one in told["processes"]]
        found = simulated(world, problem.display_id)
        assert cells(found) == (wanted or [(None, "no minion")]), story
        assert found["counts"]["now"]["ordered"] == 0


def test_another_policy_is_told_beside_todays(night: Night) -> None:
    """
    Whom it would let through, and what else holds them then.
    """
    found = simulated(night.world, night.name("forbidden"), policy={"deny": []})
    assert cells(found) == [("web02", "not allowed")]
    assert cells(found, "other") == [("web02", "paused")]
    assert found["simulated"][0]["told"] == "allowed: `deny` has web02"
    assert found["simulated"][0]["other_told"].startswith("pause: paused by bob since ")


def test_another_catalogue_is_told_beside_todays(scene: Scene) -> None:
    """
    A process that no remedy takes would be ordered.
    """
    scene.host("web01")
    redis = scene.tenant.add_process(scene.hosts["web01"], "redis", technology="REDIS")
    world = scene.world(remedies=CATALOGUE)
    world.takes = lambda _: False
    problem = scene.tenant.open_problem(redis)
    world.poll()
    entry = {"on": {"technology": "REDIS"}, "service": "redis"}
    found = simulated(world, problem.display_id, remedies={**CATALOGUE, "redis": entry})
    [row] = found["simulated"]
    assert (row["remedy"], row["now"]) == (None, "no remedy")
    assert (row["other_remedy"], row["other"], row["other_orders"]) == ("redis", "ordered", 1)
    assert found["counts"]["other"] == {"ordered": 1, "orders": 1, "held": {}}


def test_a_fault_of_the_other_catalogue_is_told(scene: Scene) -> None:
    """
    It heals nothing then, as the engine would have it.
    """
    apache = scene.host("web01")
    world = scene.world(remedies=CATALOGUE)
    problem = scene.tenant.open_problem(apache)
    wrong = {"apache2": {"on": {"technology": "APACHE_HTTPD"}, "servic": "apache2"}}
    found = simulated(world, problem.display_id, remedies=wrong)
    assert any("servic" in one for one in found["says"])
    assert found["simulated"][0]["other"] == "no remedy"


def begun(world: World) -> World:
    """
    Let the world's time be some hours ago: the tenant, which has its own, knows of no problem that is to come.
    """
    for one in (world, world.status, world.commands):
        name = "now" if one is world else "started"
        setattr(one, name, getattr(one, name) - AGO_S)
    return world


def closes(world: World, scene: Scene, problems: list[Any], after: float = 30.0) -> None:
    for problem in problems:
        scene.tenant.close_problem(problem)
    world.poll(after)


def test_closed_problems_are_replayed_with_cooldown_and_budget(scene: Scene) -> None:
    """
    Three failures of one process: each attempt counts for the next, and ends as it is assumed.
    """
    apache = scene.host("web01")
    world = begun(scene.world(policy={"cooldown": 0, "max_attempts": 9}))
    for _ in range(3):
        problem = scene.tenant.open_problem(apache, start=world.now - 5)
        world.poll()
        world.salt_runs(world.events()[-1], GOOD)
        world.cycle(20)
        closes(world, scene, [problem], 60)
    policy = {"max_attempts": 2}
    found = simulated(world, days=1, policy=policy)
    assert [row["now"] for row in found["simulated"]] == ["ordered"] * 3
    assert [row["other"] for row in found["simulated"]] == ["ordered", "ordered", "attempts spent"]
    assert found["counts"]["other"] == {"ordered": 2, "orders": 2, "held": {"attempts spent": 1}}
    assert "3 closed problems are replayed" in found["says"][0]
    cooled = simulated(world, days=1, policy={"cooldown": 3600})
    assert [row["other"] for row in cooled["simulated"]] == ["ordered", "cooldown", "cooldown"]


def test_the_storm_guard_counts_in_a_replay(scene: Scene) -> None:
    """
    Of four problems at once two have their turn, and the others when these have ended.
    """
    apaches = [scene.host(f"web{n:02}") for n in range(4)]
    world = scene.world()
    problems = [scene.tenant.open_problem(one, start=world.now - 5) for one in apaches]
    world.poll()
    for ordered in list(world.events("open")):
        world.salt_runs(ordered, GOOD)
    world.cycle(4)
    closes(world, scene, problems, 3)
    found = simulated(world, days=1, policy={"max_minions": 1})
    assert [row["now"] for row in found["simulated"]] == ["ordered"] * 4
    assert sorted(row["other"] for row in found["simulated"]) == [
        "ordered",
        "ordered",
        "storm",
        "storm",
    ]


def test_orders_that_wait_to_be_fired_hold_nobody_in_a_replay(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    In it none is ever fired: each is taken at once, and all that are open at one moment are ordered then.
    """
    monkeypatch.setattr(scheduler, "AHEAD", 2)
    apaches = [scene.host(f"web{n:02}") for n in range(7)]
    world = scene.world(policy={"max_minions": 10})
    problems = [scene.tenant.open_problem(one, start=world.now - 5) for one in apaches]
    for _ in range(4):
        world.poll()
    for ordered in list(world.events("open")):
        world.salt_runs(ordered, GOOD)
    closes(world, scene, problems, 0.5)
    found = simulated(world, days=1)
    assert [row["now"] for row in found["simulated"]] == ["ordered"] * 7


def test_attempts_may_be_assumed_to_end_badly(scene: Scene) -> None:
    """
    Then they are made again, until the budget is spent.
    """
    apache = scene.host("web01")
    world = begun(scene.world(policy={"cooldown": 60}))
    problem = scene.tenant.open_problem(apache, start=world.now - 5)
    world.poll()
    world.salt_runs(world.events("open")[0], GOOD)
    world.cycle(4)
    closes(world, scene, [problem], 1000)
    found = simulated(world, days=1, ends=ActionState.BAD)
    [row] = found["simulated"]
    assert (row["now"], row["orders"]) == ("ordered 3 times", 3)
    assert simulated(world, days=1)["simulated"][0]["orders"] == 1
    assert "assumed to end badly" in found["says"][0]


def test_a_second_failure_within_a_problem_is_replayed(scene: Scene) -> None:
    """
    By the event that began after the first heal.
    """
    apache = scene.host("web01")
    world = begun(scene.world(policy={"cooldown": 0}))
    start = world.now - 5
    problem = scene.tenant.open_problem(apache, start=start, evidence=[down(apache, start)])
    world.poll()
    world.salt_runs(world.events("open")[0], GOOD)
    world.cycle(4)
    again = [down(apache, start, "CLOSED"), down(apache, world.now + 300)]
    scene.tenant.update_problem(problem, evidence=again)
    world.poll(310)
    closes(world, scene, [problem], 600)
    assert simulated(world, days=1)["simulated"][0]["now"] == "ordered 2 times"


def test_a_problem_that_closed_is_replayed_by_itself(night: Night) -> None:
    """
    On an empty ledger, whatever else happened.
    """
    found = simulated(night.world, night.name("recovered by others"))
    assert cells(found) == [("web07", "ordered")]
    assert "1 closed problems are replayed" in found["says"][0]


def test_what_the_ledger_does_not_know_is_read_from_the_tenant(scene: Scene) -> None:
    """
    By its number, by its id, and by a notification that names it.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    body = json.dumps({"State": "OPEN", "PID": problem.problem_id}).encode()
    for asked in (
        {"problem": problem.display_id},
        {"problem": problem.problem_id},
        {"body": body},
    ):
        assert cells(simulated(world, **asked)) == [("web01", "ordered")], asked
    assert world.events() == []


def test_what_closed_before_the_engine_was_there_is_read_from_the_tenant(scene: Scene) -> None:
    """
    On the day of the installation it is what a policy can be tried on; minions are matched as they are now.
    """
    apaches = [scene.host(f"web0{number}") for number in (1, 2, 3)]
    began = time.time() - 7200
    for number, apache in enumerate(apaches):
        problem = scene.tenant.open_problem(apache, start=began + 600 * number)
        scene.tenant.close_problem(problem)
        problem.end = problem.start + 300_000
    older = scene.tenant.open_problem(apaches[0], start=began)
    scene.tenant.close_problem(older)
    older.end = older.start - 86_400_000 * 3
    world = scene.world(policy={"deny": ["web03"]})
    found = simulated(world, days=1, policy={"deny": []})
    assert [(row["minion"], row["now"], row["other"]) for row in found["simulated"]] == [
        ("web01", "ordered", "ordered"),
        ("web02", "ordered", "ordered"),
        ("web03", "not allowed", "ordered"),
    ]
    assert "3 of them only Dynatrace knows" in " ".join(found["says"])
    assert world.events() == []


def test_a_tenant_that_gives_few_details_a_request_is_read_all_the_same(scene: Scene) -> None:
    """
    It is asked for fewer and fewer, down to one.
    """
    scene.tenant.switches.fields_page_limit = 1
    for number in range(12):
        problem = scene.tenant.open_problem(scene.host(f"web{number:02}"), start=time.time() - 600)
        scene.tenant.close_problem(problem)
    found = simulated(scene.world(policy={"max_minions": 20}), days=1)
    assert [row["now"] for row in found["simulated"]] == ["ordered"] * 12


def test_what_both_know_is_replayed_once(scene: Scene) -> None:
    """
    As the engine saw it.
    """
    found = simulated(scene.healed(), days=1)
    assert [row["now"] for row in found["simulated"]] == ["ordered"]
    assert "Dynatrace knows" not in " ".join(found["says"])


def test_a_tenant_that_cannot_be_read_is_said_and_the_ledger_is_replayed(scene: Scene) -> None:
    """
    With the reason.
    """
    world = scene.healed()
    scene.tenant.fault("server_error", times=50)
    found = simulated(world, days=1, policy={"cooldown": 1})
    assert [row["now"] for row in found["simulated"]] == ["ordered"]
    assert " ".join(found["says"]).count("only what the ledger knows is told") == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"problem": "P-9999999"}, "neither the ledger nor the tenant knows a problem 'P-9999999'"),
    ({"problem": "7000000000000000001_1721545199999V2"}, "neither the ledger nor the tenant knows"),
    ({"problem": "../x"}, "has not the form of a problem's id"),
    ({"days": 1.0}, "no problem closed in the last 1 days"),
    ({"body": b"{"}, "the body is not JSON"),
    ({"body": b'{"a": 1}'}, "no problem can be recognised"),
    ({"body": b'{"PID": "99999", "State": "OPEN", "ProblemTitle": "x"}'}, "test notification"),
    ({"days": 1.0, "policy": {"cooldwn": 1}}, "`policy:cooldwn` is not a known key"),
    ({"days": 1.0, "policy": {"cooldown": "x"}}, "`policy:cooldown` must be"),
]


@pytest.mark.parametrize(("asked", "said"), WRONG)
def test_what_cannot_be_simulated_is_said(scene: Scene, asked: dict[str, Any], said: str) -> None:
    """
    In a sentence that names what is wrong.
    """
    scene.host("web01")
    world = scene.world()
    world.poll()
    if "policy" in asked:
        problem = scene.tenant.open_problem(scene.apaches["web01"])
        world.poll()
        closes(world, scene, [problem])
    with pytest.raises((DynatraceError, NotificationError)) as raised:
        simulated(world, **asked)
    # Grail does not tell what is closed from what it may not show.
    assert said in str(raised.value) or "Grail shows no problem" in str(raised.value)


def test_a_ledger_that_is_not_there_is_said(scene: Scene, tmp_path: Path) -> None:
    """
    And none is made.
    """
    world = scene.world()
    missing = tmp_path / "elsewhere" / "ledger.db"
    with pytest.raises(DynatraceError, match="there is no ledger"):
        Simulation("test", {**world.given, "ledger": str(missing)}, world.master(), world.now).run(
            Asked(problem="P-1")
        )
    assert not missing.parent.exists()


def test_a_minion_that_did_not_return_is_not_asked(scene: Scene) -> None:
    """
    The engine asks it before another order; a simulation says that nobody knows.
    """
    world, problem = scene.gone()
    assert cells(simulated(world, problem.display_id)) == [("web01", "not connected")]


def test_nothing_can_leave_a_trial(scene: Scene) -> None:
    """
    What would fire an event or ask a minion fails instead.
    """
    scene.host("web01")
    world = scene.world()
    world.poll()
    run = simulation(world)
    with run._trial(run._config(None), run.master) as trial:
        for leave in (trial.master.connect_to_fire, trial.master.connect_to_listen):
            with pytest.raises(Leaves):
                leave()
        with pytest.raises(Leaves):
            trial.master.publish(["web01"], "test.ping")
        assert (trial.feedback, trial.queries) == (None, None)
        assert trial.ledger.database.path != world.ledger.database.path


def test_what_it_tells_is_documented(night: Night) -> None:
    """
    Scripts read it.
    """
    page = REPO / "docs" / "reference" / "runner.md"
    [told] = [cells[1] for key, cells in rows(page) if key == "simulate"]
    known = set(re.findall(r"`([a-z_]+)`", told))
    found = simulated(night.world, night.name("forbidden"), policy={"deny": []})
    counts = found["counts"]
    assert {*found, *found["simulated"][0], *counts, *counts["now"]} <= known


def test_progress_is_told_while_it_replays(scene: Scene) -> None:
    """
    How many moments of how many are over, up to the last.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache, start=world.now - 5)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(4)
    closes(world, scene, [problem])
    heard: list[tuple[int, int]] = []
    simulation(world).run(Asked(days=1), lambda done, count: heard.append((done, count)))
    assert heard[-1] == (2, 2)
    assert heard == sorted(heard)

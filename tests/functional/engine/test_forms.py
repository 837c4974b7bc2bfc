"""
Every documented form of a notification leads the engine to the one problem that it is about, with an API and without.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from _dynatrace.config.config import load
from _dynatrace.webhook import payload as notifications
from _dynatrace.webhook.salt_api_hook import Hook

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import World
from tests.tenant import DEFAULT_TEMPLATE, RECOMMENDED_TEMPLATE
from tests.tenant.problems import Problem
from tests.tenant.templates import expand, probe_values
from tests.unit.docs.pages import REPO, rows
from tests.unit.engine.bodies import event_v2, problem_v1, problem_v2, recommended, stub

KEYS = {"pid": "ref", "problem_id": "number", "state": "phase", "title": "summary", "details": "x"}


def v1(problem: Problem) -> dict[str, Any]:
    entity = problem.affected[0]
    event = {**problem_v1()["rankedEvents"][0], "entityId": entity}
    return problem_v1(
        id=problem.problem_id,
        displayName=problem.display_id,
        startTime=int(time.time() * 1000),
        rankedEvents=[event],
    )


def v2(problem: Problem) -> dict[str, Any]:
    entity = problem.affected[0]
    return problem_v2(
        problemId=problem.problem_id,
        displayId=problem.display_id,
        startTime=int(time.time() * 1000),
        affectedEntities=[stub(entity)],
        evidenceDetails={"details": [event_v2(entity)]},
    )


def whole(problem: Problem, **changes: Any) -> dict[str, Any]:
    impacted = [{"type": "HOST", "name": "x", "entity": problem.affected[0]}]
    return recommended(
        PID=problem.problem_id,
        ProblemID=problem.display_id,
        ImpactedEntities=impacted,
        ProblemDetailsJSONv2=v2(problem),
        **changes,
    )


def workflow(problem: Problem) -> dict[str, Any]:
    return {
        "event.id": problem.problem_id,
        "display_id": problem.display_id,
        "event.status": "ACTIVE",
        "event.category": "AVAILABILITY",
        "affected_entity_ids": list(problem.affected),
    }


#: By the names that docs/reference/webhook.md gives them.
FORMS: dict[str, Callable[[Problem], dict[str, Any]]] = {
    "recommended template": whole,
    "default template": lambda problem: {
        "State": "OPEN",
        "ProblemID": problem.display_id,
        "ProblemTitle": problem.title,
    },
    "v1 details": lambda problem: {"State": "OPEN", "ProblemDetailsJSON": v1(problem)},
    "v2 details": lambda problem: {"ProblemDetailsJSONv2": v2(problem)},
    "JSON in quotes": lambda problem: {
        "State": "OPEN",
        "PID": problem.problem_id,
        "ProblemDetailsJSONv2": json.dumps(v2(problem)),
    },
    "your own key names": lambda problem: {
        "ref": problem.problem_id,
        "number": problem.display_id,
        "phase": "OPEN",
        "summary": problem.title,
        "x": v2(problem),
    },
    "old PID": lambda problem: {
        "State": "OPEN",
        "PID": problem.problem_id.partition("_")[0],
    },
    "CloudEvents": lambda problem: {
        "specversion": "1.0",
        "id": "4711",
        "source": "/x",
        "type": "problem",
        "data": whole(problem),
    },
    "workflow, HTTP action": workflow,
    "workflow, EDA action": lambda problem: {"eventData": workflow(problem)},
    "relay": lambda problem: {"event": {"id": 1, "body": json.dumps(whole(problem))}},
}


def read(body: dict[str, Any]) -> notifications.Notification:
    return notifications.parse(json.dumps(body).encode(), KEYS)


def opened(world: World) -> list[tuple[str | None, str]]:
    return [(data["problem_id"], data["source"]) for data in world.events("open")]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_leads_to_the_problem(scene: Scene, form: str) -> None:
    """The problem is read from the API, and acted on."""
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    world.ledger.notifications.add([(world.now, read(FORMS[form](problem)))])
    world.cycle(1)
    assert opened(world) == [(problem.problem_id, "api")]
    assert world.events("open")[0]["minions"] == ["web01"]


#: Forms that say whom the problem concerns.
TELLING = (
    *("recommended template", "v1 details", "v2 details", "CloudEvents"),
    *("workflow, HTTP action", "workflow, EDA action"),
)


@pytest.mark.parametrize("form", TELLING)
def test_without_an_api_what_a_form_tells_is_all_there_is(scene: Scene, form: str) -> None:
    """It names the entity, and says where it comes from; no minion is guessed for a process."""
    apache = scene.host("web01")
    world = scene.world(api_token=None, webhook={"token": "secret"})
    problem = scene.tenant.open_problem(apache)
    world.ledger.notifications.add([(world.now, read(FORMS[form](problem)))])
    world.cycle(1)
    assert opened(world) == [(problem.problem_id, "notification")]
    [event] = world.events("open")
    assert [entity["id"] for entity in event["affected"]] == [apache]
    assert event["minions"] == []


@pytest.mark.parametrize("envelope", [False, True])
def test_without_an_api_a_whole_record_names_host_and_minion(scene: Scene, envelope: bool) -> None:
    """It says which host the process runs on; opened again it is a new episode, though nobody saw the end."""
    apache = scene.host("web01")
    world = scene.world(api_token=None, webhook={"token": "secret"})
    problem = scene.tenant.open_problem(apache)

    def tell(**changes: str) -> None:
        record = {**scene.tenant.workflow_event(problem), **changes}
        world.notify(json.dumps({"eventData": record} if envelope else record).encode())
        world.cycle(1)

    tell()
    tell()
    [event] = world.events("open")
    assert (event["minions"], event["source"]) == (["web01"], "notification")
    # By the engine's clock, which runs ahead here.
    again = datetime.fromtimestamp(world.now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    for _ in range(2):
        tell(**{"dt.davis.last_reopen_timestamp": again})
    assert [data["what"] for data in world.events()] == ["open", "resolved", "open"]
    assert {data["problem_id"] for data in world.events()} == {problem.problem_id}


@pytest.mark.parametrize("template", [DEFAULT_TEMPLATE, RECOMMENDED_TEMPLATE])
def test_the_button_that_tests_starts_nothing(scene: Scene, template: str) -> None:
    """Whatever is listening behind: it is recognised before anything is recorded."""
    notice = notifications.parse(expand(template, probe_values(), escape=True).encode())
    assert notice.test
    assert notice.problem is None


HOOKED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "decoded": lambda body: {"headers": {"X": "y"}, "post": body, "body": json.dumps(body)},
    "raw": lambda body: {"headers": {"X": "y"}, "post": {}, "body": json.dumps(body)},
}


@pytest.mark.parametrize("kind", HOOKED)
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_heard_through_the_hook_of_salt_api(
    scene: Scene, form: str, kind: str
) -> None:
    """As salt-api decodes it, or as it came."""
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    config = load({**world.given, "webhook": {"token": "secret", "keys": KEYS}})
    keys, kept, on_new = (
        config.get("webhook.keys"),
        world.ledger.notifications,
        world.engine.look_now,
    )
    hook = Hook("test", keys, kept, on_new, lambda: world.now)
    hook.receive(HOOKED[kind](FORMS[form](problem)))
    hook.process()
    world.cycle(1)
    assert opened(world) == [(problem.problem_id, "api")]


@pytest.mark.parametrize(
    "data", [{}, {"post": None, "body": None}, {"post": [1], "body": "x"}, {"body": b"\xff"}]
)
def test_what_no_form_fits_is_refused_from_the_hook(
    scene: Scene, data: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, and nothing is recorded."""
    world = scene.world()
    hook = Hook("test", {}, world.ledger.notifications, world.engine.look_now)
    hook.receive(data)
    hook.process()
    assert world.ledger.queue_length() == 0
    assert "a body from salt-api's hook is refused" in caplog.text


def test_the_forms_are_those_documented() -> None:
    """Who writes a template finds what is understood."""
    page = REPO / "docs" / "reference" / "webhook.md"
    listed = [cells[0] for _, cells in rows(page, column=1) if len(cells) == 3]
    assert set(FORMS) <= set(listed)

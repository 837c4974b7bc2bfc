"""
What an admin asks and orders through the runner.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from _dynatrace.engine.answers import pages
from _dynatrace.engine.commands import GATE_S
from _dynatrace.master.envelope import MAX_EVENT_BYTES, iso, sign
from _dynatrace.remediation import scheduler

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import BAD, KEY, World
from tests.unit.docs.pages import REPO, rows, section


def order(world: World, command: str, key: bytes = KEY, **args: Any) -> dict[str, Any]:
    """
    Send a command and return the whole answer, empty when there is none.
    """
    number = f"{len(world.answers) + int(time.monotonic_ns()) % 10**12:032x}"
    before = len(world.answers)
    data = {"id": number, "command": command, "instance": None, "who": "admin", **args}
    world.engine.on_command(sign(data, key, world.now, 10))
    world.cycle()
    found = [answer for tag, answer in world.answers[before:] if tag.endswith(number)]
    if not found:
        return {}
    return {**found[0], "rows": [row for page in found for row in page["rows"]]}


def test_a_pause_holds_every_attempt_and_survives_a_restart(scene: Scene) -> None:
    """
    Paused, the engine announces and acts on nothing; resumed, it acts on what is still open.
    """
    apache = scene.host("web01")
    world = scene.world()
    order(world, "pause", reason="change CH-1234")
    world.restart()
    scene.tenant.open_problem(apache)
    world.poll()
    (opened,) = world.events()
    assert opened["minions"] == []
    assert opened["held"][0]["reason"] == "paused"
    assert order(world, "status")["facts"]["paused"]["reason"] == "change CH-1234"

    order(world, "resume")
    assert world.whats() == ["open", "retry"]
    assert world.events("retry")[0]["minions"] == ["web01"]


def test_a_pause_needs_a_reason(scene: Scene) -> None:
    """
    Whoever finds the engine paused must be able to see why.
    """
    world = scene.world()
    assert "reason" in order(world, "pause")["error"]
    assert order(world, "status")["facts"]["paused"] is False


def test_a_retry_gives_an_escalated_problem_a_new_budget(scene: Scene) -> None:
    """
    After a person looked, the problem is tried again, under the same other rules.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"max_attempts": 1, "cooldown": 0})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    assert world.whats() == ["open", "failed", "escalated"]
    assert order(world, "retry", display_id=problem.display_id)["facts"] == {
        "retry": problem.display_id
    }
    assert world.whats() == ["open", "failed", "escalated", "retry"]


def test_a_command_that_the_master_did_not_sign_is_ignored(scene: Scene) -> None:
    """
    Any minion can fire a command's tag.
    """
    world = scene.world()
    assert order(world, "pause", key=b"1" * 64, reason="forged") == {}
    assert world.ledger.settings.get("paused") is None


def test_a_command_is_carried_out_once(scene: Scene) -> None:
    """
    A replayed event changes nothing and is not answered again.
    """
    world = scene.world()
    data = {"id": "a" * 32, "command": "pause", "instance": None, "who": "admin", "reason": "x"}
    signed = sign(data, KEY, world.now, 10)
    world.engine.on_command(signed)
    world.cycle()
    order(world, "resume")
    world.engine.on_command(signed)
    world.cycle()
    assert world.ledger.settings.get("paused") is None
    assert sum(tag.endswith("a" * 32) for tag, _ in world.answers) == 1


def given(world: World, command: str, fired: float, **args: Any) -> dict[str, Any]:
    """
    Send a command that was given at another time, let no cycle run, and return the answer.
    """
    data = {
        "id": f"{len(world.answers):032x}",
        "command": command,
        "instance": None,
        "who": "admin",
    }
    world.engine.on_command(sign({**data, **args}, KEY, fired, 10))
    world.fire()
    return dict(world.answers[-1][1]) if world.answers else {}


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (9.9, None),
        (11, "it was read 11 s after it was given, which is too late"),
        (60, "it was read 60 s after it was given, which is too late"),
        (-6, "it is of a time to come: the clock was set"),
    ],
)
def test_a_command_that_comes_too_late_is_told_as_late(
    scene: Scene, caplog: pytest.LogCaptureFixture, ago: float, told: str | None
) -> None:
    """
    The engine stood still: the one who asked, and the log, learn that nothing was done and why.
    """
    world = scene.world()
    world.now += 60
    answer = given(world, "pause", world.now - ago, reason="x")
    assert (world.ledger.settings.get("paused") is not None) is (told is None)
    assert answer.get("error") == (f"nothing was done: {told}. Give it again." if told else None)
    assert (f"pause by 'admin' is not carried out: {told}" in caplog.text) is (told is not None)
    assert "forged" not in caplog.text and "did not sign" not in caplog.text


def test_a_command_of_before_the_engines_start_is_told_so(scene: Scene) -> None:
    """
    It may have been carried out by the engine before.
    """
    world = scene.world()
    error = given(world, "pause", world.now - 3, reason="x")["error"]
    assert error == "nothing was done: it was given before the engine started. Give it again."
    assert world.ledger.settings.get("paused") is None


def test_a_pause_is_in_force_while_the_reconciler_waits_for_the_tenant(scene: Scene) -> None:
    """
    It is answered within a second, and an order that waits in the outbox is not fired.
    """
    first, second = scene.host("web01"), scene.host("web02")
    world = scene.world()
    scene.tenant.open_problem(first)
    world.reconciler._next_poll = 0.0
    world.cycle(fire=False)
    assert len(world.ledger.attempts.open()) == 1
    scene.tenant.open_problem(second)
    asked, let = threading.Event(), threading.Event()
    read = world.engine.problem_reader.read

    def slow(*args: Any) -> Any:
        asked.set()
        let.wait(60)
        return read(*args)

    world.engine.episodes.match = slow
    world.reconciler._next_poll = 0.0
    cycle = threading.Thread(target=world.reconciler.step)
    cycle.start()
    assert asked.wait(30)
    answer = given(world, "pause", world.now, reason="change CH-1234")
    assert answer["facts"]["paused"]["reason"] == "change CH-1234"
    assert cycle.is_alive() and not let.is_set()
    let.set()
    world.fire()
    cycle.join()
    world.cycle(1)
    assert [data for data in world.events() if data["minions"]] == []
    assert given(world, "resume", world.now)["facts"]["paused"] is False
    world.cycle(1)
    assert world.events()[0]["minions"] == ["web01"]


def test_nothing_is_fired_once_a_pause_is_recorded(scene: Scene) -> None:
    """
    An order that was checked a moment before is on the bus first, and no pause waits for ever for a bus that hangs.
    """
    scene.tenant.open_problem(scene.host("web01"))
    world = scene.world()
    world.reconciler._next_poll = 0.0
    world.cycle(fire=False)
    let, checked = threading.Event(), threading.Event()
    fire = world.bus.fire_event

    def hangs(data: dict[str, Any], tag: str, timeout: int) -> bool:
        if "minions" in data:
            checked.set()
            let.wait(30)
        return fire(data, tag, timeout)

    world.bus.fire_event = hangs  # type: ignore[method-assign]
    relay = threading.Thread(target=world.fire)
    relay.start()
    assert checked.wait(30)
    data = {"id": "a" * 32, "command": "pause", "instance": None, "who": "admin", "reason": "x"}
    pause = threading.Thread(target=world.engine.on_command, args=[sign(data, KEY, world.now, 10)])
    begun = time.monotonic()
    pause.start()
    time.sleep(0.1)
    assert world.ledger.settings.get("paused") is None
    pause.join()
    assert GATE_S <= time.monotonic() - begun < GATE_S + 20
    assert world.ledger.settings.get("paused") is not None
    let.set()
    relay.join()
    assert [tag.split("/")[1] for tag, _ in world.bus.events] == ["problem", "answer"]


def test_what_is_held_by_a_pause_goes_on_when_it_ends_at_any_moment(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Also while the episode is being decided: the pause is over, and what it held is not forgotten.
    """
    scene.tenant.open_problem(scene.host("web01"))
    world = scene.world()
    given(world, "pause", world.now, reason="x")
    decided = scheduler.until_next

    def then_resumed(*args: Any) -> Any:
        given(world, "resume", world.now)
        return decided(*args)

    with monkeypatch.context() as patched:
        patched.setattr(scheduler, "until_next", then_resumed)
        world.poll()
    assert world.events()[0]["held"][0]["reason"] == "paused"
    world.cycle(1)
    assert [data["minions"] for data in world.events()] == [[], ["web01"]]


@pytest.mark.parametrize(
    ("policy", "held"),
    [
        ({}, None),
        ({"deny": ["web*"]}, "not allowed"),
        ({"allow": ["db*"]}, "not allowed"),
        ({"dry_run": True}, "dry run"),
    ],
)
def test_what_would_hold_a_failure_is_what_the_policy_says(
    scene: Scene, policy: dict[str, Any], held: str | None
) -> None:
    """
    On a minion where nothing was tried yet, deny before allow.
    """
    facts = order(scene.world(policy=policy), "held", minion="web01")["facts"]
    assert facts == {"held": held, "until": None, "open": [], "needs_host_id": True}


def test_a_grain_is_not_needed_where_a_name_proves_a_minion(scene: Scene) -> None:
    """
    With `act_on` as the admin set it.
    """
    world = scene.world(policy={"act_on": ["host_id", "name"]})
    assert order(world, "held", minion="web01")["facts"]["needs_host_id"] is False


def test_what_would_hold_a_failure_is_what_was_tried_and_is_open_there(scene: Scene) -> None:
    """
    The cooldown is doubled after a failure, the budget is the window's; another minion is free.
    """
    apache = scene.host("web01")
    world = scene.world(policy={"cooldown": 300, "max_attempts": 2})
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    facts = order(world, "held", minion="web01")["facts"]
    assert (facts["held"], facts["open"]) == ("cooldown", [problem.display_id])
    left = datetime.fromisoformat(facts["until"].replace("Z", "+00:00")).timestamp() - world.now
    assert 590 < left <= 600
    facts = order(world, "held", minion="web02")["facts"]
    assert (facts["held"], facts["open"]) == (None, [])
    world.cycle(700)
    world.salt_runs(world.events("retry")[0], BAD)
    world.cycle(1)
    assert order(world, "held", minion="web01")["facts"]["held"] == "attempts spent"


def test_problems_show_and_history_tell_what_happened(scene: Scene) -> None:
    """
    The rows name the problem, its minions and how the attempts ended.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    (row,) = order(world, "problems")["rows"]
    assert (row["problem"], row["minions"], row["state"]) == (
        problem.display_id,
        ["web01"],
        "healed, waits for Dynatrace",
    )
    shown = order(world, "show", display_id=problem.display_id)
    assert shown["facts"]["problem_id"] == problem.problem_id
    assert shown["rows"][0]["minions"]["web01"].startswith("good it serves")
    assert order(world, "history")["rows"][0]["state"] == "good"
    assert "no problem" in order(world, "show", display_id="P-0")["error"]


def test_a_long_answer_comes_on_pages_under_the_event_size_limit() -> None:
    """
    A thousand rows are many events, none of which the bus would trim.
    """
    rows = [{"problem": f"P-{number}", "title": "x" * 200} for number in range(1000)]
    found = pages({"rows": rows})
    assert len(found) > 1
    assert [row for page in found for row in page["rows"]] == rows
    assert all(page["pages"] == len(found) for page in found)


def test_a_command_is_not_carried_out_again_by_the_next_engine(scene: Scene) -> None:
    """
    Its validity outlives a kill of the engine, and so does what read it from the bus.
    """
    world = scene.world()
    data = {"id": "c" * 32, "command": "pause", "instance": None, "who": "admin", "reason": "x"}
    signed = sign(data, KEY, world.now, 10)
    world.engine.on_command(signed)
    world.cycle()
    order(world, "resume")
    world.now += 1
    world.restart()
    world.engine.on_command(signed)
    world.cycle()
    assert world.ledger.settings.get("paused") is None
    assert order(world, "pause", reason="another")["facts"]["paused"]["reason"] == "another"


def test_nothing_but_a_command_is_carried_out(scene: Scene) -> None:
    """
    All that the engine signs has the same key: an answer played back as a command asks for nothing.
    """
    world = scene.world()
    order(world, "status")
    _, answer = world.answers[-1]
    before = len(world.answers)
    for played in (answer, {**answer, "facts": None, "rows": None}):
        world.engine.on_command(sign({**played, "id": "d" * 32}, KEY, world.now, 10))
        world.cycle()
    assert [data["error"].partition(";")[0] for _, data in world.answers[before:]] == [
        "unknown command"
    ]
    assert world.ledger.settings.get("paused") is None


def test_a_flood_of_forged_commands_costs_no_cycle_and_no_line(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Any minion can fire their tag: the loop never hears of them, and they are said once.
    """
    world = scene.world()
    world.engine.trigger.clear()
    forged = {"command": "pause", "instance": None, "who": "x", "reason": "forged"}
    for number in range(1000):
        world.engine.on_command(sign({"id": f"{number:032x}", **forged}, b"1" * 64, world.now, 10))
    large = {**forged, "rows": [[]] * 1_000_000, "id": "e" * 32}
    world.engine.on_command({**large, "signature": "0" * 64})
    assert not world.engine.trigger.is_set()
    assert world.commands._waiting.empty()
    assert caplog.text.count("did not sign is ignored") == 1
    assert order(world, "status")["facts"]["paused"] is False


def test_a_command_that_is_played_back_is_heard_once(scene: Scene) -> None:
    """
    However often.
    """
    world = scene.world()
    data = {"id": "f" * 32, "command": "pause", "instance": None, "who": "admin", "reason": "x"}
    for _ in range(100):
        world.engine.on_command(sign(data, KEY, world.now, 10))
    world.fire()
    assert len(world.answers) == 1


def test_an_attempt_on_a_thousand_minions_fits_into_an_event(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The first are told with their outcome, and how many there are.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    attempt_id = world.events("open")[0]["attempt_id"]
    (one,) = world.ledger.attempts.actions(attempt_id)
    many = [replace(one, minion=f"web{n:04d}", comment="x" * 500) for n in range(1000)]
    monkeypatch.setattr(world.ledger.attempts, "actions", lambda _: many)
    (row,) = order(world, "show", display_id=problem.display_id)["rows"]
    assert (len(row["minions"]), row["minion_count"]) == (50, 1000)
    assert all(len(json.dumps(page)) < MAX_EVENT_BYTES for _, page in world.answers)


def documented(command: str) -> list[list[str]]:
    """
    Return the keys that the page lists for a command, one list for each sentence.
    """
    page = REPO / "docs" / "reference" / "runner.md"
    # Lists within them have tables of their own below.
    cells = next(cells for key, cells in rows(page) if key == command)
    return [re.findall(r"`([a-z_]+)`", part) for part in cells[1].split(";")]


def test_what_scripts_read_is_what_is_documented(scene: Scene) -> None:
    """
    A key that is renamed breaks somebody's script.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    assert list(order(world, "status")["facts"]) == documented("status")[0]
    assert list(order(world, "problems")["rows"][0]) == documented("problems")[0]
    assert list(order(world, "history")["rows"][0]) == documented("history")[0]
    shown = order(world, "show", display_id=problem.display_id)
    facts, attempts = documented("show")
    assert list(shown["rows"][0]) == attempts[1:]
    assert list(shown["facts"]) == [*documented("problems")[0], *facts[1:]]
    facts = order(world, "why", display_id=problem.display_id)["facts"]
    assert set(facts) <= {key for part in documented("why") for key in part}
    assert list(order(world, "retry", display_id=problem.display_id)["facts"]) == ["retry"]
    assert list(order(world, "pause", reason="x")["facts"]) == documented("pause")[0]
    assert list(order(world, "resume")["facts"]) == documented("resume")[0]


def test_the_facts_of_a_report_are_those_that_are_documented(scene: Scene) -> None:
    """
    Of a problem and of a span, and of each row in them.
    """
    page = REPO / "docs" / "reference" / "runner.md"
    text = section(page, "Facts of a report")
    keys = set(re.findall(r"^\| (`.+?`) \|", text, re.M))
    known = {one for cell in keys for one in re.findall(r"`(\w+)`", cell)}
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    when = {"since": iso(world.now - 60), "until": iso(world.now + 60)}
    story = order(world, "story", display_id=problem.display_id)
    span = order(world, "span", **when)
    # Those of the runner itself.
    assert set(story["facts"]) | set(span["facts"]) | {"evidence"} == known
    words = set(re.findall(r"`(\w+)`", text))
    lists = [*story["rows"], *span["rows"], *span["facts"]["bars"], span["facts"]["saved"]]
    for row in lists:
        for name, value in row.items():
            assert name in words, name
            if name in ("steps", "comments", "problems") and isinstance(value, dict):
                assert set(value) <= words, name

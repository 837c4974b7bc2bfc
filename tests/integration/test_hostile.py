"""
A minion that somebody has taken over, on a real master: what it can put on the bus, and what does not come of it.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.intruder import Intruder
from tests.harness.stage import HOOK, MINION, Stage
from tests.integration.test_healing import (
    BROKEN,
    PID_FILE,
    executed,
    fail,
    outcome,
    remedies,
    stop_apache,
    wait_for_polls,
)

pytestmark = pytest.mark.apache

OPEN = "dynatrace/problem/open/availability/P-1"
GOOD = {"result": True, "comment": "it serves", "changes": {}, "__run_num__": 1}


@pytest.fixture(scope="module")
def intruder(stage: Stage) -> Iterator[Intruder]:
    """
    A second accepted minion, which is no salt-minion at all.
    """
    yield Intruder(stage.salt)
    (stage.salt.root / "pki" / "master" / "minions" / "intruder").unlink()


def order(**changes: Any) -> dict[str, Any]:
    """
    Return the data of an event as the engine would fire it, signed by somebody else.
    """
    return {
        "schema": 1,
        "instance": "dynatrace",
        "what": "open",
        "problem_id": "1_1V2",
        "display_id": "P-1",
        "title": "forged",
        "attempt": 1,
        "attempt_id": "0" * 32,
        "jid": "20260101000000000000",
        "minions": [MINION],
        "technologies": {"APACHE_HTTPD": [MINION]},
        "fired": "2020-01-01T00:00:00.000Z",
        "valid_until": "2099-01-01T00:00:00.000Z",
        "signature": "0" * 64,
        **changes,
    }


def test_an_installation_that_works_is_found_whole(stage: Stage) -> None:
    """
    No line of `dynatrace.check` asks for anything, and no secret is in one.
    """
    done = stage.salt.command("salt-run", "dynatrace.check", "--out=json")
    told = json.loads(done.stdout[done.stdout.index("{") :])
    assert [row for row in told["checks"] if row["result"] != "ok"] == []
    assert (told["result"], done.returncode) == ("ok", 0)
    assert stage.api_token.split(".")[-1] not in done.stdout
    assert stage.webhook_token not in done.stdout


def test_a_forged_order_starts_nothing(serving: Stage, intruder: Intruder) -> None:
    """
    Byte for byte as the engine's, and under a tag that Salt keeps for itself: the reactor gives nothing.
    """
    since = time.time()
    intruder.fire(OPEN, order())
    intruder.fire(OPEN, order(), pretag="salt/run")
    serving.salt.events.wait_for(f"salt/run/{OPEN}", 10, since)
    wait_for_polls(serving, 2)
    assert len(serving.salt.events.events(OPEN, since)) == 2
    assert serving.salt.events.events("salt/job/*/new", since) == []


def test_a_genuine_order_that_is_played_back_heals_nothing_again(
    serving: Stage, intruder: Intruder
) -> None:
    """
    At once, when it is still valid, and as if a cluster peer had forwarded it.
    """
    problem, since = fail(serving)
    done = outcome(serving, problem, since)
    assert done.data["what"] == "healed"
    main = PID_FILE.read_text()
    (opened,) = serving.salt.events.events(f"dynatrace/problem/open/*/{problem.display_id}", since)
    for data in (opened.data, {**opened.data, "__peer_id": "127.0.0.2"}):
        intruder.fire(opened.tag, data)
    wait_for_polls(serving, 2)
    assert sum(executed(event) for event in remedies(serving, since)) == 1
    assert PID_FILE.read_text() == main


def test_a_forged_return_event_is_not_believed(serving: Stage, intruder: Intruder) -> None:
    """
    Before and after the true one: the remedy failed, whatever the bus says.
    """
    BROKEN.write_text("NoSuchDirectiveOfTheTest on\n")
    try:
        stop_apache()
        since = time.time()
        problem = serving.tenant.open_problem(serving.process)
        opened = serving.salt.events.wait_for(
            f"dynatrace/problem/open/*/{problem.display_id}", 30, since
        )
        jid = opened.data["jid"]
        told = {"jid": jid, "id": MINION, "fun": "state.apply", "success": True, "retcode": 0}
        told["return"] = {"dynatrace_|-proof_|-proof_|-answers": GOOD}
        for tag in (f"salt/job/{jid}/ret/{MINION}", f"salt/job/{jid}/ret/web02"):
            intruder.fire(tag, told)
        done = outcome(serving, problem, since)
        assert done.data["what"] == "failed"
        assert [one["minion"] for one in done.data["outcome"]] == [MINION]
        serving.tenant.close_problem(problem)
        serving.salt.events.wait_for(
            f"dynatrace/problem/resolved/*/{problem.display_id}", 30, since
        )
    finally:
        BROKEN.unlink()
    subprocess.run(["service", "apache2", "start"], check=True, stdout=subprocess.DEVNULL)


def test_a_forged_command_changes_nothing(stage: Stage, intruder: Intruder) -> None:
    """
    Nor does a genuine one that is played back: a pause that was ended stays ended.
    """
    since = time.time()
    forged = {"id": "a" * 32, "command": "pause", "reason": "forged", "who": "me"}
    intruder.fire(f"dynatrace/command/{forged['id']}", order(**forged))
    stage.salt.run("dynatrace.pause", reason="a test")
    (command, *_) = stage.salt.events.events("dynatrace/command/*", since)[1:]
    stage.salt.run("dynatrace.resume")
    intruder.fire(command.tag, command.data)
    assert stage.salt.run("dynatrace.status")["dynatrace"]["paused"] is False


def test_a_forged_answer_is_not_shown(stage: Stage, intruder: Intruder) -> None:
    """
    Nobody called so answers, and who answers in its place cannot sign.
    """
    since = time.time()
    program = [stage.salt.command, "salt-run", "dynatrace.status", "instance=nobody", "timeout=2"]
    asked: list[subprocess.CompletedProcess[str]] = []
    waiting = threading.Thread(target=lambda: asked.append(program[0](*program[1:])))
    waiting.start()
    command = stage.salt.events.wait_for("dynatrace/command/*", 30, since)
    answer = {"id": command.data["id"], "instance": "nobody", "page": 1, "pages": 1, "rows": []}
    intruder.fire(
        f"dynatrace/answer/{command.data['id']}", order(**answer, facts={"version": "FORGED"})
    )
    waiting.join(60)
    assert "FORGED" not in asked[0].stdout
    assert "no Dynatrace engine answered" in asked[0].stdout
    assert asked[0].returncode == 1


def test_a_forged_notification_makes_the_engine_look_and_no_more(
    stage: Stage, intruder: Intruder
) -> None:
    """
    The tag of salt-api's hook is anybody's: the tenant is asked, and does not know the problem.
    """
    since = time.time()
    problem_id = "4242424242_1721545199999V2"
    intruder.fire(HOOK, {"post": {"PID": problem_id, "State": "OPEN"}})
    stage.tenant.wait_for(
        lambda: any(call.path.endswith(problem_id) for call in stage.tenant.requests), timeout=30
    )
    wait_for_polls(stage, 1)
    assert stage.salt.events.events("dynatrace/problem/*", since) == []


def test_salt_itself_takes_a_return_in_the_name_of_another_minion(
    stage: Stage, intruder: Intruder
) -> None:
    """
    The limit of the proof, which the threat model names: if this fails one day, correct it there.
    """
    jid = "20300101000000000000"
    intruder.fakes_a_job(jid, MINION, {"return": {"x": GOOD}, "retcode": 0, "success": True})
    stage.salt.events.wait_for(f"salt/job/{jid}/ret/{MINION}", 10)
    assert stage.salt.run("jobs.lookup_jid", jid) == {MINION: {"x": GOOD}}


def test_what_the_intruder_sent_left_no_traceback_and_no_secret(stage: Stage) -> None:
    """
    Hostile input is refused in one line.
    """
    assert stage.secrets_in_logs() == []
    assert [path for path in stage.tracebacks_in_logs() if not path.endswith("intruder")] == []

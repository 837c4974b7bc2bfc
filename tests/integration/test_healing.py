"""
The main job, with everything real but the tenant.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.harness import apache
from tests.harness.daemon import title
from tests.harness.listener import Event
from tests.harness.scratch import ScratchSalt
from tests.harness.stage import MINION, Stage
from tests.tenant.problems import Problem

pytestmark = pytest.mark.apache

PID_FILE = Path("/run/apache2/apache2.pid")
BROKEN = Path("/etc/apache2/conf-enabled/zz-salt-dynatrace-broken.conf")


def stop_apache() -> None:
    subprocess.run(["service", "apache2", "stop"], check=True, stdout=subprocess.DEVNULL)


def fail(stage: Stage) -> tuple[Problem, float]:
    """
    Stop apache2 and raise the problem; return it with the time before.
    """
    stop_apache()
    since = time.time()
    return stage.tenant.open_problem(stage.process), since


def outcome(stage: Stage, problem: Problem, since: float, timeout: float = 60) -> Event:
    """
    Return the event that says how the problem's first attempt ended.
    """
    return stage.salt.events.wait_for(
        f"dynatrace/problem/*/{problem.display_id}",
        timeout,
        since,
        lambda event: event.data["what"] in ("healed", "failed", "escalated"),
    )


def remedies(stage: Stage, since: float) -> list[Event]:
    """
    Return the returns of the remedy since a time.
    """
    found = stage.salt.events.events("salt/job/*/ret/*", since)
    return [event for event in found if event.data.get("fun") == "state.apply"]


def healing(stage: Stage) -> list[str]:
    """
    Return the minions that the engine says it is healing.
    """
    return list(stage.salt.run("dynatrace.status")["dynatrace"]["healing"])


def executed(event: Event) -> bool:
    """
    Tell whether a return is of a run that did something, not one that found the attempt taken.
    """
    return any(state.get("changes") for state in event.data["return"].values())


def test_a_stopped_apache2_is_healed_and_dynatrace_is_told(serving: Stage) -> None:
    """
    Noticed by the notification, restarted, proved, commented; the problem resolves.
    """
    problem, since = fail(serving)
    done = outcome(serving, problem, since)
    assert done.data["what"] == "healed"
    assert done.data["outcome"][0]["ok"] is True
    assert apache.answers()
    serving.tenant.wait_for(lambda: serving.tenant.comments(problem), timeout=10)
    (comment,) = serving.tenant.comments(problem)
    assert done.data["jid"] in comment.message
    serving.tenant.close_problem(problem)
    serving.salt.events.wait_for(f"dynatrace/problem/resolved/*/{problem.display_id}", 10, since)


def test_a_problem_about_an_apache2_that_serves_is_not_called_healed(serving: Stage) -> None:
    """
    The minion says so by the key of its state's return, which Salt hands on as it is; nothing is done.
    """
    since, main = time.time(), PID_FILE.read_text()
    problem = serving.tenant.open_problem(serving.process)
    told = serving.salt.events.wait_for(
        f"dynatrace/problem/healthy/*/{problem.display_id}", 60, since
    )
    (one,) = told.data["outcome"]
    assert (one["ok"], one["done"]) == (True, False)
    (returned,) = remedies(serving, since)
    words = [state["dynatrace"]["outcome"] for state in returned.data["return"].values()]
    assert words == ["healthy"]
    assert PID_FILE.read_text() == main
    serving.tenant.wait_for(lambda: serving.tenant.comments(problem), timeout=10)
    assert serving.tenant.comments(problem)[0].message.startswith("Salt did nothing")


def test_one_problem_leads_to_one_restart_however_often_it_is_told(serving: Stage) -> None:
    """
    Webhook and poll race, and the notification is sent a hundred times.
    """
    problem, since = fail(serving)
    serving.tenant.notify(problem, "OPEN", times=100)
    assert outcome(serving, problem, since).data["what"] == "healed"
    main = PID_FILE.read_text()
    # Two polls more: whatever would still come of it has come.
    wait_for_polls(serving, 2)
    assert len(remedies(serving, since)) == 1
    assert PID_FILE.read_text() == main
    assert (
        len(serving.salt.events.events(f"dynatrace/problem/open/*/{problem.display_id}", since))
        == 1
    )


def wait_for_polls(stage: Stage, count: int) -> None:
    def polls() -> int:
        return sum(call.path == "/api/v2/problems" for call in stage.tenant.requests)

    before = polls()
    stage.tenant.wait_for(lambda: polls() >= before + count, timeout=30)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3])
def test_an_engine_killed_after_it_fired_does_not_heal_twice(serving: Stage, delay: float) -> None:
    """
    `kill -9` right after the event is on the bus: the next engine finds what was done, and repeats nothing.
    """
    problem, since = fail(serving)
    opened = serving.salt.events.wait_for(
        f"dynatrace/problem/open/*/{problem.display_id}", 30, since
    )
    time.sleep(delay)
    serving.salt.kill_engine()
    done = outcome(serving, problem, since)
    assert done.data["what"] == "healed"
    wait_for_polls(serving, 2)
    assert sum(executed(event) for event in remedies(serving, since)) == 1
    again = serving.salt.events.events(f"dynatrace/problem/open/*/{problem.display_id}", since)
    assert {event.data["attempt_id"] for event in again} == {opened.data["attempt_id"]}
    assert {event.data["jid"] for event in again} == {opened.data["jid"]}
    assert len(again) <= 2


def test_an_apache2_killed_with_its_children_left_behind_is_healed(serving: Stage) -> None:
    """
    After `kill -9` of the main process its workers hold port 80 and the pid file is stale.
    """
    old = psutil.Process(int(PID_FILE.read_text()))
    old.kill()
    since = time.time()
    problem = serving.tenant.open_problem(serving.process)
    assert outcome(serving, problem, since).data["what"] == "healed"
    assert int(PID_FILE.read_text()) != old.pid
    assert apache.answers()


def test_a_broken_configuration_is_reported_and_nothing_is_stopped(serving: Stage) -> None:
    """
    A frozen apache2 with a broken configuration is left as it is, and the comment says why.
    """
    main = psutil.Process(int(PID_FILE.read_text()))
    frozen = [main, *main.children()]
    BROKEN.write_text("NoSuchDirectiveOfTheTest on\n")
    try:
        for process in frozen:
            process.suspend()
        since = time.time()
        problem = serving.tenant.open_problem(serving.process)
        done = outcome(serving, problem, since)
        assert done.data["what"] == "failed"
        assert "NoSuchDirectiveOfTheTest" in done.data["outcome"][0]["comment"]
        assert main.is_running()
        serving.tenant.close_problem(problem)
        serving.salt.events.wait_for(
            f"dynatrace/problem/resolved/*/{problem.display_id}", 30, since
        )
        # A retry may run still, and would heal behind the next test's back.
        serving.tenant.wait_for(lambda: not healing(serving), timeout=60)
    finally:
        BROKEN.unlink()
        for process in frozen:
            if process.is_running():
                process.resume()


def test_a_remedy_waits_for_a_state_run_in_progress(serving: Stage) -> None:
    """
    Although its job id is older than that of the run, so that `queue: True` alone may not wait.
    """
    began = time.time()
    salt = [str(Path(sys.executable).parent / "salt"), "-c", str(serving.salt.config_dir)]
    busy = subprocess.Popen(
        [*salt, MINION, "state.single", "cmd.run", "sleep 6"], stdout=subprocess.DEVNULL
    )
    serving.salt.events.wait_for(
        "salt/job/*/new", 30, began, lambda event: event.data["fun"] == "state.single"
    )
    stop_apache()
    since = time.time()
    # A process of its own: that of the others was healed since then, and this would be an old failure.
    [group] = serving.tenant.entities[serving.process].links["isInstanceOf"]
    process = serving.tenant.add_process(serving.host, "Apache Web Server waiting", group=group)
    problem = serving.tenant.open_problem(process, start=since - 7200)
    assert outcome(serving, problem, since).data["what"] == "healed"
    returns = serving.salt.events.events("salt/job/*/ret/*", began)
    (other,) = [event for event in returns if event.data["fun"] == "state.single"]
    (remedy,) = remedies(serving, since)
    assert other.at < remedy.at
    assert busy.wait(30) == 0


def test_a_problem_heard_through_the_hook_of_salt_api_is_healed(serving: Stage) -> None:
    """
    What salt-api's /hook/dynatrace takes is a notification like any other.
    """
    serving.tenant.fault("lost_notification", times=1)
    problem, since = fail(serving)
    api = serving.salt.api
    answer = requests.post(
        f"{api.url}/hook/dynatrace",
        json={"PID": problem.problem_id, "State": "OPEN"},
        headers={"X-Auth-Token": api.token},
        timeout=10,
    )
    assert answer.status_code == 200
    assert outcome(serving, problem, since).data["what"] == "healed"


def test_the_runner_tells_what_the_engine_does_and_pauses_it(serving: Stage) -> None:
    """
    Asked over the bus, the engine answers by its name; paused, it holds every problem.
    """
    run = serving.salt.run
    assert run("dynatrace.status")["dynatrace"]["api"] == "ok"
    run("dynatrace.pause", reason="a test")
    try:
        problem, since = fail(serving)
        opened = serving.salt.events.wait_for(
            f"dynatrace/problem/open/*/{problem.display_id}", 30, since
        )
        assert opened.data["held"][0]["reason"] == "paused"
        listed = run("dynatrace.problems")["dynatrace"]
        assert [row["problem"] for row in listed] == [problem.display_id]
    finally:
        run("dynatrace.resume")
    assert outcome(serving, problem, since).data["what"] == "healed"
    assert run("dynatrace.show", problem.display_id)["dynatrace"]["attempts"][0]["state"] == "good"


def ended(salt: ScratchSalt, since: float) -> dict[str, bool]:
    """
    Return the runners whose end was heard on the bus, and whether they went well.
    """
    events = [event.data for event in salt.events.events("salt/run/*/ret", since)]
    return {one["fun"]: one["success"] for one in events}


def test_whoever_asks_the_runner_gets_data_and_is_told_whether_it_went_well(
    serving: Stage,
) -> None:
    """
    salt-api and an orchestration get what `--out=json` prints; only a terminal gets a table.
    """
    problem, since = fail(serving)
    outcome(serving, problem, since)
    api, salt = serving.salt.api, serving.salt
    [latest, *_] = api.runner("dynatrace.history")["dynatrace"]
    assert latest["problem"] == problem.display_id
    assert "no problem" in api.runner("dynatrace.show", display_id="P-0")["dynatrace"]["error"]
    told = {"runner.dynatrace.history": True, "runner.dynatrace.show": False}
    deadline = time.monotonic() + 30
    while (heard := ended(salt, since)) != told:
        assert time.monotonic() < deadline, heard
        time.sleep(0.05)
    for name, arguments, well in (("history", [], True), ("show", ["P-0"], False)):
        step = ["salt.runner", f"name=dynatrace.{name}", f"arg={json.dumps(arguments)}"]
        [state] = salt.run("salt.cmd", "state.single", *step).values()
        assert (state["result"], next(iter(state["changes"]["return"]))) == (well, "dynatrace")
    printed = salt.command("salt-run", "dynatrace.history").stdout
    assert f"{problem.display_id} web01 1 {latest['state']}" in " ".join(printed.split())
    assert "outputter" not in printed


def metrics(stage: Stage) -> str:
    """
    Return what the webhook's port tells Prometheus.
    """
    url = str(stage.webhook_url).replace("/dynatrace", "/metrics")
    own = {"Authorization": f"Bearer {stage.webhook_token}"}
    return requests.get(url, headers=own, timeout=5).text


def test_what_was_done_above_is_measured_and_counted(serving: Stage) -> None:
    """
    From what a real minion returned, and the tenant's evidence.
    """
    told: dict[str, float] = {}
    lines = metrics(serving).splitlines()
    for line in [one for one in lines if not one.startswith("#")]:
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0].removeprefix("salt_dynatrace_")
        if 'outcome="' not in series or 'outcome="good"' in series:
            told[name] = told.get(name, 0.0) + float(value)
    assert told["attempts_total"] >= 1
    for name in ("outage", "event_to_proof", "state_run", "notification_to_event", "cycle"):
        count, total = told[f"{name}_seconds_count"], told[f"{name}_seconds_sum"]
        assert count >= 1, name
        # One of the problems above began two hours before it was seen.
        assert 0 < total / count < 3600, name
    assert told["tenant_request_seconds_count"] >= 3
    assert told["api_up"] == told["bus_up"] == told["info"] == 1


def page(stage: Stage) -> str:
    """
    Return the status page, as a browser gets it that was given the token as a password.
    """
    url = str(stage.webhook_url).replace("/dynatrace", "/")
    answer = requests.get(url, auth=("somebody", stage.webhook_token), timeout=10)
    assert answer.status_code == 200
    return answer.text


def test_the_status_page_shows_what_was_done(serving: Stage) -> None:
    """
    In an engine that a master runs: it works, it acts, and its last heals have their timelines.
    """
    shown = " ".join(re.sub("<[^>]*>", " ", page(serving)).split())
    assert "Acting On What the policy allows is healed." in shown
    assert "Engine Works dynatrace" in shown
    assert re.search(r"Healed last P-\d+ on \S+ down for .*, healed by apache2 in attempt 1", shown)
    assert "serves" in shown


def test_no_secret_is_in_any_log_event_ledger_process_title_or_answer(serving: Stage) -> None:
    """
    After all of the above, neither the token nor the webhook's secret is to be found anywhere.
    """
    hidden = [serving.api_token, serving.api_token.split(".")[-1], serving.webhook_token]
    places: dict[str, str] = {
        "events": "".join(
            json.dumps(event.data, default=str)
            for event in serving.salt.events.events("dynatrace/*")
        ),
        "titles": " ".join(map(title, serving.salt.master.processes())),
        "healthz": requests.get(
            str(serving.webhook_url).replace("/dynatrace", "/healthz"), timeout=5
        ).text,
        "metrics": metrics(serving),
        "page": page(serving),
        "401": requests.post(str(serving.webhook_url), data=b"{}", timeout=5).text,
        "comments": "".join(
            comment.message
            for problem in serving.tenant.problems
            for comment in serving.tenant.comments(problem)
        ),
    }
    for path in (serving.salt.cachedir / "dynatrace").rglob("*"):
        if path.is_file():
            places[str(path)] = path.read_bytes().decode("latin-1")
    found = [place for place, text in places.items() if any(secret in text for secret in hidden)]
    assert found == []
    assert serving.secrets_in_logs() == []
    assert any("ledger.db" in place for place in places)


def test_the_ledger_and_the_key_are_readable_by_the_master_user_only(stage: Stage) -> None:
    """
    Directories 0700, files 0600.
    """
    base = stage.salt.cachedir / "dynatrace"
    modes: dict[str, Any] = {
        str(path): path.stat().st_mode & 0o077 for path in [base, *base.rglob("*")]
    }
    assert {path: mode for path, mode in modes.items() if mode} == {}
    assert {path.owner() for path in [base, *base.rglob("*")]} == {stage.salt.user}
    assert os.path.exists(base / "signing.key")


def test_all_that_is_the_masters_is_a_user_who_is_not_root(stage: Stage) -> None:
    """
    The tests above have healed so: master, engine, reactor, salt-api, and a runner that root calls.
    """
    assert stage.salt.user == "salt"
    [engine] = stage.salt.engine_processes()
    assert engine.username() == "salt"
    for daemon in (stage.salt.master, stage.salt.api_daemon):
        assert daemon is not None
        assert {process.username() for process in daemon.processes()} == {"salt"}
    told = stage.salt.run("dynatrace.check")
    [rights] = [line for line in told["checks"] if line["check"] == "rights"]
    assert (rights["result"], rights["detail"].split()[0]) == ("ok", "salt")


def test_the_logs_hold_no_traceback(stage: Stage) -> None:
    """
    An admin reads one line a decision, and nothing that looks like a fault.
    """
    assert stage.tracebacks_in_logs() == []
    stage.tenant.check()

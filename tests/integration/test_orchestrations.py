"""
What is done by hand with `salt-run state.orchestrate`, with everything real but the tenant.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator

import pytest
import salt.client
import yaml

from tests.harness import apache
from tests.harness.config import EAUTH_USER
from tests.harness.newcomer import Newcomer
from tests.harness.stage import MINION, Stage
from tests.integration.test_healing import PID_FILE
from tests.tenant.monitor import Monitor
from tests.unit.docs.pages import REPO, blocks, commands

pytestmark = pytest.mark.apache

TUTORIAL = REPO / "docs" / "tutorial.md"
HEAL_BY_HAND = [
    one
    for text in blocks(REPO / "docs" / "how-to" / "heal-by-hand.md", "bash")
    for one in commands(text)
]
CATALOGUE = yaml.safe_load((REPO / "master.d" / "remedies.conf").read_text())["dynatrace_remedies"]
TARGET = {"minion": MINION, "service": "apache2"}
#: The stage's pillar for the master allows the minion; a call may say otherwise.
PRODUCTION = {"dynatrace": {"chaos": {"allow": []}}}


@pytest.fixture
def watched(serving: Stage) -> Iterator[Stage]:
    """
    The stage with a tenant that watches apache2 and raises the problem by itself.
    """
    monitor: Monitor = serving.tenant.monitor(
        serving.process, apache.URL, open_after=0.5, close_after=300
    )
    serving.tenant.wait_for(lambda: monitor.answering, timeout=10)
    yield serving
    monitor.stop()


def calls(stage: Stage, *texts: str) -> subprocess.CompletedProcess[str]:
    """
    Run shell commands of the tutorial, with the variables that it lets its reader set.
    """
    own = {
        "API": stage.salt.api.url,
        "EAUTH": "sharedsecret",
        "API_USER": EAUTH_USER,
        "API_PASSWORD": stage.salt.secret,
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(texts)],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def said(name: str) -> list[str]:
    """
    Return the commands of the tutorial that run an orchestration, in their order.
    """
    command = f"salt-run state.orchestrate dynatrace.orch.{name} "
    found = [one for text in blocks(TUTORIAL, "bash") for one in commands(text)]
    return [one for one in found if one.startswith(command)]


def test_the_calls_of_the_tutorial_stop_apache2_and_heal_it_by_hand(serving: Stage) -> None:
    """
    They are run as they stand there; with test=True between, nothing is done; a second time is no change.
    """
    login, stop, heal = (text for text in blocks(TUTORIAL, "bash") if '"$API' in text)
    stopped = calls(serving, login, stop)
    assert json.loads(stopped.stdout)["return"] == [{MINION: True}], stopped.stderr
    [planned] = serving.orchestrate("heal", TARGET, test=True)
    assert planned["result"] is None
    assert not apache.answers()
    answer = json.loads(calls(serving, login, heal).stdout)["return"][0]["data"]
    [[healed]] = [list(states.values()) for states in answer.values()]
    assert healed["result"] is True
    assert ":80 answered 200 (/usr/sbin/apache2 (pid" in healed["comment"]
    assert healed["changes"][MINION]["apache2"] == "started"
    assert apache.answers()
    [command] = [one for one in HEAL_BY_HAND if '"minion"' in one]
    [again] = serving.shell.states(command)
    assert (again["result"], again["changes"]) == (True, {})


def test_healing_by_hand_waits_for_another_state_run(serving: Stage) -> None:
    """
    Today's Salt would keep it for later and say nothing, and the orchestration that the minion does not answer.
    """
    client = salt.client.get_local_client(str(serving.salt.config_dir / "master"))
    other = client.cmd_async(MINION, "state.single", ["cmd.run", "sleep 20"])
    begun = serving.salt.cachedir.parent / MINION / "proc" / other
    until = time.monotonic() + 30
    while not begun.exists():
        assert time.monotonic() < until, "another state run is in progress"
        time.sleep(0.05)
    [healed] = serving.orchestrate("heal", TARGET)
    assert healed["result"] is True, healed
    assert not begun.exists()


def test_chaos_reports_the_outage_that_the_engine_ended(watched: Stage) -> None:
    """
    The engine is asked, the service stopped, and the seconds told until it served again. While the problem
    is open chaos is refused, and heal takes it up again by its display id.
    """
    [command] = said("chaos")
    asked, made = watched.shell.states(command)
    assert (asked["result"], asked["changes"]) == (True, {}), asked
    assert made["result"] is True, made
    assert made["changes"][MINION]["apache2"].startswith("out for ")
    assert "is good" in made["comment"]
    assert apache.answers()
    display_id = watched.tenant.problems[-1].display_id
    [refused, _] = watched.orchestrate("chaos", TARGET, test=True)
    assert f"the problem {display_id} is open on {MINION}" in refused["comment"]
    [again] = watched.orchestrate("heal", {"display_id": display_id})
    assert again["result"] is True, again
    assert f"Attempt 2 on {display_id}" in again["comment"]


def test_what_nobody_heals_is_brought_back_by_chaos_itself(serving: Stage) -> None:
    """
    Without a problem there is no healing; the service is up again in the end, and it is a failure.
    """
    _, made = serving.orchestrate("chaos", {**TARGET, "timeout": 1})
    assert made["result"] is False
    assert "not healed within 1 s; the remedy was applied" in made["comment"]
    assert apache.answers()


def test_chaos_is_refused_where_the_engine_would_not_heal(serving: Stage) -> None:
    """
    In production, and while the engine is paused; apache2 serves all the time.
    """
    main = PID_FILE.read_text()
    serving.salt.run("dynatrace.pause", reason="a test")
    try:
        asked, made = serving.orchestrate("chaos", {**TARGET, **PRODUCTION})
    finally:
        serving.salt.run("dynatrace.resume")
    assert asked["result"] is made["result"] is False
    assert "counts as production" in asked["comment"]
    assert "paused by" in asked["comment"]
    assert apache.answers()
    assert PID_FILE.read_text() == main


def test_a_second_setup_changes_nothing(stage: Newcomer) -> None:
    """
    The stage was set up from nothing; all of it is as wanted, and what was looked at is still so.
    """
    requests = len(stage.tenant.requests)
    [*_, again] = said("setup")
    states = stage.set_up(again)
    assert {state["__id__"]: (state["result"], state["changes"]) for state in states} == {
        state["__id__"]: (True, {}) for state in states
    }
    # One for each remedy of the catalogue, whose units are watched.
    assert len(states) == 11 + len(CATALOGUE)
    written = [call for call in stage.tenant.requests[requests:] if call.method in ("PUT", "POST")]
    assert [call for call in written if "settings" in call.path] == []


def test_a_minion_can_ask_the_tenant_for_the_master(stage: Newcomer) -> None:
    """
    With `via` the tenant's states run there; test=True says what would be done, and writes nothing.
    """
    requests = len(stage.tenant.requests)
    states = stage.orchestrate("setup", {"minions": [MINION], "via": MINION}, test=True)
    found = {state["__id__"].rpartition("setup-")[2]: state for state in states}
    assert found["hosts-known"]["result"] is True
    assert "availability alerting" in found["applied-tenant"]["comment"].lower()
    assert False not in [state["result"] for state in states], states
    calls = [call for call in stage.tenant.requests[requests:] if "settings" in call.path]
    assert calls
    assert all(call.method == "GET" or "validateOnly" in call.query for call in calls)


def test_teardown_leaves_host_and_tenant_as_they_were(stage: Newcomer) -> None:
    """
    First it says so, then it does it: no OneAgent, no setting, no alerting. The last test of the stage.
    """
    plan, take_back = said("teardown")
    stage.shell.states(plan)
    assert stage.oneagent.exists()
    assert stage.tenant.alerting_on(stage.process)
    states = stage.shell.states(take_back)
    assert [state["result"] for state in states] == [True] * len(states), states
    assert not stage.oneagent.exists()
    assert not stage.tenant.alerting_on(stage.process)
    left = [one.value.get("name") for one in stage.tenant.settings_objects()]
    assert left == ["Default"]
    assert stage.secrets_in_logs() == []
    assert stage.tracebacks_in_logs() == []
    stage.tenant.check()

"""
A minion that is down while it is ordered something, with a real master and minion: no apache2 is touched.

It takes half a minute, and runs with `FULL=1`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.harness.listener import Event
from tests.harness.stage import MINION, Stage
from tests.tenant import Problem

pytestmark = pytest.mark.skipif(
    os.environ.get("FULL") != "1", reason="only with FULL=1: it takes long"
)

#: Stands for a remedy: it does nothing, and shows whether the minion got it.
REACTION = """
{% if salt['dynatrace.genuine'](data) and data['attempt'] > 0 %}
probe:
  local.test.ping:
    - tgt: {{ data['minions'] | tojson }}
    - tgt_type: list
    - jid: {{ data['jid'] | tojson }}
{% endif %}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    reaction = tmp_path_factory.mktemp("reactor") / "probe.sls"
    reaction.write_text(REACTION)
    mapped = [{f"dynatrace/problem/{what}/error/*": [str(reaction)]} for what in ("open", "retry")]
    policy = {"cooldown": 0, "outcome_timeout": 3, "max_attempts": 9}
    with Stage(
        webhook=False,
        poll_interval=1,
        options={"policy": policy},
        included={"probe.conf": {"reactor": mapped}},
    ) as running:
        running.wait_for_engine()
        running.sync()
        yield running


def told(stage: Stage, problem: Problem, what: str, since: float) -> Event:
    """
    Wait for an event about a problem.
    """
    return stage.salt.events.wait_for(
        f"dynatrace/problem/{what}/error/{problem.display_id}", 60, since
    )


def returns(stage: Stage, jid: str, since: float) -> list[Event]:
    """
    Return what came back of a job.
    """
    return stage.salt.events.events(f"salt/job/{jid}/ret/*", since)


def test_a_minion_that_was_down_is_asked_and_healed_when_it_is_back(stage: Stage) -> None:
    """
    The order of before is lost for good, nothing is ordered while it is down, and it is asked as soon as it starts.
    """
    minion = stage.salt.minions[MINION]
    minion.stop()
    since = time.time()
    problem = stage.tenant.open_problem(stage.process, severity="ERROR")
    order = told(stage, problem, "open", since)
    assert order.data["minions"] == [MINION]
    assert told(stage, problem, "failed", since).data["reason"] == "lost"
    for function in ("dynatrace.attempt", "test.ping"):
        asked = stage.salt.events.wait_for(
            "salt/job/*/new", 30, since, lambda event, fun=function: event.data["fun"] == fun
        )
        assert asked.data["minions"] == [MINION]
    assert stage.salt.events.events("dynatrace/problem/retry/*", since) == []

    started = time.time()
    minion.start()
    retry = told(stage, problem, "retry", since)
    assert (retry.data["minions"], retry.data["attempt"]) == ([MINION], 2)
    told(stage, problem, "healed", since)
    up = stage.salt.events.wait_for(f"salt/minion/{MINION}/start", 30, started)
    print(f"ordered {retry.at - up.at:.1f} s after the minion started")
    assert returns(stage, order.data["jid"], since) == []
    assert [event.data["jid"] for event in returns(stage, retry.data["jid"], since)]

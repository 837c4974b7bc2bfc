"""
A real master, minion, salt-api and apache2 with the engine between them, once for all tests here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.harness import apache
from tests.harness.newcomer import Newcomer
from tests.harness.stage import HOOK, MINION, Stage
from tests.unit.docs.pages import REPO, blocks, commands

TUTORIAL = REPO / "docs" / "tutorial.md"


@pytest.fixture(scope="session")
def own_apache() -> Iterator[None]:
    """
    An apache2 that is apart from this machine's.
    """
    if lacking := apache.why_not():
        pytest.skip(lacking)
    yield
    apache.end_by_force()


@pytest.fixture(scope="session")
def stage(own_apache: None) -> Iterator[Newcomer]:
    """
    Everything running, hosts and tenant set up as the tutorial says: first with test=True, which does nothing.
    """
    [text] = [text for text in blocks(TUTORIAL, "bash") if "dynatrace.orch.setup" in text]
    plan, set_up, _ = commands(text)
    policy = {"cooldown": 0, "max_attempts": 100}
    options = {"policy": policy, "hook_tag": HOOK}
    with Newcomer(poll_interval=2, options=options) as running:
        running.wait_for_engine()
        planned = running.set_up(plan)
        assert [state for state in planned if state["result"] is False] == []
        assert not running.oneagent.exists()
        assert [one.value.get("name") for one in running.tenant.settings_objects()] == ["Default"]
        failed = [state for state in running.set_up(set_up) if state["result"] is not True]
        assert failed == []
        yield running


@pytest.fixture
def serving(stage: Stage) -> Iterator[Stage]:
    """
    The stage with an apache2 that serves; what a test opened at the tenant is closed afterwards.
    """
    if not apache.answers():
        apache.end_by_force()
        subprocess.run(["service", "apache2", "start"], check=True, stdout=subprocess.DEVNULL)
        apache.wait_until_answers(20)
    yield stage
    for problem in stage.tenant.problems:
        if problem.status == "OPEN":
            stage.tenant.close_problem(problem)


__all__ = ["MINION"]

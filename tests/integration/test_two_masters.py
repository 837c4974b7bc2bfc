"""
What becomes of problems when two masters have the same minion, each with an engine: hot-hot, and as acting and standby.

The tests are one story and need their order: the second master begins as the standby, takes over, and the first comes back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.integration.masters_stage import MastersStage, Side
from tests.tenant.problems import Problem

pytestmark = pytest.mark.timeout(300)

HEALED = ["Salt healed this: the service was brought back and proved to serve."]


@pytest.fixture(scope="module")
def stage() -> Iterator[MastersStage]:
    """
    Both masters running, the second one with `dry_run: true`.
    """
    with MastersStage() as running:
        yield running


@pytest.fixture(scope="module")
def old(stage: MastersStage) -> Problem:
    """
    A problem that the first master heals while the second one is the standby, and that stays open.
    """
    return stage.fail("P-1001")


@pytest.fixture(scope="module")
def pending(stage: MastersStage) -> Problem:
    """
    A problem that nobody heals: the first master is paused when it opens, and the second one the standby.
    """
    stage.first.salt.run("dynatrace.pause", reason="a test")
    return stage.fail("P-1002")


def held(side: Side, problem: Problem) -> list[str]:
    """
    Return why an engine held the minion when the problem opened.
    """
    return [item["reason"] for item in side.events("open", problem)[0].data["held"]]


def until_all_end_well(stage: MastersStage, *problems: Problem) -> None:
    """
    Wait until both engines know the good end of every problem's one attempt.
    """
    for side in stage.sides:
        for problem in problems:
            stage.until(
                lambda side=side, problem=problem: "healed" in side.said(problem),
                f"{side.name} says that {problem.display_id} is healed",
            )
            assert side.states(problem) == ["good"]


def assert_healed_once(stage: MastersStage, *problems: Problem) -> None:
    """
    One run on the minion, whichever master ordered it, and one comment, whichever engine wrote it.
    """
    for problem in problems:
        stage.tenant.wait_for(lambda problem=problem: stage.comments(problem), timeout=10)
        assert stage.executions(problem) == 1
        assert stage.comments(problem) == HEALED


def test_a_standby_reports_and_does_not_act(stage: MastersStage, old: Problem) -> None:
    """
    With `dry_run: true` it says whom it would act on; only the other one heals and comments.
    """
    stage.until(lambda: "healed" in stage.first.said(old), "the first one heals")
    stage.until(lambda: stage.second.said(old), "the second one sees it")
    assert held(stage.second, old) == ["dry run"]
    assert stage.second.attempts(old) == []
    assert_healed_once(stage, old)


def test_a_standby_does_not_know_of_a_pause(stage: MastersStage, pending: Problem) -> None:
    """
    The paused one holds what opens; the standby does not step in for it.
    """
    for side in stage.sides:
        stage.until(lambda side=side: side.said(pending), f"{side.name} sees it")
    assert [held(side, pending) for side in stage.sides] == [["paused"], ["dry run"]]
    assert stage.executions(pending) == 0


def test_a_standby_that_takes_over_heals_what_is_open_and_repeats_no_heal(
    stage: MastersStage, old: Problem, pending: Problem
) -> None:
    """
    What opened during its dry run waits for a person's retry; of the first one's heal the minion itself tells.
    """
    stage.first.go_down()
    stage.second.go_down()
    stage.second.configure(dry_run=False)
    stage.bring_up(stage.second)
    for problem in (old, pending):
        stage.second.salt.run("dynatrace.retry", problem.display_id)
    for problem in (old, pending):
        stage.until(
            lambda problem=problem: "healed" in stage.second.said(problem),
            f"the second one says that {problem.display_id} is healed",
        )
        assert stage.second.states(problem) == ["good"]
    # The ids are those of the first one's attempt.
    assert stage.second.attempts(old) == stage.first.attempts(old)
    assert_healed_once(stage, old, pending)


def test_a_pause_of_one_master_does_not_hold_the_other(stage: MastersStage) -> None:
    """
    The first one is back, still paused, and the second one acts; after the end of the pause nothing is repeated.
    """
    stage.bring_up(stage.first)
    problem = stage.fail("P-1003")
    stage.until(lambda: "healed" in stage.second.said(problem), "the second one heals")
    stage.until(lambda: stage.first.said(problem), "the first one sees it")
    assert held(stage.first, problem) == ["paused"]
    stage.first.salt.run("dynatrace.resume")
    stage.until(lambda: stage.first.attempts(problem), "the first one orders what was done")
    assert stage.first.attempts(problem)[0][:2] == stage.second.attempts(problem)[0][:2]


def test_two_acting_masters_heal_a_problem_once_and_agree(
    stage: MastersStage, pending: Problem
) -> None:
    """
    Told by webhook and by poll, both order the same attempt under the same job id; one comment says what came of it.

    The same holds for what the first one found when its pause was over.
    """
    since = time.time()
    problem = stage.fail("P-1004")
    paused = next(one for one in stage.tenant.problems if one.display_id == "P-1003")
    until_all_end_well(stage, problem, paused, pending)
    assert stage.first.attempts(problem) == stage.second.attempts(problem)
    assert_healed_once(stage, problem, paused, pending)
    (attempt_id, jid, _) = stage.first.attempts(problem)[0]
    assert [len(side.orders(jid)) for side in stage.sides] == [1, 1]
    returns = [side.salt.events.events(f"salt/job/{jid}/ret/*", since) for side in stage.sides]
    assert sorted(map(len, returns)) == [0, 1]
    assert attempt_id in stage.runs.read_text()


def test_a_master_killed_when_it_fired_leaves_the_heal_to_the_other(stage: MastersStage) -> None:
    """
    Whether its order did not reach the minion, ran, or died with the master that it still asked: one run, known as good.
    """
    problem = stage.fail("P-1005")
    stage.until(lambda: stage.first.events("open", problem), "the first one fires")
    stage.first.salt.master.kill()
    stage.until(lambda: "healed" in stage.second.said(problem), "the second one says it is healed")
    *before, last = stage.second.states(problem)
    assert last == "good"
    assert set(before) <= {"lost"}
    assert stage.executions(problem) == 1
    stage.tenant.wait_for(lambda: HEALED[0] in stage.comments(problem), timeout=10)


def test_no_engine_called_a_person(stage: MastersStage) -> None:
    """
    In none of the above, nor said that an attempt failed, but for one that may have died with its master.
    """
    said = {
        event.tag.split("/")[2]
        for side in stage.sides
        for event in side.problem_events()
        if not (event.tag.endswith("/P-1005") and "/failed/" in event.tag)
    }
    assert said == {"open", "retry", "healed"}
    stage.tenant.check()

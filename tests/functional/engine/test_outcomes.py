"""
How attempts end beside good and bad: nothing to do, refused, brought back without proof, and not over yet.

The returns are made by hand, see world.py.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_two_engines import iso
from tests.functional.engine.world import (
    BAD,
    GOOD,
    HEALTHY,
    QUEUED,
    REFUSED,
    UNPROVED,
    World,
    down,
)
from tests.tenant import Problem

POLICY = {"cooldown": 0, "max_attempts": 3, "outcome_timeout": 60}
CLOSING = {"event": False, "close": True, "close_after": 60}


class Outage:
    """
    A problem about apache2 on each of some minions, whose evidence shows since when it is down.
    """

    def __init__(self, scene: Scene, *minions: str, **config: Any) -> None:
        self.scene = scene
        self.apaches = [scene.host(minion) for minion in minions]
        self.world: World = scene.world(**{"policy": POLICY, **config})
        self.problem: Problem = scene.tenant.open_problem(self.apaches)
        self.begun = self.world.now - 90
        self.shows(self.begun)

    def shows(self, begun: float, status: str = "OPEN") -> None:
        """
        Let the evidence show one failure of each process from now on.
        """
        evidence = [down(apache, begun, status) for apache in self.apaches]
        self.scene.tenant.update_problem(self.problem, evidence=evidence)

    def ends(self, *returned: Any) -> dict[str, Any]:
        """
        Let what is ordered next run, and end so on one minion after the other; return the order.
        """
        known = len(self.orders)
        while len(self.orders) == known:
            self.world.poll(1)
        order = self.orders[-1]
        self.world.take(order)
        for minion, told in zip(order["minions"], returned, strict=True):
            self.world.give(order["jid"], minion, told)
        self.world.cycle(1)
        return order

    def passes(self, seconds: float) -> None:
        """
        Let time pass, and the feedback's thread do its work.
        """
        until = self.world.now + seconds
        while self.world.now < until:
            self.world.poll(30)
            self.world.send_comments()

    @property
    def orders(self) -> list[dict[str, Any]]:
        return [data for data in self.world.events() if data["minions"]]

    @property
    def comments(self) -> list[str]:
        self.world.send_comments()
        return [comment.message for comment in self.scene.tenant.comments(self.problem)]

    def held(self) -> list[str]:
        """
        Return why the targets would be held now.
        """
        episode = self.world.ledger.episodes.latest(self.problem.problem_id)
        assert episode is not None
        verdicts = self.world.verdicts(episode, 10)[1]
        return [verdict.reason.value for _, verdict in verdicts if verdict.reason]


@pytest.fixture
def outage(scene: Scene) -> Outage:
    return Outage(scene, "web01")


# -- nothing to do -----------------------------------------------------------------------------------------------------


def test_a_service_that_serves_already_is_not_called_healed(outage: Outage) -> None:
    """
    It has an event, a word in the outcome and a comment of its own.
    """
    outage.ends(HEALTHY)
    assert outage.world.whats() == ["open", "healthy"]
    (told,) = outage.world.events("healthy")
    assert (told["attempt"], told["reason"]) == (1, None)
    assert told["outcome"] == [
        {
            "minion": "web01",
            "ok": True,
            "done": False,
            "comment": "It serves already: http://127.0.0.1/ answered 200.",
        }
    ]
    (comment,) = outage.comments
    assert comment.startswith("Salt did nothing: it finds that the service serves.")
    assert "web01: nothing to do: It serves already: http://127.0.0.1/ answered 200." in comment
    assert "healed" not in comment
    assert outage.held() == ["already healthy"]


def test_a_later_failure_of_what_was_found_healthy_is_acted_on(outage: Outage) -> None:
    """
    Until then nothing is ordered, however often the old one is seen.
    """
    outage.ends(HEALTHY)
    outage.passes(200)
    assert len(outage.orders) == 1
    outage.shows(outage.world.now + 1)
    order = outage.ends(GOOD)
    assert (order["what"], order["attempt"]) == ("retry", 2)
    assert outage.world.whats() == ["open", "healthy", "retry", "healed"]


def test_a_person_is_told_once_on_what_the_two_disagree(outage: Outage) -> None:
    """
    Five minutes after the outcome, where the evidence goes on to show the failure: which process, since when, and what
    the minion found.
    """
    order = outage.ends(HEALTHY)
    ended = outage.world.now
    while "escalated" not in outage.world.whats():
        outage.world.poll(10)
    assert 300 <= outage.world.now - ended < 400
    outage.passes(8000)
    assert outage.world.whats() == ["open", "healthy", "escalated"]
    assert outage.world.events("escalated")[0]["reason"] == "the two disagree"
    _, comment = outage.comments
    assert comment.startswith("Salt and Dynatrace disagree")
    assert "A person must look." in comment
    assert re.search(rf"web01, .*apache2 \({outage.apaches[0]}\)", comment)
    assert "It serves already: http://127.0.0.1/ answered 200." in comment
    assert f"sees it down since {iso(outage.begun)[:19]}" in comment
    assert "PGI_UNAVAILABLE" in comment
    assert len(outage.orders) == 1 and order["attempt"] == 1


def test_nobody_is_called_where_dynatrace_sees_the_service_back(outage: Outage) -> None:
    """
    The evidence closes first, and the problem minutes later, or for another reason never: both agree on this process.
    """
    outage.ends(HEALTHY)
    outage.shows(outage.begun, "CLOSED")
    outage.passes(4000)
    assert outage.world.events("escalated") == []
    assert outage.held() == ["not down"]


def test_what_comes_after_a_disagreement_is_healed_and_may_call_again(outage: Outage) -> None:
    """
    The engine goes on beside the person, who knows nothing of what fails later.
    """
    outage.ends(HEALTHY)
    outage.passes(400)
    outage.shows(outage.world.now + 1)
    for _ in range(2):
        outage.ends(BAD)
    outage.passes(300)
    reasons = [event["reason"] for event in outage.world.events("escalated")]
    assert reasons == ["the two disagree", "attempts spent"]
    assert len(outage.comments) == 5


def test_what_one_problem_found_healthy_is_not_ordered_for_another(outage: Outage) -> None:
    """
    Both show the same failure of the same process.
    """
    outage.ends(HEALTHY)
    other = outage.scene.tenant.open_problem(outage.apaches[0])
    shown = [down(outage.apaches[0], outage.begun)]
    outage.scene.tenant.update_problem(other, evidence=shown)
    outage.passes(120)
    (opened,) = [
        one for one in outage.world.events("open") if one["problem_id"] == other.problem_id
    ]
    assert [held["reason"] for held in opened["held"]] == ["already healthy"]


def test_a_problem_is_closed_only_where_something_was_brought_back_everywhere(
    scene: Scene,
) -> None:
    """
    To find one of two services serving heals nothing there.
    """
    outage = Outage(scene, "web01", "web02", feedback=CLOSING)
    outage.ends(GOOD, HEALTHY)
    (healed,) = outage.world.events("healed")
    assert [(one["ok"], one["done"]) for one in healed["outcome"]] == [(True, True), (True, False)]
    outage.passes(200)
    assert outage.problem.status == "OPEN"
    (comment,) = [one for one in outage.comments if "healed this" in one]
    assert "web02: nothing to do" in comment and "a person must look" in comment


def test_a_problem_is_closed_after_a_heal_as_before(scene: Scene) -> None:
    """
    What is brought back on each target is closed where an admin asks for it.
    """
    outage = Outage(scene, "web01", feedback=CLOSING)
    outage.ends(GOOD)
    outage.passes(200)
    assert outage.problem.status == "CLOSED"


def test_a_contradiction_of_what_was_found_calls_a_person(outage: Outage) -> None:
    """
    A second return in the same minion's name tells of a failure.
    """
    order = outage.ends(HEALTHY)
    outage.world.engine.on_job(order["jid"], "ret", "web01", BAD)
    outage.world.cycle(1)
    assert outage.world.events("escalated")[0]["reason"] == "contradictory returns"


# -- no other attempt --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "failed", "called", "said"),
    [
        (REFUSED, "refused", "refused", "web01: refused: Nothing was touched: apache2.service is"),
        (UNPROVED, "unproved", "not proved", "web01: not proved: It runs, and no probe fits it"),
    ],
)
def test_what_another_attempt_would_not_mend_calls_a_person_at_once(
    outage: Outage, returned: Any, failed: str, called: str, said: str
) -> None:
    """
    Nothing more is ordered in this episode, whatever the evidence shows; the comment has the minion's words.
    """
    outage.ends(returned)
    assert outage.world.whats() == ["open", "failed", "escalated"]
    assert outage.world.events("failed")[0]["reason"] == failed
    assert outage.world.events("escalated")[0]["reason"] == called
    assert outage.world.events("failed")[0]["outcome"][0]["done"] is (returned is UNPROVED)
    (comment,) = outage.comments
    assert said in comment
    assert "tried again" in comment and "A person must look." in comment
    assert outage.held() == [called]
    outage.shows(outage.world.now + 10)
    outage.passes(8000)
    assert outage.world.whats() == ["open", "failed", "escalated"]
    assert len(outage.comments) == 1


def test_a_person_may_order_what_was_refused_again(outage: Outage) -> None:
    """
    When the cause is gone: `dynatrace.retry` begins anew.
    """
    outage.ends(REFUSED)
    outage.world.commands._retry({"display_id": outage.problem.display_id}, outage.world.now)
    outage.ends(GOOD)
    assert outage.world.whats()[-2:] == ["retry", "healed"]


def test_a_refusal_among_others_is_a_failure_of_all(scene: Scene) -> None:
    """
    The worst end counts, and the comment claims of nobody what holds for another.
    """
    outage = Outage(scene, "web01", "web02")
    outage.ends(GOOD, REFUSED)
    assert outage.world.whats() == ["open", "failed", "escalated"]
    assert [one["ok"] for one in outage.world.events("failed")[0]["outcome"]] == [True, False]
    (comment,) = outage.comments
    assert comment.startswith("Salt could not heal all of this.")


def test_another_problem_about_what_was_refused_names_that(outage: Outage) -> None:
    """
    It was open when the first was refused, and orders nothing of its own.
    """
    other = outage.scene.tenant.open_problem(outage.apaches[0])
    shown = [down(outage.apaches[0], outage.begun)]
    outage.scene.tenant.update_problem(other, evidence=shown)
    outage.ends(REFUSED)
    outage.passes(400)
    assert len(outage.orders) == 1
    assert {one["reason"] for one in outage.world.events("escalated")} == {"refused"}
    assert len(outage.world.events("escalated")) == 2


def test_the_runner_tells_each_end_by_its_name(outage: Outage) -> None:
    """
    And the counters of the metrics do.
    """
    outage.ends(HEALTHY)
    views = outage.world.commands.views
    (row,) = views.problems(outage.world.now)
    assert row["state"] == "already healthy, waits for Dynatrace"
    assert views.history()[0]["state"] == "healthy"
    outage.shows(outage.world.now + 1)
    outage.ends(UNPROVED)
    (row,) = views.problems(outage.world.now)
    assert row["state"] == "escalated: not proved"
    counted = views.status(outage.world.now)["counters"]
    assert (counted["attempts_healthy"], counted["attempts_unproved"]) == (1, 1)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("healthy", ["open", "healthy"]),
        ("unproved", ["open", "failed", "escalated"]),
        ("failed", ["open", "failed"]),
    ],
)
def test_an_end_that_only_the_minion_remembers_is_what_it_was(
    outage: Outage, outcome: str, expected: list[str]
) -> None:
    """
    Its return was lost: what was brought back is not restarted for that, and what served is not called healed.
    """
    world = outage.world
    world.poll()
    (order,) = world.events("open")
    world.take(order)
    ended = world.now
    world.memories[order["attempt_id"], "web01"] = lambda now, _: {
        "id": order["attempt_id"],
        "outcome": outcome,
        "taken": iso(ended),
        "finished": iso(ended) if outcome == "healthy" else None,
        "now": iso(now),
    }
    while not world.events("failed") and not world.events("healthy"):
        world.poll(10)
    assert world.whats()[: len(expected)] == expected
    assert world.events(expected[1])[0]["reason"] != "lost"


# -- not over yet ------------------------------------------------------------------------------------------------------


def test_a_run_in_salts_queue_is_not_called_healed(outage: Outage) -> None:
    """
    Salt 3008 answers with `result: True` and runs it later: the real return counts, under the same job id.
    """
    order = outage.ends(QUEUED)
    for _ in range(3):
        outage.world.poll(10)
    assert outage.world.whats() == ["open"]
    assert outage.world.ledger.attempts.in_progress.busy_minions() == {"web01"}
    outage.world.give(order["jid"], "web01", BAD)
    outage.world.cycle(1)
    assert outage.world.whats()[:2] == ["open", "failed"]


def test_a_run_that_never_leaves_salts_queue_is_lost(outage: Outage) -> None:
    """
    After `outcome_timeout`, and not taken for good for what its first return said.
    """
    outage.ends(QUEUED)
    while "failed" not in outage.world.whats():
        outage.world.poll(10)
    assert outage.world.events("failed")[0]["reason"] == "lost"


def test_a_queued_run_whose_real_return_the_cache_refused_is_asked_for(outage: Outage) -> None:
    """
    Salt's own job cache keeps the first return of a minion: then its memory tells how the run ended.
    """
    world, order = outage.world, outage.ends(QUEUED)
    ended = world.now
    world.memories[order["attempt_id"], "web01"] = lambda now, _: {
        "id": order["attempt_id"],
        "outcome": "healed",
        "taken": iso(ended),
        "finished": iso(ended),
        "now": iso(now),
    }
    world.engine.on_job(order["jid"], "ret", "web01", GOOD)
    while len(world.whats()) == 1:
        world.poll(10)
    assert world.whats() == ["open", "healed"]

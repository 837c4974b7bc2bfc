"""
What a person asks in the morning after a night, answered by page, reasons and report alone.

Somebody who did not know the product was given these three, and asked; what was told wrong or nowhere is tested here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from _dynatrace.pages.report import problem_report

from tests.functional.engine.conftest import Scene
from tests.functional.engine.night import Night, play
from tests.functional.engine.test_commands import order

PAGE = {"token": "t" * 20, "page": True}


class Told:
    """
    What the three tell of a night, as text on one line.
    """

    def __init__(self, night: Night) -> None:
        self.night = night
        assert night.world.engine.page is not None
        self.page = text(night.world.engine.page.document()[0])

    def row(self, story: str) -> str:
        """
        Return what the page has in the row of a problem.
        """
        name = self.night.name(story)
        open_ones = self.page.partition("Open problems")[2].partition("Healed last")[0]
        return re.split(r" P-\d+ ", open_ones.partition(f" {name} ")[2])[0]

    def why(self, story: str) -> str:
        """
        Return what the runner prints of the reasons, before it is laid out.
        """
        told = joined(order(self.night.world, "why", display_id=self.night.name(story)))
        processes = told["processes"]
        rules = [one["told"] for process in processes for one in process["rules"]]
        return "; ".join([*told["says"], *rules, *(one["next"] for one in processes)])

    def report(self, story: str) -> str:
        answer = order(self.night.world, "story", display_id=self.night.name(story))
        return text(problem_report(joined(answer), "test"))


def text(page: str) -> str:
    """
    Return what a reader sees of a page.
    """
    body = re.sub(r"(?s)<(style|script).*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


#: By question: what answers it, and what the answer has.
QUESTIONS: dict[str, tuple[Callable[[Told], str], list[str]]] = {
    "why was web02 not touched": (
        lambda told: told.row("forbidden"),
        ["held: not allowed", "does not let web02 be acted on", "`deny` has web02"],
    ),
    "and by the command": (lambda told: told.why("forbidden"), ["`deny` has web02"]),
    "what of the nine that are open": (
        lambda told: told.page,
        [
            "9 open 1 for a person 1 being healed 5 held",
            "1 healed, to be closed by Dynatrace 1 with no minion, or not decided",
        ],
    ),
    "who paused it, and how does it go on": (
        lambda told: told.page,
        ["Paused", "bob, since", "database migration, ask bob", "salt-run dynatrace.resume"],
    ),
    "who had paused it when web07 failed": (
        lambda told: told.why("recovered by others"),
        ["paused by alice", "change CH-77"],
    ),
    "did it act twice on web01, and what came of it": (
        lambda told: told.report("healed at the second attempt"),
        ["by 2 attempts", "the remedy failed: Syntax error on line 1", "proved to serve"],
    ),
    "how long were users without it": (
        lambda told: told.report("healed at the second attempt"),
        ["was down for 10 min"],
    ),
    "when is web05 tried again": (
        lambda told: told.why("cooling down"),
        ["cooldown until", "salt-run dynatrace.resume"],
    ),
    "and by the page": (
        lambda told: told.row("cooling down"),
        ["Not before", "and not while all is paused."],
    ),
    "why was redis not healed, and what would heal it": (
        lambda told: told.row("no remedy"),
        ["held: no remedy", "redis: {on: {technology: REDIS}"],
    ),
    "is web08 fine, and what comes": (
        lambda told: told.why("healed, still open"),
        ["it was brought back at", "a person is called if it is open after"],
    ),
    "who must look, and does it go on by itself": (
        lambda told: told.row("given up"),
        ["for a person: attempts spent", "The engine does not go on."],
    ),
    "what does it do right now, by which job": (
        lambda told: told.page.partition("Being healed now")[2].partition("Open problems")[0],
        ["attempt 1 by apache2 on web06", "Taken by a job", "Returned is awaited"],
    ),
    "who ended the problem of web07": (
        lambda told: told.why("recovered by others"),
        ["Salt tried nothing, it ended by hand, or by itself"],
    ),
    "what of the process that no minion is known for": (
        lambda told: told.row("no minion"),
        ["No minion is known for mysqld"],
    ),
    "where is more of one problem": (lambda told: told.page, ["salt-run dynatrace.why P-"]),
}


def joined(answer: dict[str, Any]) -> dict[str, Any]:
    """
    Return an answer with its lists put together, as the runner does.
    """
    found = dict(answer["facts"])
    for row in answer["rows"]:
        for name, one in row.items():
            found[name] = [*found.get(name, ()), one]
    return found


@pytest.fixture
def told(scene: Scene) -> Told:
    return Told(play(scene, webhook=PAGE))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered(told: Told, question: str) -> None:
    """
    Nowhere else need be looked.
    """
    where, answer = QUESTIONS[question]
    found = where(told)
    assert [one for one in answer if one not in found] == [], found


def test_no_time_is_promised_that_means_nothing(told: Told) -> None:
    """
    After a person was called the engine does not go on when the window has passed.
    """
    assert "Again at" not in told.row("given up")
    assert " until " not in told.why("given up")


def test_both_tell_one_time_of_the_end(told: Told) -> None:
    """
    Dynatrace's own.
    """
    ended: Any = told.night.problems["recovered by others"].end
    answer = order(told.night.world, "why", display_id=told.night.name("recovered by others"))
    story = order(told.night.world, "story", display_id=told.night.name("recovered by others"))
    assert answer["facts"]["closed"] == story["facts"]["closed"]
    assert story["facts"]["closed"].startswith("20") and ended > 0

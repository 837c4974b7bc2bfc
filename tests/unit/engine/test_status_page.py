"""
What the status page is made of, when it is made, and what it says of a problem.
"""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from _dynatrace.core.errors import LedgerError
from _dynatrace.core.problem import PROBLEM_ID
from _dynatrace.core.reasons import Escalation, Reason
from _dynatrace.engine import page as page_
from _dynatrace.engine.health import Probe, Status
from _dynatrace.engine.page import StatusPage
from _dynatrace.facts.page_facts import PageFacts, steps
from _dynatrace.facts.recent import Recent
from _dynatrace.facts.story import Story
from _dynatrace.pages.sentences import WHY, why
from _dynatrace.store.ledger import Ledger

from tests.unit.engine.bodies import PID, problem
from tests.unit.engine.test_ledger import HOSTILE, NOW, attempt, episode

ENVIRONMENT = "https://abc12345.live.dynatrace.com"
DAY = "2024-07-21"


class Made:
    """
    The page of an engine whose faults a test sets; `now` is its time.
    """

    def __init__(self, ledger: Ledger, environment: str | None = ENVIRONMENT) -> None:
        self.ledger = ledger
        self.now = NOW
        self.status = Status("test", 30.0, NOW, last_poll=NOW)
        self.bus = True
        self.troubles: dict[str, Any] = {"threads": {}, "failing": {}}
        probe = Probe(
            self.status,
            ledger,
            lambda: self.bus,
            lambda: self.troubles,
            lambda: self.now,
        )
        facts = PageFacts(ledger, Story(ledger), Recent(ledger), environment, lambda: self.now)
        self.page = StatusPage(facts, probe, False, lambda: self.now)

    def text(self) -> str:
        """
        Return the text of the page as it is now, without waiting.
        """
        self.page._next = 0.0
        html = " ".join(one.html for one in self.page.parts())
        return unescape(" ".join(re.sub("<[^>]*>", " ", html).split()))


@pytest.fixture
def made(ledger: Ledger) -> Made:
    return Made(ledger)


def decided(*targets: dict[str, Any], count: int | None = None, **held: int) -> dict[str, Any]:
    """
    Return a decision as the journal has it.
    """
    usual = {"minion": "web01", "remedy": "apache2", "reason": None, "until": None, "detail": None}
    return {
        "targets": [{**usual, **one} for one in targets],
        "count": len(targets) if count is None else count,
        "held": {name.replace("_", " "): n for name, n in held.items()},
    }


def said(decision: dict[str, Any] | None, **more: Any) -> str:
    """
    Return the sentence on a problem.
    """
    told = {"decision": decision, "left_alone": False, "unmatched": None, "final": False, **more}
    return re.sub("<[^>]*>", "", str(why(told, DAY)))


def test_each_reason_has_a_sentence() -> None:
    """One that comes to be is not shown by its bare name."""
    assert set(WHY) == set(Reason)
    for reason in Reason:
        sentence = said(decided({"reason": reason.value}))
        assert sentence.endswith(".")
        assert "{" not in sentence


UNMATCHED = {"entity": "HOST-00000000000000A1", "name": "mysqld", "reason": "no such host"}


@pytest.mark.parametrize(
    ("decision", "more", "sentence"),
    [
        (decided({}), {}, "Acts on web01 by apache2."),
        (decided({"remedy": None}, {"minion": "web02"}), {}, "Acts on web01 and 1 more."),
        (
            decided({"reason": "cooldown", "until": NOW + 40}),
            {},
            "The last attempt on web01 is too recent. Again at 07:01:40.",
        ),
        (
            decided({"reason": "attempts spent", "until": NOW + 86400}),
            {},
            "All attempts on web01 that the policy allows are used up. Again at 07:01:00 22 Jul.",
        ),
        (
            decided({"reason": "attempts spent", "until": NOW + 86400}),
            {"final": True},
            "All attempts on web01 that the policy allows are used up. The engine does not go on.",
        ),
        (
            decided({"reason": "no remedy", "detail": "no reactor takes it."}),
            {},
            "No remedy takes what failed on web01. No reactor takes it.",
        ),
        (
            decided({"reason": "storm"}, count=12, storm=10, not_down=2),
            {},
            "As many minions as allowed are being healed; web01 waits for a place. Of 12: 10 storm, 2 not down.",
        ),
        (decided({"reason": "of a later release"}), {}, "web01 is held."),
        (
            None,
            {"left_alone": True},
            "It began before the engine's first start, and is left alone.",
        ),
        (None, {"unmatched": UNMATCHED}, "No minion is known for mysqld: no such host."),
        (decided(), {"unmatched": UNMATCHED}, "No minion is known for mysqld: no such host."),
        (None, {}, "It is not decided yet."),
    ],
)
def test_a_problem_has_one_short_sentence(
    decision: dict[str, Any] | None, more: dict[str, Any], sentence: str
) -> None:
    """It says on whom is acted, or why not, and when again."""
    assert said(decision, **more) == sentence


def test_no_text_of_a_decision_is_markup() -> None:
    """Nor longer than a line or two."""
    told = decided({"reason": "no remedy", "minion": "<b>", "detail": "<script>" + "x" * 5000})
    html = str(why({"decision": told, "left_alone": False, "unmatched": None, "final": False}, DAY))
    assert "<" not in html
    assert len(html) < 500


def test_it_is_made_again_only_when_something_changes(made: Made) -> None:
    """Else whoever looks is given the same as before, which costs nothing to compare."""
    first = made.page.parts()
    made.page._next = 0.0
    assert made.page.parts() is first
    with made.ledger.transaction():
        made.ledger.episodes.save(episode())
    made.page._next = 0.0
    second = made.page.parts()
    assert second is not first
    changed = {one.name for one in second} - {one.name for one in set(first) & set(second)}
    assert changed == {"head", "open", "recent"}


def test_the_day_goes_on_while_nothing_happens(made: Made) -> None:
    """The axis of the last 24 hours ends with the hour that it is."""
    made.ledger.episodes.save(episode(opened=NOW - 60))
    assert "1 problem:" in made.text()
    made.now += 26 * 3600
    assert "No problem was seen." in made.text()


def test_a_ledger_that_fails_between_two_questions_ends_nothing(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown stays, and the next look tells."""
    before = made.page.parts()

    def fails() -> Any:
        raise LedgerError("disk I/O error")

    made.page._next = 0.0
    with monkeypatch.context() as patched:
        patched.setattr(Probe, "health", lambda _: fails())
        assert made.page.parts() is before
        assert "Engine" in made.page.document()[0]


def test_what_can_be_asked_and_not_read_is_told(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a page of the file that is damaged; it is tried again at the next look."""
    made.ledger.episodes.save(episode())
    with monkeypatch.context() as patched:

        def fails(_: Any) -> Any:
            raise LedgerError("disk I/O error")

        patched.setattr(PageFacts, "read", fails)
        text = made.text()
        assert "Does not work The ledger cannot be read: what is shown is of before." in text
    assert "1 open" in made.text()
    assert "Engine Works" in made.text()


def test_it_is_made_once_a_second_for_all_who_look(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much changes meanwhile."""
    monkeypatch.setattr(page_, "SOONEST_S", 1000.0)
    monkeypatch.setattr(page_, "LATEST_S", 1000.0)
    first = made.page.parts()
    for number in range(1, 4):
        made.ledger.episodes.save(episode(number))
        assert made.page.parts() is first
        assert made.page.document()


def test_what_takes_long_is_made_less_often(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a hundredth of a core at most, and a change is still shown within seconds."""
    took = 0.05

    def slowly() -> None:
        time.sleep(took)

    monkeypatch.setattr(made.page, "_look", slowly)
    begun = time.monotonic()
    made.page.parts()
    assert made.page._next - begun >= min(100 * took, page_.LATEST_S)
    assert made.page._next - begun <= page_.LATEST_S + 1


def test_a_ledger_that_cannot_be_read_is_told(made: Made) -> None:
    """What was known stays; nothing is said to be well that is not known."""
    made.ledger.episodes.save(episode())
    assert "1 open" in made.text()
    connection = made.ledger.database.connection
    made.ledger.database.connection = Broken(connection)  # type: ignore[assignment]
    text = made.text()
    assert "Does not work" in text
    assert "The ledger cannot be read or written: nothing is decided." in text
    assert "1 open" in text
    made.ledger.database.connection = connection
    assert "Does not work" not in made.text()


def test_what_was_never_read_is_not_known(ledger: Ledger) -> None:
    """And not: nothing is open."""
    ledger.episodes.save(episode())
    connection = ledger.database.connection
    ledger.database.connection = Broken(connection, changes=7)  # type: ignore[assignment]
    text = Made(ledger).text()
    ledger.database.connection = connection
    assert "Not known" in text
    assert "None is known." in text
    assert "None open" not in text


class Broken:
    """
    A connection to a disk that is gone.
    """

    in_transaction = False

    def __init__(self, connection: Any, changes: int = 0) -> None:
        self.total_changes = connection.total_changes + changes

    def execute(self, *_: Any) -> Any:
        raise sqlite3.OperationalError("disk I/O error")


def test_each_fault_of_the_engine_is_a_sentence(made: Made) -> None:
    """By which to see what to mend."""
    assert "Engine Works test" in made.text()
    made.bus = False
    made.troubles = {"threads": {"relay": 300}, "failing": {"problems": "AuthError"}}
    text = made.text()
    for sentence in (
        "Does not work",
        "Salt's event bus cannot be reached: nothing is ordered.",
        "The thread relay ended or stands still.",
        "It cannot read problems: AuthError.",
    ):
        assert sentence in text
    made.bus, made.troubles = True, {"threads": {}, "failing": {}}
    made.now += 3600
    assert "Dynatrace was not read for long." in made.text()


def test_a_pause_and_how_to_end_it_are_on_top(made: Made) -> None:
    """Who, since when and why; else how to begin one."""
    assert (
        "Acting On What the policy allows is healed. To stop it: salt-run dynatrace.pause"
        in made.text()
    )
    told = '{"who": "bob", "reason": "<b>db</b>", "since": "2024-07-21T07:00:00.000Z"}'
    made.ledger.settings.put("paused", told)
    text = made.text()
    assert "Paused bob, since 07:00:00 : <b>db</b> To go on: salt-run dynatrace.resume" in text
    assert "dynatrace.pause" not in text


def test_a_dry_run_is_told(made: Made) -> None:
    """It decides, and acts on nothing."""
    made.page.dry_run = True
    assert "Dry run It decides, and acts on nothing." in made.text()


@pytest.mark.parametrize(
    ("environment", "problem_id", "url"),
    [
        (ENVIRONMENT, PID, f"{ENVIRONMENT}/#problems/problemdetails;pid={PID}"),
        (
            "https://abc.apps.dynatrace.com/",
            PID,
            f"https://abc.apps.dynatrace.com/ui/apps/dynatrace.davis.problems/problem/{PID}",
        ),
        (None, PID, None),
        (ENVIRONMENT, None, None),
        (ENVIRONMENT, "javascript:alert(1)", None),
        (ENVIRONMENT, f"{PID}/../..", None),
    ],
)
def test_a_link_is_of_the_environment_and_a_checked_id(
    ledger: Ledger, environment: str | None, problem_id: str | None, url: str | None
) -> None:
    """What a problem says of its own address is never one."""
    own = replace(problem(), problem_id=problem_id, url="https://elsewhere.example.com/")
    ledger.episodes.save(episode(problem=own))
    made = Made(ledger, environment)
    html = " ".join(one.html for one in made.page.parts())
    assert re.findall('href="([^"]*)"', html) == ([url] if url else [])
    assert "elsewhere" not in html


def test_an_attempt_has_four_steps_and_one_that_is_awaited() -> None:
    """Ordered, on the bus, taken by a job, returned; of several minions it says how many."""
    told = steps(attempt(first_fired=NOW + 1), [])
    assert [(one["said"], bool(one["at"]), one["next"]) for one in told] == [
        ("Ordered", True, False),
        ("On the bus", True, False),
        ("Taken by a job", False, True),
        ("Returned", False, False),
    ]


def test_those_for_a_person_come_first(made: Made) -> None:
    """However severe the others are; then the most severe, then the oldest."""
    wanted = [
        ("P-4", {"rank": 9, "escalated": Escalation.REFUSED, "opened": NOW + 9}),
        ("P-2", {"rank": 0}),
        ("P-3", {"rank": 0, "opened": NOW + 5}),
        ("P-1", {"rank": 1, "opened": NOW - 5}),
    ]
    for name, more in reversed(wanted):
        own = replace(problem(), problem_id=None, display_id=name)
        made.ledger.episodes.save(episode(problem_key=own.key, problem=own, **more))
    text = made.text()
    assert re.findall(r"P-\d", text.partition("Open problems")[2]) == [one for one, _ in wanted]
    assert "1 for a person" in text


def crowd(ledger: Ledger, count: int) -> None:
    """
    Put open problems into the ledger, each with the worst texts and a decision.
    """
    reasons = ("storm", "no remedy", "cooldown", "not down")
    with ledger.transaction():
        for number in range(count):
            own = replace(
                problem(),
                problem_id=f"{number}_1721545199999V2",
                display_id=f"P-{number}",
                title=HOSTILE * 200,
            )
            assert PROBLEM_ID.fullmatch(own.problem_id or "")
            held = reasons[number % len(reasons)]
            one = episode(problem_key=own.key, problem=own, held=held, announced=True)
            ledger.episodes.save(one)
            detail = {"reason": held, "detail": HOSTILE * 20, "until": NOW, "minion": "m" * 300}
            ledger.journal.add("decision", NOW, decided(detail), one)


def test_a_thousand_problems_fit(made: Made) -> None:
    """Under 200 KB; it says how many more there are, and why the rest waits."""
    crowd(made.ledger, 1000)
    text = made.text()
    assert "1000 open" in text
    assert "50 of 1000 are listed." in text
    assert "And 950 more: salt-run dynatrace.problems lists them." in text
    held = re.search(r"these are held: (.*?)\.", text)
    assert held
    assert set(held[1].split(", ")) == {
        f"250 {reason}" for reason in ("storm", "no remedy", "cooldown", "not down")
    }
    assert len(made.page.document()[0].encode()) < 200_000

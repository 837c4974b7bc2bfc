"""
The explanation of a decision: the same rules, each with what it judged by.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from _dynatrace.core import explanation
from _dynatrace.core.explanation import Result, Step, explain, how, moment
from _dynatrace.core.policy import Past, Policy, Situation
from _dynatrace.core.problem import Process
from _dynatrace.core.reasons import Reason
from _dynatrace.core.resolution import Choice
from _dynatrace.core.rules import RULES, Case, decide
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.bodies import target
from tests.unit.engine.test_policy import ATTEMPTS

#: 2024-07-21 at 12:10:00 UTC.
NOW = 1721563800.0
NGINX = Choice("nginx", "technology")


def told(steps: list[Step], rule: str) -> str:
    """
    Return what one rule says.
    """
    return next(step.told for step in steps if step.rule == rule)


def case(
    past: tuple[Past, ...] = (),
    policy: Policy | None = None,
    of_target: dict[str, Any] | None = None,
    **around: Any,
) -> Case:
    """
    Return the case in which nothing speaks against acting, but for what is given.
    """
    situation = Situation(**{"now": NOW, **around})
    return Case(target(**(of_target or {})), past, situation, policy or Policy())


def test_each_rule_has_its_sentence() -> None:
    """
    None is without, and none is for a rule that there is no more.
    """
    assert list(explanation._TOLD) == [rule.name for rule in RULES]


def test_where_nothing_speaks_against_it_every_rule_passed() -> None:
    """
    In their order, each with a sentence.
    """
    steps = explain(case())
    assert [step.rule for step in steps] == [rule.name for rule in RULES]
    assert {step.result for step in steps} == {Result.PASSED}
    assert all(step.told for step in steps)


WAITING = (Past("waiting", NOW - 60),)
ENDED = (Past("bad", NOW - 500, NOW - 416),)
TWICE = (Past("bad", NOW - 1800, NOW - 1700), Past("lost", NOW - 500, NOW - 416))
HELD: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "cooldown",
        {"past": ENDED},
        "cooldown",
        "last attempt ended 12:03:04, the next may start 12:13:04 (300 s, doubled once)",
    ),
    (
        "cooldown, twice",
        {"past": TWICE},
        "cooldown",
        "last attempt ended 12:03:04, the next may start 12:23:04 (300 s, doubled twice)",
    ),
    (
        "attempts",
        {"past": ENDED, "policy": Policy(max_attempts=1)},
        "attempts",
        "1 of 1 attempts in 3600 s; the oldest is out of the window at 13:01:40",
    ),
    (
        "failures",
        {"past": TWICE, "policy": Policy(max_attempts=2, attempt_window=600), "since": 0.0},
        "failures",
        "2 of 2 failures in a row in this episode",
    ),
    ("waiting", {"past": WAITING}, "in progress", "an attempt is at work on it since 12:09:00"),
    (
        "by name",
        {"of_target": {"matched_by": "name"}},
        "identity",
        "matched by name; `act_on` has host_id, property",
    ),
    ("denied", {"policy": Policy(deny=("db*", "web*"))}, "allowed", "`deny` has web*"),
    ("not allowed", {"policy": Policy(allow=("db*",))}, "allowed", "`allow` has only db*"),
    ("nobody", {"policy": Policy(allow=())}, "allowed", "`allow` has only nothing"),
    (
        "not by its remedy",
        {"policy": Policy(only=("db*",))},
        "allowed",
        "`allow` of its remedy has only db*",
    ),
    ("reactor", {"untaken": "no reactor takes it"}, "reactor", "no reactor takes it"),
    ("storm", {"capacity": -1}, "storm", "0 more minions may be healed now"),
    (
        "refused",
        {"past": (Past("refused", NOW - 500, NOW - 499),), "since": 0.0},
        "hopeless",
        "the attempt of 12:01:40 ended refused; another would do the same",
    ),
    (
        "called",
        {"called": True},
        "person",
        "a person was called, and the engine does not go on beside them",
    ),
]


@pytest.mark.parametrize(("what", "given_case", "rule", "said"), HELD)
def test_what_holds_says_its_numbers(
    what: str, given_case: dict[str, Any], rule: str, said: str
) -> None:
    """
    Those before it passed, and those after it were not reached.
    """
    steps = explain(case(**given_case))
    held = next(index for index, step in enumerate(steps) if step.result is Result.HELD)
    assert steps[held] == Step(rule, Result.HELD, said), what
    assert {step.result for step in steps[:held]} <= {Result.PASSED}
    assert {(step.result, step.told) for step in steps[held + 1 :]} <= {(Result.NOT_REACHED, "")}


def test_what_is_known_beyond_the_case_stands_in_its_place() -> None:
    """
    Who paused, and how many are being healed.
    """
    known = {"pause": "paused by alice", "storm": "4 of 10 minions are being healed"}
    steps = explain(case(), known)
    assert told(steps, "pause") == "paused by alice"
    assert told(steps, "storm") == "4 of 10 minions are being healed"


def test_the_remedy_is_told_with_what_takes_it() -> None:
    """
    By the kind of the catalogue and its value; without a catalogue a reactor decides.
    """
    nginx = replace(target(), choice=NGINX, process=Process(technologies=("NGINX",)))
    assert how(nginx) == "remedy nginx by technology NGINX"
    unit = replace(nginx, choice=Choice("web", "unit"), process=Process(unit="nginx"))
    assert how(unit) == "remedy web by unit nginx"
    assert how(replace(nginx, choice=Choice("web", "severity"))) == "remedy web by severity"
    assert how(target()) == "none of the catalogue takes it, perhaps a reactor of the site does"


def test_a_time_of_another_day_has_its_date() -> None:
    """
    All are UTC.
    """
    assert moment(NOW, NOW) == "12:10:00"
    assert moment(NOW - 86400, NOW) == "2024-07-20 12:10:00"


@given(
    past=ATTEMPTS,
    around=st.builds(
        Situation,
        now=st.just(1_000_000.0),
        paused=st.booleans(),
        accepted=st.booleans(),
        maintenance=st.booleans(),
        serves=st.sampled_from([None, Reason.HEALED, Reason.HEALTHY]),
        busy=st.booleans(),
        capacity=st.integers(-2, 3),
        connected=st.booleans(),
        since=st.sampled_from([996_000.0, 0.0]),
        untaken=st.sampled_from([None, "no reactor takes it"]),
        called=st.booleans(),
    ),
    policy=st.builds(
        Policy,
        dry_run=st.booleans(),
        act_on=st.sampled_from([("host_id", "property"), ("name",)]),
        allow=st.sampled_from([("*",), ("db*",)]),
        deny=st.sampled_from([(), ("web*",)]),
        cooldown=st.floats(0, 1000),
        max_attempts=st.integers(1, 4),
        attempt_window=st.floats(1, 5000),
        hold_in_maintenance=st.booleans(),
    ),
    of_target=st.fixed_dictionaries(
        {
            "actionable": st.booleans(),
            "matched_by": st.sampled_from(["host_id", "name"]),
            "down": st.booleans(),
            "choice": st.sampled_from([Choice(), NGINX, Choice(reason=Reason.TWO_REMEDIES)]),
        }
    ),
)
def test_the_first_rule_that_is_held_is_the_decision(
    past: list[Past], around: Situation, policy: Policy, of_target: dict[str, Any]
) -> None:
    """
    Whatever the case is: it names the rule that gave the verdict, and a rule before it that holds is none.
    """
    now = Case(target(**of_target), past, around, policy)
    steps, verdict = explain(now), decide(*now)
    held = [step.rule for step in steps if step.result is Result.HELD]
    first = next((rule for rule in RULES if rule.judge(now) is not None), None)
    assert held == ([first.name] if first else [])
    assert verdict.reason == (first.judge(now).reason if first else None)
    passed = [step.rule for step in steps if step.result is Result.PASSED]
    assert passed == [rule.name for rule in RULES][: len(passed)]
    assert not any(re.search(r"[\x00-\x1f]", step.told) for step in steps)

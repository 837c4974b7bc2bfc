"""
The decision, one table a rule, and the order of the rules.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from _dynatrace.config.config import load
from _dynatrace.core.policy import Past, Policy, Situation, Verdict
from _dynatrace.core.problem import Process
from _dynatrace.core.reasons import Reason
from _dynatrace.core.rules import BACKOFF_CAP_S, decide
from _dynatrace.core.states import ACTION_ENDS
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.bodies import HOST, target

NOW = 1_000_000.0
GO = Verdict()


def situation(**changes: Any) -> Situation:
    """
    Return the situation in which nothing speaks against acting.
    """
    return Situation(**{"now": NOW, **changes})


def test_nothing_against_it_means_go() -> None:
    """
    The usual case has no reason.
    """
    assert decide(target(), [], situation(), Policy()) == GO


ALLOWED = [
    (("*",), (), GO),
    (("web*",), (), GO),
    (("db*", "web01"), (), GO),
    (("WEB*",), (), Verdict(Reason.NOT_ALLOWED, detail="`allow` has only WEB*")),
    (("db*",), (), Verdict(Reason.NOT_ALLOWED, detail="`allow` has only db*")),
    ((), (), Verdict(Reason.NOT_ALLOWED, detail="`allow` has only nothing")),
    (("*",), ("web*",), Verdict(Reason.NOT_ALLOWED, detail="`deny` has web*")),
    (("web01",), ("web01",), Verdict(Reason.NOT_ALLOWED, detail="`deny` has web01")),
    (("*",), ("db*",), GO),
]


@pytest.mark.parametrize(("allow", "deny", "expected"), ALLOWED)
def test_deny_wins_over_allow(
    allow: tuple[str, ...], deny: tuple[str, ...], expected: Verdict
) -> None:
    """
    A minion must be let in by one glob and shut out by none; case counts.
    """
    assert decide(target(), [], situation(), Policy(allow=allow, deny=deny)) == expected


PLAIN = [
    ("one of many hosts", {"actionable": False}, {}, {}, Reason.ONE_OF_MANY),
    ("by name", {"matched_by": "name"}, {}, {}, Reason.MATCHED_BY_NAME),
    ("by address", {"matched_by": "address"}, {}, {}, Reason.MATCHED_BY_NAME),
    ("by property", {"matched_by": "property"}, {}, {}, None),
    ("by nothing that is known", {"matched_by": ""}, {}, {}, Reason.MATCHED_BY_NAME),
    ("by name, asked for", {"matched_by": "name"}, {}, {"act_on": ("name",)}, None),
    ("not as asked for", {}, {}, {"act_on": ("property",)}, Reason.MATCHED_BY_NAME),
    ("not accepted", {}, {"accepted": False}, {}, Reason.NOT_ACCEPTED),
    ("healed here", {}, {"serves": Reason.HEALED}, {}, Reason.HEALED),
    ("found healthy", {}, {"serves": Reason.HEALTHY}, {}, Reason.HEALTHY),
    ("maintenance", {}, {"maintenance": True}, {}, Reason.MAINTENANCE),
    ("maintenance not minded", {}, {"maintenance": True}, {"hold_in_maintenance": False}, None),
    ("paused", {}, {"paused": True}, {}, Reason.PAUSED),
    ("no room", {}, {"capacity": 0}, {}, Reason.STORM),
    ("less than no room", {}, {"capacity": -3}, {}, Reason.STORM),
    ("no room needed, it is being healed", {}, {"capacity": 0, "busy": True}, {}, None),
    ("dry run", {}, {}, {"dry_run": True}, Reason.DRY_RUN),
    ("not connected", {}, {"connected": False}, {}, Reason.NOT_CONNECTED),
]


@pytest.mark.parametrize(("what", "of_target", "of_situation", "of_policy", "reason"), PLAIN)
def test_each_rule_has_its_reason(
    what: str,
    of_target: dict[str, Any],
    of_situation: dict[str, Any],
    of_policy: dict[str, Any],
    reason: Reason,
) -> None:
    """
    One thing that speaks against it gives its own reason, without a time.
    """
    verdict = decide(target(**of_target), [], situation(**of_situation), Policy(**of_policy))
    assert verdict == Verdict(reason), what


POD = Process(container="CONTAINER_NAME: web")
HOST_EVENT = {"entity": HOST, "technologies": (), "down": False}
UNFIT = [
    ("a container", {"process": POD}, {}, Reason.ANOTHER_PROCESS, "(CONTAINER_NAME: web)"),
    ("slow", {"down": False}, {}, Reason.NOT_DOWN, "slow, or back already"),
    ("a host", HOST_EVENT, {}, Reason.NOT_DOWN, "the host is meant"),
    ("a rule", {**HOST_EVENT, "advice": "do so"}, {}, Reason.NO_REMEDY, "do so"),
    ("no reactor", {}, {"untaken": "none maps it"}, Reason.NO_REMEDY, "none maps it"),
    (
        "back while healed",
        {"down": False},
        {"serves": Reason.HEALED},
        Reason.NOT_DOWN,
        "back already",
    ),
    (
        "healed where none takes it",
        {},
        {"untaken": "x", "serves": Reason.HEALED},
        Reason.HEALED,
        "",
    ),
]


@pytest.mark.parametrize(("what", "of_target", "of_situation", "reason", "said"), UNFIT)
def test_what_no_remedy_could_bring_back_is_held_with_what_is_known(
    what: str, of_target: dict[str, Any], of_situation: dict[str, Any], reason: Reason, said: str
) -> None:
    """
    Before a budget is looked at: it takes none, and nothing escalates for it.
    """
    spent = [Past("bad", NOW - 60, NOW - 50)] * 9
    verdict = decide(target(**of_target), spent, situation(**of_situation, capacity=0), Policy())
    assert verdict.reason is reason, what
    assert said in (verdict.detail or ""), what


def test_an_attempt_at_work_is_in_progress_whatever_became_of_its_process() -> None:
    """
    Its end is waited for.
    """
    waiting = [Past("waiting", NOW - 5)]
    for changes in ({"down": False}, {"process": POD}, {"advice": "x"}):
        found = decide(target(**changes), waiting, situation(), Policy())
        assert found == Verdict(Reason.IN_PROGRESS)


def test_an_order_about_what_is_not_down_any_more_is_forbidden() -> None:
    """
    It is not fired, nor given again.
    """
    assert not Policy().forbids([target()])
    assert Policy().forbids([target(), target(down=False)])


def test_a_dry_run_tells_that_nobody_would_take_it() -> None:
    """
    It comes first in an installation, before the reactor is mapped.
    """
    found = decide(target(), [], situation(untaken="none maps it"), Policy(dry_run=True))
    assert found == Verdict(Reason.DRY_RUN, detail="none maps it")


COOLDOWN = [
    ([], GO),
    ([Past("good", NOW - 310, NOW - 300)], GO),
    ([Past("good", NOW - 310, NOW - 299)], Verdict(Reason.COOLDOWN, NOW + 1)),
    ([Past("bad", NOW - 610, NOW - 600)], GO),
    ([Past("bad", NOW - 610, NOW - 599)], Verdict(Reason.COOLDOWN, NOW + 1)),
    ([Past("lost", NOW - 300, NOW - 200)], Verdict(Reason.COOLDOWN, NOW + 400)),
    # Doubled for each failure in a row; a success begins anew.
    (
        [Past("bad", NOW - 2000, NOW - 1900), Past("bad", NOW - 1000, NOW - 900)],
        Verdict(Reason.COOLDOWN, NOW + 300),
    ),
    ([Past("bad", NOW - 2000, NOW - 1900), Past("good", NOW - 400, NOW - 300)], GO),
    ([Past("good", NOW - 2000, NOW - 1900), Past("bad", NOW - 700, NOW - 601)], GO),
    # Without an end the start counts.
    ([Past("lost", NOW - 100, None)], Verdict(Reason.COOLDOWN, NOW + 500)),
    # A clock that was set back.
    ([Past("good", NOW + 5000, NOW + 5010)], Verdict(Reason.COOLDOWN, NOW + 5310)),
]


@pytest.mark.parametrize(("past", "expected"), COOLDOWN)
def test_the_cooldown_doubles_with_each_failure_in_a_row(
    past: list[Past], expected: Verdict
) -> None:
    """
    It begins when the last attempt ended.
    """
    assert decide(target(), past, situation(), Policy()) == expected


def test_no_cooldown_grows_beyond_a_day() -> None:
    """
    However often it failed.
    """
    past = [Past("bad", NOW - 700_000 + n, NOW - 10) for n in range(60)]
    verdict = decide(target(), past, situation(), Policy(max_attempts=100))
    assert verdict == Verdict(Reason.COOLDOWN, NOW - 10 + BACKOFF_CAP_S)


@pytest.mark.parametrize(
    ("end", "reason"), [("refused", Reason.REFUSED), ("unproved", Reason.UNPROVED)]
)
def test_what_another_attempt_would_not_mend_is_tried_once_an_episode(
    end: str, reason: Reason
) -> None:
    """
    However much time has passed, and whatever came after it; an earlier episode does not count.
    """
    past = [Past(end, NOW - 9000, NOW - 8990), Past("bad", NOW - 5000, NOW - 4990)]
    now = situation(since=NOW - 9000)
    assert decide(target(), past, now, Policy()) == Verdict(reason)
    assert decide(target(), past, situation(since=NOW - 8000), Policy()) == GO


SPENT = [
    (1, [Past("good", NOW - 3599, NOW - 3590)], Verdict(Reason.ATTEMPTS_SPENT, NOW + 1)),
    (1, [Past("good", NOW - 3600, NOW - 3590)], GO),
    (
        2,
        [Past("good", NOW - 3000, NOW - 2990), Past("good", NOW - 1000, NOW - 990)],
        "spent until NOW + 600",
    ),
    (3, [Past("good", NOW - 3000, NOW - 2990), Past("good", NOW - 1000, NOW - 990)], GO),
    # A chronic flapper is healed each time and spends its attempts all the same.
    (
        3,
        [Past("good", NOW - 3000 + 700 * n, NOW - 2990 + 700 * n) for n in range(4)],
        "spent until NOW + 1300",
    ),
    # Those before the window do not count.
    (2, [Past("bad", NOW - 9000, NOW - 8990), Past("good", NOW - 1000, NOW - 990)], GO),
]


@pytest.mark.parametrize(("budget", "past", "expected"), SPENT)
def test_attempts_are_counted_over_the_window(budget: int, past: list[Past], expected: Any) -> None:
    """
    It says when the oldest that counts leaves the window.
    """
    if isinstance(expected, str):
        expected = Verdict(Reason.ATTEMPTS_SPENT, NOW + float(expected.rpartition("+ ")[2]))
    assert decide(target(), past, situation(), Policy(max_attempts=budget)) == expected


@pytest.mark.parametrize("others", [[], [Past("bad", NOW - 50, NOW - 40)]])
def test_one_dead_process_has_one_attempt(others: list[Past]) -> None:
    """
    Whatever problem it comes from, a second order waits for the end of the first.
    """
    past = [*others, Past("waiting", NOW - 5)]
    assert decide(target(), past, situation(), Policy(max_attempts=1)) == Verdict(
        Reason.IN_PROGRESS
    )


def test_the_rules_have_an_order() -> None:
    """
    With everything against it, the reasons come one after the other as each is taken away.
    """
    of_target, of_policy = (
        {"actionable": False, "matched_by": "name"},
        {"deny": ("*",), "max_attempts": 1, "dry_run": True},
    )
    past = [Past("bad", NOW - 100, NOW - 90), Past("waiting", NOW - 5)]
    around = {
        "paused": True,
        "accepted": False,
        "maintenance": True,
        "serves": Reason.HEALED,
        "capacity": 0,
        "connected": False,
    }
    seen = []
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (of_target, {"actionable": True}),
        (of_target, {"matched_by": "host_id"}),
        (of_policy, {"deny": ()}),
        (around, {"accepted": True}),
        ({}, {}),
        (around, {"serves": None}),
        (around, {"maintenance": False}),
        (around, {"paused": False}),
        (of_policy, {"max_attempts": 9}),
        (of_policy, {"cooldown": 0}),
        (around, {"capacity": 1}),
        (of_policy, {"dry_run": False}),
        (around, {"connected": True}),
    ]
    for where, change in steps:
        seen.append(
            decide(target(**of_target), past, situation(**around), Policy(**of_policy)).reason
        )
        where.update(change)
        if not change:
            past.pop()
    assert seen == [
        Reason.ONE_OF_MANY,
        Reason.MATCHED_BY_NAME,
        Reason.NOT_ALLOWED,
        Reason.NOT_ACCEPTED,
        Reason.IN_PROGRESS,
        Reason.HEALED,
        Reason.MAINTENANCE,
        Reason.PAUSED,
        Reason.ATTEMPTS_SPENT,
        Reason.COOLDOWN,
        Reason.STORM,
        Reason.DRY_RUN,
        Reason.NOT_CONNECTED,
    ]
    assert decide(target(**of_target), past, situation(**around), Policy(**of_policy)) == GO


def test_the_reasons_are_the_documented_phrases() -> None:
    """
    They stand in events; users match on them.
    """
    documented = {
        "cooldown",
        "in progress",
        "attempts spent",
        "storm",
        "maintenance",
        "paused",
        "dry run",
    }
    documented |= {"not allowed", "not accepted", "not connected"}
    documented |= {"healed", "one of many hosts", "matched by name only"}
    documented |= {"already healthy", "refused", "not proved", "job cache unreadable"}
    documented |= {"another process", "no remedy", "two remedies", "not down"}
    assert documented == {reason.value for reason in Reason}


LIMITS = [
    (10, 3, 10),
    ("20%", 100, 20),
    ("20%", 4, 1),
    ("1%", 0, 1),
    ("100%", 7, 7),
    (100_000, 0, 100_000),
]


@pytest.mark.parametrize(("given_limit", "accepted", "expected"), LIMITS)
def test_the_storm_guard_is_a_number_or_a_share(
    given_limit: int | str, accepted: int, expected: int
) -> None:
    """
    A share is rounded down, and never to nothing.
    """
    assert Policy(max_minions=given_limit).limit(accepted) == expected


def test_the_policy_follows_the_configuration() -> None:
    """
    Each key of the section arrives.
    """
    rules = {
        "dry_run": True,
        "act_on": ["name"],
        "allow": ["web*"],
        "deny": ["db*"],
        "cooldown": 1,
        "max_attempts": 2,
        "attempt_window": 3,
        "outcome_timeout": 4,
        "max_minions": "5%",
        "hold_in_maintenance": False,
    }
    policy = load({"webhook": {"token": "x"}, "policy": rules}).policy
    assert policy == Policy(True, ("name",), ("web*",), ("db*",), 1, 2, 3, 4, "5%", False)
    assert load({"webhook": {"token": "x"}}).policy == Policy()


ATTEMPTS = st.lists(
    st.builds(
        lambda state, ago, took: Past(
            state, NOW - ago, None if state == "waiting" else NOW - ago + took
        ),
        st.sampled_from(["waiting", *ACTION_ENDS]),
        st.floats(0, 8000),
        st.floats(0, 200),
    ),
    max_size=6,
).map(lambda past: sorted(past, key=lambda item: item.started))


@given(
    past=ATTEMPTS,
    around=st.builds(
        Situation,
        now=st.just(NOW),
        paused=st.booleans(),
        accepted=st.booleans(),
        maintenance=st.booleans(),
        serves=st.sampled_from([None, Reason.HEALED, Reason.HEALTHY]),
        busy=st.booleans(),
        capacity=st.integers(-2, 3),
        connected=st.booleans(),
        since=st.sampled_from([NOW - 4000, math.inf]),
    ),
    policy=st.builds(
        Policy,
        dry_run=st.booleans(),
        act_on=st.sampled_from([("host_id", "property"), ("name", "host_id"), ("address",)]),
        allow=st.sampled_from([("*",), ("web*",), ("db*",), ()]),
        deny=st.sampled_from([(), ("web*",), ("db*",)]),
        cooldown=st.floats(0, 1000),
        max_attempts=st.integers(1, 4),
        attempt_window=st.floats(1, 5000),
        hold_in_maintenance=st.booleans(),
    ),
    actionable=st.booleans(),
    matched_by=st.sampled_from(["host_id", "property", "name", "address"]),
)
def test_it_never_acts_against_a_rule(
    past: list[Past], around: Situation, policy: Policy, actionable: bool, matched_by: str
) -> None:
    """
    Go means that no rule is against it, judged here without the code under test.
    """
    verdict = decide(target(actionable=actionable, matched_by=matched_by), past, around, policy)
    if verdict.reason is not None:
        assert verdict.until is None or verdict.until > NOW
        return
    assert actionable
    assert matched_by in policy.act_on
    assert "db*" not in policy.allow or "web*" in policy.allow
    assert policy.allow
    assert "web*" not in policy.deny
    assert around.accepted
    assert not around.paused
    assert around.serves is None
    assert not (around.maintenance and policy.hold_in_maintenance)
    assert not policy.dry_run
    assert around.connected
    assert around.busy or around.capacity > 0
    assert all(item.state != "waiting" for item in past)
    own = [item for item in past if item.started >= around.since]
    assert all(item.state not in ("refused", "unproved") for item in own)
    assert sum(item.started > NOW - policy.attempt_window for item in past) < policy.max_attempts
    assert all(NOW - (item.ended or item.started) >= policy.cooldown for item in past[-1:])

"""
The steps of a remedy: which are taken, in which order, and what ends them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.minion.test_healed import ALIVE, DEAD, SERVES, SILENT, Minion, order

FAILS = {"verdict": "fails", "said": "said no"}
UNCLEAR = {"verdict": "unclear", "said": "said nothing of use"}
RELOADED = {
    "ok": True,
    "refused": False,
    "by_others": False,
    "done": {"apache2": "reloaded"},
    "why": None,
}
RESTARTED = {**RELOADED, "done": {"apache2": "restarted"}}
HOW = {"steps": ["reload", "restart"], "configtest": None}


def run(tmp_path: Path, looks: Any, answers: Any, brought: Any, **settings: Any) -> Any:
    minion = Minion(tmp_path, looks, answers, pillar=order())
    ends = list(brought)

    def bring_back(place: Any, how: str, until: float, manage: Any) -> Any:
        minion.calls.append(how)
        return ends.pop(0)

    minion.control.bring_back = bring_back
    told = minion.healed(**{**HOW, **settings})
    return told, minion.calls


def test_a_reload_that_helps_is_all(tmp_path: Path) -> None:
    """What serves after it is not restarted."""
    told, calls = run(tmp_path, [ALIVE], [FAILS, FAILS, SERVES], [RELOADED])
    assert (told["dynatrace"]["outcome"], calls) == ("healed", ["reload"])
    assert told["changes"] == {"apache2": "reloaded"}


def test_the_next_step_follows_when_the_proof_fails(tmp_path: Path) -> None:
    """Both are told, and the later one is what was done."""
    answers = [SILENT, FAILS, FAILS, SERVES]
    told, calls = run(
        tmp_path, [ALIVE], answers, [RELOADED, RESTARTED], deadline=0.001, starts_within=0.001
    )
    assert told["dynatrace"]["outcome"] == "healed", told
    assert calls == ["reload", "restart"]
    assert told["changes"] == {"apache2": "restarted"}
    assert "apache2 was reloaded" in told["comment"] and "was restarted" in told["comment"]


def test_a_step_that_is_not_possible_gives_way_to_the_next(tmp_path: Path) -> None:
    """As a reload of a unit that has none; it proves nothing."""
    cannot = {**RELOADED, "ok": False, "done": {}, "why": "apache2.service cannot be reloaded"}
    told, calls = run(tmp_path, [ALIVE], [FAILS, FAILS, SERVES], [cannot, RESTARTED])
    assert (told["dynatrace"]["outcome"], calls) == ("healed", ["reload", "restart"])
    assert "was not reloaded: apache2.service cannot be reloaded" in told["comment"]


@pytest.mark.parametrize(
    ("looks", "answers", "calls"),
    [
        ([DEAD, ALIVE], [SERVES], ["start"]),
        ([{**ALIVE, "stopped": True}, ALIVE], [SERVES], ["restart"]),
    ],
)
def test_a_reload_is_only_for_what_lives(
    tmp_path: Path, looks: Any, answers: Any, calls: list[str]
) -> None:
    """Dead it is started, and a stopped process takes no signal."""
    told, called = run(tmp_path, looks, answers, [RESTARTED])
    assert (told["dynatrace"]["outcome"], called) == ("healed", calls)


def test_a_stopped_one_that_may_only_be_reloaded_is_left(tmp_path: Path) -> None:
    """The site has taken the restart out of the steps."""
    told, calls = run(tmp_path, [{**ALIVE, "stopped": True}], [], [], steps=["reload"])
    assert (told["dynatrace"]["outcome"], calls, told["changes"]) == ("refused", [], {})


def test_what_cannot_be_judged_after_a_step_is_not_restarted(tmp_path: Path) -> None:
    """Only a proof that failed asks for the next step."""
    told, calls = run(tmp_path, [ALIVE], [FAILS, FAILS, UNCLEAR], [RELOADED], deadline=0.001)
    assert (told["dynatrace"]["outcome"], calls) == ("unproved", ["reload"])


def test_what_others_stop_ends_the_steps(tmp_path: Path) -> None:
    """The person has the last word here too."""
    theirs = {**RELOADED, "ok": False, "by_others": True, "done": {}, "why": "somebody stops it"}
    told, calls = run(tmp_path, [ALIVE], [FAILS], [theirs])
    assert (told["dynatrace"]["outcome"], calls) == ("refused", ["reload"])


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"service_timeout": 10, "deadline": 3600}, 5),
        ({"service_timeout": 3600, "deadline": 7}, 7),
        ({"service_timeout": 3600, "deadline": 3600}, 60),
    ],
)
def test_the_proof_between_two_steps_leaves_time_for_the_next(
    tmp_path: Path, settings: dict[str, Any], most: float
) -> None:
    """Half of what is left of the attempt at most, which is good for two minutes here."""
    minion = Minion(tmp_path, [ALIVE], [FAILS], pillar=order())
    ends, waits = [RELOADED, RESTARTED], []
    minion.control.bring_back = lambda *_: ends.pop(0)

    def proved(name: str, service: Any, look: Any, ask: Any, wait: Any = None) -> Any:
        waits.append(wait)
        return {"outcome": "failed", "said": "It does not serve", "seen": ALIVE}

    minion.outage.proved = proved
    told = minion.healed(**{**HOW, **settings})
    assert told["dynatrace"]["outcome"] == "failed", told
    [between, after] = waits
    assert most * 0.5 < between <= most and after is None


def test_a_dry_run_tells_the_steps(tmp_path: Path) -> None:
    """In their order, and that a test of the configuration is lacking."""
    minion = Minion(tmp_path, [ALIVE], [FAILS], pillar=order(), test=True)
    told = minion.healed(**HOW)
    assert told["result"] is None, told
    assert "would be reloaded, and if that does not help restarted" in told["comment"]
    assert "It has no `configtest`" in told["comment"]


def test_without_a_test_of_the_configuration_none_is_run(tmp_path: Path) -> None:
    """It says so where one would have been run."""
    minion = Minion(tmp_path, [{**ALIVE, "stopped": True}, ALIVE], [SERVES], pillar=order())
    told = minion.healed(configtest=None)
    assert (told["dynatrace"]["outcome"], minion.calls) == ("healed", ["restart"])
    assert "It has no `configtest`" in told["comment"]

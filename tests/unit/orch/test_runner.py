"""
What the orchestrations ask before they touch a minion.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _dynatrace.config import options

from tests.unit.minion.loading import load
from tests.unit.sls.test_reactor import HOSTILE

STATUS = {"paused": False, "dry_run": False, "api": "ok", "healing": []}
NOW = 1_800_000_000.0


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(NOW - seconds, timezone.utc).isoformat().replace("+00:00", "Z")


class Master:
    """
    A master with one minion, one remedy, one reactor and an engine that says what it is told to.
    """

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reaction = tmp_path / "apache2.sls"
        reaction.write_text("x:\n  local.state.apply:\n    - mods: dynatrace.remedy.apache2\n")
        self.opts: dict[str, Any] = {
            "reactor": [{"dynatrace/problem/open/availability/*": [str(reaction)]}],
            "engines": [{"dynatrace": {"policy": {}}}],
        }
        self.files = ["dynatrace/remedy/apache2.sls", "remedy/nginx.sls", "top.sls"]
        self.says: dict[str, Any] = {
            "status": {"dynatrace": dict(STATUS)},
            "problems": {"dynatrace": []},
            "history": {"dynatrace": []},
        }
        self.runner: ModuleType = load(
            "_runners/dynatrace_orch.py",
            opts=self.opts,
            salt={
                "fileserver.envs": lambda: ["prod"],
                "fileserver.file_list": lambda env: self.files if env == "prod" else [],
            },
        )
        host = {"dynatrace": {"host_id": "HOST-00000000000000A1"}}
        self.grains: dict[str, Any] = {"web01": host, "web02": host}
        minions = self.runner.salt.utils.minions
        told = lambda minion, _: (minion, self.grains[minion], {})  # noqa: E731
        monkeypatch.setattr(minions, "get_minion_data", told)
        monkeypatch.setattr(self.runner, "_accepted", lambda: ["web01", "web02"])
        monkeypatch.setattr(self.runner, "_engine", lambda name, **_: self.says[name])
        monkeypatch.setattr(self.runner.time, "time", lambda: NOW)

    def against(self, allow: Any = ("web*",), minion: str = "web01") -> str:
        """
        Return what speaks against chaos, as one text; empty: nothing.
        """
        answer = self.runner.may_break(minion, "apache2", allow)
        assert answer["may"] is not bool(answer["reasons"])
        return "; ".join(answer["reasons"])


@pytest.fixture
def master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Master:
    return Master(tmp_path, monkeypatch)


def test_a_remedy_of_ours_and_one_of_the_site_are_found(master: Master) -> None:
    """Ours wins; the site's lies where docs/how-to/heal-another-service.md puts it."""
    target = master.runner.target
    assert target("web01", "apache2") == {"minion": "web01", "remedy": "dynatrace.remedy.apache2"}
    assert target("web02", "nginx") == {"minion": "web02", "remedy": "remedy.nginx"}


@pytest.mark.parametrize(
    ("minion", "why"),
    [
        ("nobody", "no minion with the id 'nobody'"),
        (None, "no minion is named"),
        ("", "no minion is named"),
        (7, "no minion is named"),
        ("*", "more than one"),
        ("web0[12]", "more than one"),
        ("web01,web02", "more than one"),
        (["web01", "web02"], "more than one"),
        ({"web01": 1}, "more than one"),
    ],
)
def test_no_minion_but_an_accepted_one_by_its_whole_id(
    master: Master, minion: Any, why: str
) -> None:
    """Patterns, lists and strangers are refused with a sentence."""
    assert why in master.runner.target(minion, "apache2")["error"]


@pytest.mark.parametrize("text", [*HOSTILE, "../../top", "top", "a.b", None, 7, ["apache2"]])
def test_no_service_but_one_with_a_remedy(master: Master, text: Any) -> None:
    """A hostile text is neither a service nor a minion, and raises nothing."""
    assert "error" in master.runner.target("web01", text)
    assert "error" in master.runner.target(text, "apache2")


def test_nothing_speaks_against_chaos_when_all_is_well(master: Master) -> None:
    """Then the answer names the engine and the remedy."""
    answer = master.runner.may_break("web01", "apache2", ["web01"])
    assert answer == {
        "may": True,
        "reasons": [],
        "instance": "dynatrace",
        "remedy": "dynatrace.remedy.apache2",
    }


@pytest.mark.parametrize("allow", [[], None, "*", ["db*"], [{"web01": 1}], {"web01": True}])
def test_what_no_list_allows_is_production(master: Master, allow: Any) -> None:
    """Only a list with a glob that fits says otherwise; a text alone is no list."""
    assert "counts as production" in master.against(allow=allow)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"paused": {"who": "ann", "reason": "CH-1"}}, "paused by ann: CH-1"),
        ({"dry_run": True}, "dry run"),
        ({"api": "unavailable"}, "cannot read the tenant"),
        ({"healing": ["web01"]}, "being healed"),
        ({"error": "asked too much"}, "asked too much"),
    ],
)
def test_an_engine_that_would_not_act_speaks_against_it(
    master: Master, change: dict[str, Any], why: str
) -> None:
    """Its status is read before anything is broken."""
    master.says["status"]["dynatrace"].update(change)
    assert why in master.against()


@pytest.mark.parametrize("grains", [None, {}, {"dynatrace": "x"}, {"nodename": "web01"}])
def test_a_minion_of_which_nothing_proves_the_host_is_not_broken(
    master: Master, grains: Any
) -> None:
    """
    The engine would know it by its name at best, and not heal it.
    """
    master.grains["web01"] = grains
    assert "no grain dynatrace:host_id of web01" in master.against()
    master.opts["engines"] = [{"dynatrace": {"policy": {"act_on": ["host_id", "name"]}}}]
    assert master.against() == ""


def test_a_cache_that_cannot_be_read_speaks_against_it(master: Master) -> None:
    """
    What is not known is no proof.
    """
    del master.grains["web01"]
    assert "no grain dynatrace:host_id of web01" in master.against()


def test_an_engine_that_does_not_answer_speaks_against_it(master: Master) -> None:
    """The reason is the runner's own sentence."""
    master.says["status"] = {"error": "no Dynatrace engine answered within 5 s"}
    assert "no Dynatrace engine answered" in master.against()


def test_of_several_engines_one_must_be_named(master: Master) -> None:
    """Which of them would heal is not guessed."""
    master.says["status"]["other"] = dict(STATUS)
    assert "several engines answer (dynatrace, other)" in master.against()


@pytest.mark.parametrize("policy", [{"deny": ["web*"]}, {"allow": ["db*"]}])
def test_a_policy_that_does_not_allow_the_minion_speaks_against_it(
    master: Master, policy: dict[str, Any]
) -> None:
    """Read from this master's configuration, deny before allow."""
    master.opts["engines"][0]["dynatrace"]["policy"] = policy
    assert "policy does not allow web01" in master.against()


def test_an_open_problem_on_the_minion_speaks_against_it(master: Master) -> None:
    """One on another minion does not."""
    master.says["problems"]["dynatrace"] = [{"problem": "P-1", "minions": ["web02"]}]
    assert master.against() == ""
    assert "P-1 is open on web02" in master.against(minion="web02")


def test_a_list_that_was_cut_is_taken_to_hold_the_minion(master: Master) -> None:
    """Of a problem or an attempt on many minions only the first are told."""
    row = {"problem": "P-1", "minions": ["a", "b"], "minion_count": 2}
    master.says["problems"]["dynatrace"] = [row]
    assert master.against() == ""
    row["minion_count"] = 3
    assert "P-1 is open on web01" in master.against()
    master.says["problems"]["dynatrace"] = []
    master.says["history"]["dynatrace"] = [{**row, "created": ago(10), "state": "good"}]
    assert "cooldown" in master.against()
    assert master.runner.attempts("web01")["attempts"] == []


@pytest.mark.parametrize(
    ("past", "why"),
    [
        ([(290, "good")], "cooldown lasts 15 s"),
        ([(310, "good")], ""),
        ([(590, "bad")], "cooldown lasts 15 s"),
        ([(610, "bad")], ""),
        ([(610, "bad"), (1500, "lost")], "cooldown lasts 595 s"),
        ([(1000, "good"), (2000, "good"), (3000, "good")], "3 attempts on it within 3600 s"),
        ([(1000, "good"), (2000, "good"), (3700, "good")], ""),
    ],
)
def test_the_cooldown_and_the_budget_are_reckoned_as_the_engine_does(
    master: Master, past: list[tuple[float, str]], why: str
) -> None:
    """The cooldown runs from the end of the latest, and doubles with each failure in a row."""
    master.says["history"]["dynatrace"] = [
        {"created": ago(at), "took_ms": 5000, "state": state, "minions": ["web02", "web01"]}
        for at, state in past
    ]
    told = master.against()
    assert why in told
    assert bool(told) is bool(why)


def test_a_remedy_that_no_reactor_is_mapped_to_speaks_against_it(master: Master) -> None:
    """The files that the reactor renders for an opened problem must name the state."""
    master.opts["reactor"] = [{"salt/key": ["/srv/reactor/key.sls"]}]
    assert "no reactor of this master" in master.against()
    assert "no reactor" in str(master.runner.may_break("web01", "nginx", ["*"])["reasons"])


def test_attempts_are_those_on_the_minion_since_a_time(master: Master) -> None:
    """With the engine's name, newest first."""
    master.says["history"]["dynatrace"] = [
        {"created": ago(10), "minions": ["web01"]},
        {"created": ago(12), "minions": ["web011"]},
        {"created": ago(30), "minions": ["web01"]},
    ]
    [found] = master.runner.attempts("web01", NOW - 15)["attempts"]
    assert found == {"created": ago(10), "minions": ["web01"], "instance": "dynatrace"}


def test_the_defaults_are_the_engines(master: Master) -> None:
    """What the configuration leaves out counts as in the engine's table."""
    table = {
        option.name.removeprefix("policy."): option.default
        for option in options.OPTIONS
        if option.name.startswith("policy.")
    }
    assert master.runner.POLICY.items() <= table.items()

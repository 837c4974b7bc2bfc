"""
What the orchestrations ask before they touch a minion.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import salt.config
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import REPO, load
from tests.unit.sls.test_reactor import HOSTILE

STATUS = {"paused": False, "dry_run": False, "api": "ok", "healing": []}
HELD = {"held": None, "until": None, "open": [], "needs_host_id": True}
NOW = 1_800_000_000.0


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(NOW - seconds, timezone.utc).isoformat().replace("+00:00", "Z")


class Master:
    """
    A master with two minions, two remedies, one reactor and an engine that says what it is told to.
    """

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reaction = tmp_path / "apache2.sls"
        reaction.write_text("x:\n  local.state.apply:\n    - mods: dynatrace.remedy.apache2\n")
        roots = tmp_path / "srv"
        for path in ("dynatrace/remedy/apache2.sls", "remedy/nginx/init.sls", "top.sls"):
            (roots / path).parent.mkdir(parents=True, exist_ok=True)
            (roots / path).touch()
        self.opts: dict[str, Any] = salt.config.master_config(None)
        self.opts.update(
            {
                "__role": "master",
                "cachedir": str(tmp_path / "cache"),
                "fileserver_backend": ["roots"],
                "module_dirs": [str(REPO / "salt")],
                "grains": {},
                "pillar": {},
            },
            reactor=[{"dynatrace/problem/open/availability/*": [str(reaction)]}],
            file_roots={"prod": [str(roots)]},
        )
        #: Facts or rows, or what is wrong with it.
        self.says: dict[str, Any] = {
            "status": {"dynatrace": {"facts": dict(STATUS)}},
            "held": {"dynatrace": {"facts": dict(HELD)}},
            "history": {"dynatrace": {"rows": []}},
        }
        self.runner: ModuleType = load("_runners/dynatrace_orch.py", opts=self.opts, context={})
        host = {"dynatrace": {"host_id": "HOST-00000000000000A1"}}
        self.grains: dict[str, Any] = {"web01": host, "web02": host}
        minions = self.runner.salt.utils.minions
        told = lambda minion, _: (minion, self.grains[minion], {})  # noqa: E731
        monkeypatch.setattr(minions, "get_minion_data", told)
        monkeypatch.setattr(self.runner, "_accepted", lambda: ["web01", "web02"])
        monkeypatch.setattr(self.runner.bus, "ask", self._ask)

    def _ask(self, _: Any, command: str, *__: Any) -> Any:
        says = self.says[command]
        if isinstance(says, str):
            raise CommandExecutionError(says)
        return says

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
    """Ours wins; the site's lies where docs/how-to/write-a-remedy.md puts it."""
    target = master.runner.target
    ours = {"remedy": "dynatrace.remedy.apache2", "order": None}
    assert target("web01", "apache2") == {"minion": "web01", **ours}
    site = {"remedy": "remedy.nginx", "order": None}
    assert target("web02", "nginx") == {"minion": "web02", **site}


CATALOGUE = {
    "apache2": {True: {"technology": "APACHE_HTTPD"}, "service": "apache2"},
    "orders.v2": {"on": {"process": "orders*"}, "service": "orders"},
    "unit": {"on": {"unit": ["app-*.service", "worker@*"]}, "stays": 5},
    "other": {"on": {"unit": "worker@9*"}},
}


@pytest.mark.parametrize(
    ("service", "name", "settings"),
    [
        ("orders.v2", "orders.v2", {"service": "orders"}),
        ("app-x", "unit", {"service": "app-x", "units": ["app-*.service", "worker@*"], "stays": 5}),
        (
            "worker@2",
            "unit",
            {"service": "worker@2", "units": ["app-*.service", "worker@*"], "stays": 5},
        ),
    ],
)
def test_a_service_of_the_catalogue_is_healed_by_its_remedy(
    master: Master, service: str, name: str, settings: dict[str, Any]
) -> None:
    """By the name of the remedy, or by the name of a unit that one of them takes."""
    master.opts["dynatrace_remedies"] = CATALOGUE
    order = {"name": name, "settings": settings}
    found = master.runner.target("web01", service)
    assert found == {"minion": "web01", "remedy": "dynatrace.remedy", "order": order}


def test_a_unit_that_two_remedies_take_is_healed_by_neither(master: Master) -> None:
    """The one that is meant has a name."""
    master.opts["dynatrace_remedies"] = CATALOGUE
    assert "no remedy for worker@91" in master.runner.target("web01", "worker@91")["error"]


def test_the_remedy_is_the_one_that_a_reactor_of_this_master_starts(
    master: Master, tmp_path: Path
) -> None:
    """Where a site maps a file of its own beside the catalogue, or instead of the shipped one."""
    master.opts["dynatrace_remedies"] = CATALOGUE
    assert master.runner.target("web01", "apache2")["remedy"] == "dynatrace.remedy.apache2"
    shipped = tmp_path / "remedy.sls"
    shipped.write_text("x:\n  local.state.apply:\n    - mods: dynatrace.remedy\n")
    master.opts["reactor"] = [{"dynatrace/problem/open/*": [str(shipped)]}]
    found = master.runner.target("web01", "apache2")
    assert (found["remedy"], found["order"]["name"]) == ("dynatrace.remedy", "apache2")
    assert not master.against()


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
        "minion": "web01",
        "remedy": "dynatrace.remedy.apache2",
        "order": None,
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
    ],
)
def test_an_engine_that_would_not_act_speaks_against_it(
    master: Master, change: dict[str, Any], why: str
) -> None:
    """Its status is read before anything is broken."""
    master.says["status"]["dynatrace"]["facts"].update(change)
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
    master.says["held"]["dynatrace"]["facts"]["needs_host_id"] = False
    assert master.against() == ""


def test_a_cache_that_cannot_be_read_speaks_against_it(master: Master) -> None:
    """
    What is not known is no proof.
    """
    del master.grains["web01"]
    assert "no grain dynatrace:host_id of web01" in master.against()


@pytest.mark.parametrize("command", ["status", "held"])
def test_an_engine_that_does_not_answer_speaks_against_it(master: Master, command: str) -> None:
    """The reason is what was said when it was asked, or what it answered."""
    master.says[command] = "no Dynatrace engine answered within 5 s"
    assert "no Dynatrace engine answered" in master.against()
    master.says[command] = {"dynatrace": {"error": "unknown command"}}
    assert "unknown command" in master.against()


def test_of_several_engines_one_must_be_named(master: Master) -> None:
    """Which of them would heal is not guessed."""
    master.says["status"]["other"] = {"facts": dict(STATUS)}
    assert "several engines answer (dynatrace, other)" in master.against()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"held": "not allowed"}, "the engine would hold web01: not allowed"),
        ({"held": "cooldown", "until": "2026"}, "the engine would hold web01: cooldown until 2026"),
        ({"open": ["P-1", "P-2"]}, "P-1 is open on web01 already; the problem P-2"),
    ],
)
def test_what_the_engine_says_of_the_minion_speaks_against_it(
    master: Master, change: dict[str, Any], why: str
) -> None:
    """It has the policy and the past; nothing is reckoned here."""
    master.says["held"]["dynatrace"]["facts"].update(change)
    assert why in master.against()


def test_a_remedy_that_no_reactor_is_mapped_to_speaks_against_it(master: Master) -> None:
    """The files that the reactor renders for an opened problem must name the state."""
    master.opts["reactor"] = [{"salt/key": ["/srv/reactor/key.sls"]}]
    assert "no reactor of this master" in master.against()
    assert "no reactor" in str(master.runner.may_break("web01", "nginx", ["*"])["reasons"])


def test_attempts_are_those_on_the_minion_since_a_time(master: Master) -> None:
    """With the engine's name, newest first."""
    master.says["history"]["dynatrace"]["rows"] = [
        {"created": ago(10), "minions": ["web01"]},
        {"created": ago(12), "minions": ["web011"]},
        {"created": ago(30), "minions": ["web01"]},
    ]
    [found] = master.runner.attempts("web01", NOW - 15)["attempts"]
    assert found == {"created": ago(10), "minions": ["web01"], "instance": "dynatrace"}


@pytest.mark.parametrize("instance", [["dt"], {"dt": 1}, 7])
def test_an_instance_that_is_no_text_is_refused(instance: Any) -> None:
    """It raises nothing, and nobody is asked."""
    runner = load("_runners/dynatrace_orch.py", opts={}, context={})
    told = runner.attempts("web01", instance=instance)
    assert told == {"error": "`instance` is the name of an engine", "retcode": 1}
    assert runner.__context__ == {"retcode": 1}

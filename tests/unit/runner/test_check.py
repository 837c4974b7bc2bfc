"""
What `dynatrace.check` says about engines and minions, and that it always comes to an end.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
import salt.config
from _dynatrace.config import config as configuration
from _dynatrace_runner import checkup
from _dynatrace_runner import minions as fleet
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import REPO, load

FACTS = {"version": "0.1.0", "last_poll": "2024-07-21T07:00:12.345Z", "api": "ok"}
HOST = {"dynatrace": {"host_id": "HOST-00000000000000A1"}}
OPTIONS = {"webhook": {"token": "x"}}


def engines(monkeypatch: pytest.MonkeyPatch, answers: Any) -> list[tuple[str, str]]:
    """
    Return what is said about the engines `dynatrace` and `second` when they answer so.
    """

    def ask(*_: Any) -> Any:
        if isinstance(answers, Exception):
            raise answers
        return answers

    monkeypatch.setattr(checkup.bus, "ask", ask)
    second = {"second": {"engine_module": "dynatrace"}}
    opts = {"engines": ["dynatrace", second, {"other": {}}]}
    rows = checkup.Found({})
    rows.guarded("engine", checkup._answers, rows, opts, 1.0)
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in rows.rows)
    return [(row["instance"], row["result"]) for row in rows.rows]


def test_each_engine_that_is_configured_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sleeps after an error in its options does not."""
    both = {"dynatrace": {"facts": FACTS}, "second": {"facts": FACTS}}
    assert engines(monkeypatch, both) == [("dynatrace", "ok"), ("second", "ok")]
    one = {"dynatrace": {"facts": FACTS}}
    assert engines(monkeypatch, one) == [("dynatrace", "ok"), ("second", "fail")]


def test_that_no_engine_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As any other command says it."""
    assert engines(monkeypatch, CommandExecutionError("no engine answered")) == [(None, "fail")]


@pytest.mark.parametrize(
    ("facts", "result"),
    [
        ({"api": "AuthError"}, "fail"),
        ({"paused": {"who": "me", "reason": "x", "since": "y"}}, "warn"),
        ({"dry_run": True}, "warn"),
        ({"threads": {"relay": 300}}, "fail"),
        ({"failing": {"comments": "AuthError"}}, "warn"),
    ],
)
def test_an_engine_that_acts_on_nothing_says_why(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], result: str
) -> None:
    """It runs, and heals nothing."""
    answers = {"dynatrace": {"facts": {**FACTS, **facts}}, "second": {"facts": FACTS}}
    assert ("dynatrace", result) in engines(monkeypatch, answers)


class Client:
    """
    A LocalClient that answers for the minions of a table.
    """

    told: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[list[str]]] = []

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def cmd(self, minions: list[str], functions: list[str], *_: Any, **options: Any) -> Any:
        assert options["tgt_type"] == "list"
        self.asked.append(minions)
        lists, own = functions
        return {name: {lists: self.told[name], own: None} for name in minions if name in self.told}


def minions(
    monkeypatch: pytest.MonkeyPatch,
    grains: dict[str, Any],
    told: dict[str, Any],
    act_on: list[str] | None = None,
) -> list[tuple[str, str]]:
    """
    Return what is said about minions with such grains, or errors in their place, and modules.
    """
    monkeypatch.setattr(fleet.salt.client, "LocalClient", Client)
    Client.told, Client.asked = told, []

    def read(minion: str) -> Any:
        if isinstance(grains[minion], Exception):
            raise grains[minion]
        return grains[minion]

    engine = {"_accepted": lambda: list(grains), "_grains": lambda: read}
    rows = checkup.Found({})
    given = {**OPTIONS, "policy": {"act_on": act_on}}
    configs = {"dynatrace": configuration.load(given)} if act_on else {}
    fleet.check(rows, {}, engine, configs, [], time.monotonic() + 5)
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in rows.rows)
    return [(row["result"], row["detail"]) for row in rows.rows]


GOOD = ["dynatrace.attempt_taken", "dynatrace.healed"]


def test_minions_with_grain_and_modules_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both lines say of how many."""
    found = minions(monkeypatch, {"web01": HOST}, {"web01": GOOD})
    assert found == [
        ("ok", "1 of 1 can be acted on, by the grain dynatrace:host_id"),
        ("ok", "1 of 1 asked have a remedy's state"),
    ]


def test_minions_that_say_they_are_one_host_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone and its original: the engine would act on neither, and a person must know."""
    odd = {"dynatrace": {"host_id": "HOST-00000000000000A1\nok"}}
    grains = {"web01": HOST, "web02": odd, "web03": HOST, "web04": odd}
    found = minions(monkeypatch, grains, dict.fromkeys(grains, GOOD))
    said = "web01, web03 say that they are one host, HOST-00000000000000A1: none of them is healed"
    assert [one for one in found if one[0] == "fail"] == [("fail", said)]


def test_minions_that_lack_something_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the grain, without the modules, without an answer."""
    grains = {"web01": HOST, "web02": None, "web03": {"dynatrace": "x"}}
    told = {"web01": GOOD, "web02": [], "web03": False}
    results = dict.fromkeys(minions(monkeypatch, grains, told))
    assert ("warn", "the master has no grains of 1 of 3: web02") in results
    said = (
        "1 of 3 can be acted on, by the grain dynatrace:host_id; without it, or with another one's: web02, web03; "
        "a host's property salt_minion would do as well, of which only Dynatrace knows; by name or address none is"
    )
    assert ("warn", said) in results
    assert ("fail", "these have not got the state that a remedy needs: web02") in results
    assert any(result == "warn" and detail.endswith(": web03") for result, detail in results)


def test_of_a_large_fleet_a_few_are_asked_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check is no job for ten thousand minions."""
    grains = {f"web{number:05d}": None for number in range(10_000)}
    (_, without), *_ = minions(monkeypatch, grains, {})
    assert without.endswith("web00004 and 9995 more")
    assert [len(asked) for asked in Client.asked] == [10]


def test_minions_whose_grains_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason of one of them; the others are counted."""
    why = PermissionError(13, "Permission denied", "/var/cache/salt/master/grains/web02.p")
    found = minions(monkeypatch, {"web01": HOST, "web02": why, "web03": why}, {})
    (result, said), *_ = found
    assert result == "fail"
    assert said.startswith("the grains of 2 of 3 cannot be read (web02, web03): [Errno 13]")
    assert said.endswith("'/var/cache/salt/master/grains/web02.p'")
    assert any(detail.startswith("1 of 3 can be acted on") for _, detail in found)


def test_clones_are_not_counted_among_those_that_can_be_acted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine acts on neither of them."""
    found = minions(monkeypatch, {"web01": HOST, "web02": HOST}, {})
    assert any(detail.startswith("0 of 2 can be acted on") for _, detail in found)


ACT_ON = [
    (["host_id", "name"], "1 of 2 can be acted on", "by name too"),
    (["host_id", "property"], "1 of 2 can be acted on", "by name or address none is"),
    (["property"], "`policy:act_on` is property: the grain", "of which only Dynatrace knows"),
]


@pytest.mark.parametrize(("act_on", "begin", "word"), ACT_ON)
def test_what_is_acted_on_is_as_the_policy_says(
    monkeypatch: pytest.MonkeyPatch, act_on: list[str], begin: str, word: str
) -> None:
    """The count, and what else would do."""
    found = minions(monkeypatch, {"web01": HOST, "web02": {"nodename": "web02"}}, {}, act_on)
    (said,) = [detail for _, detail in found if detail.startswith(begin)]
    assert word in said


def test_keys_that_cannot_be_listed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not that nobody is accepted."""

    def accepted() -> list[str]:
        raise PermissionError(13, "Permission denied", "/etc/salt/pki/master/minions")

    rows = checkup.Found({})
    fleet.check(rows, {}, {"_accepted": accepted}, {}, [], time.monotonic() + 5)
    assert "the accepted minions cannot be listed: PermissionError" in rows.rows[0]["detail"]


def test_without_accepted_minions_there_is_nobody_to_heal(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody is asked."""
    assert minions(monkeypatch, {}, {}) == [("fail", "no minion is accepted")]
    assert Client.asked == []


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    """
    The runner on a machine without a master, where nothing of ours is configured.
    """
    opts = salt.config.master_config(None)
    places = ("cachedir", "sock_dir", "pki_dir", "extension_modules")
    opts.update({name: str(tmp_path / name) for name in places}, id="m", file_client="local")
    opts.update(module_dirs=[str(REPO), str(REPO / "salt")], conf_file=str(tmp_path / "master"))
    return load("_runners/dynatrace.py", opts=opts, context={})


def test_a_master_without_anything_is_told_everything(runner: Any) -> None:
    """Nothing is raised, and each line that is bad says what to do."""
    found = runner.check(timeout=2)
    assert (found["result"], found["retcode"], runner.__context__) == ("fail", 1, {"retcode": 1})
    results = {row["check"]: row["result"] for row in found["checks"]}
    assert results["engine code"] == "ok"
    assert results["reactor"] == "warn"
    assert {results[name] for name in ("signing key", "remedy", "engine", "minions")} == {"fail"}
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in found["checks"])
    assert all(
        list(row) == ["check", "instance", "result", "detail", "fix"] for row in found["checks"]
    )


@pytest.mark.parametrize(
    ("engines", "there"),
    [
        ([], "which is not set"),
        (["slack", {"dynatrac": {}}], "which names slack, dynatrac"),
        ({"dynatrac": {}}, "which names dynatrac"),
    ],
)
def test_an_engine_of_another_name_is_shown(runner: Any, engines: Any, there: str) -> None:
    """A misspelt name is nothing that Salt would tell."""
    rows = checkup.Found({})
    checkup._engine(rows, {**runner.__opts__, "engines": engines})
    assert rows.rows[0]["result"] == "fail"
    assert rows.rows[0]["detail"].endswith(there)


@pytest.mark.parametrize(
    ("opts", "outputter"),
    [
        ({"fun": "dynatrace.check"}, "dynatrace"),
        ({"fun": "dynatrace.check", "output": "json"}, None),
        ({"fun": "state.orchestrate"}, None),
        ({}, None),
    ],
)
def test_a_terminal_gets_text(runner: Any, opts: dict[str, Any], outputter: str | None) -> None:
    """By the outputter, which salt-run is told of and nobody else; what is returned is data."""
    runner.__opts__.update(opts)
    found = runner.check(timeout=2)
    assert found.get("outputter") == outputter
    assert "signing key" in [row["check"] for row in found["checks"]]
    outputter = load("_output/dynatrace.py", opts={"color": False})
    assert "\n    fail  signing key: " in outputter.output(found)

"""
What the runner takes of a simulation, what it refuses, and how it is printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from _dynatrace.core import errors
from _dynatrace.core.states import ActionState
from _dynatrace.simulation import simulation as real
from _dynatrace_runner import simulate
from salt.exceptions import CommandExecutionError

from tests.unit.runner.test_table import INDENT, printed, shown, width

NOTHING = dict.fromkeys(("display_id", "file", "days", "policy", "remedies"))
TOLD: dict[str, Any] = {"says": [], "simulated": [], "counts": {}}


class Simulation:
    """
    Stands in for the engine's: it notes what is asked of it.
    """

    asked: ClassVar[list[Any]] = []
    fails: Exception | None = None
    moments = 0

    def __init__(self, instance: str, given: Any, master: Any, now: float) -> None:
        self.of = (instance, given, master)

    def run(self, asked: Any, progress: Any) -> Any:
        if Simulation.fails:
            raise Simulation.fails
        for moment in range(Simulation.moments):
            progress(moment, Simulation.moments)
        Simulation.asked.append((*self.of, asked))
        return TOLD


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Simulation, "asked", [])
    monkeypatch.setattr(Simulation, "fails", None)
    monkeypatch.setattr(Simulation, "moments", 0)
    module = SimpleNamespace(Simulation=Simulation, Asked=real.Asked, ENDS=real.ENDS)
    known = {"simulation": module, "errors": errors, "_master": lambda name: f"master of {name}"}
    monkeypatch.setattr(simulate.checkup, "loaded", lambda _: known)
    monkeypatch.setattr(simulate.bus, "configured", lambda _: {"one": {"a": 1}, "two": {"a": 2}})


def collected(instance: str | None = None, outcomes: str = "good", **asked: Any) -> Any:
    return simulate.collected({}, instance, **{**NOTHING, "outcomes": outcomes, **asked})


def test_each_engine_simulates_with_its_own_options() -> None:
    """Or the one that is named."""
    assert collected(display_id="P-1") == {"one": TOLD, "two": TOLD}
    assert [one[:3] for one in Simulation.asked] == [
        ("one", {"a": 1}, "master of one"),
        ("two", {"a": 2}, "master of two"),
    ]
    assert collected("two", display_id="P-1") == {"two": TOLD}


def test_files_are_read(tmp_path: Path) -> None:
    """A policy with its key or without, a catalogue, the body of a notification."""
    bare, keyed, catalogue, body = (tmp_path / name for name in ("a", "b", "c", "d"))
    bare.write_text("cooldown: 60")
    keyed.write_text("policy: {cooldown: 60}")
    catalogue.write_text("dynatrace_remedies: {nginx: {service: nginx}}")
    body.write_bytes(b"{}")
    for path in (bare, keyed):
        collected("one", days=7, policy=str(path), remedies=str(catalogue), outcomes="bad")
        asked = Simulation.asked[-1][-1]
        assert (asked.days, asked.policy, asked.ends) == (7.0, {"cooldown": 60}, ActionState.BAD)
        assert asked.remedies == {"nginx": {"service": "nginx"}}
    collected("one", file=str(body))
    assert Simulation.asked[-1][-1].body == b"{}"


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "name one of: a problem"),
    ({"display_id": "P-1", "days": 1}, "name one of: a problem"),
    ({"days": 0}, "`days` is a number up to 30"),
    ({"days": 31}, "not 31"),
    ({"days": "a week"}, "not 'a week'"),
    ({"days": True}, "not True"),
    ({"display_id": "P-1", "outcomes": "perhaps"}, "`outcomes` is good or bad, not 'perhaps'"),
    ({"file": "/does/not/exist"}, "/does/not/exist cannot be read: No such file or directory"),
    ({"display_id": "P-1", "policy": "{list}"}, "is no mapping of keys of `policy`"),
    ({"display_id": "P-1", "policy": "{broken}"}, "line 1 is no YAML"),
    ({"display_id": "P-1", "remedies": "{list}"}, "has no key `dynatrace_remedies`"),
    ({"display_id": "P-1", "remedies": "{binary}"}, "is no YAML"),
]


@pytest.mark.parametrize(("asked", "said"), BAD)
def test_bad_input_gets_a_clear_error(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    """And no engine is asked anything."""
    files = {"list": b"[1, 2]", "broken": b"a: b: c", "binary": b"\xff\xfe\x00"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    places = {name: tmp_path / name for name in files}
    given = {
        key: one.format(**places) if isinstance(one, str) and one[0] == "{" else one
        for key, one in asked.items()
    }
    with pytest.raises(CommandExecutionError) as raised:
        collected(**given)
    assert said in str(raised.value)
    assert Simulation.asked == []


def test_an_engine_that_is_not_configured_is_said() -> None:
    """By its name."""
    with pytest.raises(CommandExecutionError, match="the engine 'three'"):
        collected("three", display_id="P-1")


def test_what_cannot_be_simulated_is_an_error_of_that_engine() -> None:
    """No traceback."""
    Simulation.fails = real.Unusable("nobody knows P-1")
    assert collected("one", display_id="P-1") == {"one": {"error": "nobody knows P-1"}}


def test_what_takes_long_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, after two seconds and no oftener than each second; stdout is for the answer."""
    times = iter([100.0, 101.9, 102.0, 102.0, 102.5, 103.1, 103.1])
    monkeypatch.setattr(simulate.time, "monotonic", lambda: next(times))
    Simulation.moments = 4
    collected("one", days=1)
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "one: 1 of 4 moments are replayed",
        "one: 3 of 4 moments are replayed",
    ]
    assert told.out == ""


def row(**changes: Any) -> dict[str, Any]:
    return {
        "problem": "P-24071",
        "minion": "web01",
        "process": "Apache Web Server apache2",
        "entity": "PROCESS_GROUP_INSTANCE-0000000000000001",
        "remedy": "apache2",
        "now": "ordered",
        "orders": 1,
        "told": None,
        **changes,
    }


def test_it_ends_with_a_table_and_counts() -> None:
    """Today's and the other policy side by side, with a colour for each word."""
    rows = [
        row(other="cooldown", other_told="cooldown: last attempt ended 12:03:04"),
        row(minion=None, process=None, remedy=None, now="no minion", other="no minion"),
    ]
    counts = {
        "now": {"ordered": 1, "orders": 2, "held": {"no minion": 1}},
        "other": {"ordered": 0, "orders": 0, "held": {"cooldown": 1, "no minion": 1}},
    }
    found = {"says": ["2 closed problems are replayed"], "simulated": rows, "counts": counts}
    assert shown(found).splitlines() == [
        "2 closed problems are replayed",
        "other: web01  cooldown: last attempt ended 12:03:04",
        "problem  minion  process                    remedy   now        other",
        "-------  ------  -------------------------  -------  ---------  ---------",
        "P-24071  web01   Apache Web Server apache2  apache2  ordered    cooldown",
        "P-24071                                              no minion  no minion",
        "now: 1 ordered by 2 orders; 1 no minion",
        "other: 0 ordered by 0 orders; 1 cooldown; 1 no minion",
    ]
    assert "\x1b" in printed(found, color=True)
    assert json.loads(json.dumps(found)) == found


def test_a_table_of_many_fits_the_terminal() -> None:
    """Whatever the processes are called; of many the rules are not told one by one."""
    rows = [row(process="x" * 90, told="y" * 90, now="attempts spent") for _ in range(50)]
    counts = {"now": {"ordered": 0, "orders": 0, "held": {"attempts spent": 50}}}
    lines = shown({"says": ["word " * 40], "simulated": rows, "counts": counts}).splitlines()
    assert all(width(line) + INDENT <= 100 for line in lines)
    assert "yyy" not in "".join(lines)

"""
Which minions are asked for what they kept, and what is said when none has anything.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace_runner import evidence


class Fleet:
    """
    An engine that knows two attempts, and minions that keep what they are given.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[list[str], Any]] = []
        self.rows: list[dict[str, Any]] = [
            {"attempt": 1, "attempt_id": "a" * 32, "minions": {"web01": "bad", "web02": "bad"}},
            {"attempt": 2, "attempt_id": "b" * 32, "minions": {"web01": "good"}},
        ]
        monkeypatch.setattr(evidence.bus, "ask", lambda *_: {"dynatrace": {"rows": self.rows}})
        monkeypatch.setattr(evidence.minions, "call", self._call)

    def _call(self, _opts: Any, _wait: int, names: list[str], _fun: str, args: list[str]) -> Any:
        self.asked.append((names, args))
        return {name: self.kept.get(name, {}).get(args[0]) for name in names}

    def collected(self, minion: str | None = None) -> Any:
        return evidence.collected({}, "P-1", minion, None, 5.0)["dynatrace"]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(monkeypatch)


def test_the_latest_attempt_with_evidence_is_told(fleet: Fleet) -> None:
    """One that refused touched nothing and kept nothing."""
    fleet.kept = {"web02": {"a" * 32: {"memory": "x"}}}
    assert fleet.collected() == {"attempt": 1, "minions": {"web02": {"memory": "x"}}}
    fleet.kept["web01"] = {"b" * 32: {"journal": "y"}}
    assert fleet.collected() == {"attempt": 2, "minions": {"web01": {"journal": "y"}}}


def test_one_minion_alone_is_asked(fleet: Fleet) -> None:
    """No other gets a job."""
    fleet.collected("web02")
    assert fleet.asked == [(["web02"], ["a" * 32])]


def test_few_minions_are_asked(fleet: Fleet) -> None:
    """Each may have a megabyte."""
    names = [f"web{number:02}" for number in range(50)]
    fleet.rows = [{"attempt": 1, "attempt_id": "a" * 32, "minions": dict.fromkeys(names, "")}]
    fleet.collected()
    assert [len(names) for names, _ in fleet.asked] == [evidence.MOST]


@pytest.mark.parametrize("value", ["it has no such function", None, [], {}])
def test_without_any_it_is_said(fleet: Fleet, value: Any) -> None:
    """Whatever a minion returns instead."""
    fleet.kept = {"web01": {"b" * 32: value}}
    assert "no minion has evidence" in fleet.collected()["error"]

"""
The outage on purpose: always ended, by somebody else or by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load, named, private

LOW = [
    {
        "state": "dynatrace",
        "fun": "healed",
        "name": "apache2",
        "__id__": "remedy",
        "order": 10000,
        "timeout": 1,
        "os_family": {
            "Debian": {
                "service": "apache2",
                "executable": "/usr/sbin/apache2",
                "configtest": ["true"],
            }
        },
    }
]


class Minion:
    """
    A minion whose service is up or down; what was done to it is in `done`.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.up = True
        self.done: list[str] = []
        self.context: dict[str, Any] = {}
        self.on_stop: Callable[[], None] = self.go_down
        self.on_look: Callable[[], None] = lambda: None
        self.remedy: Callable[[], Any] = self.come_back
        functions: dict[str, Any] = {
            "state.show_low_sls": lambda *_, **__: LOW,
            "service.stop": self._stop,
            "service.start": self._start,
            "state.apply": self._apply,
        }
        package = private(
            grains={"os_family": "Debian"},
            opts={"dynatrace_chaos": True},
            pillar={},
            salt=named(functions),
        )
        package.service.control.look = self._look
        package.remedy.proofs.ask = lambda *_: {"verdict": "serves" if self.up else "silent"}
        self.chaos: ModuleType = package.remedy.chaos
        self.outage: Any = load("_modules/dynatrace.py", context=self.context).outage
        monkeypatch.setattr(self.chaos, "GOES_S", 0.3)
        monkeypatch.setattr(self.chaos, "SHORTEST_S", 0.1)

    def go_down(self) -> None:
        self.up = False

    def come_back(self) -> Any:
        self.up = True
        return {"a": {"comment": "apache2 was brought back."}}

    def _look(self, place: Any) -> dict[str, Any]:
        self.on_look()
        return {"main": 4711}

    def _stop(self, name: str) -> None:
        self.done.append(f"stop {name}")
        self.on_stop()

    def _start(self, name: str) -> None:
        self.done.append(f"start {name}")
        self.up = True

    def _apply(self, remedy: str, queue: int) -> Any:
        self.done.append(f"apply {remedy} {queue}")
        return self.remedy()


@pytest.fixture
def hang() -> Iterator[Callable[[], Any]]:
    """
    A call that does not come back before the test is over.
    """
    over = threading.Event()
    yield lambda: over.wait(60)
    over.set()


@pytest.fixture
def minion(monkeypatch: pytest.MonkeyPatch) -> Minion:
    return Minion(monkeypatch)


def test_an_outage_that_somebody_ends_is_measured(minion: Minion) -> None:
    """It is not too short even if the healer is faster than the stop command."""

    def stop_and_be_healed() -> None:
        looks: list[bool] = []
        minion.on_look = lambda: looks.append(minion.up)
        minion.up = False
        assert minion.chaos.bounded.wait(lambda: looks.count(False) > 2, 5)
        minion.up = True
        assert minion.chaos.bounded.wait(lambda: looks[-1], 5)

    minion.on_stop = stop_and_be_healed
    told = minion.outage("dynatrace.remedy.apache2", timeout=5)
    assert told["healed"] is told["serves"] is True
    assert told["seconds"] > 0
    assert told["restored"] is None
    assert minion.done == ["stop apache2"]


def test_an_outage_that_nobody_ends_is_ended_here(minion: Minion) -> None:
    """The remedy is applied, and what it said is told."""
    told = minion.outage("dynatrace.remedy.apache2", timeout=0.1)
    assert told["healed"] is False
    assert told["serves"] is True
    assert "the remedy was applied: apache2 was brought back." in told["restored"]
    assert minion.done == ["stop apache2", "apply dynatrace.remedy.apache2 100"]


def test_a_remedy_that_does_not_help_is_followed_by_a_start(minion: Minion) -> None:
    """Whatever it returns."""
    minion.remedy = lambda: ["a state run is in progress"]
    told = minion.outage("dynatrace.remedy.apache2", timeout=0.1)
    assert minion.done[-1] == "start apache2"
    assert told["serves"] is True


def test_a_remedy_that_never_has_its_turn_is_followed_by_a_start(
    minion: Minion, hang: Callable[[], Any]
) -> None:
    """Another state run may hang: what serves before does so afterwards."""
    minion.chaos.RESTORE_S = 0.2  # type: ignore[attr-defined]
    minion.remedy = hang
    told = minion.outage("dynatrace.remedy.apache2", timeout=0.1)
    assert "state.apply dynatrace.remedy.apache2 did not end within 0.2 s" in told["restored"]
    assert minion.done[-1] == "start apache2"
    assert told["serves"] is True


def test_a_stop_that_hangs_leaves_the_service_up(minion: Minion, hang: Callable[[], Any]) -> None:
    """The stop is ended before the service is started."""
    minion.chaos.SERVICE_S = 0.2  # type: ignore[attr-defined]
    minion.on_stop = hang
    with pytest.raises(CommandExecutionError, match=r"service\.stop apache2 did not end within"):
        minion.outage("dynatrace.remedy.apache2")
    assert minion.done == ["stop apache2", "start apache2"]


def test_an_error_in_the_middle_leaves_the_service_up(minion: Minion) -> None:
    """It is started, and the error is told."""

    def broken() -> None:
        minion.up = False
        raise CommandExecutionError("no such unit")

    minion.on_stop = broken
    with pytest.raises(CommandExecutionError, match="no such unit"):
        minion.outage("dynatrace.remedy.apache2")
    assert minion.done == ["stop apache2", "start apache2"]


def test_a_service_that_does_not_go_down_is_an_error(minion: Minion) -> None:
    """Nothing is measured, and nothing reported as healed."""
    minion.on_stop = lambda: None
    with pytest.raises(CommandExecutionError, match="still serves"):
        minion.outage("dynatrace.remedy.apache2")


def test_a_service_that_is_down_is_not_touched(minion: Minion) -> None:
    """Chaos is made on what serves."""
    minion.up = False
    told = minion.outage("dynatrace.remedy.apache2")
    assert told == {"refused": "nothing has been done: apache2 does not serve now"}
    assert minion.done == []
    assert minion.context == {"retcode": 1}


@pytest.mark.parametrize("own", [None, False, "true", "True", 1, ["*"]])
def test_a_minion_whose_own_file_does_not_allow_it_is_not_touched(minion: Minion, own: Any) -> None:
    """Not even looked at; pillar, which the master gives, allows nothing."""
    everything = {"dynatrace_chaos": True, "dynatrace": {"chaos": {"allow": ["*"]}}}
    minion.chaos.__opts__ = {"dynatrace_chaos": own, "pillar": everything}  # type: ignore[attr-defined]
    minion.chaos.__pillar__ = everything  # type: ignore[attr-defined]
    minion.chaos.__salt__ = {}  # type: ignore[attr-defined]
    told = minion.outage("dynatrace.remedy.apache2")
    assert "this minion does not allow chaos" in told["refused"]
    assert minion.done == []


@pytest.mark.parametrize(
    "given", [{"how": "rm -rf"}, {"how": None}, {"timeout": "5"}, {"timeout": True}]
)
def test_a_value_that_is_not_foreseen_is_refused(minion: Minion, given: dict[str, Any]) -> None:
    """Before anything is looked at."""
    assert "refused" in minion.outage("dynatrace.remedy.apache2", **given)
    assert minion.done == []


def test_a_remedy_that_tells_nothing_of_its_service_is_refused(minion: Minion) -> None:
    """Neither on this system, nor in a form that is understood."""
    minion.chaos.__grains__ = {"os_family": "Suse"}  # type: ignore[attr-defined]
    told = minion.outage("dynatrace.remedy.apache2")
    assert "dynatrace:lookup:apache2:service" in told["refused"]
    minion.chaos.__salt__["state.show_low_sls"] = lambda *_, **__: ["No matching sls found"]  # type: ignore[attr-defined]
    assert "dynatrace.healed" in minion.outage("dynatrace.remedy.apache2")["refused"]
    assert minion.done == []

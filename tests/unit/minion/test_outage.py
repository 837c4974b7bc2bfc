"""
Whether a service is down, and whether it serves after it was brought back: the decisions alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.minion.loading import load

NOW = 1_700_000_000.0
SERVICE = {"deadline": 30, "starts_within": 30, "pid_file": None}
SEEN = {
    "main": 4711,
    "since": NOW - 3600,
    "stopped": False,
    "executable": "/usr/sbin/apache2",
    "listens": [["0.0.0.0", 443]],
    "active": "active",
    "orphans": [],
}
GONE = {**SEEN, "main": None, "active": "inactive", "listens": []}
SERVES, FAILS, SILENT, UNCLEAR = (
    {"verdict": verdict, "said": f"said {verdict}"}
    for verdict in ("serves", "fails", "silent", "unclear")
)


class World:
    """
    A clock, what is seen of the service, and what it answers; the last of each stays.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, looks: list[Any], answers: list[Any]):
        self.now, self.asked = NOW, 0
        self.looks, self.answers = list(looks), list(answers)
        self.module: Any = load("_utils/_dynatrace_utils/remedy/outage.py")
        monkeypatch.setattr(self.module, "time", self)

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @staticmethod
    def strftime(form: str, moment: Any) -> str:
        return str(moment)

    @staticmethod
    def gmtime(seconds: float) -> str:
        return f"at {seconds:.0f}"

    def look(self) -> Any:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def ask(self, seen: Any) -> Any:
        assert seen["main"]
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def decided(self, failed: float | None = None, **settings: Any) -> Any:
        service = {**SERVICE, **settings}
        return self.module.decided("apache2", service, self.look(), self.look, self.ask, failed)

    def proved(self, **settings: Any) -> Any:
        return self.module.proved("apache2", {**SERVICE, **settings}, self.look, self.ask)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield lambda looks, answers=(): World(monkeypatch, looks, answers)


@pytest.mark.parametrize(
    ("looks", "answers", "expected"),
    [
        ([GONE], [], "start"),
        ([{**SEEN, "stopped": True}], [], "restart"),
        ([SEEN], [SERVES], "healthy"),
        ([SEEN], [FAILS], "restart"),
        ([SEEN], [FAILS, SERVES], "healthy"),
        ([SEEN], [SILENT], "restart"),
        ([SEEN], [UNCLEAR], "refused"),
        ([SEEN], [UNCLEAR, SERVES], "healthy"),
        ([SEEN], [UNCLEAR, SILENT], "restart"),
        ([SEEN, GONE], [FAILS], "start"),
        ([SEEN, {**SEEN, "stopped": True}], [UNCLEAR], "restart"),
    ],
)
def test_what_lives_is_restarted_only_when_it_is_known_to_be_stuck(
    world: Any, looks: list[Any], answers: list[Any], expected: str
) -> None:
    """Dead, stopped, silent, or failing the site's own proof; anything else is left alone."""
    told = world(looks, answers).decided()
    assert told.get("how", told.get("outcome")) == expected


def test_a_refusal_asks_for_the_url_and_says_where_it_listens(world: Any) -> None:
    """It names the pillar, what was found, whose process it is and since when."""
    told = world([SEEN], [UNCLEAR]).decided()["said"]
    assert "dynatrace:lookup:apache2:url" in told
    assert "said unclear" in told and "0.0.0.0 port 443" in told
    assert "/usr/sbin/apache2 (pid 4711, since at 1699996400)" in told


@pytest.mark.parametrize(
    ("failed", "told"),
    [(NOW - 60, "this process was there before"), (NOW - 7200, "this process has come since")],
)
@pytest.mark.parametrize("answer", [SERVES, UNCLEAR])
def test_what_disagrees_with_dynatrace_says_so(
    world: Any, answer: Any, failed: float, told: str
) -> None:
    """A person has to know whether the process was there when Dynatrace saw it fail."""
    said = world([SEEN], [answer]).decided(failed)["said"]
    assert told in said and f"Dynatrace sees it down since at {failed:.0f}" in said


@pytest.mark.parametrize("answer", [FAILS, UNCLEAR, SILENT])
def test_a_young_process_has_its_time_to_start(world: Any, answer: Any) -> None:
    """What begins to listen after a minute, when the site says so, is not restarted before."""
    young = world([{**SEEN, "since": NOW - 10}], [answer] * 20 + [SERVES])
    assert young.decided(starts_within=90)["outcome"] == "healthy"
    late = world([{**SEEN, "since": NOW - 10}], [answer])
    late.decided(starts_within=90)
    assert late.now >= NOW + 80


def test_a_clock_that_was_set_back_does_not_keep_a_process_young(world: Any) -> None:
    """It began tomorrow, as it looks, and is decided about all the same."""
    tomorrow = world([{**SEEN, "since": NOW + 86400}], [FAILS])
    assert tomorrow.decided()["how"] == "restart"
    assert tomorrow.now < NOW + 60


@pytest.mark.parametrize(
    ("looks", "answers", "outcome"),
    [
        ([SEEN], [SERVES], "healed"),
        ([GONE, SEEN], [UNCLEAR, SILENT, FAILS, SERVES], "healed"),
        ([SEEN], [UNCLEAR], "unproved"),
        ([SEEN], [SILENT], "failed"),
        ([SEEN], [FAILS], "failed"),
        ([GONE], [], "failed"),
        ([SEEN, {**GONE, "active": "failed"}], [UNCLEAR], "failed"),
        ([SEEN, {**GONE, "active": "activating"}], [UNCLEAR], "failed"),
        ([SEEN, GONE], [UNCLEAR], "unproved"),
    ],
)
def test_what_was_brought_back_is_proved_or_says_why_not(
    world: Any, looks: list[Any], answers: list[Any], outcome: str
) -> None:
    """Lives and cannot be proved is an end of its own: another attempt must not restart it."""
    assert world(looks, answers).proved()["outcome"] == outcome


def test_it_is_asked_until_the_later_of_deadline_and_start(world: Any) -> None:
    """A service that listens after 50 s is proved when it listens."""
    slow = world([SEEN], [UNCLEAR] * 1000 + [SERVES])
    assert slow.proved(deadline=5, starts_within=90)["outcome"] == "healed"
    assert slow.now >= NOW + 49


def test_what_a_person_stops_meanwhile_is_left_stopped(world: Any) -> None:
    """It ends at once, and with an outcome after which nobody starts it again."""
    stopped = world([SEEN, GONE], [UNCLEAR])
    told = stopped.proved()
    assert told["outcome"] == "unproved" and "stopped cleanly" in told["said"]
    assert stopped.now < NOW + 1


@pytest.mark.parametrize(("removed", "outcome"), [(True, "unproved"), (False, "failed")])
def test_a_script_that_stops_it_removes_the_pid_file(
    world: Any, tmp_path: Any, removed: bool, outcome: str
) -> None:
    """Without systemd that is what tells a stop from a kill."""
    pid_file = tmp_path / "apache2.pid"
    if not removed:
        pid_file.write_text("4711")
    stopped = world([SEEN, {**GONE, "active": None}], [UNCLEAR])
    assert stopped.proved(pid_file=str(pid_file))["outcome"] == outcome


def test_a_unit_is_called_by_its_own_name(world: Any) -> None:
    """The name of the remedy may be `unit`, which is no service."""
    assert "of app-orders lives" in world([GONE], []).decided(service="app-orders")["said"]

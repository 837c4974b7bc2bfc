"""
The state that heals: which way it goes, what it tells on each end, and what it leaves alone.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.unit.minion import loading
from tests.unit.minion.loading import load, named, private

ATTEMPT = "9f0c2a41d7e85b36"
SETTINGS = {
    "service": "apache2",
    "executable": "/usr/sbin/apache2",
    "pid_file": "/run/apache2/apache2.pid",
    "configtest": ["/usr/sbin/apache2ctl", "configtest"],
    "config": "/etc/apache2/apache2.conf",
    "ports": [80],
    "deadline": 0.01,
    "starts_within": 0.01,
}
DEAD = {
    "unit": "apache2.service",
    "active": "inactive",
    "main": None,
    "since": None,
    "stopped": False,
    "executable": None,
    "program": None,
    "listens": [],
    "orphans": [],
    "refusal": None,
}
ALIVE = {
    **DEAD,
    "active": "active",
    "main": 4711,
    "since": 1000.0,
    "executable": "/usr/sbin/apache2",
    "listens": [["0.0.0.0", 80]],
}
SERVES = {"verdict": "serves", "said": "http://127.0.0.1:80 answered 200"}
SILENT = {"verdict": "silent", "said": "nothing was sent"}
UNCLEAR = {"verdict": "unclear", "said": "http://127.0.0.1:80 answers, and not in HTTP"}
STARTED = {
    "ok": True,
    "refused": False,
    "by_others": False,
    "done": {"apache2": "started"},
    "why": None,
}
TAKEN = {
    "ok": False,
    "refused": False,
    "by_others": False,
    "done": {"orphans ended": [12, 13]},
    "why": "port 80 is held by nginx (pid 99)",
}


class Minion:
    """
    A minion whose service is seen as the tests say, in turn; `calls` keeps what was asked for.
    """

    def __init__(
        self, tmp_path: Path, looks: list[Any], answers: list[Any], **options: Any
    ) -> None:
        self.calls: list[str] = []
        self.looks, self.answers = list(looks), list(answers)
        self.brought: Any = options.get("brought", STARTED)
        self.tested: Any = options.get("tested", {"retcode": 0, "stdout": "Syntax OK"})
        opts = {"cachedir": str(tmp_path), "test": options.get("test", False), "id": "web01"}
        functions = {
            "cmd.run_all": lambda *_, **__: self._told("configuration tested", self.tested),
            "service.start": lambda name: None,
            "service.restart": lambda name: None,
        }
        package = private(
            opts=opts,
            salt=named(functions),
            grains={"os_family": "Debian"},
            pillar=options.get("pillar", {}),
        )
        self.attempts: Any = package.remedy.attempts
        self.processes: Any = package.service.processes
        self.unit: Any = package.service.unit
        self.outage: Any = package.remedy.outage
        self.control: Any
        self.control = control = package.service.control
        package.remedy.order.others = lambda opts, jid: options.get("others", "")
        package.bounded.call = lambda _, function, *args, **kwargs: function(*args, **kwargs)
        #: What had been called when evidence was kept.
        self.kept: list[list[str]] = []
        package.remedy.evidence.keep = lambda *_: self.kept.append(list(self.calls))
        package.remedy.proofs.ask = lambda *_: self._next(self.answers)
        control.look = lambda place: self._next(self.looks)
        control.bring_back = self._bring_back
        control.words = lambda place, since: "AH00072: make_sock"
        self.processes.holders = lambda ports: ["port 80 is held by nginx (pid 99)"]
        self.states: Any = load("_states/dynatrace.py")

    def units(self) -> None:
        """
        Let systemd have every unit that is asked for.
        """
        found = {"LoadState": "loaded", "Type": "simple", "FragmentPath": "/x", "SourcePath": ""}
        found.update(ActiveState="active", InactiveEnterTimestampMonotonic="0")
        self.unit.is_booted = lambda: True
        self.unit.read = lambda name: {**found, "Id": name}

    def _told(self, call: str, answer: Any) -> Any:
        self.calls.append(call)
        return answer

    def _bring_back(self, place: Any, how: str, until: float, manage: Any) -> Any:
        self.until = until
        return self._told(how, self.brought)

    @staticmethod
    def _next(things: list[Any]) -> Any:
        return dict(things.pop(0) if len(things) > 1 else things[0])

    def healed(self, **settings: Any) -> Any:
        return self.states.healed("apache2", **{**SETTINGS, **settings})


def order(seconds: float = 120, **process: Any) -> dict[str, Any]:
    until = datetime.fromtimestamp(time.time() + seconds, timezone.utc).isoformat()
    itself = {"executable": "/usr/sbin/apache2", "command_line": None, "config": None}
    rest = {"failed": None, "ports": [80], "unit": "apache2", "entity": "PROCESS_GROUP_INSTANCE-1"}
    return {
        "dynatrace_attempt": {
            "id": ATTEMPT,
            "jid": "20240721065959123456",
            "problem_id": "-1_1V2",
            "valid_until": until,
            "processes": {"web01": {**itself, **rest, **process}},
        }
    }


@pytest.mark.parametrize(
    ("looks", "answers", "options", "outcome", "calls"),
    [
        ([DEAD, ALIVE], [SERVES], {}, "healed", ["start"]),
        ([ALIVE], [SERVES], {}, "healthy", []),
        ([ALIVE], [UNCLEAR], {}, "refused", []),
        ([ALIVE, ALIVE], [SILENT, SERVES], {}, "healed", ["configuration tested", "restart"]),
        (
            [{**DEAD, "orphans": [12]}, ALIVE],
            [SERVES],
            {},
            "healed",
            ["configuration tested", "start"],
        ),
        ([DEAD, ALIVE], [UNCLEAR], {}, "unproved", ["start"]),
        ([DEAD], [], {"brought": TAKEN}, "failed", ["start", "configuration tested"]),
        ([{**DEAD, "refusal": "apache2.service is masked"}], [], {}, "refused", []),
        ([{**ALIVE, "refusal": "systemd does not answer"}], [SERVES], {}, "healthy", []),
        (
            [{**ALIVE, "stopped": True}],
            [],
            {"tested": {"retcode": 1, "stdout": "Syntax error"}},
            "failed",
            ["configuration tested"],
        ),
        ([DEAD], [], {"brought": {**TAKEN, "by_others": True}}, "unproved", ["start"]),
        ([DEAD], [], {"brought": {**TAKEN, "by_others": True, "done": {}}}, "refused", ["start"]),
        ([DEAD], [], {"brought": {**TAKEN, "refused": True, "done": {}}}, "refused", ["start", "configuration tested"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("attempt", [True, False])
def test_each_way_ends_with_its_outcome(
    tmp_path: Path,
    looks: list[Any],
    answers: list[Any],
    options: dict[str, Any],
    outcome: str,
    calls: list[str],
    attempt: bool,
) -> None:
    """With an attempt and by hand; the minion remembers how the attempt ended."""
    pillar = order() if attempt else {}
    minion = Minion(tmp_path, looks, answers, pillar=pillar, **options)
    told = minion.healed()
    assert told["dynatrace"] == {"attempt": ATTEMPT if attempt else None, "outcome": outcome}, told
    # Evidence is kept once, before the first order to the service, and never where nothing is done.
    touched = [number for number, call in enumerate(calls) if call in ("start", "restart")]
    assert minion.kept == ([calls[: touched[0]]] if touched else [])
    assert told["result"] is (outcome in ("healed", "healthy")), told
    assert minion.calls == calls
    if attempt:
        record = minion.attempts.attempt(ATTEMPT)
        assert record["outcome"] == outcome
        assert bool(record["finished"]) is told["result"]


def test_what_was_done_stands_in_changes_when_the_end_is_bad(tmp_path: Path) -> None:
    """With who is in the way, and the configuration when it is broken."""
    minion = Minion(tmp_path, [DEAD], [], brought=TAKEN, tested={"retcode": 1, "stdout": "line 7"})
    told = minion.healed()
    assert told["changes"] == {"orphans ended": [12, 13]}
    assert "port 80 is held by nginx (pid 99)" in told["comment"]
    assert "the configuration is broken:\nline 7" in told["comment"]


@pytest.mark.parametrize("outcome", ["healthy", "refused"])
def test_changes_are_empty_where_nothing_was_done(tmp_path: Path, outcome: str) -> None:
    """Not even the attempt stands there."""
    answer = SERVES if outcome == "healthy" else UNCLEAR
    told = Minion(tmp_path, [ALIVE], [answer], pillar=order()).healed()
    assert (told["dynatrace"]["outcome"], told["changes"]) == (outcome, {})


def test_a_failure_after_the_start_has_the_services_own_words(tmp_path: Path) -> None:
    """It lived, and died before it served."""
    gone = {**DEAD, "active": "failed"}
    minion = Minion(tmp_path, [DEAD, ALIVE, gone], [UNCLEAR])
    told = minion.healed()
    assert told["dynatrace"]["outcome"] == "failed"
    assert "AH00072: make_sock" in told["comment"] and "held by nginx" in told["comment"]
    assert told["changes"] == {"apache2": "started"}


@pytest.mark.parametrize(
    ("process", "said"),
    [
        ({"executable": "/opt/bitnami/apache/bin/httpd", "unit": None}, "/opt/bitnami"),
        ({"unit": "apache2@foo"}, "apache2@foo"),
        ({"config": "/etc/apache2-foo"}, "/etc/apache2-foo"),
        ({"executable": None, "unit": None}, "a technology is no identity"),
    ],
)
@pytest.mark.parametrize("test", [True, False])
def test_another_process_is_refused_before_anything_is_touched(
    tmp_path: Path, process: dict[str, Any], said: str, test: bool
) -> None:
    """Though the service here is down, and would be started by hand."""
    minion = Minion(tmp_path, [DEAD], [], pillar=order(**process), test=test)
    told = minion.healed()
    assert told["result"] is False and said in told["comment"]
    assert told["dynatrace"]["outcome"] == "refused"
    assert (minion.calls, told["changes"]) == ([], {})


def test_a_second_instance_is_not_healed_by_the_first_that_serves(tmp_path: Path) -> None:
    """One executable, no more is told but the ports: the living one listens on others."""
    pillar = order(unit=None, ports=[8099])
    told = Minion(tmp_path, [ALIVE], [SERVES], pillar=pillar).healed()
    assert told["dynatrace"]["outcome"] == "refused" and "8099" in told["comment"]


def test_what_was_brought_back_on_other_ports_says_so(tmp_path: Path) -> None:
    """Dead it has no ports to compare."""
    told = Minion(tmp_path, [DEAD, ALIVE], [SERVES], pillar=order(ports=[8099])).healed()
    assert told["dynatrace"]["outcome"] == "healed"
    assert "none of the ports that Dynatrace named: 8099" in told["comment"]


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    ("pillar", "said"),
    [
        ({"dynatrace_attempt": {"id": "x"}}, "the pillar dynatrace_attempt is wrong"),
        ({"dynatrace": {"lookup": {"apache2": {"prots": [80]}}}}, "no setting prots"),
        (order(seconds=-1), "comes too late"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_done(
    tmp_path: Path, pillar: dict[str, Any], said: str, test: bool
) -> None:
    """With test=True too, where a person looks whether all is right."""
    minion = Minion(tmp_path, [DEAD], [], pillar=pillar, test=test)
    told = minion.healed()
    assert told["result"] is False and said in told["comment"]
    assert (told["dynatrace"]["outcome"], told["changes"], minion.calls) == ("refused", {}, [])
    assert minion.attempts.attempt(ATTEMPT) is None


def test_a_misspelt_setting_of_the_sls_is_named(tmp_path: Path) -> None:
    """Salt itself would not know which of its names are meant."""
    told = Minion(tmp_path, [DEAD], []).healed(prots=[80])
    assert told["dynatrace"]["outcome"] == "refused" and "no setting prots" in told["comment"]


def test_a_state_run_in_the_way_is_worth_another_attempt(tmp_path: Path) -> None:
    """It is not taken, so that a repeat of the job may run."""
    minion = Minion(tmp_path, [DEAD], [], pillar=order(), others="state.highstate (1)")
    told = minion.healed()
    assert told["dynatrace"]["outcome"] == "failed" and "state.highstate (1)" in told["comment"]
    assert minion.attempts.attempt(ATTEMPT) is None


def test_a_good_attempt_is_not_run_again(tmp_path: Path) -> None:
    """It says how it ended then, and how long ago."""
    Minion(tmp_path, [ALIVE], [SERVES], pillar=order()).healed()
    told = Minion(tmp_path, [DEAD], [], pillar=order()).healed()
    about = {"attempt": ATTEMPT, "outcome": "repeated", "ago": 0, "before": "healthy"}
    assert (told["result"], told["changes"], told["dynatrace"]) == (True, {}, about)


@pytest.mark.parametrize("outcome", ["failed", "refused", "unproved", None])
def test_a_bad_attempt_is_not_run_again(tmp_path: Path, outcome: str | None) -> None:
    """It ends as it did then; one that was cut off counts as failed."""
    minion = Minion(tmp_path, [DEAD], [], pillar=order())
    minion.attempts.claim(ATTEMPT)
    if outcome:
        minion.attempts.finish(ATTEMPT, outcome)
    told = minion.healed()
    assert told["result"] is False and "has not finished well" in told["comment"]
    assert told["dynatrace"]["outcome"] == (outcome or "failed")
    assert minion.calls == []


@pytest.mark.parametrize(
    ("seen", "plan"),
    [
        (DEAD, "apache2 would be started"),
        ({**DEAD, "orphans": [12]}, "started after its orphaned processes [12] are ended"),
        ({**ALIVE, "stopped": True}, "apache2 would be restarted"),
    ],
)
def test_a_dry_run_tells_the_plan_and_takes_nothing(tmp_path: Path, seen: Any, plan: str) -> None:
    """The configuration is tested, which changes nothing."""
    minion = Minion(tmp_path, [seen], [], pillar=order(), test=True)
    told = minion.healed()
    assert told["result"] is None and plan in told["comment"], told
    assert (minion.calls, told["changes"]) == (["configuration tested"], {})
    assert told["dynatrace"] == {"attempt": ATTEMPT, "outcome": None}
    assert minion.attempts.attempt(ATTEMPT) is None


def test_nothing_goes_on_after_the_engine_has_given_the_attempt_up(tmp_path: Path) -> None:
    """The service manager has the time of the order, when that is shorter than its own."""
    minion = Minion(tmp_path, [DEAD, ALIVE], [SERVES], pillar=order(seconds=20))
    minion.healed()
    assert minion.until <= time.monotonic() + 20


def test_a_minion_that_cannot_look_at_processes_says_so(tmp_path: Path) -> None:
    """Before anything is done."""
    minion = Minion(tmp_path, [DEAD], [], pillar=order())
    minion.processes.psutil = None
    for told in (minion.healed(), minion.states.attempt_taken("apache2")):
        assert told["result"] is False
        assert "This minion lacks psutil" in told["comment"]
    assert minion.calls == []


def test_the_states_of_a_sites_own_remedy_take_and_finish_the_attempt(tmp_path: Path) -> None:
    """They say no outcome of their own: what is between them decides it."""
    minion = Minion(tmp_path, [], [], pillar=order())
    taken, finished = minion.states.attempt_taken("a"), minion.states.attempt_finished("a")
    assert (taken["result"], taken["changes"]) == (True, {"attempt": ATTEMPT})
    assert finished["result"] is True and "finished" in finished["changes"]
    about = {"attempt": ATTEMPT, "outcome": None}
    assert taken["dynatrace"] == finished["dynatrace"] == about
    again = minion.states.attempt_taken("a")
    assert (again["result"], again["changes"], again["dynatrace"]["outcome"]) == (
        True,
        {},
        "repeated",
    )


def test_by_hand_there_is_no_attempt_to_take(tmp_path: Path) -> None:
    """A site's own remedy runs the rest."""
    minion = Minion(tmp_path, [], [])
    assert minion.states.attempt_taken("a")["changes"] == {"attempt": "by hand"}
    assert minion.states.attempt_finished("a")["changes"] == {}


REMEDY = {
    "name": "orders",
    "settings": {key: SETTINGS[key] for key in ("deadline", "starts_within")},
}


def remedied(by: str | None, **named: Any) -> dict[str, Any]:
    pillar = order(by=by, **named)
    settings = {**REMEDY["settings"], "service": "orders"}
    pillar["dynatrace_attempt"]["remedy"] = {**REMEDY, "settings": settings}
    return pillar


def test_an_ordered_state_heals_what_the_order_names(tmp_path: Path) -> None:
    """By the catalogue's word for it, with nothing named but the process itself."""
    nothing = {"executable": None, "unit": None, "ports": []}
    pillar = remedied("process", **nothing)
    minion = Minion(tmp_path, [DEAD, ALIVE], [SERVES], pillar=pillar)
    told = minion.states.healed("ordered", ordered=True)
    assert told["dynatrace"]["outcome"] == "healed", told
    assert told["name"] == "orders" and "orders by its process" in told["comment"]


@pytest.mark.parametrize("ordered", [{"ordered": True}, {"service": "orders"}])
def test_the_word_of_the_catalogue_counts_only_for_its_own_remedy(
    tmp_path: Path, ordered: dict[str, Any]
) -> None:
    """An SLS that names a service itself is compared as strictly as ever."""
    nothing = {"executable": None, "unit": None, "ports": []}
    by = "technology" if "ordered" in ordered else "process"
    minion = Minion(tmp_path, [DEAD], [SERVES], pillar=remedied(by, **nothing))
    told = minion.states.healed("x", **ordered)
    assert told["dynatrace"]["outcome"] == "refused"
    assert "a technology is no identity" in told["comment"] and minion.calls == []


def test_the_unit_of_the_order_is_the_service(tmp_path: Path) -> None:
    """Where the catalogue has globs and no service; else nothing is done."""
    for unit, outcome in (("app-orders", "healed"), ("ssh", "refused")):
        pillar = remedied("unit", unit=unit, executable=None, ports=[])
        pillar["dynatrace_attempt"]["id"] = ATTEMPT[::-1] if unit == "ssh" else ATTEMPT
        settings = {**REMEDY["settings"], "units": ["app-*"]}
        pillar["dynatrace_attempt"]["remedy"]["settings"] = settings
        seen = {**ALIVE, "unit": "app-orders.service"}
        minion = Minion(tmp_path, [{**DEAD, "unit": seen["unit"]}, seen], [SERVES], pillar=pillar)
        minion.units()
        with loading.together():
            told = minion.states.healed("ordered", ordered=True)
        assert told["dynatrace"]["outcome"] == outcome, told
        assert minion.calls == (["start"] if outcome == "healed" else [])


def test_what_names_no_remedy_heals_nothing(tmp_path: Path) -> None:
    """An order without one is for a reactor of the site's own."""
    told = Minion(tmp_path, [DEAD], [], pillar=order()).states.healed("x", ordered=True)
    assert told["dynatrace"]["outcome"] == "refused" and "names no remedy" in told["comment"]

"""
The reference of the events, against what the engine puts on the bus.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from _dynatrace.core import policy, reasons
from _dynatrace.core.measures import Measures
from _dynatrace.core.problem import Entity, Problem
from _dynatrace.core.records import Attempt, Episode
from _dynatrace.core.resolution import Resolution, Target, Unmatched
from _dynatrace.core.states import AttemptState
from _dynatrace.engine import health as status
from _dynatrace.engine import metrics
from _dynatrace.master import envelope
from _dynatrace.master import event as events
from _dynatrace.store.ledger import Ledger

from tests.unit.docs.pages import REPO, rows, section

PAGE = REPO / "docs" / "reference" / "events.md"
METRICS = REPO / "docs" / "reference" / "metrics.md"
#: Mappings whose keys are data: documented as a whole.
OPEN_ENDED = ("technologies", "processes", "cut", "root_cause")


def event() -> dict[str, Any]:
    """
    Return a signed event in which every list has an entry; all of it is synthetic.
    """
    process = Entity("PROCESS_GROUP_INSTANCE-0000000000000001", "PROCESS_GROUP_INSTANCE", "apache")
    problem = Problem("1_1V2", "P-1", root_cause=process, affected=(process,))
    target = Target("web01", "HOST-0000000000000001", process.id, ("APACHE_HTTPD",))
    resolution = Resolution((target,), (Unmatched("HOST-0000000000000002", "no minion"),))
    held = [(target, policy.Verdict(reasons.Reason.STORM))]
    data = events.event_data(
        "open",
        Episode("1_1V2", 1, problem, resolution, "", 0, 0.0, 0.0),
        [target],
        held,
        instance="dynatrace",
        dry_run=False,
        attempt=Attempt("a" * 32, "1_1V2", 1, 1, "2" * 20, AttemptState.PLANNED, 0.0),
        outcome=[{"minion": "web01", "ok": True, "done": True, "comment": "it serves"}],
        act=True,
    )
    return envelope.sign(data, b"key", 0.0, 30.0)


def paths(data: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield the keys of an event, those of the entries of its lists as `held[].reason`.
    """
    for key, value in data.items():
        yield key
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from (f"{key}[].{inner}" for inner in value[0])
        elif isinstance(value, dict):
            assert key in OPEN_ENDED, f"document the keys of {key}"


def test_the_keys_of_an_event_are_those_documented() -> None:
    """Every key that is fired has a row, and every row is a key that is fired."""
    documented = [key for key, _ in rows(PAGE) if f"| `{key}` |" in section(PAGE, "Data")]
    assert sorted(documented) == sorted(paths(event()))


def test_the_reasons_for_holding_are_those_documented() -> None:
    """Who reads a reason in an event finds it explained."""
    held = section(PAGE, "Why a minion is held")
    documented = {key for key, _ in rows(PAGE) if f"| `{key}` |" in held}
    assert documented == {reason.value for reason in reasons.Reason}


def chances(value: ast.expr) -> Iterator[ast.expr]:
    """
    Yield what a value may be, by all its conditions.
    """
    if isinstance(value, ast.IfExp):
        yield from (*chances(value.body), *chances(value.orelse))
    else:
        yield value


def announced(tree: ast.AST) -> Iterator[str]:
    """
    Yield the words that a module announces events with: those it passes on, and those it chooses.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "").endswith("announce"):
            chosen: list[ast.expr] = [node.args[1]]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "what":
            chosen = list(chances(node.value))
        else:
            continue
        yield from (str(word.value) for word in chosen if isinstance(word, ast.Constant))


def test_every_kind_of_event_the_engine_announces_is_documented() -> None:
    """A new word in a tag needs a row that says when it comes, and a row needs the word."""
    modules = [
        REPO / "_engines/_dynatrace/remediation" / f"{name}.py"
        for name in ("scheduler", "announcements", "episodes", "outcomes")
    ]
    words = {word for module in modules for word in announced(ast.parse(module.read_text()))}
    table = section(PAGE, "Events")
    assert words == {key for key, _ in rows(PAGE) if f"\n| `{key}` | " in table and "/" not in key}


def test_the_limits_are_those_documented() -> None:
    """The numbers on the page are the constants of the code."""
    limits = section(PAGE, "Limits")
    assert f"{envelope.MAX_EVENT_BYTES:,} bytes" in limits
    assert f"at most {envelope.MAX_ITEMS} entries" in limits


def test_the_facts_of_health_are_those_documented(tmp_path: Path) -> None:
    """Each fact of /healthz has a row, and each row is a fact."""
    _, facts = probe(tmp_path).health()
    documented = {key for key, _ in rows(METRICS) if f"| `{key}` |" in section(METRICS, "Health")}
    assert documented == {"healthy", *facts}


def test_the_metrics_are_those_documented(tmp_path: Path) -> None:
    """Each metric has a row in the part of its kind, which names its labels, and each row is a metric."""
    parts = {
        "gauge": section(METRICS, "How things are now"),
        "counter": section(METRICS, "What was counted"),
        "histogram": section(METRICS, "What was measured"),
    }
    state = status.Status("dynatrace", 30.0, started=1.0)
    ledger = Ledger(tmp_path / "ledger.db")
    parts_of_it = Measures(), lambda: True, lambda: 0, dict
    families = [*metrics.Exposition(state, ledger, *parts_of_it).families()]
    for metric, _ in families:
        [row] = [
            line
            for line in parts[metric.kind].splitlines()
            if line.startswith(f"| `salt_dynatrace_{metric.name}` |")
        ]
        assert all(f"`{label}`" in row for label in metric.labels), metric.name
    documented = {key for key, _ in rows(METRICS) if key.startswith("salt_dynatrace_")}
    assert documented == {f"salt_dynatrace_{metric.name}" for metric, _ in families}


def probe(tmp_path: Path) -> status.Probe:
    state = status.Status("dynatrace", 30.0, started=1.0, last_poll=2.0, open_problems=0)
    return status.Probe(state, Ledger(tmp_path / "ledger.db"), lambda: True)

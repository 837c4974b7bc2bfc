"""
The cases of the crowd benchmark: each plays on the stage and returns rows, which are facts by name.
"""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.bench.crowd_live import ALL, at_rest, building, notified, paused, soak, starting
from tests.bench.crowd_run import Row
from tests.bench.crowd_stage import Stage

DRY = {"dry_run": True}


def baseline(stage: Stage, rounds: int = 3) -> Row:
    """
    Measure a bare loop of `fire_event`, with an event that an engine fired.
    """
    event, tag = sample(stage)
    told = []
    for _ in range(rounds):
        with stage.child("bare", tag=tag, data=event, seconds=3.0) as child:
            told.append(child.line())
    rates = [one["rate"] for one in told]
    return {
        "case": "bare fire_event loop",
        "events": sum(one["count"] for one in told),
        "rate": round(statistics.median(rates), 1),
        "slowest": round(min(rates), 1),
        "fastest": round(max(rates), 1),
        "cpu_ms_per_event": round(statistics.median(one["cpu_ms"] for one in told), 2),
    }


def sample(stage: Stage) -> tuple[Mapping[str, Any], str]:
    """
    Run an engine for a few problems, which also warms all caches; return an event of its, and a tag for such.
    """
    stage.ask("open", first=0, count=10)
    with stage.engine(policy=DRY) as run:
        run.until(lambda: run.announced(10), 60)
        assert stage.ear.latest is not None
        return stage.ear.latest.data, "dynatrace/bare/open/availability"


def of_size(stage: Stage, problems: int, delay: float, minions: bool, cap: float) -> Row:
    """
    Start an engine that may act, with so many problems open at a tenant that takes so long for a call.
    """
    stage.ask("open", first=0, count=problems)
    stage.ask("slow", seconds=delay)
    with stage.engine(minions, policy=ALL) as run:
        run.until(lambda: run.announced(problems), cap)
        facts = run.facts(problems)
    what = {"problems": problems, "delay_ms": round(delay * 1000), "minions": stage.fleet * minions}
    return {**what, **facts}


def sizes(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    All sizes with a quick tenant, and what slow tenants and no minions make of some of them.
    """
    counts = [given.problems] if given.problems else [10, 100, 1000, 10_000]
    for minions in (True, False):
        for delay in (0.0, 0.05, 0.3):
            for count in counts:
                if given.full or (delay == 0 and minions) or count == min(1000, max(counts)):
                    yield of_size(stage, count, delay, minions, given.cap)


def slow_tenant(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (a) 2,000 problems at 300 ms a call, and one that a notification tells of meanwhile.
    """
    count = given.problems or 2000
    stage.ask("open", first=0, count=count, mixed=True)
    stage.ask("slow", seconds=0.3)
    with stage.engine(policy=ALL) as run:
        run.until(lambda: stage.ear.ordered, given.cap / 2)
        row = run.notify(stage.fleet)
        run.until(lambda: run.announced(count + 1), given.cap)
        yield {"case": "a", "problems": count, "delay_ms": 300, **run.facts(count), **row}


def crowd(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (b) 10,000 problems of four severities at a tenant that answers at once, dry run, with and without minions.
    """
    for minions in (False, True):
        yield of_severities(stage, given.problems or 10_000, minions, given.cap)


def of_severities(stage: Stage, count: int, minions: bool, cap: float) -> Row:
    """
    Start an engine with so many problems open; tell also which share of the first events was of the most severe.
    """
    opened = stage.ask("open", first=0, count=count, mixed=True)
    with stage.engine(minions, policy=DRY) as run:
        run.until(lambda: run.announced(count), cap)
        severe = sum(severity == "AVAILABILITY" for _, severity in opened)
        first = [event.data["severity"] for event in run.opened()[:severe]]
        facts = run.facts(count)
    facts["most_severe_first"] = round(first.count("AVAILABILITY") / max(len(first), 1), 2)
    what = {"case": "b", "problems": count, "delay_ms": 0, "minions": stage.fleet * minions}
    return {**what, **facts}


def limited(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (c) 1,000 problems while the tenant takes 1,000 calls a minute at each endpoint.
    """
    count = given.problems or 1000
    stage.ask("open", first=0, count=count)
    stage.ask("limit", calls=1000)
    with stage.engine(policy=ALL) as run:
        run.until(lambda: run.announced(count), max(given.cap, 200))
        yield {"case": "c", "problems": count, "delay_ms": 0, **run.facts(count)}


CASES: dict[str, Callable[[Stage, Namespace], Iterator[Row]]] = {
    "sizes": sizes,
    "a": slow_tenant,
    "b": crowd,
    "c": limited,
    "d": notified,
    "e": paused,
    "f": at_rest,
    "g": soak,
    "h": starting,
    "i": building,
}

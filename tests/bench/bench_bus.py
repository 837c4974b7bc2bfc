"""
What an event costs that is fired or heard on the bus of a real master: by Salt's event object as it is, and as the engine
uses it.

`make bench-bus`, or `python -m tests.bench.bench_bus [--count N] [--rate N]`.

Each figure is that of a process that does nothing else, with all its threads; both ways take turns, and the better of two
turns counts. `together` are events that wait already when they are heard, as when a crowd of minions starts; the others come
one by one. It prints the table of docs/benchmarks.md; the exit code is 0 whatever comes out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "_engines"))

import salt.config  # noqa: E402
from _dynatrace.master import event_objects  # noqa: E402
from salt.utils.event import get_event  # noqa: E402

from tests.harness.scratch import ScratchSalt  # noqa: E402

TURNS = 2
FIRE_MS = 5000
#: How soon the last of the events must be heard.
LAST_S = 120.0
TAG = "salt/minion/web0001/start"
DATA = {"cmd": "_minion_event", "id": "web0001", "pretag": None, "data": "web0001 started"}
WAYS = ("Salt's", "the engine's")


def as_it_is(bus: Any) -> Any:
    """
    Return an event object with nothing changed.
    """
    return bus


def fire(opts: dict[str, Any], way: str, count: int, rate: int) -> dict[str, float]:
    """
    Fire so many events, so many a second, or with 0 one after the other.
    """
    direct = event_objects.that_fires if way == WAYS[1] else as_it_is
    bus = direct(get_event("master", opts=opts, listen=False))
    bus.fire_event(DATA, "first", timeout=FIRE_MS)
    begun, used = time.monotonic(), time.process_time()
    for number in range(count):
        if rate:
            time.sleep(max(begun + number / rate - time.monotonic(), 0))
        bus.fire_event(DATA, TAG, timeout=FIRE_MS)
    found = costs(count, begun, used)
    bus.destroy()
    return found


def hear(opts: dict[str, Any], way: str, count: int, together: bool) -> dict[str, float]:
    """
    Hear so many events; says that it listens, and waits to be told that they were fired if they come ``together``.
    """
    direct = event_objects.that_receives if way == WAYS[1] else as_it_is
    bus = direct(get_event("master", opts=opts, listen=True))
    print("listens", flush=True)
    if together:
        sys.stdin.readline()
    begun = used = 0.0
    heard, until = -1, time.monotonic() + LAST_S
    while heard < count and time.monotonic() < until:
        event = bus.get_event(wait=5, tag=TAG, full=True, auto_reconnect=True)
        if event is not None:
            heard += 1
        if heard == 0 and not begun:
            begun, used = time.monotonic(), time.process_time()
    found = costs(heard, begun, used)
    bus.destroy()
    return found


def costs(count: int, begun: float, used: float) -> dict[str, float]:
    took, cpu = time.monotonic() - begun, time.process_time() - used
    return {"events": count, "rate": count / took, "cpu_ms": cpu * 1000 / max(count, 1)}


class Child:
    """
    A process of this module that does one thing; `result` is what it found.
    """

    def __init__(self, *given: object) -> None:
        words = [sys.executable, "-m", "tests.bench.bench_bus", *map(str, given)]
        self._process = subprocess.Popen(
            words, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def until_it_listens(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "listens"
        # The publisher takes a connection a moment after it is made.
        time.sleep(1)

    def result(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self._process.communicate("\n")[0].splitlines()[-1])
        return found


def fired(master: Path, way: str, count: int) -> dict[str, float]:
    return Child("--do", "fire", "--master", master, "--way", way, "--count", count).result()


def heard(master: Path, way: str, count: int, rate: int) -> dict[str, float]:
    given = ("--master", master, "--way", way, "--count", count, "--rate", rate)
    ear = Child("--do", "hear", *given)
    ear.until_it_listens()
    # One more than is counted: time counts from the first.
    Child(
        "--do", "fire", "--master", master, "--way", WAYS[1], "--count", count + 1, "--rate", rate
    ).result()
    return ear.result()


def rows(master: Path, count: int, rate: int) -> Iterator[dict[str, Any]]:
    """
    Measure what is fired, what is heard together, and what is heard one by one.
    """
    cases: dict[str, Callable[[str], dict[str, float]]] = {
        "fired": lambda way: fired(master, way, count),
        "heard, together": lambda way: heard(master, way, count, 0),
        f"heard, {rate} a second": lambda way: heard(master, way, min(count, rate * 10), rate),
    }
    for what, measure in cases.items():
        turns = [{way: measure(way) for way in WAYS} for _ in range(TURNS)]
        best = {
            way: min((turn[way] for turn in turns), key=lambda one: one["cpu_ms"]) for way in WAYS
        }
        for way, found in best.items():
            yield {
                "what": what,
                "way": way,
                "events": round(found["events"]),
                "a second": round(found["rate"]),
                "cpu ms each": round(found["cpu_ms"], 3),
                "of Salt's": round(found["cpu_ms"] / best[WAYS[0]]["cpu_ms"], 2),
            }


def table(found: list[dict[str, Any]]) -> str:
    """
    Return rows as a table in Markdown.
    """
    heads = list(found[0])
    lines = [heads, ["---"] * len(heads), *([str(row[head]) for head in heads] for row in found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """
    Measure, and print the table; or be one of its processes.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rate", type=int, default=0, help="of events that come one by one")
    for own in ("--do", "--master", "--way"):
        parser.add_argument(own, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.do:
        opts = salt.config.master_config(given.master)
        rest = opts, given.way, given.count
        found = fire(*rest, given.rate) if given.do == "fire" else hear(*rest, not given.rate)
        print(json.dumps(found), flush=True)
        return 0
    with ScratchSalt(minions={}, shipped=(), with_api=False) as running:
        running.events.stop()
        print(table(list(rows(running.config_dir / "master", given.count, given.rate or 100))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

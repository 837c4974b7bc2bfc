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
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.crowd_process import Child
from tests.bench.crowd_tables import plain
from tests.harness.scratch import ScratchSalt

TURNS = 2
#: Each way, and whether it is the engine's.
WAYS = {"Salt's": False, "the engine's": True}
#: The publisher takes a connection a moment after it is made.
SERVED_S = 1.0
#: Of the events that come one by one.
PACED_S = 10


@dataclass(frozen=True)
class Bus:
    """
    The bus of a master, and a directory for what its processes log and wait for.
    """

    master: Path
    directory: Path

    def child(self, kind: str, **given: Any) -> Child:
        return Child(kind, self.directory / "log", master=str(self.master), **given)

    def fired(self, direct: bool, count: int, rate: int = 0) -> dict[str, Any]:
        """
        Return what firing costs.
        """
        with self.child("fires", direct=direct, count=count, rate=rate) as firing:
            return firing.line()

    def heard(self, direct: bool, count: int, rate: int) -> dict[str, Any]:
        """
        Return what hearing costs; with a rate of 0 all are fired before.
        """
        go = self.directory / "go"
        go.unlink(missing_ok=True)
        after = None if rate else str(go)
        with self.child("hears", direct=direct, count=count, after=after) as hearing:
            time.sleep(SERVED_S)
            self.fired(True, count + 1, rate)
            go.touch()
            return hearing.line()


def rows(bus: Bus, count: int, rate: int) -> Iterator[dict[str, Any]]:
    """
    Measure what is fired, what is heard together, and what is heard one by one.
    """
    cases: dict[str, Callable[[bool], dict[str, Any]]] = {
        "fired": lambda direct: bus.fired(direct, count),
        "heard, together": lambda direct: bus.heard(direct, count, 0),
        f"heard, {rate} a second": lambda direct: bus.heard(direct, rate * PACED_S, rate),
    }
    for what, measure in cases.items():
        turns = [{way: measure(direct) for way, direct in WAYS.items()} for _ in range(TURNS)]
        best = {
            way: min((turn[way] for turn in turns), key=lambda one: one["cpu_ms"]) for way in WAYS
        }
        for way, found in best.items():
            yield {
                "what": what,
                "way": way,
                "events": found["count"],
                "a second": round(found["rate"]),
                "cpu ms each": round(found["cpu_ms"], 3),
                "of Salt's": round(found["cpu_ms"] / best["Salt's"]["cpu_ms"], 2),
            }


def main() -> int:
    """
    Measure, and print the table.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rate", type=int, default=100, help="of events that come one by one")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        ScratchSalt(minions={}, shipped=(), with_api=False) as running,
    ):
        running.events.stop()
        bus = Bus(running.config_dir / "master", Path(name))
        print(plain(list(rows(bus, given.count, given.rate))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""
Crowded nights: what thousands of open problems, slow tenants and thousands of minions cost, and who waits for what.

`make bench-crowd`, or `python -m tests.bench.bench_crowd [--only b,c] [--problems N] [--full] [--json FILE]`.

The whole engine runs in a process of its own on the event bus of a real salt-master, against the simulated tenant in a
process of its own. A subscriber notes when each event arrived. Nothing takes the orders. The rate of announcements is
given as a share of what a bare loop of `fire_event` reaches on the same bus in the same run, with an event of the same
size and a thread that listens as the engine's does; `cpu share` is the same of the CPU time that an event takes, which
depends less on who else is at work.

Times are seconds from the call of the engine's `start`. An empty cell: it did not happen within `--cap` seconds.
Whatever comes out, the exit code is 0: who else is at work on the machine decides about times.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import requests

from tests.bench import crowd_tables
from tests.bench.crowd_cases import CASES, baseline
from tests.bench.crowd_run import Row
from tests.bench.crowd_stage import FLEET, Stage


def chosen(arguments: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(CASES), help="cases, such as b,c")
    parser.add_argument("--problems", type=int, help="in place of each case's own number")
    parser.add_argument("--fleet", type=int, default=FLEET, help="accepted minions")
    parser.add_argument("--cap", type=float, default=60, help="seconds after which a run is ended")
    parser.add_argument("--seconds", type=float, default=15, help="of each load of case d")
    parser.add_argument("--rest", type=float, default=60, help="seconds of case f")
    parser.add_argument("--soak", type=float, default=60, help="seconds of case g; 600 asked for")
    parser.add_argument("--full", action="store_true", help="all sizes at all speeds")
    parser.add_argument("--json", type=Path, help="write all facts to this file")
    parser.add_argument("--page", type=Path, help="put the tables below `## Now` of this page")
    given = parser.parse_args(arguments)
    given.only = given.only.split(",")
    if unknown := set(given.only) - set(CASES):
        parser.error(f"no case is named {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    return given


def measured(stage: Stage, name: str, given: argparse.Namespace, bare: Row) -> list[Row]:
    """
    Run one case; return its rows, with the ratios to the baseline.
    """
    rows: list[Row] = []
    try:
        for row in CASES[name](stage, given):
            if row.get("rate"):
                row["share_of_bare"] = round(row["rate"] / bare["rate"], 2)
                row["cpu_share"] = round(bare["cpu_ms_per_event"] / row["cpu_ms_per_problem"], 2)
            rows.append(row)
            print(crowd_tables.line(row), file=sys.stderr, flush=True)
    except requests.RequestException as err:
        # An engine that does not answer any more is a result, too; the other cases have one of their own.
        rows.append({"case": name, "failed": f"{type(err).__name__}: {err}"[:200]})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the cases and print their tables as Markdown.
    """
    given = chosen(arguments)
    facts = crowd_tables.machine()
    told = [crowd_tables.told(facts, sys.argv[1:] if arguments is None else arguments)]
    print(told[0], flush=True)
    found: dict[str, list[Row]] = {}
    with Stage(given.fleet) as stage:
        bare = baseline(stage)
        for name in ("baseline", *given.only):
            rows = [bare] if name == "baseline" else measured(stage, name, given, bare)
            found[name] = rows
            told.append(crowd_tables.table(name, rows))
            print(told[-1], flush=True)
    if given.json:
        given.json.write_text(json.dumps({"machine": facts, "cases": found}, indent=2))
    if given.page:
        crowd_tables.refill(given.page, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""
What the metrics cost: a scrape with 10,000 open problems in the ledger, and what is measured while the engine heals.

`make bench-metrics`, or `python -m tests.bench.bench_metrics [--problems N] [--remedies N]`.

The ledger is a real one on disk, filled by hand: open problems of which most are held, orders and reports that wait, closed
problems and attempts of a month. Times are CPU times of this process, the least of some rounds: who else is at work on the
machine disturbs them little. `lock` is the longest time that a scrape held the ledger's lock at once. By HTTP the client's
part is in the time. It prints the tables of docs/benchmarks.md; the exit code is 0 whatever comes out.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "_engines"))

from _dynatrace.config.config import load  # noqa: E402
from _dynatrace.core.measures import Measures  # noqa: E402
from _dynatrace.core.reasons import Reason  # noqa: E402
from _dynatrace.core.records import Outgoing  # noqa: E402
from _dynatrace.core.states import ActionState, AttemptState, EpisodeState  # noqa: E402
from _dynatrace.engine.health import Status  # noqa: E402
from _dynatrace.engine.metrics import Exposition  # noqa: E402
from _dynatrace.remediation.notified import measure_openings, note_notified  # noqa: E402
from _dynatrace.remediation.recurrence import recovered_by  # noqa: E402
from _dynatrace.store.ledger import Ledger  # noqa: E402
from _dynatrace.webhook.endpoints import Health  # noqa: E402
from _dynatrace.webhook.listener import metrics_listener  # noqa: E402

from tests.bench.crowd_tables import plain  # noqa: E402
from tests.harness.ports import free_ports  # noqa: E402
from tests.unit.engine.bodies import PROCESS  # noqa: E402
from tests.unit.engine.test_ledger import NOW, attempt, episode  # noqa: E402

ROUNDS = 9
#: As often as Prometheus scrapes.
SCRAPED_S = 15.0


def filled(path: Path, problems: int) -> Ledger:
    """
    Return a ledger as it is in a crowded night of an engine that runs for months.
    """
    ledger = Ledger(path)
    reasons = [reason.value for reason in Reason]
    with ledger.transaction():
        for number in range(problems):
            held = reasons[number % len(reasons)] if number % 10 else None
            one = episode(problem_key=f"{number}_1V2", held=held, announced=True)
            ledger.episodes.save(one)
            ledger.outbox.add(one.problem_key, "tag", {"what": "open", "episode": 1}, NOW)
            closed = replace(one, problem_key=f"c{number}_1V2", state=EpisodeState.CLOSED)
            ledger.episodes.save(replace(closed, closed=NOW, attempts=1))
            made = attempt(f"a{number}", problem_key=closed.problem_key, remedy="apache2")
            ledger.attempts.add(made, [(f"m{number}", PROCESS)], {PROCESS: 1})
            ledger.attempts.end_action(f"a{number}", f"m{number}", ActionState.GOOD, "", NOW)
            ledger.attempts.move(f"a{number}", AttemptState.GOOD, NOW)
        for number in range(100):
            told = {"what": "open", "attempt_id": f"o{number}"}
            ledger.outbox.add(f"{number}_1V2", "tag", told, NOW, NOW + 1e6)
    return ledger


class Held:
    """
    Notes for how long the ledger's lock is held.
    """

    def __init__(self, lock: Any) -> None:
        self._lock, self._depth, self._since = lock, 0, 0.0
        self.longest = 0.0

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._depth += 1
        if self._depth == 1:
            self._since = time.perf_counter()

    def __exit__(self, *given: object) -> None:
        if self._depth == 1:
            self.longest = max(self.longest, time.perf_counter() - self._since)
        self._depth -= 1
        self._lock.__exit__(*given)


def least(call: Callable[[], Any], times: int = 1) -> float:
    """
    Return the CPU time in seconds that one call takes, by the best of some rounds.
    """
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(times):
            call()
        found.append((time.process_time() - begun) / times)
    return min(found)


def longest_hold(ledger: Ledger, call: Callable[[], Any]) -> float:
    """
    Return for how many seconds a call held the lock at most at once, by the best of some rounds.
    """
    own, found = ledger.database._lock, []
    for _ in range(ROUNDS):
        ledger.database._lock = held = Held(own)  # type: ignore[assignment]
        call()
        found.append(held.longest)
    ledger.database._lock = own
    return min(found)


@contextmanager
def served(exposition: Exposition) -> Iterator[Callable[[], None]]:
    """
    Serve the metrics on a port of their own; give what scrapes them.
    """
    port = free_ports(1)[0]
    config = load({"webhook": {"token": "a-secret"}, "metrics": {"port": port}})
    listener = metrics_listener("bench", config, Health(metrics=exposition.text))
    threading.Thread(target=listener.run, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def scrape() -> None:
        connection.request("GET", "/metrics")
        assert connection.getresponse().read()

    yield scrape
    connection.close()


def scrapes(directory: Path, problems: int, remedies: int) -> dict[str, Any]:
    """
    Return what a scrape costs with so many open problems and so many remedies in the catalogue.
    """
    ledger, names = (
        filled(directory / f"{problems}.db", problems),
        [f"r{n}" for n in range(remedies)],
    )
    tracemalloc.start()
    measures = Measures(names)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    working = {f"t{n}": True for n in range(10)}
    parts = measures, lambda: True, lambda: 10_000, lambda: working, names
    exposition = Exposition(Status("bench", 30.0, NOW), ledger, *parts)
    text = exposition.text()
    with served(exposition) as scrape:
        by_http = least(scrape)
    alone = least(exposition.text)
    row = {
        "open problems": problems,
        "remedies": remedies,
        "ms": round(alone * 1000, 2),
        "ms by HTTP": round(by_http * 1000, 2),
        "% of a core": round(by_http / SCRAPED_S * 100, 3),
        "lock ms": round(longest_hold(ledger, exposition.text) * 1000, 2),
        "kB": round(len(text) / 1000),
        "memory kB": round(memory / 1000),
    }
    ledger.close()
    return row


def healing(directory: Path) -> list[dict[str, Any]]:
    """
    Return what is measured and counted beside the work, in microseconds for each time that it happens.
    """
    ledger, measures = filled(directory / "healing.db", 1000), Measures(["apache2"])
    known = dict.fromkeys((f"{n}_1V2" for n in range(120)), NOW)
    note_notified(ledger, known)
    events = [
        (Outgoing(n, key, "tag", {"what": "open", "episode": 1}, None, None), NOW)
        for n, key in enumerate(known)
    ]
    observe = measures.notification_to_event.observe
    closed = replace(episode(problem_key="c1_1V2"), attempts=1)
    fresh = iter(range(10**6))

    def note_new() -> None:
        # As new ones are: nothing stands in the journal of them.
        with ledger.transaction():
            ledger.database.write("DELETE FROM journal")
            note_notified(ledger, known)

    deleted = least(lambda: ledger.database.write("DELETE FROM journal")) / len(known)
    rows = {
        "an observation": least(lambda: measures.outage.observe(61.0, "apache2"), 10_000),
        "an event `open` that is fired": least(lambda: measure_openings(ledger, observe, events))
        / len(events),
        "a problem that is notified": least(note_new) / len(known) - deleted,
        "a process that is ordered": least(
            lambda: ledger.attempts.last_end(f"m{next(fresh) % 1000}", PROCESS), 200
        ),
        "a problem that closes": least(lambda: recovered_by(ledger.attempts, closed, []), 200),
    }
    ledger.close()
    return [{"for": what, "µs": round(taken * 1e6, 1)} for what, taken in rows.items()]


def main() -> int:
    """
    Measure, and print the tables.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--remedies", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write all facts to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        sizes = [(10, given.remedies), (given.problems, given.remedies), (given.problems, 100)]
        costs = [scrapes(directory / str(n), *size) for n, size in enumerate(sizes)]
        beside = healing(directory / "beside")
    print(plain(costs), plain(beside), sep="\n\n")
    if given.json:
        given.json.write_text(json.dumps({"scrapes": costs, "beside": beside}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

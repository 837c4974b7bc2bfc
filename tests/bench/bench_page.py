"""
What the status page costs an engine that has 1,000 open problems.

`make bench-page`, or `python -m tests.bench.bench_page [--problems N] [--pages N] [--seconds S]`.

The engine is the whole engine in a process of its own, with dry run, on the bus of a real master; the tenant is the
simulated one. Two engines, one after the other: one without a page that nobody scrapes, and one with a page, ten readers
of its stream, and a scrape each 15 s. Of both the CPU time over the same seconds and the memory are measured, first while
nothing happens but polls, then while a problem opens every five seconds. Of the second also how long the page takes to be
served, as the first after a change, and how large it is.

It prints Markdown; the exit code says nothing about times.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.bench.crowd_run import HEADERS, Row, Run
from tests.bench.crowd_stage import Stage

SCRAPE_S = 15.0
OPENS_S = 5.0
#: Until what an engine does after it has announced all is over.
REST_S = 45.0


class Readers:
    """
    Readers of the stream, each in a thread, and one that scrapes; `told` counts the bytes that the former got.
    """

    def __init__(self, run: Run, pages: int) -> None:
        self._url = f"http://127.0.0.1:{run.port}"
        self._over = threading.Event()
        self.told = 0
        targets = [self._read] * pages + [self._scrape] * bool(pages)
        self._threads = [threading.Thread(target=one, daemon=True) for one in targets]

    def start(self) -> None:
        for one in self._threads:
            one.start()

    def stop(self) -> None:
        self._over.set()

    def _read(self) -> None:
        with requests.get(f"{self._url}/events", headers=HEADERS, stream=True, timeout=60) as one:
            for chunk in one.iter_content(None):
                self.told += len(chunk)
                if self._over.is_set():
                    return

    def _scrape(self) -> None:
        while not self._over.wait(SCRAPE_S):
            requests.get(f"{self._url}/metrics", headers=HEADERS, timeout=30).raise_for_status()


@contextmanager
def engine(stage: Stage, problems: int, page: bool) -> Iterator[Run]:
    """
    Run an engine until it has announced all problems and is at rest.
    """
    stage.ask("open", first=0, count=problems)
    # An engine is given its port by the stage.
    with stage.engine(policy={"dry_run": True}, page=page) as run:
        run.until_minions_are_known(problems)
        run.until(lambda: run.announced(problems), 300)
        time.sleep(REST_S)
        yield run


def costs(stage: Stage, run: Run, seconds: float, first: int | None) -> Row:
    """
    Return the CPU time over some seconds, in percent of a core, and the memory; with `first` a problem opens on this
    machine, and on each after it, every five seconds.
    """
    used, begun, number = run.child.cpu_s(), time.monotonic(), 0
    while (left := begun + seconds - time.monotonic()) > 0:
        if first is not None:
            run.notify(first + number, timeout=0)
            number += 1
        time.sleep(min(left, OPENS_S))
    took = time.monotonic() - begun
    return {
        "core": round((run.child.cpu_s() - used) / took * 100, 2),
        "memory_mb": round(run.child.memory_mb(), 1),
    }


def served(run: Run, stage: Stage, first: int, times: int = 10) -> Row:
    """
    Return how long the page takes when it must be made anew, in milliseconds, and its size in bytes.
    """
    took, size = [], 0
    for number in range(times):
        run.notify(first + number, timeout=0)
        time.sleep(12)  # By then it may be made again.
        begun = time.perf_counter()
        answer = requests.get(f"http://127.0.0.1:{run.port}/", headers=HEADERS, timeout=30)
        took.append((time.perf_counter() - begun) * 1000)
        answer.raise_for_status()
        size = len(answer.content)
    return {"median_ms": statistics.median(took), "most_ms": max(took), "bytes": size}


def measure(stage: Stage, pages: int, problems: int, seconds: float) -> list[Row]:
    """
    Return a row for an engine at rest and one for one with problems that open, with so many pages; none: without a page.
    """
    with engine(stage, problems, bool(pages)) as run:
        readers = Readers(run, pages)
        readers.start()
        time.sleep(5 if pages else 0)
        rows = []
        for name, first in (("at rest", None), ("a problem each 5 s", problems)):
            told = readers.told
            row = {"while": name, "pages": pages, **costs(stage, run, seconds, first)}
            rows.append({**row, "sent_kb": round((readers.told - told) / 1000)})
        readers.stop()
        if pages:
            rows.append({"while": "served", "pages": 0, **served(run, stage, problems + 60)})
    return rows


def main() -> None:
    """
    Measure, and print it.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=240.0)
    given = parser.parse_args()
    with Stage(given.problems) as stage:
        without = measure(stage, 0, given.problems, given.seconds)
        *with_pages, page = measure(stage, given.pages, given.problems, given.seconds)
    print(
        f"| while | engine alone | with {given.pages} pages and a scrape each 15 s | sent to them |"
    )
    print("| --- | --- | --- | --- |")
    for one, other in zip(without, with_pages, strict=True):
        print(
            f"| {one['while']} | {one['core']} % of a core, {one['memory_mb']} MB"
            f" | {other['core']} %, {other['memory_mb']} MB | {other['sent_kb']} kB |"
        )
    print(
        f"\nThe page with {given.problems} problems: {page['median_ms']:.0f} ms (at most {page['most_ms']:.0f}),"
        f" {page['bytes']:,} bytes."
    )


if __name__ == "__main__":
    main()

"""
The cases of the crowd benchmark that happen to an engine at work: notifications, a pause, starts of minions, rest and soak.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

import salt.config
from salt.exceptions import CommandExecutionError

from tests.bench.crowd_process import REPO
from tests.bench.crowd_run import Row, Run
from tests.bench.crowd_stage import SPARE, Stage
from tests.bench.webhook_load import percentile

#: Enough for everybody: no order waits for another one's end.
ALL = {"max_minions": 100_000}
#: Nothing but notifications brings anything.
UNPOLLED = {"poll_interval": 0}
#: How long the last events of a load may take.
LAST_S = 30


def notified(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (d) Notifications at 50 and 100 a second, each of a new problem on a known minion.
    """
    for delay in (0.0, 0.03):
        for rate in (50, 100):
            yield paced(stage, rate, delay, given.seconds)


def paced(stage: Stage, rate: int, delay: float, seconds: float) -> Row:
    """
    Send notifications at a rate for some seconds, and tell how long each took until its event.
    """
    count = min(round(rate * seconds), stage.fleet)
    names = [name for name, _ in stage.ask("open", first=0, count=count)]
    bodies = stage.ask("notifications", names=names)
    stage.ask("slow", seconds=delay)
    with stage.engine(policy=ALL, **UNPOLLED) as run:
        run.until_minions_are_known(stage.fleet)
        used, begun = run.child.cpu_s(), time.time()
        sent = run.send(bodies, rate)
        run.until(lambda: run.announced(count), time.time() - run.began + LAST_S)
        heard = run.ear.opened
        took = [
            (heard[name].at - at) * 1000
            for name, at in zip(names, sent["sent"], strict=True)
            if name in heard
        ]
        cpu = run.child.cpu_s() - used
        return {
            "case": "d",
            "rate_sent": rate,
            "sent_in_s": round(sent["sent"][-1] - begun, 1),
            "delay_ms": round(delay * 1000),
            "accepted": sent["statuses"].get("202", 0),
            "accept_p99_ms": round(sent["p99"]),
            "event_p50_ms": round(percentile(took, 0.5)),
            "event_p99_ms": round(percentile(took, 0.99)),
            **run.facts(count),
            "cpu_ms_per_problem": round(cpu * 1000 / count, 2),
            "rate": None,
        }


def paused(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (e) A pause while 10,000 problems are being read: when it is answered, and what is ordered after that.
    """
    count = given.problems or stage.fleet
    stage.ask("open", first=0, count=count)
    runner = Runner(stage)
    with stage.engine(policy=ALL) as run:
        run.until(lambda: stage.ear.ordered, given.cap)
        time.sleep(1)
        before = len(run.orders())
        answer = runner.ask("pause", reason="a benchmark")
        time.sleep(5)
        ear = stage.ear
        yield {
            "case": "e",
            "problems": count,
            "orders_before": before,
            "answer_s": round(ear.answered - ear.commanded, 2) if ear.answered else None,
            "runner_s": round(answer, 2),
            "orders_after_answer": ear.late_orders,
            "announced": len(ear.opened),
        }


class Runner:
    """
    What the master's runner `dynatrace` asks an engine with.
    """

    def __init__(self, stage: Stage) -> None:
        sys.path.insert(0, str(REPO / "salt" / "_runners"))
        from _dynatrace_runner import bus

        self._bus = bus
        self._opts = salt.config.master_config(stage.file)
        # What it loads is loaded now; nobody answers yet.
        with contextlib.suppress(CommandExecutionError):
            self._bus.ask(self._opts, "status", None, 0.1, {})

    def ask(self, command: str, **arguments: Any) -> float:
        """
        Give an order and return the seconds until its answer.
        """
        begun = time.time()
        self._bus.ask(self._opts, command, None, 60, arguments)
        return time.time() - begun


def at_rest(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (f) An engine that knows 10,000 minions and polls every 30 s, and nothing is open.
    """
    with stage.child("nothing") as idle:
        time.sleep(2)
        nothing = idle.memory_mb()
    with stage.engine() as run:
        run.until_minions_are_known(stage.fleet)
        time.sleep(10)
        used, begun = run.child.cpu_s(), time.time()
        time.sleep(given.rest)
        share = (run.child.cpu_s() - used) / (time.time() - begun)
        memory = run.child.memory_mb()
        yield {
            "case": "f",
            "minions": stage.fleet,
            "seconds": given.rest,
            "percent_of_a_core": round(share * 100, 2),
            "memory_mb": round(memory),
            "nothing_mb": round(nothing),
            "above_mb": round(memory - nothing),
        }


def soak(stage: Stage, given: Namespace, rate: int = 20, repeats: float = 0.95) -> Iterator[Row]:
    """
    (g) Notifications for minutes, most of them repeats; rows of what grows, about every tenth of the time.
    """
    dice, bodies = random.Random(1), []
    fresh = iter(range(stage.fleet))
    with stage.engine(policy=ALL) as run:
        run.until_minions_are_known(stage.fleet)
        begun, count = time.time(), round(rate * given.soak)
        for number in range(count):
            time.sleep(max(begun + number / rate - time.time(), 0))
            if number % (count // 10 or 1) == 0:
                yield _sizes(run, begun, number)
            if number % round(1 / (1 - repeats)) == 0:
                [[name, _]] = stage.ask("open", first=next(fresh), count=1)
                bodies += stage.ask("notifications", names=[name])
                run.post(bodies[-1])
            else:
                run.post(dice.choice(bodies))
        yield _sizes(run, begun, count)


def _sizes(run: Run, begun: float, sent: int) -> Row:
    seen, opened = run.child.seen, len(run.opened())
    return {
        "case": "g",
        "after_s": round(time.time() - begun),
        "sent": sent,
        "announced": opened,
        "memory_mb": round(run.child.memory_mb(), 1),
        "files": seen.num_fds(),
        "threads": seen.num_threads(),
        "ledger_mb": round(run.ledger_mb(), 2),
        "cpu_s": round(run.child.cpu_s(), 1),
        "calls": sum(run.tenant.call("calls").values()),
    }


def starting(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (h) Start events of 10,000 minions in 10 s, and how long an order takes before and meanwhile.
    """
    spare = iter(range(stage.fleet, stage.fleet + SPARE))
    with stage.engine(policy=ALL, **UNPOLLED) as run:
        run.until_minions_are_known(stage.fleet)
        before = [run.notify(next(spare)) for _ in range(10)]
        meanwhile = []
        with stage.child("starts", count=stage.fleet, seconds=10.0) as starts:
            while time.time() < starts.began + 11:
                meanwhile.append(run.notify(next(spare)))
                time.sleep(0.3)
            took = starts.line()["took"]
        after = [run.notify(next(spare)) for _ in range(10)]
        yield {
            "case": "h",
            "starts": stage.fleet,
            "fired_in_s": round(took, 1),
            "order_before_s": _longest(before),
            "order_meanwhile_s": _longest(meanwhile),
            "order_after_s": _longest(after),
        }


def building(stage: Stage, given: Namespace) -> Iterator[Row]:
    """
    (i) A start with 10,000 accepted minions: when it answers, when the index is whole, and how long orders take until then.
    """
    spare = iter(range(stage.fleet, stage.fleet + SPARE))
    with stage.engine(policy=ALL, **UNPOLLED) as run:
        run.until(lambda: run.known() is not None, 120)
        listening = time.time() - run.began
        rows = []
        while (run.known() or 0) < stage.fleet and time.time() < run.began + 120:
            rows.append(run.notify(next(spare)))
            time.sleep(0.3)
        yield {
            "case": "i",
            "minions": stage.fleet,
            "listening_s": round(listening, 2),
            "index_s": round(time.time() - run.began, 2),
            "notified_meanwhile": len(rows),
            "longest_order_s": _longest(rows) if rows else None,
            "order_after_s": run.notify(next(spare))["notified_order_s"],
            "cpu_s": round(run.child.cpu_s(), 2),
        }


def _longest(rows: Sequence[Row]) -> float | None:
    times = [row["notified_order_s"] for row in rows]
    return None if None in times else max(times)

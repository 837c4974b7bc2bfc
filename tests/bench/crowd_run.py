"""
One engine of the crowd benchmark at work: what it is told, what it fires, and what it costs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.bench.crowd_process import REPO, Child, environment
from tests.bench.crowd_tenant import CrowdTenant
from tests.bench.webhook_load import TOKEN
from tests.harness import Event, Listener

Row = dict[str, Any]

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


class Ear(Listener):
    """
    A subscriber that keeps of the engine's events what is counted, and nothing of others.
    """

    def forget(self) -> None:
        """
        Begin anew.
        """
        with self._changed:
            #: The first `open` of each problem, in their order, and the orders by problem.
            self.opened: dict[str, Event] = {}
            self.ordered: dict[str, list[Event]] = {}
            self.latest: Event | None = None
            #: When the runner's latest command and its answer passed; the orders after that.
            self.commanded = self.answered = 0.0
            self.late_orders = 0

    def _keep(self, event: Event) -> None:
        if event.tag.startswith("dynatrace/command/"):
            self.commanded = event.at
        elif event.tag.startswith("dynatrace/answer/"):
            self.answered = event.at
        elif event.tag.startswith("dynatrace/problem/"):
            self._count(event)

    def _count(self, event: Event) -> None:
        name, data = str(event.data.get("display_id")), event.data
        short = Event(event.at, event.tag, {"severity": data.get("severity")})
        with self._changed:
            self.latest = event
            if event.tag.startswith("dynatrace/problem/open/"):
                self.opened.setdefault(name, short)
            if data.get("minions") and not data.get("dry_run"):
                self.ordered.setdefault(name, []).append(short)
                self.late_orders += self.answered > 0


@dataclass
class Run:
    """
    One engine at work, and what is measured of it.
    """

    child: Child
    ear: Ear
    tenant: CrowdTenant
    home: Path
    port: int

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.__exit__()
        self.tenant.call("forget")

    @property
    def began(self) -> float:
        """
        When the engine was started, by `time.time()`: its process ran then and Salt was imported.
        """
        return self.child.began

    def opened(self) -> list[Event]:
        """
        Return the first event of each problem, in their order.
        """
        return list(self.ear.opened.values())

    def announced(self, count: int) -> bool:
        """
        Tell whether so many problems were announced.
        """
        return len(self.ear.opened) >= count

    def orders(self) -> list[Event]:
        """
        Return the orders.
        """
        return [event for events in list(self.ear.ordered.values()) for event in events]

    def until(self, condition: Callable[[], Any], seconds: float) -> bool:
        """
        Wait until a condition holds, not longer than some seconds after the engine's start; tell whether it does.
        """
        while not (holds := bool(condition())) and time.time() < self.began + seconds:
            time.sleep(0.05)
        return holds

    def after(self, events: Sequence[Event], index: int = 0) -> float | None:
        """
        Return the seconds from the engine's start to one of the events, if there is one.
        """
        return round(events[index].at - self.began, 2) if events else None

    def until_minions_are_known(self, count: int, seconds: float = 120) -> None:
        """
        Wait until the engine's index holds so many minions.
        """
        self.until(lambda: (self.known() or 0) >= count, seconds)

    def known(self) -> int | None:
        """
        Return how many minions the engine knows; None while it does not listen.
        """
        try:
            text = requests.get(self._url("metrics"), headers=HEADERS, timeout=30).text
        except (requests.ConnectionError, requests.Timeout):
            return None
        found = re.search(r"^salt_dynatrace_minions_known\S* (\d+)", text, re.MULTILINE)
        return int(found[1]) if found else 0

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def post(self, body: str) -> float:
        """
        Send a notification; return when it was accepted, by `time.time()`.
        """
        answer = requests.post(
            self._url("dynatrace"), data=body.encode(), headers=HEADERS, timeout=30
        )
        answer.raise_for_status()
        return time.time()

    def notify(self, machine: int, timeout: float = 30) -> Row:
        """
        Open a problem and tell the engine; return how long that took until the 202, and from there to the order.
        """
        [[name, _]] = self.tenant.call("open", first=machine, count=1)
        [body] = self.tenant.call("notifications", names=[name])
        sent = time.time()
        accepted = self.post(body)
        self.until(lambda: name in self.ear.ordered, time.time() + timeout - self.began)
        ordered = self.ear.ordered.get(name)
        return {
            "accept_ms": round((accepted - sent) * 1000),
            "notified_order_s": round(ordered[0].at - accepted, 2) if ordered else None,
        }

    def send(self, bodies: Sequence[str], rate: float) -> Row:
        """
        Send notifications at a rate, from a process of its own; return what that measured.
        """
        file = self.home / "notifications"
        file.write_text("\n".join(bodies) + "\n")
        command = [sys.executable, "-m", "tests.bench.webhook_load", "paced", str(self.port), "16"]
        done = subprocess.run(
            [*command, str(rate), str(file)],
            cwd=REPO,
            env=environment(),
            stdout=subprocess.PIPE,
            check=True,
        )
        file.unlink()
        return dict(json.loads(done.stdout))

    def ledger_mb(self) -> float:
        """
        Return what the ledger takes on disk.
        """
        return sum(path.stat().st_size for path in self.home.iterdir()) / 1e6

    def facts(self, problems: int) -> dict[str, Any]:
        """
        Return what is told of each run: what was announced when, at which price.
        """
        cpu_s, opened, orders = self.child.cpu_s(), self.opened(), self.orders()
        if not opened:
            self.child.raise_if_refused()
        calls = Counter(self.tenant.call("calls"))
        refused = calls.pop("429", 0)
        last = self.after(opened, -1) if len(opened) >= problems else None
        return {
            "first_event_s": self.after(opened),
            "first_order_s": self.after(orders),
            "last_event_s": last,
            "announced": len(opened),
            "orders": len(orders),
            "rate": round(len(opened) / last, 1) if last else None,
            "calls": sum(calls.values()),
            "calls_by_endpoint": dict(calls),
            "429s": refused,
            "cpu_s": round(cpu_s, 2),
            "cpu_ms_per_problem": round(cpu_s * 1000 / len(opened), 2) if opened else None,
            "peak_mb": round(self.child.peak_mb()),
            "ledger_mb": round(self.ledger_mb(), 1),
            "load": _load(),
        }


def _load() -> float:
    return round(float(Path("/proc/loadavg").read_text().split()[0]), 1)

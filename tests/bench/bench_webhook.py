"""
How fast the listener takes notifications, and how soon their events are on the bus; both in one run.

`make bench-webhook`, or `python -m tests.bench.bench_webhook [--rounds N] [--seconds S] [--salt]`.

1. Durable accepts a second at 64 connections (each 202 is in the ledger, synced to disk), in turns with a bare tornado
   handler that answers 202 and keeps nothing. Each server and the sender are processes of their own. Target: at least
   half of what the bare handler reaches.
2. From accept to event at 50 notifications a second: the whole engine with the simulated tenant as its API; the time is
   taken when the notification is due to be sent and when the event is fired. Target: p99 under 165 ms. With `--salt` also on
   the bus of a real master, where the time is that of the event's arrival at a subscriber; before and after, as many
   events of a bare sender on the same bus, which show what the bus and the machine take, and the engine's own CPU
   time, which does not depend on who else is at work. The first notification of each host is not counted: the engine
   then reads its entities, which it keeps.

Exit code 1 when a target is missed or anything is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from salt.config import client_config
from salt.utils.event import get_event

from tests.bench.webhook_load import TOKEN, percentile
from tests.harness import ScratchSalt
from tests.harness.ports import free_ports
from tests.tenant import RECOMMENDED_TEMPLATE, Tenant
from tests.tenant.placeholders import problem_values
from tests.tenant.templates import expand

REPO = Path(__file__).resolve().parents[2]
CONNECTIONS = 64
TARGET_RATIO = 0.5
TARGET_MS = 165.0
RATE = 50
HOSTS = 50


class Server:
    """
    A process of `webhook_servers`; leaving it ends the process and keeps the last line it printed.
    """

    def __init__(self, kind: str, argument: str = "") -> None:
        self._command = [sys.executable, "-m", "tests.bench.webhook_servers", kind, argument]
        self.last: dict[str, Any] = {}

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            self._command,
            cwd=REPO,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port: int = json.loads(self._process.stdout.readline())["port"]
        return self

    def __exit__(self, *_: object) -> None:
        try:
            out, _ = self._process.communicate(timeout=20)
            self.last = json.loads(out) if out.strip() else {}
        finally:
            self._process.kill()
            self._process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / '_engines'}"}


def send(mode: str, *arguments: object) -> dict[str, Any]:
    """
    Run the sender and return what it measured.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.webhook_load", mode, *map(str, arguments)],
        cwd=REPO,
        env=_environment(),
        stdout=subprocess.PIPE,
        timeout=300,
        check=True,
    )
    return dict(json.loads(done.stdout))


# -- accepts a second --------------------------------------------------------------------------------------------------


def accepts(directory: Path, rounds: int, seconds: float) -> bool:
    """
    Load both servers in turns; tell whether the ratio is met and nothing accepted is missing.
    """
    measured: dict[str, list[dict[str, Any]]] = {"ours": [], "bare": []}
    with Tenant() as tenant:
        notifications = Scene(tenant, HOSTS).write(directory / "notifications")
    with Server("ours", str(directory)) as ours, Server("bare") as bare:
        for _ in range(rounds):
            for name, server in (("ours", ours), ("bare", bare)):
                measured[name].append(
                    send("full", server.port, CONNECTIONS, seconds, notifications)
                )
                one = measured[name][-1]
                print(
                    f"  {name}: {one['rate']:7.0f}/s  p50 {one['p50']:6.1f} ms  p99 {one['p99']:6.1f} ms",
                    flush=True,
                )
    accepted = sum(one["statuses"].get("202", 0) for one in measured["ours"])
    clean = all(set(one["statuses"]) <= {"202", "lost"} for one in measured["ours"])
    rates = {
        name: statistics.median(one["rate"] for one in many) for name, many in measured.items()
    }
    ratio = rates["ours"] / rates["bare"]
    for name, many in measured.items():
        p50, p99 = (statistics.median(one[key] for one in many) for key in ("p50", "p99"))
        print(
            f"{name}: {rates[name]:.0f} accepts/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms (medians of {rounds})"
        )
    recorded = ours.last["recorded"]
    print(
        f"accepted {accepted}, in the ledger {recorded}; ratio {ratio:.2f} (target {TARGET_RATIO} and more)"
    )
    return clean and recorded >= accepted and ratio >= TARGET_RATIO


# -- accept to event ---------------------------------------------------------------------------------------------------


class Scene:
    """
    A tenant with hosts that are minions, and as many open problems as notifications are to be sent.
    """

    def __init__(self, tenant: Tenant, count: int) -> None:
        self.tenant = tenant
        hosts = [tenant.add_host(f"web{number:02}.example.com") for number in range(HOSTS)]
        processes = [tenant.add_process(host) for host in hosts]
        self.grains = {
            f"web{number:02}": {"dynatrace": {"host_id": host}} for number, host in enumerate(hosts)
        }
        self.problems = [tenant.open_problem(processes[number % HOSTS]) for number in range(count)]

    def write(self, path: Path) -> Path:
        """
        Write the notifications, one a line, as the recommended template makes them.
        """
        with path.open("w") as file:
            for problem in self.problems:
                values = problem_values(problem, "OPEN", self.tenant.url, self.tenant)
                body = json.loads(expand(RECOMMENDED_TEMPLATE, values, escape=True))
                file.write(json.dumps(body) + "\n")
        return path

    def config(self) -> dict[str, Any]:
        """
        Return the engine's options: no polling, so that only notifications bring anything.
        """
        return {
            "environment_url": self.tenant.url,
            "api_token": self.tenant.add_token(),
            "poll_interval": 0,
            "feedback": False,
            "webhook": {"port": free_ports(1)[0], "token": TOKEN},
        }


def in_time(where: str, scene: Scene, sent: Mapping[str, Any], fired: Mapping[str, float]) -> bool:
    """
    Say how long it took from each notification to its event; tell whether all came, and in time.
    """
    names = [problem.display_id for problem in scene.problems]
    missing = [name for name in names if name not in fired]
    # The first of each host also read its entities, which the engine then knows for ten minutes.
    took = [
        (fired[name] - at) * 1000
        for name, at in list(zip(names, sent["sent"], strict=True))[HOSTS:]
        if name in fired
    ]
    p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
    print(
        f"{where}: {len(took)} notifications at {RATE}/s, {len(missing)} without an event; "
        f"accept to event p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {max(took, default=0):.0f} ms "
        f"(target: p99 under {TARGET_MS:g} ms)"
    )
    return not missing and sent["statuses"] == {"202": len(names)} and p99 < TARGET_MS


def without_salt(directory: Path, count: int) -> bool:
    """
    Run the engine on a bus that writes down the times.
    """
    with Tenant() as tenant:
        scene = Scene(tenant, HOSTS + count)
        config = scene.config()
        settings = {"config": config, "grains": scene.grains, "cachedir": str(directory)}
        notifications = scene.write(directory / "notifications")
        with Server("engine", json.dumps(settings)) as engine:
            _until_listening(engine.port)
            sent = send("paced", engine.port, 16, RATE, notifications)
            time.sleep(1)  # The last of them; what is later than that has missed the target.
        return in_time("engine", scene, sent, engine.last["fired"])


def bare_on_the_bus(salt: ScratchSalt, count: int) -> list[float]:
    """
    Fire events at the same rate with nothing before them; return how long each took to a subscriber, in ms.
    """
    opts = client_config(str(salt.config_dir / "master"))
    sent: dict[str, float] = {}
    since, began = time.time(), time.perf_counter()
    with get_event("master", opts=opts, listen=False) as bus:
        for number in range(count):
            time.sleep(max(began + number / RATE - time.perf_counter(), 0))
            sent[f"bench/bare/{number}"] = time.time()
            bus.fire_event({"text": "x" * 2000}, f"bench/bare/{number}")
    time.sleep(1)
    heard = salt.events.events("bench/bare/*", since)
    return [(event.at - sent[event.tag]) * 1000 for event in heard]


def _cpu_s(salt: ScratchSalt) -> float:
    times = salt.engine_processes()[0].cpu_times()
    return float(times.user + times.system)


def with_salt(directory: Path, count: int) -> bool:
    """
    Run the engine in a real master and hear its events there.
    """
    with Tenant() as tenant:
        scene = Scene(tenant, HOSTS + count)
        config = scene.config()
        notifications = scene.write(directory / "notifications")
        included = {"engines.conf": {"engines": [{"dynatrace": config}]}}
        with ScratchSalt(
            minions={}, included=included, shipped=("roots.conf",), with_api=False
        ) as salt:
            salt.events.wait_for("dynatrace/engine/started", timeout=60)
            bare = bare_on_the_bus(salt, count // 2)
            used = _cpu_s(salt)
            sent = send("paced", config["webhook"]["port"], 16, RATE, notifications)
            time.sleep(1)
            used = (_cpu_s(salt) - used) * 1000 / len(scene.problems)
            bare += bare_on_the_bus(salt, count // 2)
            print(
                f"bare events on the same bus: p50 {percentile(bare, 0.5):.0f} ms, p99 {percentile(bare, 0.99):.0f} ms,"
                f" longest {max(bare):.0f} ms; engine: {used:.1f} ms of CPU a notification;"
                f" load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
            )
            heard = salt.events.events("dynatrace/problem/open/*")
        return in_time(
            "real master", scene, sent, {one.data["display_id"]: one.at for one in heard}
        )


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run both parts.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, default=500, help="notifications of the second part")
    parser.add_argument("--salt", action="store_true", help="the second part on a real master, too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sd-bench-") as directory:
        root = Path(directory)
        good = [accepts(root, given.rounds, given.seconds), without_salt(root, given.count)]
        good += [with_salt(root, given.count)] if given.salt else []
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

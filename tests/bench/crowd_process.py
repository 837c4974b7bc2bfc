"""
The processes that the benchmarks of a crowd and of the bus load or load with: the engine, a bare loop of events, an engine
that does nothing, what fires and what hears.

`python -m tests.bench.crowd_process <kind> <JSON>`; each prints one JSON line when it begins, and is killed in the end.
`Child` is the other end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

REPO = Path(__file__).resolve().parents[2]
#: How long a fire waits for the publisher, as the engine's does.
FIRE_MS = 5000
#: So long all that is fired takes to be heard.
HEAR_S = 120.0
#: With which a minion tells that it has started.
START_TAG = "salt/minion/web00001/start"
STARTED = {"cmd": "_minion_event", "id": "web00001", "pretag": None, "data": "web00001 started"}


def environment() -> dict[str, str]:
    """
    Give the environment in which the engine's package and the tests are found.
    """
    paths = (REPO, REPO / "_engines")
    local = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {**os.environ, **local, "PYTHONPATH": os.pathsep.join(map(str, paths))}


class Child:
    """
    One of these processes.
    """

    def __init__(self, kind: str, log: Path, **given: Any) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.crowd_process", kind, json.dumps(given)],
                cwd=REPO,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.seen = psutil.Process(self._process.pid)
        first = self.line()
        #: When it began with its work, by `time.time()`, and the CPU time that its imports took before.
        self.began, self._imports_s = float(first["at"]), float(first["cpu_s"])

    def line(self) -> dict[str, Any]:
        """
        Return the next line that it prints.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended: {self._log.read_text(errors='replace')[-3000:]}")
        return dict(json.loads(line))

    def cpu_s(self) -> float:
        """
        Return the CPU time that it used since it began.
        """
        times = self.seen.cpu_times()
        return float(times.user + times.system) - self._imports_s

    def memory_mb(self) -> float:
        """
        Return the memory that is its own now.
        """
        return float(self.seen.memory_full_info().uss) / 1e6

    def peak_mb(self) -> float:
        """
        Return the most memory that it had, with what it shares.
        """
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1e3

    def raise_if_refused(self) -> None:
        """
        Raise RuntimeError when the engine sleeps since it cannot use its configuration.
        """
        text = self._log.read_text(errors="replace")
        if "the engine does not run" in text:
            raise RuntimeError(text[-3000:])

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _ready(**facts: Any) -> None:
    first = {"at": time.time(), "cpu_s": time.process_time()}
    print(json.dumps({**first, **facts}), flush=True)


def engine(opts: dict[str, Any], config: dict[str, Any]) -> None:
    """
    Run the engine as a master does, with this master's options; nothing in it is replaced.
    """
    import dynatrace

    dynatrace.__opts__ = opts
    _ready()
    dynatrace.start(**config)


def nothing(opts: Mapping[str, Any]) -> None:
    """
    Be an engine of Salt that sleeps: the same modules of Salt, and none of ours.
    """
    import salt.cache
    import salt.client
    import salt.fileserver
    import salt.key
    import salt.loader
    import salt.minion

    salt.minion.MasterMinion(
        opts, states=False, rend=False, matcher=False, whitelist=["local_cache"]
    )
    _ready()
    threading.Event().wait()


def bare(opts: dict[str, Any], tag: str, data: dict[str, Any], seconds: float) -> None:
    """
    Fire an event as often as the bus takes it, while a thread listens: by Salt's event objects as they are.
    """
    from salt.utils.event import get_event

    def listen() -> None:
        ear = get_event("master", opts=opts, listen=True)
        while True:
            ear.get_event(wait=1, full=True, auto_reconnect=True)

    threading.Thread(target=listen, daemon=True).start()
    bus = get_event("master", opts=opts, listen=False)
    bus.fire_event(data, f"{tag}/first", timeout=FIRE_MS)
    time.sleep(0.5)
    _ready()
    begun, used, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < begun + seconds:
        bus.fire_event(data, f"{tag}/{count}", timeout=FIRE_MS)
        count += 1
    _tell_costs(count, begun, used)


def fires(opts: dict[str, Any], direct: bool, count: int, rate: int) -> None:
    """
    Fire so many events, so many a second or with 0 one after the other: by Salt's event object as it is, or as the engine
    uses it.
    """
    from _dynatrace.master.event_objects import that_fires
    from salt.utils.event import get_event

    bus = get_event("master", opts=opts, listen=False)
    bus = that_fires(bus) if direct else bus
    bus.fire_event(STARTED, "first", timeout=FIRE_MS)
    _ready()
    begun, used = time.perf_counter(), time.process_time()
    for number in range(count):
        if rate:
            time.sleep(max(begun + number / rate - time.perf_counter(), 0))
        bus.fire_event(STARTED, START_TAG, timeout=FIRE_MS)
    _tell_costs(count, begun, used)


def hears(opts: dict[str, Any], direct: bool, count: int, after: str | None) -> None:
    """
    Hear so many of these events after the first, by Salt's event object as it is or as the engine uses it; begins when the
    file ``after`` is there.
    """
    from _dynatrace.master.event_objects import that_receives
    from salt.utils.event import get_event

    bus = get_event("master", opts=opts, listen=True)
    bus = that_receives(bus) if direct else bus
    _ready()
    while after and not Path(after).exists():
        time.sleep(0.05)

    until = time.monotonic() + HEAR_S

    def hear() -> None:
        while bus.get_event(wait=5, tag=START_TAG, full=True, auto_reconnect=True) is None:
            if time.monotonic() > until:
                raise TimeoutError("an event was lost, or the machine is busy: try again")

    hear()
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(count):
        hear()
    _tell_costs(count, begun, used)


def _tell_costs(count: int, begun: float, used: float) -> None:
    took, cpu_s = time.perf_counter() - begun, time.process_time() - used
    _ready(count=count, rate=count / took, cpu_ms=cpu_s * 1000 / count)
    threading.Event().wait()


def starts(opts: dict[str, Any], count: int, seconds: float) -> None:
    """
    Fire the events with which minions tell that they have started, spread over some seconds.
    """
    from _dynatrace.master.event_objects import that_fires
    from salt.utils.event import get_event

    # Salt's own way is too slow for a thousand a second.
    bus = that_fires(get_event("master", opts=opts, listen=False))
    _ready()
    begun = time.perf_counter()
    for number in range(count):
        time.sleep(max(begun + number * seconds / count - time.perf_counter(), 0))
        name = f"web{number:05}"
        data = {"cmd": "_minion_event", "id": name, "pretag": None, "data": f"{name} started"}
        bus.fire_event(data, f"salt/minion/{name}/start", timeout=FIRE_MS)
    _ready(took=time.perf_counter() - begun)
    threading.Event().wait()


def main(kind: str, given: Mapping[str, Any]) -> None:
    """
    Be the process that is asked for, with the options of the master whose file is named.
    """
    import logging

    import salt.config

    # As a master's: Salt has all levels on until its own logging is set up, and each event then costs a dozen records.
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    more = dict(given)
    opts = salt.config.master_config(more.pop("master"))
    opts.update(more.pop("opts", {}))
    kinds = (engine, nothing, bare, starts, fires, hears)
    {one.__name__: one for one in kinds}[kind](opts, **more)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))

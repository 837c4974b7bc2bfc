"""
A small engine of containers: an executable that keeps Docker's and Podman's contract as far as the remedy uses it.

It knows `ps --all --quiet --no-trunc`, `inspect --type container`, `start`, `restart` and `logs`, prints what they print
(the ids, a list of JSON, nothing for the words of a container) and ends as they end. What it does not model: processes
(a pid is a number that nothing has), images, networks and published ports, restart policies and health checks that act,
and the time that the real ones take; `hangs` in a container's file stands for that. The other of the two engines is not
in use beside it: this machine's own is not asked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PROGRAM = r"""#!/usr/bin/env python3
import datetime, json, pathlib, sys, time

HOME = pathlib.Path(__file__).parent / "containers"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def all_of():
    return {path.stem: json.loads(path.read_text()) for path in sorted(HOME.glob("*.json"))}


def change(number, **state):
    told = all_of()[number]
    told["State"].update(state)
    (HOME / f"{number}.json").write_text(json.dumps(told))


def main(verb, *words):
    there = all_of()
    with (HOME / "calls").open("a") as calls:
        calls.write(" ".join((verb, *words)) + "\n")
    if verb == "ps":
        assert words == ("--all", "--quiet", "--no-trunc"), words
        print("\n".join(there))
        return 0
    if verb == "inspect":
        assert words[:2] == ("--type", "container"), words
        lost = [one for one in words[2:] if one not in there]
        print(json.dumps([there[one] for one in words[2:] if one in there]))
        for one in lost:
            print(f"Error: No such container: {one}", file=sys.stderr)
        return bool(lost)
    number = words[-1]
    if number not in there:
        print(f"Error response from daemon: No such container: {number}", file=sys.stderr)
        return 1
    told = there[number]
    if verb == "logs":
        return 0
    if told.get("hangs"):
        time.sleep(600)
    if verb in ("start", "restart"):
        up = {"Status": "running", "Running": True, "Paused": False, "StartedAt": now()}
        change(number, **{**up, "Pid": told["State"]["Pid"] + 1000})
    else:
        return 125
    print(number)
    return 0


sys.exit(main(*sys.argv[1:]))
"""
RUNNING = {
    "Status": "running",
    "Running": True,
    "Paused": False,
    "Pid": 4711,
    "ExitCode": 0,
    "StartedAt": "2026-01-01T00:00:00.123456789Z",
}
DEAD = {**RUNNING, "Status": "exited", "Running": False, "Pid": 0, "ExitCode": 137}


class Engine:
    """
    The containers of one engine, which is called `docker` or `podman` in a directory of the PATH.
    """

    def __init__(self, directory: Path, name: str = "docker") -> None:
        self.slash = "/" if name == "docker" else ""
        self._home = directory / "containers"
        self._home.mkdir(parents=True)
        other = "podman" if name == "docker" else "docker"
        for program, text in ((name, PROGRAM), (other, "#!/bin/sh\nexit 1\n")):
            (directory / program).write_text(text)
            (directory / program).chmod(0o755)

    def add(self, name: str, state: dict[str, Any], **more: Any) -> str:
        """
        Have a container; return its id.
        """
        number = f"{len(list(self._home.glob('*.json'))) + 1:064x}"
        told = {"Id": number, "Name": f"{self.slash}{name}", "State": state, **more}
        (self._home / f"{number}.json").write_text(json.dumps(told))
        return number

    def state(self, number: str) -> dict[str, Any]:
        """
        Return how a container is.
        """
        told = json.loads((self._home / f"{number}.json").read_text())
        return dict(told["State"])

    @property
    def orders(self) -> list[str]:
        """
        What it was told to do, but for questions.
        """
        calls = self._home / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line for line in lines if line.split()[0] not in ("ps", "inspect", "logs")]

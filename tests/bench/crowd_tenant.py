"""
The simulated tenant of the crowd benchmark, in a process of its own.

`python -m tests.bench.crowd_tenant` reads one JSON list `[name, arguments]` a line and answers each with one line: what
the method of `Crowd` with that name returned. It ends with its standard input. `CrowdTenant` is the other end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

from tests.bench.crowd_process import REPO, environment
from tests.tenant import RECOMMENDED_TEMPLATE, Problem, Tenant
from tests.tenant.crowd import add_machines, open_problems
from tests.tenant.placeholders import problem_values
from tests.tenant.templates import expand


class Crowd:
    """
    Machines by number, each one host with one apache2, and problems of them.
    """

    def __init__(self) -> None:
        self.tenant = Tenant(page_size=None, keep_bodies=True).start()
        self.token = self.tenant.add_token()
        self._processes: list[str] = []
        self._counted = 0

    def where(self) -> dict[str, str]:
        """
        Give URL and token.
        """
        return {"url": self.tenant.url, "token": self.token}

    def fleet(self, count: int) -> int:
        """
        Have so many machines.
        """
        known = len(self._processes)
        self._processes += add_machines(self.tenant, count - known, first=known)
        return len(self._processes)

    def open(self, first: int, count: int, mixed: bool = False) -> list[list[str]]:
        """
        Open a problem on each of these machines, all AVAILABILITY or each severity in turn.

        Return display id and severity of each, in the order in which they were opened.
        """
        problems = open_problems(self.tenant, self._processes[first : first + count], mixed=mixed)
        return [[problem.display_id, problem.severity] for problem in problems]

    def forget(self) -> None:
        """
        Drop all problems, faults, limits and counts.
        """
        with self.tenant.lock:
            self.tenant.by_id.clear()
        self.tenant.clear_faults()
        self.tenant.switches.calls_per_minute = None
        self.calls()

    def slow(self, seconds: float) -> None:
        """
        Let each call take so much longer.
        """
        if seconds:
            self.tenant.fault("slow", times=None, delay=seconds)

    def limit(self, calls: int) -> None:
        """
        Refuse more calls a minute than these at an endpoint, and tell the limit with each answer.
        """
        self.tenant.switches.calls_per_minute = calls

    def calls(self) -> dict[str, int]:
        """
        Count the calls since this was asked last by endpoint, and those refused as `429`.
        """
        found: Counter[str] = Counter()
        calls = self.tenant.requests
        for call in calls[self._counted :]:
            found[_endpoint(call.method, call.path)] += 1
            found["429"] += call.status == 429
        self._counted = len(calls)
        return dict(found)

    def notifications(self, names: list[str]) -> list[str]:
        """
        Give the bodies of the notifications of open problems, as the recommended template makes them.
        """
        by_name = {problem.display_id: problem for problem in self.tenant.problems}
        return [self._notification(by_name[name]) for name in names]

    def _notification(self, problem: Problem) -> str:
        values = problem_values(problem, "OPEN", self.tenant.url, self.tenant)
        return json.dumps(json.loads(expand(RECOMMENDED_TEMPLATE, values, escape=True)))


def _endpoint(method: str, path: str) -> str:
    """
    Name an endpoint: the list of problems, one problem, entities by a list or one, and what is written.
    """
    kind, _, one = path.removeprefix("/api/v2/").partition("/")
    if method != "GET" or "/" in one:
        return "feedback"
    return f"{kind}/one" if one else kind


class CrowdTenant:
    """
    That process; its methods are those of `Crowd`.
    """

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.crowd_tenant"],
            cwd=REPO,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        place = self.call("where")
        self.url, self.token = place["url"], place["token"]

    def call(self, name: str, **arguments: Any) -> Any:
        """
        Have a method run there and return what it returned.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([name, arguments]), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the tenant's process ended at `{name}`")
        return json.loads(line)

    def stop(self) -> None:
        """
        End it.
        """
        self.process.kill()
        self.process.wait()


def main() -> None:
    """
    Answer until the standard input ends.
    """
    crowd = Crowd()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(getattr(crowd, name)(**arguments)), flush=True)


if __name__ == "__main__":
    main()

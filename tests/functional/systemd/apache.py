"""
The apache2 of a machine as it is seen from outside: by systemd, by its processes, by who asks it.
"""

from __future__ import annotations

import sys
import time

from tests.harness.machine import Machine

BINARY = "/usr/sbin/apache2"
URL = "http://127.0.0.1/"
#: Prints the status, with whatever certificate; fails without an answer.
ASK = """
import ssl, sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=2, context=ssl._create_unverified_context())
    print(answer.status)
except urllib.error.HTTPError as err:
    print(err.code)
except OSError as err:
    sys.exit(str(err))
"""
#: What changes when anything goes on.
PICTURE = ("ActiveState", "SubState", "Result", "MainPID", "NRestarts", "InvocationID")


class Apache:
    """
    One unit of Debian's apache2, with all defaults.
    """

    def __init__(self, machine: Machine, unit: str = "apache2") -> None:
        self.machine, self.unit = machine, unit

    def show(self, *properties: str) -> dict[str, str]:
        """
        Return properties of the unit as systemd tells them.
        """
        told = self.machine.output("systemctl", "show", self.unit, *(f"-p{p}" for p in properties))
        return dict(line.split("=", 1) for line in told.splitlines())

    @property
    def state(self) -> str:
        """
        The unit's state, such as `active/running`.
        """
        shown = self.show("ActiveState", "SubState")
        return f"{shown['ActiveState']}/{shown['SubState']}"

    @property
    def main(self) -> int:
        """
        The unit's main process as the machine numbers it; 0: none.
        """
        return int(self.show("MainPID")["MainPID"])

    @property
    def pids(self) -> list[int]:
        """
        The living apache2 processes of the machine, of whichever instance.
        """
        listed = self.machine.run("ps", "-C", "apache2", "-o", "pid=,stat=", status=None).stdout
        rows = [line.split() for line in listed.splitlines()]
        return sorted(int(pid) for pid, state in rows if not state.startswith("Z"))

    def is_stopped(self, pid: int) -> bool:
        """
        Tell whether a process is stopped (SIGSTOP).
        """
        told = self.machine.run("ps", "-o", "stat=", "-p", str(pid), status=None).stdout
        return told.startswith("T")

    def status(self, url: str = URL) -> int | None:
        """
        Return the status that it answers, or None without an answer in two seconds.
        """
        done = self.machine.run(sys.executable, "-I", "-c", ASK, url, status=None)
        return int(done.stdout) if done.returncode == 0 else None

    def serves(self, url: str = URL) -> bool:
        """
        Tell whether a working server answers.
        """
        return (self.status(url) or 599) < 500

    def jobs(self) -> str:
        """
        Return what systemd still has to do.
        """
        return self.machine.output("systemctl", "list-jobs", "--no-legend")

    def journal(self) -> str:
        """
        Return the unit's own words.
        """
        return self.machine.output("journalctl", "--unit", self.unit, "--output=cat", "--no-pager")

    def rests(self, seconds: float = 1) -> str:
        """
        See that nothing goes on any more, for some seconds, and return the unit's state.
        """
        before = self._picture()
        assert not before["jobs"], f"systemd has still to do: {before['jobs']}"
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            now = self._picture()
            assert now == before, f"it went on: {before} became {now}"
            time.sleep(0.2)
        return f"{before['ActiveState']}/{before['SubState']}"

    def _picture(self) -> dict[str, str]:
        return {**self.show(*PICTURE), "jobs": self.jobs(), "pids": str(self.pids)}

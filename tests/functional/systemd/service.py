"""
What the minion makes of a service in a machine: `look` and `bring_back`, as its states call them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.harness.config import REPO
from tests.harness.machine import Machine

PROGRAM = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from _dynatrace_utils.service import control
call, place, more = json.loads(sys.argv[2])
if call == "bring_back":
    more = [more[0], time.monotonic() + more[1], {}]
print(json.dumps(getattr(control, call)(place, *more)))
"""
PLACE = {
    "service": "apache2",
    "executable": "/usr/sbin/apache2",
    "pid_file": "/run/apache2/apache2.pid",
    "ports": [80],
    "logs": ["/var/log/apache2/error.log"],
    "starts_within": 5,
}


class Service:
    """
    Debian's apache2 in a machine, or another place that the test gives.
    """

    def __init__(self, machine: Machine, **place: Any) -> None:
        self._machine, self.place = machine, {**PLACE, **place}

    def look(self) -> dict[str, Any]:
        """
        Return what it is found to be.
        """
        return self._answer(self._begin("look"))

    def bring_back(self, how: str = "start", seconds: float = 30) -> dict[str, Any]:
        """
        Bring it back, and return what was done.
        """
        return self._answer(self.begin(how, seconds))

    def begin(self, how: str, seconds: float = 30) -> subprocess.Popen[str]:
        """
        Begin to bring it back; `end` returns what was done.
        """
        return self._begin("bring_back", how, seconds)

    def end(self, begun: subprocess.Popen[str]) -> dict[str, Any]:
        """
        Return what came of one that was begun.
        """
        return self._answer(begun)

    def words(self, since: float) -> str | None:
        """
        Return what it has said.
        """
        said: str | None = self._answer(self._begin("words", since))
        return said

    def _begin(self, call: str, *more: Any) -> subprocess.Popen[str]:
        given = json.dumps([call, self.place, more])
        program = (sys.executable, "-c", PROGRAM, str(REPO / "salt" / "_utils"), given)
        return self._machine.popen(*program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @staticmethod
    def _answer(begun: subprocess.Popen[str]) -> Any:
        out, err = begun.communicate(timeout=120)
        assert begun.returncode == 0, err
        return json.loads(out)

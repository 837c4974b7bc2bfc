"""
A minion without a master: `salt-call --local` of the Salt that runs the tests, here or in a machine of its own.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.harness import prefork
from tests.harness.config import REPO
from tests.harness.machine import Machine

#: A remedy that waits for a hanging service manager is bounded by itself; this is for when it is not.
CALL_S = 240.0


class MasterlessError(Exception):
    """
    salt-call gave no answer; the text is what it printed.
    """


class Outcome:
    """
    What a state run returned: its states by the function that they called.
    """

    def __init__(self, returned: Any) -> None:
        if not isinstance(returned, dict):
            raise MasterlessError(f"no state ran: {returned}")
        self.states: dict[str, Any] = {
            key.split("_|-")[-1]: value for key, value in returned.items()
        }

    @property
    def good(self) -> bool:
        """
        Whether no state failed.
        """
        return all(state["result"] is not False for state in self.states.values())

    @property
    def failures(self) -> str:
        """
        What the failed states said.
        """
        return "\n".join(s["comment"] for s in self.states.values() if s["result"] is False)

    @property
    def comments(self) -> str:
        """
        What all states said.
        """
        return "\n".join(str(state["comment"]) for state in self.states.values())

    @property
    def done(self) -> dict[str, Any]:
        """
        What was done to the service.
        """
        return dict(self.states["healed"]["changes"])

    @property
    def word(self) -> str | None:
        """
        The outcome that the engine reads.
        """
        return str(self.states["healed"]["dynatrace"]["outcome"] or "") or None


class Masterless:
    """
    The configuration and caches of such a minion below a directory, which its machine must see: one below `shared`.
    """

    def __init__(
        self, root: Path, machine: Machine | None = None, tree: Sequence[Path] = (), **more: Any
    ) -> None:
        self.root, self._machine = root, machine
        self.conf = root / "conf"
        self.conf.mkdir(parents=True)
        config = {
            "root_dir": str(root),
            "id": "scratch",
            "file_client": "local",
            "file_roots": {"base": [str(REPO / "salt"), *map(str, tree)]},
            "pillar_roots": {"base": [str(root / "pillar")]},
            "cachedir": str(root / "cache"),
            "extension_modules": str(root / "extmods"),
            "pki_dir": str(root / "pki"),
            "sock_dir": str(root / "sock"),
            "log_file": str(root / "minion.log"),
            # It asks the network, and nothing here.
            "enable_fqdns_grains": False,
            **more,
        }
        (self.conf / "minion").write_text(json.dumps(config))

    def sync(self) -> dict[str, list[str]]:
        """
        Bring what the project ships to the minion, as `saltutil.sync_all` does, and return what came.
        """
        return dict(self.call("saltutil.sync_all"))

    def take(self, other: Masterless) -> None:
        """
        Have what another one has synced, which is quicker.
        """
        shutil.copytree(other.root / "extmods", self.root / "extmods")

    def call(self, *arguments: str, timeout: float = CALL_S, **named: Any) -> Any:
        """
        Run a function and return what it returned; named arguments are given as JSON.
        """
        given = [f"{key}={json.dumps(value)}" for key, value in named.items()]
        command = ["--local", "-c", str(self.conf), "--out=json", *arguments, *given]
        with self._machine.unit() if self._machine else contextlib.nullcontext() as place:
            done = prefork.run("salt-call", *command, timeout=timeout, place=place)
        try:
            return json.loads(done.stdout)["local"]
        except (ValueError, KeyError) as err:
            text = f"{' '.join(arguments)} gave no answer: {done.stdout}{done.stderr}"
            raise MasterlessError(text) from err

    def remedy(
        self,
        attempt: str | None = None,
        test: bool = False,
        pillar: dict[str, Any] | None = None,
        name: str = "apache2",
        process: dict[str, Any] | None = None,
        **lookup: Any,
    ) -> Outcome:
        """
        Run a remedy as the reactor does, or by hand when no attempt is named.

        `lookup` is the site's pillar for it, `pillar` what stands beside `dynatrace` in it, `process` what
        Dynatrace tells of the process otherwise than of Debian's own apache2.
        """
        given = dict(pillar or {})
        if lookup:
            given["dynatrace"] = {"lookup": {name: lookup}}
        if attempt:
            given["dynatrace_attempt"] = order(attempt, process or {})
        sls = ("state.apply", f"dynatrace.remedy.{name}", "queue=True", f"test={test}")
        return Outcome(self.call(*sls, pillar=given))


def order(attempt: str, process: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
    """
    Return what the reactor hands on with an attempt, to the minion `scratch`.
    """
    until = datetime.fromtimestamp(time.time() + seconds, timezone.utc)
    named = {
        "entity": "PROCESS_GROUP_INSTANCE-00000000000000C1",
        "failed": None,
        "executable": "/usr/sbin/apache2",
        "command_line": "/usr/sbin/apache2 -k start",
        "config": "/etc/apache2/apache2.conf",
        "ports": [],
        "unit": None,
    }
    return {
        "id": attempt,
        "jid": "20240721065959123456",
        "number": 1,
        "problem_id": "-1_1700000000000V2",
        "display_id": "P-1",
        "title": "Process unavailable",
        "valid_until": until.isoformat(),
        "processes": {"scratch": {**named, **process}},
    }

"""
A shell for the commands of the documentation, in which `salt` and `salt-run` are those of a scratch master.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness import forked, prefork
from tests.harness.scratch import ScratchError, ScratchSalt, documents

PROGRAMS = ("salt", "salt-run")


class Shell:
    """
    Runs text as bash reads it, and ends at the first command that fails.

    `replaced` are the places that lie elsewhere here: paths below /etc, /srv and /var.
    """

    def __init__(self, salt: ScratchSalt, replaced: Mapping[str, str] | None = None) -> None:
        self._replaced = dict(replaced or {})
        self._home = salt.root / "shell"
        self._home.mkdir(exist_ok=True)
        for program in PROGRAMS:
            path = self._home / program
            real = Path(sys.executable).parent / program
            # How it is printed is no part of what it does.
            asking = f"{sys.executable} -IS {forked.__file__} {prefork.address()} {real}"
            path.write_text(f'#!/bin/sh\nexec {asking} -c {salt.config_dir} $SALT_OUT "$@"\n')
            path.chmod(0o700)

    def here(self, text: str) -> str:
        """
        Return a text of the documentation with the places of this scratch root.
        """
        for there, here in self._replaced.items():
            text = text.replace(there, here)
        return text

    def start(self, text: str, **own: str) -> subprocess.Popen[str]:
        """
        Start commands, with these variables.
        """
        path = (
            f"{self._home}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        # Python's readline sets the size of a terminal that nobody has, and ps cuts its lines to it.
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        local = {"NO_PROXY": "*", "CURL_HOME": str(self._home), "PATH": path}
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", self.here(text)],
            env={**inherited, **local, **own},
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, text: str, status: int = 0, **own: str) -> str:
        """
        Run commands and return what they printed; raises unless they end with this status.
        """
        done = self.start(text, **own)
        try:
            printed, errors = done.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            done.kill()
            raise
        if done.returncode != status:
            raise ScratchError(f"{text}\nended with {done.returncode}:\n{printed}{errors}")
        return printed

    def json(self, text: str) -> Any:
        """
        Run one command of Salt and return what it gave.
        """
        return documents(self.run(text, SALT_OUT="--out=json --log-level=quiet"))[-1]

    def states(self, text: str, status: int = 0) -> list[dict[str, Any]]:
        """
        Run an orchestration and return its states in their order.
        """
        printed = self.run(text, status, SALT_OUT="--out=json --log-level=quiet")
        [states] = documents(printed)[-1]["data"].values()
        if not isinstance(states, dict):
            raise ScratchError(f"{text}\ndid not run: {json.dumps(states)}")
        return sorted(states.values(), key=lambda state: int(state["__run_num__"]))

"""
A OneAgent in memory: what its oneagentctl is asked and told, in the documented shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import salt.utils.data
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load, private

OLD, MIDDLE, NEW = (f"1.{n}.50.20241015-120000" for n in (299, 301, 303))
GETTERS = {"--get-host-tags": "tag", "--get-host-properties": "property"}


class OneAgent:
    """
    The minion web01 with a OneAgent, and a tenant that has installers of three versions.
    """

    def __init__(self, tmp_path: Path, version: str | None = MIDDLE, /, **wanted: Any) -> None:
        self.path = tmp_path / "oneagent"
        self.cachedir = tmp_path / "cache"
        self.cachedir.mkdir()
        self.lists: dict[str, list[str]] = {"tag": [], "property": ["salt_minion=web01"]}
        self.plain = {"network-zone": "default"}
        self.version = version
        self.commands: list[list[str]] = []
        self.installations: list[tuple[str, list[str]]] = []
        self.restarts = 0
        #: What goes wrong: a setter that fails, or one that is taken and not done.
        self.fails = self.forgets = False
        self.configuration: dict[str, Any] = {
            "environment_url": "https://abc12345.live.dynatrace.com",
            "installer_token": "not-a-real-token",
            "oneagent": {"install_path": str(self.path), **wanted},
        }
        if version:
            self.appear()

    @property
    def oneagentctl(self) -> Path:
        return self.path / "agent" / "tools" / "oneagentctl"

    @property
    def record(self) -> Path:
        return self.cachedir / "dynatrace" / "oneagent" / "record.json"

    def appear(self) -> None:
        self.oneagentctl.parent.mkdir(parents=True, exist_ok=True)
        self.oneagentctl.touch()

    def want(self, **wanted: Any) -> None:
        self.configuration["oneagent"] = {"install_path": str(self.path), **wanted}

    def modules(self, test: bool = False) -> SimpleNamespace:
        """
        Return the private modules with this OneAgent behind them.
        """
        functions: dict[str, Any] = {
            "config.get": self._config_get,
            "cmd.run_all": self._run_all,
            "saltutil.refresh_grains": lambda: True,
        }
        opts = {"id": "web01", "cachedir": str(self.cachedir), "test": test}
        modules = private(opts=opts, salt=functions)
        modules.oneagent.installer.lacking = lambda: (
            None if self.configuration.get("installer_token") else "a token is not set"
        )
        modules.oneagent.installer.latest = lambda want: NEW
        modules.oneagent.installer.run = self._install
        # Nothing here happens later.
        modules.oneagent.agent.SETTLE_S = modules.oneagent.agent.IDENTITY_S = 0
        modules.oneagent.settings.SETTLE_S = 0
        return SimpleNamespace(**vars(modules), given={"opts": opts, "salt": functions})

    def states(self, test: bool = False, modules: SimpleNamespace | None = None) -> ModuleType:
        """
        Return the state module on this minion.
        """
        given = (modules or self.modules(test)).given
        return load("_states/dynatrace_oneagent.py", **given)

    def _config_get(self, key: str, default: Any = "") -> Any:
        found = {"dynatrace": self.configuration}
        return salt.utils.data.traverse_dict_and_list(found, key, default)

    def _install(self, want: dict[str, Any], arguments: Sequence[str]) -> None:
        if self.fails:
            raise CommandExecutionError("The downloaded installer is refused and was not run")
        version = want["version"]
        self.installations.append((version, list(arguments)))
        self.version = NEW if version == "latest" else version
        self.appear()
        for argument in arguments:
            if argument.startswith("--set-"):
                self._set(argument)

    def _run_all(self, command: list[str], **how: Any) -> dict[str, Any]:
        assert how["python_shell"] is False
        self.commands.append(command)
        if command[0] == "/bin/sh":
            return self._uninstall(command)
        assert command[0] == str(self.oneagentctl)
        out, code = "", 0
        for argument in command[1:]:
            if argument == "--version":
                out = str(self.version)
            elif argument == "--restart-service":
                self.restarts += 1
            elif argument == "--get-host-id":
                out = "5fd609ad6757be7d"
            elif argument.startswith("--get-"):
                out = self._get(argument)
            elif argument.startswith("--remove-"):
                code = self._remove(argument) or code
            elif self.fails:
                return {"retcode": 1, "stdout": "", "stderr": "cannot stop the service", "pid": 1}
            elif not self.forgets:
                self._set(argument)
        return {"retcode": code, "stdout": out, "stderr": "", "pid": 1}

    def _get(self, argument: str) -> str:
        if argument in GETTERS:
            return "\n".join(self.lists[GETTERS[argument]])
        return self.plain.get(argument.removeprefix("--get-"), "")

    def _set(self, argument: str) -> None:
        flag, _, value = argument.removeprefix("--set-").partition("=")
        kind = flag.removeprefix("host-")
        if kind in self.lists:
            # It adds; several values of one key stand side by side.
            if value not in self.lists[kind]:
                self.lists[kind].append(value)
        else:
            self.plain[flag] = value

    def _remove(self, argument: str) -> int:
        kind, _, value = argument.removeprefix("--remove-host-").partition("=")
        if value not in self.lists[kind]:
            return 1
        self.lists[kind].remove(value)
        return 0

    def _uninstall(self, command: list[str]) -> dict[str, Any]:
        assert command[1] == str(self.path / "agent" / "uninstall.sh")
        if self.fails:
            return {"retcode": 3, "stdout": "", "stderr": "no rights", "pid": 1}
        if not self.forgets:
            self.oneagentctl.unlink()
        return {"retcode": 0, "stdout": "", "stderr": "", "pid": 1}

    @property
    def changing_commands(self) -> list[list[str]]:
        """
        Return the arguments of each command that did more than ask.
        """
        harmless = ("--get-", "--version")
        return [c[1:] for c in self.commands if not c[1].startswith(harmless)]

"""
A real salt-master with minions and salt-api, in a scratch root on free loopback ports.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.harness import config, prefork
from tests.harness.account import current, hand_over
from tests.harness.api import Api
from tests.harness.daemon import Daemon, title
from tests.harness.listener import Listener
from tests.harness.ports import free_ports
from tests.harness.started import Started

CALL_S = 60
#: Said before the answers, which are none then, and not as JSON: as long as no key is accepted, for example.
NOBODY = "No minions matched the target. No command was sent, no jid was assigned."


class ScratchError(Exception):
    """
    A daemon did not do what it should; the text says which, with the end of its log.
    """


def scratch_root() -> Path:
    """
    Make a directory that a `ScratchSalt` can live in, and that it removes in the end.
    """
    # Short: the path of a unix socket has at most 107 characters.
    return Path(tempfile.mkdtemp(prefix="sd-", dir="/tmp"))


class ScratchSalt(Started):
    """
    Salt as a user has it, touching neither /etc/salt nor a master that runs here.

        with ScratchSalt(included={"engines.conf": {"engines": [...]}}) as salt:
            salt.call("test.ping")

    `minions` gives each minion's own settings by id; none: one of a usual name. `shipped` names the files of master.d that are
    used as they are; `included` adds files beside them, `settings` keys of the main file.
    `clone` is the checkout that the master uses; `root` is made by `scratch_root`, for callers whose
    settings name files in it. `user` is whom master and salt-api run as, the current one if none is named; minions are the current one's.
    """

    def __init__(
        self,
        minions: Mapping[str, Mapping[str, Any]] | None = None,
        included: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
        shipped: Sequence[str] = ("roots.conf", "reactor.conf", "remedies.conf"),
        clone: Path = config.REPO,
        with_api: bool = True,
        root: Path | None = None,
        user: str | None = None,
    ) -> None:
        self.root = root or scratch_root()
        self.user = user or current()
        publish, ret, api = free_ports(3)
        self.ports = config.Ports(publish, ret, api)
        self.logs = self.root / "log"
        self.logs.mkdir()
        self.secret = secrets.token_hex(16)
        self.config_dir = config.write_master(
            self.root,
            self.ports,
            self.secret,
            shipped,
            included or {},
            {"user": self.user, **(settings or {})},
            clone,
        )
        if self.user != current():
            self._hand_over()
        self.master = Daemon("salt-master", self.config_dir, self.logs)
        self.minions = {
            minion: self._minion(minion, own)
            for minion, own in ({"web01": {}} if minions is None else minions).items()
        }
        self.api = Api(api, self.secret)
        self.api_daemon = Daemon("salt-api", self.config_dir, self.logs) if with_api else None
        self.events = Listener(self.config_dir)

    @property
    def daemons(self) -> list[Daemon]:
        """
        All daemons, in the order of their start.
        """
        last = [self.api_daemon] if self.api_daemon else []
        return [self.master, *self.minions.values(), *last]

    @property
    def cachedir(self) -> Path:
        """
        The master's cachedir.
        """
        return self.root / "cache" / "master"

    def start(self, timeout: float = 90) -> None:
        """
        Start everything and return when the minions answer.
        """
        for daemon in self.daemons:
            daemon.start()
        self.events.start(timeout)
        for minion in self.minions:
            self._until(lambda minion=minion: self._is_up(minion), self.minions[minion], timeout)
        if self.api_daemon:
            self._until(self.api.answers, self.api_daemon, timeout)

    def stop(self, keep_root: bool = False) -> None:
        """
        End every process that was started, and remove the scratch root; may be called twice.
        """
        self.events.stop()
        for daemon in self.daemons:
            daemon.ask_to_stop()
        for daemon in self.daemons:
            daemon.stop()
        if not keep_root:
            config.remove(self.root)

    def restart_master(self, timeout: float = 90) -> None:
        """
        Restart the master and return when the minions answer to the new one.
        """
        self.master.stop()
        self.master.start()
        self._until(lambda: self._answers("*", len(self.minions)), self.master, timeout)

    def restart_minion(self, minion: str, timeout: float = 90) -> None:
        """
        Restart one minion and return when it answers.
        """
        began = time.time()
        self.minions[minion].stop()
        self.minions[minion].start()
        self._until(lambda: self._is_up(minion, began), self.minions[minion], timeout)

    def engine_processes(self) -> list[psutil.Process]:
        """
        Return the processes that run the engine: by their title, or since Salt gives a respawned
        one a bare title, by the ledger that they hold.
        """
        found = []
        for process in self.master.processes():
            with contextlib.suppress(psutil.Error):
                if "engines.dynatrace" in title(process) or _holds_a_ledger(process):
                    found.append(process)
        return found

    def kill_engine(self) -> int:
        """
        Kill the engine as `kill -9` does and return its process id; Salt starts another within 10 s.
        """
        processes = self.engine_processes()
        if not processes:
            raise ScratchError("no engine runs under this master")
        for process in processes:
            process.kill()
        return int(processes[0].pid)

    def call(self, fun: str, *arg: Any, tgt: str = "*", **more: Any) -> dict[str, Any]:
        """
        Run a function on minions with the `salt` command; give its answers by minion.
        """
        named = [f"{key}={value}" for key, value in more.items()]
        answers: dict[str, Any] = {}
        # How long a slow minion is waited for before it is asked whether it lives.
        waiting = ("--static", f"--timeout={CALL_S}")
        for answer in self._json("salt", *waiting, tgt, fun, *map(str, arg), *named):
            answers.update(answer)
        return answers

    def run(self, fun: str, *arg: Any, **more: Any) -> Any:
        """
        Run a function of the master with the `salt-run` command.
        """
        named = [f"{key}={value}" for key, value in more.items()]
        answers = self._json("salt-run", fun, *map(str, arg), *named)
        return answers[-1] if answers else None

    def command(
        self, program: str, *arguments: str, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """
        Run one of Salt's commands with this master's configuration.
        """
        return prefork.run(program, "-c", str(self.config_dir), *arguments, timeout=timeout)

    def _hand_over(self) -> None:
        """
        Let the master's user have its configuration and make its files, as a package does.
        """
        self.root.chmod(0o755)
        account = pwd.getpwnam(self.user)
        os.chown(self.root, account.pw_uid, account.pw_gid)
        hand_over(self.config_dir, self.user)

    def _json(self, program: str, *arguments: str) -> list[Any]:
        done = self.command(program, "--out=json", "--log-level=quiet", *arguments)
        return documents(done.stdout)

    def _minion(self, minion: str, own: Mapping[str, Any]) -> Daemon:
        conf = config.write_minion(self.root, self.ports, minion, own)
        daemon = Daemon("salt-minion", conf, self.logs)
        daemon.log = self.logs / f"minion-{minion}"
        daemon.output = self.logs / f"minion-{minion}.out"
        return daemon

    def _is_up(self, minion: str, since: float = 0) -> bool:
        return bool(self.events.events(f"salt/minion/{minion}/start", since))

    def _answers(self, tgt: str, count: int) -> bool:
        return len(self.call("test.ping", "--timeout=2", tgt=tgt)) >= count

    def _until(self, condition: Callable[[], bool], daemon: Daemon, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if not daemon.running:
                raise ScratchError(f"{daemon.name} ended by itself:\n{daemon.tail()}")
            if time.monotonic() > deadline:
                raise ScratchError(
                    f"{daemon.name} was not ready in {timeout:g} s:\n{daemon.tail()}"
                )
            time.sleep(0.05)


def _holds_a_ledger(process: psutil.Process) -> bool:
    return any(os.path.basename(one.path) == "ledger.db" for one in process.open_files())


def documents(text: str) -> list[Any]:
    """
    Decode the JSON values that stand one after the other in a command's output.
    """
    decoder, values, rest = json.JSONDecoder(), [], text.replace(NOBODY, "").strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        values.append(value)
        rest = rest[end:].lstrip()
    return values

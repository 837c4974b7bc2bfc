"""
A site as it is after the installation: a master, an engine and a tenant here, and a minion on a machine of its own that runs systemd.

The minion is `salt-minion.service` there, with Salt's own paths, and reaches the master over a network cable between the two.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness import account, config
from tests.harness.machine import Machine
from tests.harness.ports import free_ports
from tests.harness.scratch import ScratchError, ScratchSalt
from tests.harness.shell import Shell
from tests.harness.started import Started
from tests.tenant import Tenant

MINION = "web01"
UNIT = f"""
[Service]
ExecStart={Path(sys.executable).parent}/salt-minion
KillMode=process
"""
#: Where a OneAgent leaves what it knows of its host.
ENRICHMENT = "/var/lib/dynatrace/enrichment/dt_host_metadata.json"
#: What a minion has where it is installed.
PLACES = (
    *("user", "root_dir", "sock_dir", "pki_dir", "cachedir", "extension_modules", "conf_file"),
    *("log_file", "pidfile"),
)
POLICY = {"cooldown": 0, "max_attempts": 100}
UP_S = 90.0
_numbers = itertools.count(0)


class Site(Started):
    """
    One minion, of which the tenant knows the host.
    """

    def __init__(self) -> None:
        self.machine = Machine()
        # Of a net for documentation: nothing else has it.
        net = 4 * next(_numbers)
        self.here, self.there = f"198.51.100.{net + 1}", f"198.51.100.{net + 2}"
        self.tenant = Tenant().start()
        self.host = self.tenant.add_host("web01.example.com", ip=[self.there])
        #: Processes that a test adds.
        self.orders = self.nginx = ""
        token = "0123456789abcdef" * 4
        self.webhook = f"http://127.0.0.1:{free_ports(1)[0]}/dynatrace"
        engine = {
            "environment_url": self.tenant.url,
            "api_token": self.tenant.add_token(),
            "poll_interval": 2,
            "policy": POLICY,
            "webhook": {"port": urlsplit(self.webhook).port, "token": token},
        }
        tenant = {
            "environment_url": self.tenant.url,
            "settings_token": self.tenant.add_token(
                ["settings.read", "settings.write", "entities.read"]
            ),
            "webhook_token": token,
        }
        self.salt = ScratchSalt(
            minions={},
            included={
                "engines.conf": {"engines": [{"dynatrace": engine}]},
                "tenant.conf": {"dynatrace": tenant},
            },
            # A minion that is still connecting is asked again soon.
            settings={"interface": self.here, "gather_job_timeout": 1},
            with_api=False,
            user=account.made(),
        )
        self.tenant.add_webhook(self.webhook, {"Authorization": f"Bearer {token}"})
        self.shell = Shell(self.salt, {"/etc/salt/": f"{self.salt.config_dir}/"})

    def start(self) -> None:
        """
        Boot the machine and start Salt; returns when the minion answers.
        """
        self.machine.start()
        self._connect()
        # It asks again until there is a master.
        self._install_minion()
        self.salt.start()
        self.wait_for_minion()

    def stop(self) -> None:
        """
        End everything.
        """
        self.salt.stop()
        self.machine.stop()
        self.tenant.stop()
        self.tenant.stop_sending()

    def wait_for_minion(self) -> None:
        """
        Return when the minion answers.
        """
        until = time.monotonic() + UP_S
        while self.salt.call("test.ping", "--timeout=2", tgt=MINION) != {MINION: True}:
            if time.monotonic() > until:
                said = self.machine.output("journalctl", "--unit=salt-minion", "--lines=30")
                raise ScratchError(f"{MINION} does not answer:\n{said}")

    def wait_for_engine(self) -> None:
        """
        Return when the engine answers.
        """
        until = time.monotonic() + UP_S
        while "error" in self.salt.run("dynatrace.status"):
            if time.monotonic() > until:
                raise ScratchError(f"the engine does not answer:\n{self.salt.master.tail()}")

    def restart_master(self) -> None:
        """
        Restart the master; returns when minion and engine answer.
        """
        self.salt.master.stop()
        self.salt.master.start()
        self.wait_for_engine()
        self.wait_for_minion()

    def status(self, unit: str) -> str:
        """
        Return the status of a unit as systemd tells it.
        """
        return self.machine.output("systemctl", "is-active", unit, status=None)

    def _connect(self) -> None:
        cable = f"m{self.machine.pid}"
        peer = ("type", "veth", "peer", "name", "eth0", "netns", str(self.machine.pid))
        for words in (
            ("link", "add", cable, *peer),
            ("addr", "add", f"{self.here}/30", "dev", cable),
            ("link", "set", cable, "up"),
        ):
            subprocess.run(["ip", *words], check=True, timeout=60)
        self.machine.run("ip", "addr", "add", f"{self.there}/30", "dev", "eth0")
        self.machine.run("ip", "link", "set", "eth0", "up")

    def _install_minion(self) -> None:
        made = config.minion(Path("/"), self.salt.ports, MINION)
        conf = {key: value for key, value in made.items() if key not in PLACES}
        conf |= {"master": self.here, "publish_port": self.salt.ports.publish}
        # Set, it is believed without an `oneagentctl` beside it.
        conf |= {"dynatrace_chaos": True, "dynatrace_enrichment_file": ENRICHMENT}
        self.machine.write("/etc/salt/minion", json.dumps(conf))
        self.machine.write(ENRICHMENT, json.dumps({"dt.entity.host": self.host}))
        self.machine.write("/etc/systemd/system/salt-minion.service", UNIT)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "start", "salt-minion")

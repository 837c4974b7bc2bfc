"""
Real services of Debian and of a site's own, each with its remedy in two lines, and what may happen to them.
"""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import yaml

from tests.harness.config import REPO
from tests.harness.machine import Machine
from tests.harness.masterless import Masterless, order
from tests.harness.switches import switched_on

SHIPPED = yaml.safe_load((REPO / "master.d" / "remedies.conf").read_text())["dynatrace_remedies"]


def shipped(name: str) -> dict[str, Any]:
    """
    Return the settings of an entry of the shipped catalogue, as the reactor hands them on.
    """
    entry = SHIPPED[name]
    settings = {key: value for key, value in entry.items() if key not in (True, "policy")}
    units = entry[True].get("unit")
    listed = units if isinstance(units, list) else [units]
    return {**settings, **({"units": listed} if units else {})}


#: Kept by none from staying dead, so that what brings it back is the remedy.
NO_RESTART = "[Service]\nRestart=no\n"
PLAIN = "[Service]\nExecStart=/bin/sleep infinity\n"
#: A script, as many units have; its instances run the same.
WORKER = "[Service]\nExecStart=/usr/local/bin/worker %i\n"
WORK = '#!/bin/sh\nwhile :; do sleep 1; done # "$1"\n'
SLOW = "[Service]\nExecStart=/usr/bin/java -XX:TieredStopAtLevel=1 /usr/local/lib/Slow.java\n"
#: Listens two seconds after it began to run, which is another one after its start.
SLOW_JAVA = """
public class Slow {
    public static void main(String[] words) throws Exception {
        Thread.sleep(2000);
        var door = new java.net.ServerSocket(8099);
        while (true) door.accept().close();
    }
}
"""
PROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend door
  bind 127.0.0.1:8100
  monitor-uri /alive
"""
#: By name: the program that must be there, and the settings of the remedy.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "nginx": ("nginx", {"service": "nginx", "proof": "http://127.0.0.1/"}),
    "redis": ("redis-server", {"service": "redis-server", "proof": ["redis-cli", "ping"]}),
    "memcached": ("memcached", {"service": "memcached", "proof": "tcp:11211"}),
    "php-fpm": ("php-fpm*", {"service": "php*-fpm", "proof": "unix:/run/php/php-fpm.sock"}),
    "postgresql": ("pg_ctlcluster", {"service": "postgresql@*", "proof": ["pg_isready"]}),
    "mariadb": ("mariadbd", {"service": "mariadb", "proof": ["mysqladmin", "ping"]}),
    "haproxy": ("haproxy", shipped("haproxy")),
    "tomcat": ("/usr/share/tomcat*/bin/catalina.sh", shipped("tomcat")),
    "rabbitmq": ("rabbitmq-server", shipped("rabbitmq")),
    "plain": ("sleep", {"service": "plain"}),
    "worker": ("sh", {"service": "worker@2", "proof": ["unit", "process:/usr/bin/sleep"]}),
    "slow": ("javac", {"service": "slow", "proof": "tcp:8099", "starts_within": 90}),
}
#: Too large to be installed for every run.
LARGE = ("mariadb",)
#: Else the tests of every change would take a minute more than they need.
FULL = switched_on("FULL")
PLACES = "/usr/sbin:/usr/bin:/sbin:/bin"


def lacking(name: str) -> str | None:
    """
    Return why a service cannot be tried here, or None.
    """
    if _program(KINDS[name][0]):
        return None
    return "only with FULL=1: it is not installed" if name in LARGE else f"{name} is not installed"


def _program(pattern: str) -> str | None:
    if "*" not in pattern:
        return shutil.which(pattern, path=PLACES)
    found = sorted(Path("/").glob(str(Path("usr/sbin", pattern)).lstrip("/")))
    return next((path.name for path in found), None)


class Services:
    """
    All that are there, of one machine.
    """

    def __init__(self, machine: Machine, minion: Masterless) -> None:
        self.machine, self.minion = machine, minion
        machine.write("/etc/systemd/system/service.d/test.conf", NO_RESTART)
        machine.write("/etc/systemd/system/plain.service", PLAIN)
        machine.write("/etc/systemd/system/worker@.service", WORKER)
        machine.write("/etc/systemd/system/slow.service", SLOW)
        machine.write("/usr/local/bin/worker", WORK, 0o755)
        machine.write("/usr/local/lib/Slow.java", SLOW_JAVA)
        machine.write("/etc/haproxy/haproxy.cfg", PROXY)
        machine.run("systemctl", "daemon-reload")
        self.names = [name for name in KINDS if lacking(name) is None]

    def unit(self, name: str) -> str:
        """
        Return the unit of a service.
        """
        if name == "tomcat":
            return next(Path("/lib/systemd/system").glob("tomcat*.service")).stem
        service: str = KINDS[name][1]["service"]
        if name == "php-fpm":
            return str(_program("php-fpm*")).replace("php-fpm", "php") + "-fpm"
        if name == "postgresql":
            cluster = next(Path("/etc/postgresql").glob("*/*"))
            return f"postgresql@{cluster.parent.name}-{cluster.name}"
        return service

    def settings(self, name: str) -> dict[str, Any]:
        """
        Return the remedy of a service, with less patience than by default.
        """
        return {**KINDS[name][1], "service": self.unit(name), "stays": 1}

    def start(self) -> None:
        """
        Start all, as the machine's boot does.
        """
        self.machine.run("systemctl", "start", *map(self.unit, self.names))

    def systemctl(self, *words: str) -> None:
        """
        Do something to all.
        """
        self.machine.run("systemctl", *words, *map(self.unit, self.names))

    def show(self, unit: str, what: str) -> str:
        """
        Return a property of a unit.
        """
        return self.machine.output("systemctl", "show", unit, f"-p{what}", "--value")

    def main(self, name: str) -> int:
        """
        Return the main process of a service; 0: none.
        """
        return int(self.show(self.unit(name), "MainPID"))

    def heal_all(self) -> dict[str, Any]:
        """
        Run the remedies of all by hand, in one run; return what each state returned.
        """
        # At once: what takes long is to wait for the proofs.
        states = {}
        for name in self.names:
            given = {"parallel": True, **self.settings(name)}
            states[name] = {"dynatrace.healed": [{key: value} for key, value in given.items()]}
        tree = self.machine.shared / "tree"
        tree.mkdir(exist_ok=True)
        (tree / "all.sls").write_text("#!json\n" + json.dumps(states))
        returned = self.minion.call("state.apply", "all")
        assert isinstance(returned, dict), returned
        return {state["__id__"]: state for state in returned.values()}

    def ordered(self, settings: dict[str, Any], **process: Any) -> dict[str, Any]:
        """
        Run the remedy that an order names, as the reactor does; return what the state returned.
        """
        nothing = {"executable": None, "command_line": None, "config": None}
        told = order(uuid.uuid4().hex, {**nothing, "container": None, **process})
        told["remedy"] = {"name": "tried", "settings": {"stays": 1, **settings}}
        pillar = {"dynatrace_attempt": told}
        returned = self.minion.call("state.apply", "dynatrace.remedy", "queue=True", pillar=pillar)
        assert isinstance(returned, dict), returned
        [state] = returned.values()
        return dict(state)

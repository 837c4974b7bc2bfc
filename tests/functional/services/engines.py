"""
Real Docker and Podman on a machine of the tests: an image of busybox alone, and containers that hold to the script here.

No registry is asked. No more is limited than can be on such a machine: no cgroup controllers, no bridge.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

from tests.harness.machine import Machine

IMAGE = "tried:1"
DAEMON = {
    "data-root": "/var/lib/docker-tried",
    "storage-driver": "vfs",
    "bridge": "none",
    "iptables": False,
    "ip6tables": False,
}
STORAGE = '[storage]\ndriver = "vfs"\nrunroot = "/run/tried"\ngraphroot = "/var/lib/tried"\n'
FILL = """
rm -rf /run/image; mkdir -p /run/image/bin; cp /usr/bin/busybox /run/image/bin
for name in sh sleep httpd test touch rm; do ln -s busybox /run/image/bin/$name; done
# It may need the libraries of this machine.
ldd /usr/bin/busybox | grep -o '/[^ ]*' | xargs -r cp --parents --dereference --target-directory=/run/image
tar -C /run/image -c . | "$0" import - tried:1
"""
#: It ends when it is told to, as a service should.
LOOP = "trap 'exit 0' TERM; while :; do sleep 600 & wait; done"
#: Both have the machine's own network.
PORTS = {"docker": 8131, "podman": 8132}
OPTIONS = {
    "docker": ["--network=host"],
    # Else it asks for a limit of processes, and for a filter of devices.
    "podman": ["--network=host", "--privileged", "--pids-limit=-1"],
}
PLACES = "/usr/sbin:/usr/bin:/sbin:/bin"


def lacking(name: str) -> str | None:
    """
    Return why an engine cannot be tried here, or None.
    """
    needed = {"docker": ("docker", "dockerd", "busybox"), "podman": ("podman", "busybox")}
    missing = [one for one in needed[name] if not shutil.which(one, path=PLACES)]
    return f"{', '.join(missing)} is not installed" if missing else None


class Engine:
    """
    One of the two, which runs; for Docker `daemon` is what its configuration has beside `DAEMON`.
    """

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name
        machine.write("/etc/containers/storage.conf", STORAGE)
        if name == "docker":
            self.configure()
        machine.run("sh", "-euc", FILL, name)

    def configure(self, **daemon: Any) -> None:
        """
        Start Docker anew with its configuration.
        """
        self.machine.write("/etc/docker/daemon.json", json.dumps({**DAEMON, **daemon}))
        self.machine.run("systemctl", "reset-failed", "docker.service", status=None)
        self.machine.run("systemctl", "restart", "docker.service")

    def run(self, *words: str) -> str:
        """
        Return what its command line says.
        """
        return self.machine.output(self.name, *words)

    def add(self, name: str, script: str = LOOP, *options: str, verb: str = "run") -> None:
        """
        Have a container that runs a script; `create` makes one that was never started.
        """
        detached = ["--detach"] if verb == "run" else []
        given = [verb, *detached, "--name", name, *OPTIONS[self.name], *options]
        self.run(*given, IMAGE, "/bin/sh", "-c", script)

    def clear(self) -> None:
        """
        Remove all containers.
        """
        if self.name == "docker":
            self.machine.run("systemctl", "start", "docker.service")
        self.machine.run(
            "sh", "-c", f"{self.name} rm --force $({self.name} ps --all --quiet)", status=None
        )

    def state(self, name: str) -> dict[str, Any]:
        """
        Return how a container is, in the engine's words.
        """
        [told] = json.loads(self.run("inspect", "--type", "container", name))
        return dict(told["State"])

    def pid(self, name: str) -> int:
        """
        Return its main process; 0: none.
        """
        return int(self.state(name)["Pid"])

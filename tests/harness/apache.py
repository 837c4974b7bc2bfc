"""
Keeps watch over the machine's apache2, or another web server: finds out how it is, and puts it back like that.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from tests.harness import apart

#: By the name of its service, which is that of its package: program, pid file, and how a OneAgent tells of it.
KNOWN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "apache2": ("/usr/sbin/apache2", "/run/apache2/apache2.pid", {}),
    "nginx": (
        "/usr/sbin/nginx",
        "/run/nginx.pid",
        {
            "name": "nginx",
            "technology": "NGINX",
            "build": {
                "EXE_NAME": "nginx",
                "EXE_PATH": "/usr/sbin/nginx",
                "COMMAND_LINE_ARGS": "/usr/sbin/nginx -g daemon on; master_process on;",
            },
            "properties": {"listenPorts": [80]},
        },
    ),
}
NAME = "apache2"
EXECUTABLE = KNOWN[NAME][0]
PID_FILE = Path(KNOWN[NAME][1])
URL = "http://127.0.0.1/"
PORT = 80


class ApacheError(Exception):
    """
    The machine's apache2 cannot or must not be used; the text says why, and what to do.
    """


def become(name: str) -> None:
    """
    Watch another web server from now on; raises `ApacheError` for one that is not known here.
    """
    global NAME, EXECUTABLE, PID_FILE
    if name not in KNOWN:
        raise ApacheError(f"SERVICE is one of {', '.join(sorted(KNOWN))}, not {name!r}.")
    NAME, EXECUTABLE, PID_FILE = name, KNOWN[name][0], Path(KNOWN[name][1])


def discovered() -> dict[str, Any]:
    """
    Return how its process differs, for a OneAgent, from Debian's apache2.
    """
    return KNOWN[NAME][2]


def technology() -> str:
    """
    Return what Dynatrace calls its technology.
    """
    return str(discovered().get("technology", "APACHE_HTTPD"))


def move(port: int) -> None:
    """
    Look for it on another port from now on.
    """
    global PORT, URL
    PORT, URL = port, f"http://127.0.0.1:{port}/"


def why_not() -> str | None:
    """
    Return what is lacking for tests that start and break an apache2, or None.
    """
    if apart.inside() is None:
        return f"it needs an apache2 apart from this machine's: {apart.why_not() or 'APART=0'}"
    if not Path(EXECUTABLE).exists():
        return "it needs apache2: run `make tools`"
    return None


def again(module: str) -> int | None:
    """
    Run a program that needs apache2 apart from this machine's, where one is installed; see `apart.again`.
    """
    if os.environ.get("APACHE") == "mine" or not Path(EXECUTABLE).exists():
        return None
    return apart.again(module)


class Apache:
    """
    apache2 as it was found; `restore` makes it so again.

        apache = Apache.found()
        try:
            ...
        finally:
            apache.restore()
    """

    def __init__(self, packages: frozenset[str], was_serving: bool) -> None:
        self._packages = packages
        self.was_installed = NAME in packages
        self.was_serving = was_serving

    @classmethod
    def found(cls) -> Apache:
        """
        Look at the machine; raises `ApacheError` when apache2 must be left alone.
        """
        if os.geteuid() != 0:
            raise ApacheError(
                f"This installs and restarts {NAME}, so it needs root: run it with sudo."
            )
        if not Path("/usr/bin/apt-get").exists():
            raise ApacheError("This needs Debian's apt-get, and there is none on this machine.")
        serving = bool(processes())
        other = None if serving else _holder(PORT)
        if other:
            raise ApacheError(f"Port {PORT} is taken by {other}. Stop that first, then try again.")
        if serving and os.environ.get("APACHE") != "mine":
            raise ApacheError(
                f"{NAME} is running on this machine already, and it is left alone.\n"
                "If it may be stopped for a minute, say so with APACHE=mine; it is running again afterwards."
            )
        return cls(_installed(), serving)

    @property
    def description(self) -> str:
        """
        How it was found, in a few words.
        """
        if not self.was_installed:
            return "not installed"
        return "running" if self.was_serving else "installed, not running"

    def restore(self) -> None:
        """
        Put it back as it was found: gone, stopped or running. Raises `ApacheError` if it cannot.
        """
        if self.was_serving:
            if not answers():
                if not processes():
                    # Of one that was killed: the service takes it for a running one's.
                    PID_FILE.unlink(missing_ok=True)
                _service("restart")
                wait_until_answers(20)
            return
        if processes():
            _service("stop")
            end_by_force()
        if not self.was_installed:
            self._purge()

    def _purge(self) -> None:
        """
        Remove the packages that came with apache2 since `found`, and no other.
        """
        came = _installed() - self._packages
        if NAME not in came:
            return
        with_it = came & (_depends(NAME) | {NAME})
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = _run("apt-get", "purge", "--yes", *sorted(with_it), env=environment)
        if done.returncode != 0:
            raise ApacheError(f"apt-get could not remove {NAME} again:\n{done.stderr.strip()}")


def processes() -> list[psutil.Process]:
    """
    Return the living apache2 processes.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.exe() == EXECUTABLE and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def main(pid_file: Path | None = None) -> psutil.Process | None:
    """
    Return the living main process that the pid file names, if there is one.
    """
    try:
        process = psutil.Process(int((pid_file or PID_FILE).read_text(encoding="ascii")))
        alive = process.exe() == EXECUTABLE and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return process if alive else None


def answers(host: str = "127.0.0.1", port: int | None = None, timeout: float = 1.0) -> bool:
    """
    Tell whether a request is answered, whatever the status below 500.

    It costs a tenth of what `urllib` does: who asks every few milliseconds must not slow down what is measured.
    """
    connection = http.client.HTTPConnection(host, port or PORT, timeout=timeout)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_answers(timeout: float, interval: float = 0.05) -> float:
    """
    Return when it answers, the time of that; raises `ApacheError` when it does not.
    """
    deadline = time.monotonic() + timeout
    while not answers():
        if time.monotonic() > deadline:
            raise ApacheError(f"{NAME} does not answer on {URL} within {timeout:g} s")
        time.sleep(interval)
    return time.time()


def kill() -> None:
    """
    Do what `kill -9` does to all of its processes; the pid file stays behind.
    """
    for process in processes():
        with contextlib.suppress(psutil.Error):
            process.kill()


def kill_main() -> None:
    """
    Do what `kill -9` does to its main process: workers that nobody leads hold the port and go on answering.
    """
    process = main()
    if process is None:
        raise ApacheError(f"{NAME} has no main process to kill")
    process.kill()
    process.wait(10)


def end_by_force() -> None:
    """
    End what is left of it.
    """
    deadline = time.monotonic() + 10
    while (left := processes()) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def start_anew() -> None:
    """
    Have a whole apache2, whatever is there now; raises `ApacheError` if it does not come.
    """
    end_by_force()
    PID_FILE.unlink(missing_ok=True)
    _service("start")
    wait_until_answers(20)


def _service(what: str) -> None:
    _run("service", NAME, what)


def _run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, env=env
    )


def _installed() -> frozenset[str]:
    listed = _run("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n").stdout
    rows = (line.split() for line in listed.splitlines())
    return frozenset(row[1] for row in rows if row[0] == "installed")


def _depends(package: str) -> frozenset[str]:
    """
    Return all that a package depends on or recommends, however far.
    """
    listed = _run(
        "apt-cache", "depends", "--recurse", "--no-suggests", "--no-conflicts", "--no-breaks",
        "--no-replaces", "--no-enhances", package,
    ).stdout  # fmt: skip
    return frozenset(line.strip() for line in listed.splitlines() if line and line[0].isalnum())


def _holder(port: int) -> str | None:
    """
    Name the process that listens on a port.
    """
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            with contextlib.suppress(psutil.Error):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            return "another process"
    return None

"""
The demo of a user who is not root: an apache2 of that user's own, on a port above 1024, and no package is installed.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.demo.saying import DemoError
from tests.harness import apache
from tests.harness.newcomer import Newcomer
from tests.harness.ports import free_ports

CONFIG = """
ServerName localhost
ServerRoot {root}
DefaultRuntimeDir {root}
Listen 127.0.0.1:{port}
PidFile {root}/apache2.pid
ErrorLog {root}/error.log
DocumentRoot {root}/www
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
"""
MODULES = Path("/usr/lib/apache2/modules")


class OwnApache:
    """
    Stands where `apache.Apache` stands for root: nothing of the machine's is touched.
    """

    description = "the machine's is untouched"

    def __init__(self) -> None:
        if apache.NAME != "apache2":
            raise DemoError(f"The demo heals {apache.NAME} as root only: run it with sudo.")
        if not Path(apache.EXECUTABLE).exists() or not MODULES.is_dir():
            raise DemoError(
                "The demo needs apache2, and without root it installs nothing.\n"
                "Run `sudo make demo`, which removes it again, or install apache2."
            )
        self.port = free_ports(1)[0]
        apache.move(self.port)

    def restore(self) -> None:
        """
        Nothing: its stage ends it.
        """


class OwnStage(Newcomer):
    """
    A newcomer's stage whose minion has such an apache2, and the tenant sees it.
    """

    def __init__(self, own: OwnApache, **more: Any) -> None:
        self._own = own
        super().__init__(**more)

    def furnish(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        home = self.root / "apache2"
        (home / "www").mkdir(parents=True)
        (home / "www" / "index.html").write_text("It works.\n")
        self.config, self.pid_file = home / "apache2.conf", home / "apache2.pid"
        self.config.write_text(CONFIG.format(root=home, port=self._own.port, modules=MODULES))
        minion, files, settings = super().furnish()
        program = {"executable": apache.EXECUTABLE, "config": str(self.config)}
        minion |= {
            "demo_apache2": {**program, "pid_file": str(self.pid_file)},
            "providers": {"service": "demo_service"},
        }
        return minion, files, settings

    def stop(self) -> None:
        """
        End everything, apache2 first: its configuration goes with the rest.
        """
        if self.pid_file.exists():
            command = [apache.EXECUTABLE, "-f", str(self.config), "-k", "stop"]
            subprocess.run(command, check=False, capture_output=True, timeout=60)
            deadline = time.monotonic() + 10
            while self.pid_file.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        super().stop()

    def discovered(self) -> dict[str, Any]:
        """
        Return what a OneAgent says of it.
        """
        line = f"{apache.EXECUTABLE} -f {self.config} -k start"
        build = {"COMMAND_LINE_ARGS": line, "APACHE_CONFIG_PATH": str(self.config)}
        return {"build": build, "properties": {"listenPorts": [self._own.port]}}

    def site(self) -> dict[str, Any]:
        """
        Return the site's pillar, with the place of it.
        """
        test = [apache.EXECUTABLE, "-f", str(self.config), "-t"]
        place = {
            "pid_file": str(self.pid_file),
            "config": str(self.config),
            "ports": [self._own.port],
            "logs": [str(self.config.with_name("error.log"))],
            "configtest": test,
        }
        return {"lookup": {"apache2": place}}


def wanted() -> bool:
    """
    Tell whether this user may not start the machine's own.
    """
    return os.geteuid() != 0

"""
A real Prometheus on a free port of the loopback, in a scratch directory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.harness import programs
from tests.harness.daemon import KEEPER
from tests.harness.ports import free_ports
from tests.harness.started import Started

READY_S = 60
ASK_S = 30


class PrometheusError(Exception):
    """
    It did not start, or refused a query; the text says why.
    """


def why_not() -> str | None:
    """
    Return what is lacking to start one, or None.
    """
    return programs.why_not("prometheus", "promtool")


def promtool_finds(text: str) -> tuple[int, str, str]:
    """
    Return exit code, output and errors of `promtool check metrics`; without a fault in the metrics both texts are empty.
    """
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


class Prometheus(Started):
    """
    One Prometheus with a configuration of its own, as of `prometheus.yml`.

        with Prometheus({"scrape_configs": [...]}) as prometheus:
            prometheus.query("up")
    """

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self.port = free_ports(1)[0]
        self._configuration = configuration
        self._directory = Path(tempfile.mkdtemp(prefix="sd-prometheus-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        configuration = self._directory / "prometheus.yml"
        # JSON is YAML.
        configuration.write_text(json.dumps(self._configuration))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-IS", str(KEEPER), *self._command(configuration)],
                cwd=self._directory,
                env={"PATH": os.environ["PATH"], "HOME": str(self._directory)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._until_ready(self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
        shutil.rmtree(self._directory, ignore_errors=True)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """
        Return the samples of an expression now, each with `metric` and `value`.
        """
        found = self.ask("query", query=expression)["result"]
        return list(found) if isinstance(found, list) else []

    def ask(self, endpoint: str, **parameters: str) -> Any:
        """
        Return the data of an endpoint below `/api/v1/`.
        """
        answer = requests.get(f"{self.url}/api/v1/{endpoint}", params=parameters, timeout=ASK_S)
        told = answer.json()
        if told["status"] != "success":
            raise PrometheusError(f"{told.get('errorType')}: {told.get('error')}: {parameters}")
        return told["data"]

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _command(self, configuration: Path) -> list[str]:
        return [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    def _until_ready(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + READY_S
        while not self._ready():
            if process.poll() is not None or time.monotonic() > until:
                raise PrometheusError(f"it is not ready: {self._log.read_text(errors='replace')}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=ASK_S).status_code == 200
        except requests.ConnectionError:
            return False

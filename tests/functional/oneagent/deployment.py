"""
A tenant's deployment API on a loopback port, in its documented shapes, and the ways it may fail.
"""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = "/api/v1/deployment/installer/agent/unix/default/"

Answer = tuple[int, dict[str, str], bytes]


class Deployment:
    """
    Serves ``installers`` by version to those who bring the token; ``faults`` come first.
    """

    def __init__(self, token: str, tls: ssl.SSLContext | None = None) -> None:
        self.token = token
        self._scheme = "https" if tls else "http"
        self.installers: dict[str, bytes] = {}
        self.latest = ""
        #: One for each download to come; it makes the answer out of the good one.
        self.faults: list[Callable[[Answer], Answer]] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        deployment = self

        class Call(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = deployment.answer(self.path, dict(self.headers))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Call)
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, target: str, headers: dict[str, str]) -> Answer:
        self.asked.append(target)
        self.headers.append(headers)
        parts = urlsplit(target)
        what = parts.path.removeprefix(ROOT)
        if headers.get("Authorization") != f"Api-Token {self.token}":
            return 401, {}, b'{"error":{"code":401,"message":"Token is missing or invalid"}}'
        if what == parts.path or not parse_qs(parts.query).get("arch"):
            return 404, {}, b"{}"
        if what == "latest/metainfo":
            body = json.dumps({"latestAgentVersion": self.latest}).encode()
            return 200, {"Content-Type": "application/json"}, body
        version = self.latest if what == "latest" else what.removeprefix("version/")
        found = self.installers.get(version)
        good: Answer = (200, {}, found) if found else (404, {}, b'{"error":{"code":404}}')
        return self.faults.pop(0)(good) if self.faults else good

    @property
    def downloads(self) -> list[str]:
        """
        Return which installers were asked for.
        """
        paths = [urlsplit(target).path.removeprefix(ROOT) for target in self.asked]
        return [path for path in paths if path != "latest/metainfo"]

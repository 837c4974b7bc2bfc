"""
A tenant, a client that asks it, and a receiver of notifications, each on a free loopback port.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from tests.tenant import Problem, Tenant


@dataclass
class Client:
    """
    Asks one tenant with one token; `platform` says at its platform URL.
    """

    tenant: Tenant
    token: str
    scheme: str = "Api-Token"
    verify: str | bool = True
    platform: bool = False
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        return self.session.request(
            method,
            (self.tenant.platform_url if self.platform else self.tenant.url) + path,
            params={name.rstrip("_"): value for name, value in query.items()},
            json=body,
            headers={"Authorization": f"{self.scheme} {self.token}"},
            timeout=5,
            verify=self.verify,
            allow_redirects=False,
        )

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, **query)

    def problems(self, **query: Any) -> requests.Response:
        return self.get("/api/v2/problems", **query)

    def problem(self, problem: Problem, **query: Any) -> requests.Response:
        return self.get(f"/api/v2/problems/{problem.problem_id}", **query)

    def display_ids(self, **query: Any) -> list[str]:
        return [one["displayId"] for one in self.problems(**query).json()["problems"]]

    def walk(self, path: str, key: str, **query: Any) -> list[list[dict[str, Any]]]:
        answer = self.get(path, **query).json()
        pages = [answer[key]]
        while answer.get("nextPageKey"):
            answer = self.get(path, nextPageKey=answer["nextPageKey"]).json()
            pages.append(answer[key])
        return pages


def on_platform(tenant: Tenant, *scopes: str) -> Client:
    """
    Give a client with a platform token.
    """
    token = tenant.add_platform_token(scopes) if scopes else tenant.add_platform_token()
    return Client(tenant, token, "Bearer", platform=True)


def ask_sso(tenant: Tenant, client_id: str, secret: str, **form: str) -> requests.Response:
    """
    Ask the SSO for an access token.
    """
    known = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
    }
    return requests.post(tenant.sso_url, data={**known, **form}, timeout=5)


class Receiver:
    """
    Takes notifications and keeps them; also a web server that the monitor can watch.
    """

    def __init__(self, status: int = 202, port: int = 0) -> None:
        self.status = status
        self.taken: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                names = {name.lower() for name in self.headers}
                joined = {name: ", ".join(self.headers.get_all(name, [])) for name in names}
                outer.taken.append((joined, raw))
                self.do_GET()

            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Taker)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/dynatrace"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True)
        self._thread.start()

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for _, raw in self.taken]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    with Tenant() as one:
        yield one
    assert "tenant failed" not in [entry.what for entry in one.journal]


@pytest.fixture
def client(tenant: Tenant) -> Iterator[Client]:
    one = Client(tenant, tenant.add_token())
    with one.session:
        yield one


@pytest.fixture
def process(tenant: Tenant) -> str:
    return tenant.add_process(tenant.add_host("web01.example.com"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.stop()

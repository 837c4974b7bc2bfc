"""
The tenant as a whole: tokens, routes, the record of calls, and its life as a server.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from tests.tenant.api import Call, all_routes, record
from tests.tenant.core import Switches
from tests.tenant.deployment import Deployment
from tests.tenant.kept import Kept
from tests.tenant.monitor import Monitor
from tests.tenant.paging import Cursors
from tests.tenant.platform.layer import Platform
from tests.tenant.platform.phases import has_classic_tokens
from tests.tenant.problems_api import Walked
from tests.tenant.server import Listener
from tests.tenant.tokens import TokenBook
from tests.tenant.unit_monitor import UnitMonitor
from tests.tenant.wire import Request

DEFAULT_SCOPES = ("problems.read", "problems.write", "entities.read")


class Tenant(Deployment, Platform):
    """
    A simulated Dynatrace environment on a loopback port.

    `page_size` is the length of a page when the client names none, and the most that a page holds
    however many are asked for; None is exactly what is documented: 50, and up to 500 as asked.
    `port` 0 takes a free one. `cert` and `key` are paths of PEM files and make it https.
    `environment_path` `/e/<id>` gives the URL the shape that Managed and ActiveGates have.
    `switches` are fields of `Switches`. `platform_url` and `sso_url` are its platform's.
    """

    def __init__(
        self,
        page_size: int | None = 50,
        address: str = "127.0.0.1",
        port: int = 0,
        environment_path: str = "",
        cert: str | None = None,
        key: str | None = None,
        **switches: Any,
    ) -> None:
        chosen = Switches(page_cap=page_size, **switches)
        if page_size is not None:
            chosen.page_default = page_size
        super().__init__(chosen)
        self.environment_path = environment_path.rstrip("/")
        self.tokens = TokenBook(self.switches)
        self.cursors = Cursors()
        self.walked: Walked | None = None
        self.kept = Kept()
        self.routes = all_routes()
        self.running = False
        self._calls: list[Call] = []
        self._rules_broken: list[str] = []
        self._monitors: list[Monitor | UnitMonitor] = []
        self._address, self._port = address, port
        self._tls: ssl.SSLContext | None = None
        if cert:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(cert, key)
        self.origin = self.url = ""

    @classmethod
    def empty(cls, **arguments: Any) -> Tenant:
        """
        Make a new environment: no process alerts until a setting says so, and nobody is told.
        """
        return cls(**{"alerting_by_default": False, **arguments})

    def __enter__(self) -> Tenant:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.stop_sending()

    def start(self) -> Tenant:
        """
        Listen; after a `stop` again on the same port, with everything that was known.
        """
        self._listener = Listener(self, self._address, self._port, self._tls)
        self._port = self._listener.server_address[1]
        scheme = "https" if self._tls else "http"
        self.origin = f"{scheme}://{self._address}:{self._port}"
        self.url = self.origin + self.environment_path
        self.running = True
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """
        Refuse all connections, as when the tenant cannot be reached; end the monitors.
        """
        if not self.running:
            return
        self.running = False
        self.discover_no_more()
        for monitor in self._monitors:
            monitor.stop()
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.close_connections()
        self._thread.join(5)

    def add_token(
        self,
        scopes: Iterable[str] = DEFAULT_SCOPES,
        expired: bool = False,
        kind: str = "classic",
        token: str | None = None,
    ) -> str:
        """
        Issue a token: "classic" goes as Api-Token, "platform" as Bearer; `token` is its text.

        `ValueError` for a classic one where there are none any more.
        """
        if kind == "classic" and not has_classic_tokens(self.switches):
            raise ValueError("in phase 3 no classic token can be made")
        return self.tokens.issue(scopes, expired, kind, token)

    def expire_token(self, token: str) -> None:
        """
        Let a token be refused from now on.
        """
        self.tokens.expire(token, True)
        self.log.add("token expired")

    def revive_token(self, token: str) -> None:
        """
        Let an expired token be accepted again.
        """
        self.tokens.expire(token, False)
        self.log.add("token revived")

    def monitor(self, process: str, url: str, **delays: Any) -> Monitor:
        """
        Watch a process by asking `url`.

        Raises the problem when nothing answered for `open_after` seconds, closes it when it
        answered for `close_after`; `interval`, `timeout` and `reopen_within` are seconds too.
        An answer with a status above `worst_status` counts as none.
        """
        monitor = Monitor(self, process, url, **delays)
        self._monitors.append(monitor)
        return monitor

    def watch_os_service(
        self, host: str, name: str, look: Callable[[], str], interval: float = 0.2
    ) -> UnitMonitor:
        """
        Watch an OS service of a host by asking `look` for its status every `interval` seconds.
        """
        monitor = UnitMonitor(self, host, name, look, interval)
        self._monitors.append(monitor)
        return monitor

    @property
    def requests(self) -> list[Call]:
        """
        All calls so far; a token is in none of them.
        """
        with self.lock:
            return list(self._calls)

    def keep(
        self, request: Request, status: int, accepted: bool, fault: str | None, path: str
    ) -> None:
        """
        Keep the record of a call and the rules that it broke.
        """
        with self.lock:
            self._calls.append(record(request, status, accepted, fault, path))
            self._rules_broken.extend(request.notes)

    def failed(self, trace: str) -> None:
        """
        Keep a mistake of the tenant itself, so that `check` fails on it.
        """
        self.log.add("tenant failed", error=trace)
        with self.lock:
            self._rules_broken.append(f"not the client but the tenant failed: {trace}")

    def last_key_is_null(self, request: Request) -> bool:
        """
        Say whether the last page carries `nextPageKey: null` rather than none.
        """
        struck = self.faults.take("null_cursor", request.method, request.path)
        return struck is not None or self.switches.last_page_key == "null"

    @property
    def broken_rules(self) -> list[str]:
        """
        The rules of the API that clients broke, each once.
        """
        with self.lock:
            return list(dict.fromkeys(self._rules_broken))

    def check(self) -> None:
        """
        Raise `AssertionError` that lists every rule of the API that a client broke.
        """
        if broken := self.broken_rules:
            raise AssertionError("the client broke rules of the API:\n" + "\n".join(broken))

"""
The test notification that the master sends to its own engine.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.harness import free_ports
from tests.unit.minion.loading import load

TOKEN = "synthetic-webhook-token"


class Engine:
    """
    A listener on the loopback that answers as it is told; what it accepts, it puts on the bus.
    """

    def __init__(self) -> None:
        self.status = 202
        self.instance: str | None = "dynatrace"
        self.got: list[tuple[str, str | None, Any]] = []
        self.events: list[dict[str, Any]] = []
        engine = self

        class Call(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                engine.got.append((self.path, self.headers["Authorization"], body))
                self.send_response(engine.status)
                self.end_headers()
                if engine.status == 202 and engine.instance:
                    engine.events.append({"data": {"instance": engine.instance}})

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Call)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def subscribe(self, _: str) -> None:
        pass

    def get_event(self, **_: Any) -> dict[str, Any] | None:
        return self.events.pop(0) if self.events else None


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.server.shutdown()
    engine.server.server_close()


def runner(engine: Engine, monkeypatch: pytest.MonkeyPatch, **webhook: Any) -> ModuleType:
    given = {"port": engine.server.server_port, "token": TOKEN, **webhook}
    other = [{"test": {}}, {"polls": {"engine_module": "dynatrace"}}, "reactor"]
    module = load(
        "_runners/dynatrace_listener.py",
        opts={"engines": [*other, {"dynatrace": {"webhook": given}}]},
        context={},
    )
    monkeypatch.setattr(module.salt.utils.event, "get_event", lambda *_, **__: engine)
    return module


def test_a_listener_that_hears_it_is_told_with_its_url(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the documented test notification, with its own token; the answer holds none."""
    answer = runner(engine, monkeypatch, address="0.0.0.0").test()
    assert answer["dynatrace"]["url"].startswith("http://0.0.0.0:")
    assert answer.keys() == {"dynatrace"}
    [(path, credentials, body)] = engine.got
    assert (path, credentials) == ("/dynatrace", f"Bearer {TOKEN}")
    assert body["PID"] == "99999"
    assert TOKEN not in str(answer)


def test_user_and_password_are_used_where_there_is_no_token(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As HTTP basic."""
    runner(engine, monkeypatch, token=None, username="u", password="p").test()
    assert engine.got[0][1] == "Basic dTpw"


def test_a_refusal_is_an_error_without_the_token(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the status of the answer."""
    engine.status = 401
    answer = runner(engine, monkeypatch).test()
    assert "answered 401" in answer["dynatrace"]["error"]
    assert answer["retcode"] == 1
    assert TOKEN not in str(answer)


@pytest.mark.parametrize("instance", [None, "another"])
def test_an_event_that_does_not_come_is_an_error(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, instance: str | None
) -> None:
    """That of another engine is not taken for it."""
    engine.instance = instance
    answer = runner(engine, monkeypatch).test(timeout=0.1)
    assert "no event dynatrace/notification/test" in answer["dynatrace"]["error"]


def test_a_listener_that_is_not_there_is_an_error(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is raised."""
    module = runner(engine, monkeypatch, port=free_ports(1)[0])
    assert "refused" in module.test()["dynatrace"]["error"].lower()


def test_one_instance_can_be_chosen(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are not asked."""
    assert runner(engine, monkeypatch).test(instance="other") == {}
    assert engine.got == []

"""
What minions ask of the tenant, and of their own service, ends in time, however steadily the other side trickles.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.client.servers import says, serving
from tests.functional.client.test_answers import TRICKLES, trickles
from tests.unit.minion.loading import private

#: No real one: the right form, made up.
TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE." + "MADEUPMADEUP" * 5 + "1234"
KEY = "installer_token"
LIMIT_S = 0.4
#: A call that waits for the next byte as long as it comes would take minutes.
SOON_S = 20.0


class Minion:
    """
    The modules that ask the tenant, loaded together; `given` is its configuration.
    """

    def __init__(self) -> None:
        self.given = {
            "dynatrace:settings_token": TOKEN,
            "dynatrace:installer_token": TOKEN,
        }
        self.functions: dict[str, Callable[..., Any]] = {
            "config.get": lambda key, default=None, **_: self.given.get(key, default),
        }
        modules = private(salt=self.functions, grains={"cpuarch": "x86_64"})
        self.site = modules.remedy.url
        self.connection = modules.tenant.connection
        self.tenant_http, self.tenant_api = modules.tenant.http, modules.tenant.api
        self.installer = modules.oneagent.installer
        self.want = {**modules.oneagent.options.DEFAULTS, "download_pause": 0}

    def asks(self, port: int) -> None:
        """
        Let a server on loopback be the tenant.
        """
        self.given["dynatrace:environment_url"] = f"http://127.0.0.1:{port}"


@pytest.fixture
def minion(monkeypatch: pytest.MonkeyPatch) -> Minion:
    made = Minion()
    monkeypatch.setattr(made.connection, "WITHIN", (30, LIMIT_S, LIMIT_S))
    monkeypatch.setattr(made.tenant_http, "DOWNLOAD_DEADLINE_S", LIMIT_S)
    return made


@pytest.mark.parametrize("where", TRICKLES)
def test_the_whole_answer_to_a_setting_has_a_time(minion: Minion, where: str) -> None:
    """In whatever part of the answer; it is not asked again, which would only take as long again."""
    with serving(TRICKLES[where]) as tenant:
        minion.asks(tenant.port)
        begun = time.monotonic()
        with pytest.raises(CommandExecutionError, match=r"took longer than 0\.4 s"):
            minion.tenant_http.call("GET", "/api/v2/settings/objects", "settings.read")
        assert time.monotonic() - begun < SOON_S
    assert len(tenant.heads) == 1


def test_a_write_whose_answer_trickles_says_that_its_effect_is_unknown(minion: Minion) -> None:
    """The tenant may have carried it out."""
    with serving(TRICKLES["body"]) as tenant:
        minion.asks(tenant.port)
        with pytest.raises(CommandExecutionError, match="Whether the tenant carried it out"):
            minion.tenant_http.call("POST", "/api/v2/settings/objects", "settings.write", body=[])
    assert len(tenant.heads) == 1


def test_an_answer_of_a_proxy_has_a_time_on_a_minion_too(minion: Minion) -> None:
    """The tunnel is part of the request."""
    with serving(trickles(b"HTTP/1.1 200 " + b"O" * 10_000)) as proxy:
        minion.given["dynatrace:environment_url"] = "https://t.example.com"
        minion.given["dynatrace:proxy"] = f"http://127.0.0.1:{proxy.port}"
        with pytest.raises(CommandExecutionError, match=r"took longer than 0\.4 s"):
            minion.tenant_http.call("GET", "/api/v2/settings/objects", "settings.read")


@pytest.mark.parametrize("where", ["status line", "body", "body of an error"])
def test_a_download_that_trickles_has_a_time(minion: Minion, where: str, tmp_path: Path) -> None:
    """All attempts together, and nothing is left of it."""
    file = tmp_path / "installer.sh"
    with serving(TRICKLES[where]) as tenant:
        minion.asks(tenant.port)
        with pytest.raises(CommandExecutionError, match=r"took longer than 0\.4 s"):
            minion.installer.latest(minion.want)
        with pytest.raises(CommandExecutionError, match=r"took longer than 0\.4 s"):
            minion.tenant_http.download("/api/v1/x", "InstallerDownload", str(file), 1000, KEY)
    assert not file.exists()


@pytest.mark.parametrize("where", ["status line", "one header", "informational answers"])
def test_a_service_that_trickles_does_not_serve(minion: Minion, where: str) -> None:
    """Else the proof of a remedy would take as long as the service likes."""
    with serving(TRICKLES[where]) as service:
        told = minion.site.ask(f"http://127.0.0.1:{service.port}/", timeout=LIMIT_S)
    assert told["status"] is None
    assert told["problem"].endswith("did not answer within 0.4 s")


@pytest.mark.parametrize("asked", ["99999", "999999999", "60"])
def test_no_wait_that_the_tenant_asks_for_is_longer_than_the_whole_call(
    minion: Minion, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """A minute at a time, and five in all."""
    waits: list[float] = []
    real = time.monotonic()
    clock = SimpleNamespace(
        monotonic=lambda: real + sum(waits), sleep=waits.append, time=lambda: 1.7e9
    )
    monkeypatch.setattr(minion.tenant_http, "time", clock)
    monkeypatch.setattr(minion.tenant_http, "ATTEMPTS", 1000)
    monkeypatch.setattr(minion.connection, "WITHIN", (30, 60, 60))
    head = f"Retry-After: {asked}\r\n".encode()
    with serving(says(b"{}", b"429 Too Many Requests", head)) as tenant:
        minion.asks(tenant.port)
        with pytest.raises(CommandExecutionError, match=r"answered 429 \([56] times\)"):
            minion.tenant_http.call("GET", "/api/v2/settings/objects", "settings.read")
    assert max(waits) == 60
    assert sum(waits) <= minion.tenant_http.CALL_DEADLINE_S


def test_the_pages_of_a_list_have_a_time(minion: Minion, monkeypatch: pytest.MonkeyPatch) -> None:
    """All together: each alone may come in time."""
    now = [1000.0]
    monkeypatch.setattr(minion.tenant_api, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def call(*_: Any, **__: Any) -> dict[str, Any]:
        now[0] += 250
        return {"items": [], "nextPageKey": str(now[0])}

    monkeypatch.setattr(minion.tenant_http, "call", call)
    with pytest.raises(CommandExecutionError, match="not all pages came in 600 s"):
        minion.tenant_api.objects("builtin:alerting.profile")
    assert now[0] == 1750

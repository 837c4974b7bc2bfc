"""
An engine after a crowded night, whose status page a real browser shows.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.night import Night, play
from tests.functional.engine.world import World
from tests.harness import browser as browsers
from tests.harness.browser import Browser
from tests.harness.ports import free_ports
from tests.tenant import Tenant

TOKEN = "a-token-for-tests"
PHONE, DESKTOP = (390, 844), (1280, 900)
#: Of hosts that are there for the tests to let fail.
SPARE = [f"spare{number:02}" for number in range(1, 21)]
HOSTILE = {
    "script": "<script>document.title = 'owned'</script>",
    "closing": "</td></tr></table></section></main><h1>owned</h1>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "image": "<img src=http://198.51.100.7/x.png onerror=alert(1)>",
    "style": "</style><style>body{display:none}</style>",
    "template": "{{ 7 * 7 }} {% for x in y %} ${7*7} &lt;b&gt; &#60;",
    "bidi": "\u202egnp.exe\u2066 \u200f\u2069 \u05e9\u05e8\u05ea down",
    "controls": "\x1b[31mred\x1b]0;owned\x07\x00\x08 \x7f \x85 a\r\nb",
    "emoji": "\U0001f469\u200d\U0001f4bb \U0001f525 \u2603\ufe0f down \ufeff\u200b",
    "long": "x" * 10_000,
    "words": "down and " * 1_200,
    "event": "x\n\nevent: part\ndata: {}\n\n",
}


@dataclass
class Shown:
    """
    An engine after that night, and the port on which its listener serves the page.
    """

    night: Night
    port: int

    @property
    def world(self) -> World:
        return self.night.world

    @property
    def scene(self) -> Scene:
        return self.night.scene

    @property
    def url(self) -> str:
        return f"http://somebody:{TOKEN}@127.0.0.1:{self.port}/"

    @property
    def listener(self) -> Any:
        return self.world.engine.listener

    def serve(self) -> None:
        """
        Serve in threads of their own, as the engine does.
        """
        for loop in (self.listener, self.world.engine.recorder):
            threading.Thread(target=loop.run, daemon=True).start()

    def stop(self) -> None:
        """
        Let the listener's loop end; its sockets stay bound.
        """
        loop = self.listener.loop
        loop.add_callback(loop.stop)

    def fail(self, minion: str, **details: Any) -> Any:
        """
        Let the process of a spare host fail, and the engine see it.
        """
        problem = self.scene.tenant.open_problem(
            self.scene.apaches[minion], start=self.world.now - 5, **details
        )
        self.world.poll(1)
        return problem


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    with Tenant() as running:
        running.login = "classic"
        yield running


@pytest.fixture(scope="module")
def shown(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """
    One engine for all tests of a file.
    """
    with night_shown(tenant, tmp_path_factory.mktemp("page")) as made:
        yield made


@contextmanager
def night_shown(tenant: Tenant, directory: Path) -> Iterator[Shown]:
    """
    Run the engine of that night, with its page.
    """
    scene = Scene(tenant, directory)
    for minion in SPARE:
        scene.host(minion)
    port = free_ports(1)[0]
    night = play(scene, webhook={"port": port, "token": TOKEN, "page": True})
    made = Shown(night, port)
    made.serve()
    yield made
    night.world.close()


class Window:
    """
    What is done and seen in a browser.
    """

    def __init__(self, browser: Browser) -> None:
        self.driver = browser.driver
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(60)
        #: What the browser told of its network and its page since the last time that somebody asked.
        self._messages: list[dict[str, Any]] = []

    def look(
        self,
        url: str,
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        motion: str = "no-preference",
        script: bool = True,
    ) -> None:
        """
        Open an address, in a window of this size and for somebody who likes it so.
        """
        wide, high = size
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        media = [{"name": name, "value": value} for name, value in features.items()]
        screen = {"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": wide < 600}
        # What was open before asks for nothing more.
        self.driver.get("about:blank")
        self.tell("Emulation.setEmulatedMedia", features=media)
        self.tell("Emulation.setDeviceMetricsOverride", **screen)
        self.tell("Emulation.setScriptExecutionDisabled", value=not script)
        self.logs("browser")
        self._hear().clear()
        self.driver.get(url)
        if script:
            self.until("document.getElementById('live').textContent.startsWith('Live')")
        else:
            # Selenium asks a script whether a page is loaded, and comes back early where none may run.
            wait_for(self._is_loaded, what="the load event")

    def tell(self, command: str, **parameters: Any) -> Any:
        """
        Give the browser a command of its own protocol.
        """
        return self.driver.execute_cdp_cmd(command, parameters)

    def run(self, expression: str, *arguments: Any) -> Any:
        """
        Return the value of an expression in the page.
        """
        return self.driver.execute_script(f"return {expression}", *arguments)

    def until(self, expression: str, seconds: float = 60) -> None:
        """
        Wait until an expression is true in the page.
        """
        wait_for(lambda: self.run(expression), seconds, expression)

    def logs(self, kind: str) -> list[dict[str, Any]]:
        """
        Return what was logged since the last time.
        """
        return list(self.driver.get_log(kind))

    def asked(self) -> list[str]:
        """
        Return the addresses that were asked for since the last time.
        """
        messages, self._messages = self._hear(), []
        return [
            one["params"]["request"]["url"]
            for one in messages
            if one["method"] == "Network.requestWillBeSent"
        ]

    def _hear(self) -> list[dict[str, Any]]:
        """
        Return what was told since the last time, and keep it for the next.
        """
        logged = self.logs("performance")
        self._messages += [json.loads(one["message"])["message"] for one in logged]
        return self._messages

    def _is_loaded(self) -> bool:
        return any(one["method"] == "Page.loadEventFired" for one in self._hear())

    def picture(self, path: Path, above: str | None = None) -> Path:
        """
        Write a picture of the whole page, or of what is above a part of it, in the format that the file's name says.
        """
        wide, high = self.run(
            "[document.documentElement.clientWidth, document.documentElement.scrollHeight]"
        )
        if above is not None:
            high = self.run(f"document.getElementById('{above}').getBoundingClientRect().top")
        clip = {"x": 0, "y": 0, "width": wide, "height": high, "scale": 1}
        how = {"format": "webp", "quality": 85} if path.suffix == ".webp" else {"format": "png"}
        shot: Mapping[str, str] = self.tell(
            "Page.captureScreenshot", captureBeyondViewport=True, clip=clip, **how
        )
        path.write_bytes(base64.b64decode(shot["data"]))
        return path


def wait_for(condition: Callable[[], Any], seconds: float = 60, what: str = "it") -> None:
    """
    Wait for a condition.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def window() -> Iterator[Window]:
    if lacking := browsers.why_not():
        pytest.skip(lacking)
    with Browser() as browser:
        yield Window(browser)

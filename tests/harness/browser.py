"""
A real Chromium without a window, driven by Selenium.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.harness import programs
from tests.harness.started import Started


def why_not() -> str | None:
    """
    Return what is lacking to start one, or None.
    """
    return programs.why_not("chromium", "chromedriver")


class Browser(Started):
    """
    One browser with a profile of its own in a scratch directory; `driver` is Selenium's.

        with Browser() as browser:
            browser.driver.get(url)
    """

    driver: webdriver.Chrome

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def start(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="sd-browser-", dir="/tmp"))
        # Named, so that Selenium looks for none, and asks nobody on the network.
        service = Service(shutil.which("chromedriver"), env=self._environment())
        self.driver = webdriver.Chrome(options=self._options(), service=service)

    def stop(self) -> None:
        with contextlib.suppress(AttributeError):
            self.driver.quit()
        with contextlib.suppress(AttributeError):
            shutil.rmtree(self.home, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        # A user such as `nobody` has no home.
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}

    def _options(self) -> webdriver.ChromeOptions:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        # Chromium's own sandbox refuses root, and /dev/shm is small in a container.
        own = ("headless=new", "no-sandbox", "disable-dev-shm-usage", "no-first-run")
        for argument in (*own, f"user-data-dir={self.home / 'profile'}", *self._arguments):
            options.add_argument(f"--{argument}")
        # What the console says, and what is asked for.
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        return options

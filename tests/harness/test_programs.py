"""
The programs of Debian's that tests drive start here, also apart from this machine, and leave nothing.
"""

from __future__ import annotations

import shutil

import pytest

from tests.harness import browser as browsers
from tests.harness import programs
from tests.harness import prometheus as prometheuses
from tests.harness.browser import Browser
from tests.harness.config import REPO
from tests.harness.prometheus import Prometheus, PrometheusError


def test_a_missing_program_is_named_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who reads why a test was left out knows what to type."""
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "chromedriver" else name)
    assert programs.why_not("chromium") is None
    told = programs.why_not("chromium", "chromedriver")
    assert told is not None
    assert told.startswith("it needs the programs chromedriver: ")
    assert told.endswith("`apt-get install chromium-driver`")


def test_the_makefile_installs_each_package() -> None:
    """What the text says is what `make tools` does."""
    lines = (REPO / "Makefile").read_text(encoding="utf-8").splitlines()
    wanted = {
        package
        for line in lines
        if line.startswith("test functional") and "TOOLS +=" in line
        for package in line.split()
    }
    assert set(programs.PACKAGES.values()) <= wanted


def test_chromium_shows_a_page() -> None:
    """With a profile of its own, which goes with it."""
    if lacking := browsers.why_not():
        pytest.skip(lacking)
    with Browser() as browser:
        browser.driver.get("data:text/html,<title>shown</title>")
        assert browser.driver.title == "shown"
        assert browser.home.is_dir()
    assert not browser.home.exists()


def test_prometheus_answers_a_query() -> None:
    """And says what is wrong with a query that is none."""
    if lacking := prometheuses.why_not():
        pytest.skip(lacking)
    with Prometheus({}) as prometheus:
        assert prometheus.query("vector(7)")[0]["value"][1] == "7"
        with pytest.raises(PrometheusError, match="parse error"):
            prometheus.query("sum(")


def test_a_prometheus_that_does_not_start_says_why() -> None:
    """A fault of the configuration is seen at once."""
    if lacking := prometheuses.why_not():
        pytest.skip(lacking)
    prometheus = Prometheus({"no_such_key": 1})
    with pytest.raises(PrometheusError, match="no_such_key"):
        prometheus.start()
    prometheus.stop()

"""
What all tests have in common.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

import pytest

# First of all: Salt 3006 gives `import tornado` a meaning of its own, and two tornados in one process do not mix.
import salt  # noqa: F401
from tests.harness import apart

#: What may be skipped in CI, by the beginning of the reason: there it is asked for by a switch.
OPTIONAL = "only with FULL=1"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """
    Run all tests apart from this machine, where that can be done: they start, stop and break an apache2.
    """
    if apart.inside() or os.environ.get("APART") == "0" or apart.why_not():
        return None
    given = config.invocation_params
    return apart.run([sys.executable, "-m", "pytest", *map(str, given.args)], given.dir)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """
    In CI a test that is skipped for what the machine lacks has failed: nobody reads what is skipped.
    """
    report = yield
    _must_run(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """
    The same for a file that is skipped as a whole.
    """
    report = yield
    _must_run(report)
    return report


def _must_run(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("CI"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(OPTIONAL):
        report.outcome = "failed"
        report.longrepr = f"It must not be skipped where CI is set. {reason}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """
    Salt's log handlers flush once more at the very end, into streams that pytest has closed by then.
    """
    logging.raiseExceptions = False

"""
What all tests have in common.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import settings

# First of all: Salt 3006 gives `import tornado` a meaning of its own, and two tornados in one process do not mix.
import salt  # noqa: F401
from tests.harness import apart, spread

# How long an example takes says more of the machine than of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

#: What may be skipped in CI, by the beginning of the reason: there it is asked for by a switch.
OPTIONAL = "only with FULL=1"


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """
    Without what Salt logs of itself: an object of an earlier test may be collected, and complains, in the midst of any.
    """

    def ours(record: logging.LogRecord) -> bool:
        return not record.name.startswith("salt.") or record.name.startswith("salt.loaded.")

    caplog.handler.addFilter(ours)
    yield caplog
    caplog.handler.removeFilter(ours)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """
    Run all tests apart from this machine, where that can be done: they start, stop and break an apache2.
    """
    # With workers they are what runs apart, and this process only hands out the tests.
    if getattr(config.option, "numprocesses", None) or apart.stays():
        return None
    given = config.invocation_params
    return apart.run([sys.executable, "-m", "pytest", *map(str, given.args)], given.dir)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """
    `-n auto` and `-n logical`.
    """
    return spread.workers(config.option.numprocesses)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: Sequence[Any]) -> None:
    """
    Each worker apart.
    """
    spread.run_apart(specs)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """
    Whole files, or what `spread` says.
    """
    return spread.scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    The longest first.
    """
    items.sort(key=lambda item: spread.rank(item.nodeid))


def pytest_collection_finish() -> None:
    """
    Have the garbage collector pass over the tests, which stay to the end: that saves a tenth of what they compute.
    """
    gc.freeze()


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


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """
    Say in the last lines what was left out, and why.
    """
    for line in _left_out(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(line)


def _left_out(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for report in reports:
        by_reason.setdefault(_reason(report), []).append(report.nodeid.partition("::")[0])
    lines = []
    for reason, files in sorted(by_reason.items()):
        places = sorted({os.path.dirname(file) for file in files})
        lines.append(f"Left out: {len(files)} in {', '.join(places)}: {reason}")
    return lines


def _must_run(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("CI"):
        return
    reason = _reason(report)
    if not reason.startswith(OPTIONAL):
        report.outcome = "failed"
        report.longrepr = f"It must not be skipped where CI is set. {reason}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


def pytest_unconfigure(config: pytest.Config) -> None:
    """
    Salt's log handlers flush once more at the very end, into streams that pytest has closed by then.
    """
    logging.raiseExceptions = False

"""
What fails for a night is said twice: when it begins, and when it is over.
"""

from __future__ import annotations

import logging

import pytest
from _dynatrace.core.log_once import LogOnce, Seldom

log = logging.getLogger(__name__)


class Scene:
    """
    Something that fails and works at the test's time, with what is said of it.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture, quiet_s: float = 0.0) -> None:
        caplog.set_level(logging.INFO)
        self.now = 1000.0
        self._caplog = caplog
        self.outage = LogOnce(log, "test", "events wait", "events go on", quiet_s, lambda: self.now)

    def said(self) -> list[tuple[str, str]]:
        return [(one.levelname, one.getMessage()) for one in self._caplog.records]


FAILS = ("ERROR", "test: events wait; repeats are not logged: the disk is full")
WORKS = ("INFO", "test: events go on")


def test_a_failure_is_said_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    """
    The next failure is another one.
    """
    scene = Scene(caplog)
    for _ in range(2):
        scene.outage.works()
        for _ in range(5):
            scene.outage.fails("the disk is full")
        scene.outage.works()
        scene.outage.works()
    assert scene.said() == [FAILS, WORKS] * 2


def test_what_works_now_and_then_has_not_recovered(caplog: pytest.LogCaptureFixture) -> None:
    """
    It has when it worked for long enough.
    """
    scene = Scene(caplog, quiet_s=30)
    for _ in range(20):
        scene.outage.fails("the disk is full")
        for _ in range(5):
            scene.now += 5
            scene.outage.works()
    assert scene.said() == [FAILS]
    scene.now += 5
    scene.outage.works()
    assert scene.said() == [FAILS, WORKS]


def test_a_clock_that_is_set_back_ends_the_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """
    Else the end of the outage would be said days later.
    """
    scene = Scene(caplog, quiet_s=30)
    scene.outage.fails("the disk is full")
    scene.now -= 86400
    scene.outage.works()
    assert scene.said() == [FAILS, WORKS]


def test_what_anybody_can_cause_is_said_seldom(caplog: pytest.LogCaptureFixture) -> None:
    """
    Once an hour, with how often it was.
    """
    now = [1000.0]
    seldom = Seldom(log, "test", clock=lambda: now[0])
    for _ in range(1000):
        seldom.say("%s is refused", "a body")
    now[0] += 3600
    seldom.say("%s is refused", "a body")
    assert [one.getMessage() for one in caplog.records] == [
        "test: a body is refused",
        "test: a body is refused (999 more of this kind before)",
    ]

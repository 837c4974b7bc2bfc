"""
How the engine ends: so that Salt starts it again, whatever of it still runs.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import pytest


class Engine:
    """
    An engine whose supervision returns, or fails.
    """

    def __init__(self, error: Exception | None) -> None:
        self.threads = self
        self._error = error

    def start(self) -> None:
        return None

    def supervise(self) -> None:
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("error", [None, RuntimeError("can't allocate lock")])
def test_an_engine_that_cannot_go_on_ends_its_process(
    error: Exception | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    With a status that tells of a failure, and without waiting for a thread.
    """
    dynatrace: Any = importlib.import_module("dynatrace")
    ended: list[int] = []
    monkeypatch.setattr(dynatrace, "__opts__", {"engines": []}, raising=False)
    monkeypatch.setattr(dynatrace, "_master", lambda _: None)
    monkeypatch.setattr(dynatrace.wiring, "Engine", lambda *_: Engine(error))
    monkeypatch.setattr(dynatrace.os, "_exit", ended.append)
    with caplog.at_level(logging.ERROR):
        dynatrace.start(
            environment_url="https://abc12345.live.dynatrace.com", api_token="dt0c01.X.Y"
        )
    assert ended == [1]
    assert ("can't allocate lock" in caplog.text) is (error is not None)

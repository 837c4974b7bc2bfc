"""
What all tests have in common.
"""

from __future__ import annotations

import logging

import pytest


def pytest_unconfigure(config: pytest.Config) -> None:
    """
    Salt's log handlers flush once more at the very end, into streams that pytest has closed by then.
    """
    logging.raiseExceptions = False

"""
What all tests have in common.
"""

from __future__ import annotations

import logging

import pytest

# First of all: Salt 3006 gives `import tornado` a meaning of its own, and two tornados in one process do not mix.
import salt  # noqa: F401


def pytest_unconfigure(config: pytest.Config) -> None:
    """
    Salt's log handlers flush once more at the very end, into streams that pytest has closed by then.
    """
    logging.raiseExceptions = False

"""
Reads the switches of the demo and the benchmarks, which are environment variables.
"""

from __future__ import annotations

import os


def switched_on(name: str) -> bool:
    """
    Tell whether a switch is given: `NAME=1` or any other text but `0`.
    """
    return os.environ.get(name, "") not in ("", "0")

"""
Keeps Salt's early log handler from writing to a stream that pytest has closed, and makes the states'
sibling importable, as Salt's loader does while it loads them.
"""

from __future__ import annotations

import sys

import salt._logging

from tests.unit.minion.loading import REPO

salt._logging.shutdown_temp_handler()
sys.path.append(str(REPO / "salt" / "_states"))

"""
Keeps Salt's early log handler from writing to a stream that pytest has closed, and makes the siblings of states and
runners importable, as Salt's loader does while it loads them.
"""

from __future__ import annotations

import sys

import salt._logging

from tests.unit.minion.loading import REPO

salt._logging.shutdown_temp_handler()
sys.path += [str(REPO / "salt" / "_states"), str(REPO / "salt" / "_runners")]

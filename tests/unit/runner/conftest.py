"""
Makes the runner's siblings importable, as Salt's loader does while it loads the runner.
"""

from __future__ import annotations

import sys

from tests.unit.minion.loading import REPO

sys.path.append(str(REPO / "salt" / "_runners"))

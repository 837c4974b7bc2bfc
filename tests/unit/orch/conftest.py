"""
Keeps Salt's early log handler from writing to a stream that pytest has closed.
"""

from __future__ import annotations

import salt._logging

salt._logging.shutdown_temp_handler()

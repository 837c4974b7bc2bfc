"""
The listener over real sockets.
"""

# Before anything imports tornado: Salt 3006 has one of its own, and two in one process do not work together.
import salt  # noqa: F401

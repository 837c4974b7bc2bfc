"""
Free ports on the loopback.

A port that the kernel chose and that is let go again may be chosen a moment later, for a connection, a server of another
test, or the next who asks. So these come from below the kernel's own range, and each in its turn, whoever asks: all
processes of a user share one counter.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from itertools import islice
from pathlib import Path

# Linux chooses from 32768 on; well-known services lie below.
FIRST, LAST = 26000, 32767
COUNTER = Path(tempfile.gettempdir()) / f"dynatrace-tests-ports.{os.getuid()}"


def free_ports(count: int) -> list[int]:
    """
    Return ports that nobody listens on, all different, and that nobody else is given soon.
    """
    return list(islice(filter(_is_free, iter(_next, None)), count))


def _next() -> int:
    with COUNTER.open("a+", encoding="ascii") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        kept.seek(0)
        port = int(kept.read() or LAST) + 1
        if port > LAST:
            port = FIRST
        kept.truncate(0)
        kept.write(str(port))
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True

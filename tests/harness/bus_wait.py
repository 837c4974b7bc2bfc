"""
Has Salt wait for the socket of an event bus that is not there yet.

Salt 3008 tries to connect as often as it can, for a second: each `saltutil.sync_all` without a daemon, and each daemon
that is quicker than its bus, keeps a core busy for so long. `FULL=1` leaves Salt as it is.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

LOOK_S = 0.01


def wait_for_socket(publisher: Any) -> None:
    """
    Have a class of publishers, as `salt.transport.tcp` has one, look for the socket before they connect to it.
    """
    connect = publisher._connect

    async def waiting(self: Any, timeout: float | None = None) -> None:
        if timeout is None or not self.path:
            await connect(self, timeout)
            return
        until = time.monotonic() + timeout
        while not (os.path.exists(self.path) or self._closing) and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
        await connect(self, max(until - time.monotonic(), 0.0))

    publisher._connect = waiting

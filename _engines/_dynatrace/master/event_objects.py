"""
Salt's own event objects, without what each event costs beside itself.

Since 3007 the connections in them are SyncWrappers (``salt/utils/asynchronous.py``, ``salt/transport/tcp.py``). To fire, Salt
starts and joins a thread for each event, which takes four times as long as the event. To receive, 3007 does the same, and 3008
runs a loop for each event, also for one that was read with another; a crowd of minions fires more than 3007 reads that way.
Nothing but that is left out: Salt still makes the event, its frame and its connection.

Those of 3006 stay as they are: there they come back less well after the publisher was killed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .bus_connection import FIRE_TIMEOUT_MS


def that_fires(bus: Any) -> Any:
    """
    Connect an event object that one thread fires with, and return it; raises ConnectionError when the publisher cannot be
    reached. Firing raises what Salt's transport raises.
    """
    if not _is_wrapped(bus):
        return bus
    _require(bus, bus.connect_pull(timeout=FIRE_TIMEOUT_MS / 1000))
    bus.pusher.publish = partial(_send, bus.pusher.obj.pub_sock)
    return bus


def that_receives(bus: Any) -> Any:
    """
    Return an event object that one thread receives with; raises ConnectionError when it is not connected. Receiving raises what
    Salt's transport raises.
    """
    _require(bus, bus.cpub)
    if _is_wrapped(bus):
        bus.subscriber.recv = partial(_receive, bus.subscriber)
    return bus


def _require(bus: Any, is_connected: bool) -> None:
    """
    Throw an event object away that is not connected and raise ConnectionError: Salt gives one when the publisher has no socket.
    """
    if not is_connected:
        bus.destroy()
        raise ConnectionError("the event publisher cannot be reached")


def _is_wrapped(bus: Any) -> bool:
    return hasattr(bus, "pack")


def _send(connection: Any, message: bytes) -> None:
    # Tornado's `run_sync` makes a class at each call, which is a tenth of what an event costs.
    connection.asyncio_loop.run_until_complete(connection.obj.send(message))


def _receive(connection: Any, timeout: float | None = None) -> bytes | None:
    """
    Return the next event as it was packed, or None when none came within so many seconds.
    """
    for frame in connection.obj.unpacker:
        if isinstance(frame, dict):
            read: bytes = frame[b"body"]
            return read
    receiving = connection.obj.recv(timeout=timeout)
    received: bytes | None = connection.asyncio_loop.run_until_complete(receiving)
    return received

"""
Fires through Salt's own event object, without the event loop inside of an event loop.

Since 3007 ``SaltEvent.pusher`` is a SyncWrapper of a PublishServer, whose ``publish`` uses a SyncWrapper of its own. Salt
then starts and joins a thread for each event, which takes four times as long as the event itself
(``salt/utils/asynchronous.py``, ``salt/transport/tcp.py``). Nothing but that is left out: Salt still makes the event, its
frame and its connection.
"""

from __future__ import annotations

from typing import Any

CONNECT_S = 5.0


class Publisher:
    """
    Takes the place of ``SaltEvent.pusher``; raises what Salt's transport raises.
    """

    def __init__(self, pusher: Any) -> None:
        self._pusher = pusher

    def publish(self, message: bytes) -> None:
        self._pusher.obj.pub_sock.send(message)

    def close(self) -> None:
        # The wrapper hands `close` itself on to what it wraps.
        type(self._pusher).close(self._pusher)


def direct(bus: Any) -> Any:
    """
    Connect an event object of Salt and return it; raises ConnectionError when the publisher cannot be reached.

    That of 3006 has one event loop, and stays as it is.
    """
    if not bus.connect_pull(timeout=CONNECT_S):
        bus.destroy()
        raise ConnectionError("the event publisher cannot be reached")
    if getattr(getattr(bus.pusher, "obj", None), "pub_sock", None) is not None:
        bus.pusher = Publisher(bus.pusher)
    return bus

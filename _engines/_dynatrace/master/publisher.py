"""
Fires through Salt's own event object, and starts no thread for each event.

``SaltEvent.pusher`` is a SyncWrapper, which may start and join a thread for each call; since 3007 the connection in it has a
SyncWrapper of its own, and it always does. That takes four times as long as the event itself
(``salt/utils/asynchronous.py``, ``salt/transport/tcp.py``, ``salt/transport/ipc.py``). Nothing but that is left out: Salt still
makes the event, its frame and its connection.
"""

from __future__ import annotations

from typing import Any

CONNECT_S = 5.0


class Publisher:
    """
    Takes the place of ``SaltEvent.pusher``, for one thread; raises what Salt's transport raises.
    """

    def __init__(self, pusher: Any) -> None:
        self._pusher = pusher
        self._connection = getattr(pusher.obj, "pub_sock", None) or pusher

    def publish(self, message: bytes) -> None:
        connection = self._connection
        connection.io_loop.run_sync(lambda: connection.obj.send(message))

    #: So it is called by 3006.
    send = publish

    def close(self) -> None:
        # The wrapper hands `close` itself on to what it wraps.
        type(self._pusher).close(self._pusher)


def direct(bus: Any) -> Any:
    """
    Connect an event object of Salt and return it; raises ConnectionError when the publisher cannot be reached.
    """
    if not bus.connect_pull(timeout=CONNECT_S):
        bus.destroy()
        raise ConnectionError("the event publisher cannot be reached")
    bus.pusher = Publisher(bus.pusher)
    return bus

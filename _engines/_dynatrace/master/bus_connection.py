"""
The connection by which events are fired: made when it is needed, and thrown away after any failure.

Salt's event objects break when threads overlap on them, and ``fire_event`` may return False, raise, or block for ever
when the publisher hangs.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from .delivery import HANG_S
from .salt_interface import EventBus

log = logging.getLogger(__name__)

FIRE_TIMEOUT_MS = 5000


class BusConnection:
    """
    One event object at a time, which belongs to one thread; any thread may ask whether it is blocked.
    """

    def __init__(self, instance: str, connect: Callable[[], EventBus]) -> None:
        self._instance = instance
        self._connect = connect
        self._bus: EventBus | None = None
        self._firing_since = math.inf

    def fire(self, data: dict[str, Any], tag: str) -> str | None:
        """
        Give an event to the publisher; return why it did not take it, None: it did.
        """
        self._firing_since = time.monotonic()
        try:
            if self._bus is None:
                self._bus = self._connect()
            done = self._bus.fire_event(data, tag, timeout=FIRE_TIMEOUT_MS)
            return None if done else "the event publisher does not take it"
        except Exception as err:  # noqa: BLE001 - Salt raises what its transport raises, differently in each version.
            return f"{type(err).__name__}: {err}"
        finally:
            self._firing_since = math.inf

    def is_blocked(self) -> bool:
        """
        Tell whether the publisher lets a fire wait for so long that it hangs.
        """
        return time.monotonic() - self._firing_since > HANG_S

    def close(self) -> None:
        """
        Throw the event object away; the next event is fired by a new one.
        """
        bus, self._bus = self._bus, None
        try:
            if bus is not None:
                bus.destroy()
        except Exception:
            log.debug("%s: closing the event object failed", self._instance, exc_info=True)

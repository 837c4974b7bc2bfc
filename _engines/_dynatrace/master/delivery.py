"""
Tells what was fired and has not come back: an event is on the bus when it came back to the engine's own subscriber.

Salt's ``fire_event`` gives an event to a socket and returns True; a publisher that is stopped takes a hundred kilobytes
that way, and one that is killed loses them. The publisher reads each connection in order, so an event that comes
back proves all that were fired before it on the same connection.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

#: A healthy bus gives an event back within milliseconds. Silence as long as this makes doubtful what was fired before.
SILENCE_S = 5.0
#: A fire that takes longer hangs, and a bus that is silent for longer does: a stopped publisher blocks for ever.
HANG_S = 15.0
#: Between two questions to a silent bus.
FIRST_PAUSE_S = 1.0
PAUSE_CAP_S = 15.0


class DeliveryConfirmation:
    """
    What was fired on the present connection and is not proved; written by the relay, answered by the
    subscriber.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: (signature, number in the outbox or None, when), in the order of firing.
        self._unconfirmed: deque[tuple[str, int | None, float]] = deque()
        #: How many of them have a signature: events that say the same in one moment have the same.
        self._signatures: Counter[str] = Counter()
        self._received_at = time.monotonic()
        self.connections = 0
        #: Whether the subscriber is to connect anew, in case it is the one that fails.
        self.renewal = False

    def opened(self) -> None:
        """
        Note that the subscriber is connected, at first or anew; before the first time nothing needs proof.
        """
        self.renewal = False
        self.connections += 1

    def fired(self, signature: str, seq: int | None) -> None:
        """
        Note that an event was handed over, before it can come back.
        """
        if self.connections:
            with self._lock:
                self._unconfirmed.append((signature, seq, time.monotonic()))
                self._signatures[signature] += 1

    def refused(self, signature: str) -> None:
        """
        Note that the last event was not handed over after all.
        """
        with self._lock:
            if self._unconfirmed and self._unconfirmed[-1][0] == signature:
                self._forget(self._unconfirmed.pop())

    def received(self, data: Mapping[str, Any]) -> None:
        """
        Take an event from the bus, anybody's: that it came shows that the publisher works.
        """
        self._received_at = time.monotonic()
        signature = data.get("signature")
        if not self._unconfirmed or not isinstance(signature, str):
            return
        with self._lock:
            found = signature not in self._signatures
            while not found:
                found = self._forget(self._unconfirmed.popleft()) == signature

    def _forget(self, fired: tuple[str, int | None, float]) -> str:
        signature = fired[0]
        self._signatures[signature] -= 1
        if not self._signatures[signature]:
            del self._signatures[signature]
        return signature

    def silent_for(self) -> float:
        """
        Return for how many seconds an event has not come back while nothing at all came; 0 without any.
        """
        with self._lock:
            if not self._unconfirmed:
                return 0.0
            return time.monotonic() - max(self._unconfirmed[0][2], self._received_at)

    def lost(self) -> list[int]:
        """
        Return and forget what never came back: the connection is gone, and with it perhaps these events.
        """
        with self._lock:
            unconfirmed, self._unconfirmed = self._unconfirmed, deque()
            self._signatures.clear()
        return [seq for _, seq, _ in unconfirmed if seq is not None]


class Doubt:
    """
    What is done about a bus that stays silent, and when; all in seconds since the doubt began.

    It is asked at once, when the subscriber is connected anew, and after pauses that grow: a stopped publisher gives all
    of it back when it goes on. The connection is only renewed when the bus had the time to come back by itself.
    """

    def __init__(self, connections: int) -> None:
        self._began = time.monotonic()
        self._connections = connections
        self._ask, self._renew = 0.0, HANG_S

    def age(self) -> float:
        return time.monotonic() - self._began

    def asks(self, connections: int) -> bool:
        """
        Tell whether the bus is to be asked now.
        """
        age = self.age()
        if age < self._ask and connections == self._connections:
            return False
        self._ask, self._connections = age + min(max(age, FIRST_PAUSE_S), PAUSE_CAP_S), connections
        return True

    def renews(self) -> bool:
        """
        Tell whether the connection is to be renewed now.
        """
        age = self.age()
        if age < self._renew:
            return False
        self._renew = 2 * age
        return True

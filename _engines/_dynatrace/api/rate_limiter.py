"""
A limit of calls in any minute: each token returns a minute after its use.

Each kind of call has a share where several kinds call. Comments and details never take what the poll needs, and a poll every second never takes
what the details need. Notifications may name invented problems, so they take neither from the poll nor from an order that
waits to be read again. A call waits for a token that returns soon, else it is refused with the time to wait.

Dynatrace documents no number: each response reports the limit of its endpoint (``X-RateLimit-Limit``). The limiter stays
below that for this endpoint, whatever the configuration says of all calls together.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from ..core.errors import RateLimited

WINDOW_S = 60.0
#: Of the limit that the tenant reports: others use its API too.
TENANT_SHARE = 0.75
LEAST, MOST = 4, 6000


class Kind(Enum):
    """
    What a call is for: the list of problems, a detail, a problem that only a notification names, or feedback.
    """

    LISTING = "listing"
    READING = "reading"
    NOTIFIED = "notified"
    FEEDBACK = "feedback"


#: How long a call waits for its token; feedback has a thread of its own, which has nothing else to do.
MAX_WAIT_S = {Kind.LISTING: 1.0, Kind.READING: 1.0, Kind.NOTIFIED: 1.0, Kind.FEEDBACK: 30.0}
#: What some kinds may use together. Listing always finds a quarter, and reading a quarter.
_SHARES = (
    (frozenset({Kind.LISTING}), 0.5),
    (frozenset({Kind.READING, Kind.NOTIFIED, Kind.FEEDBACK}), 0.75),
    (frozenset({Kind.LISTING, Kind.NOTIFIED, Kind.FEEDBACK}), 0.75),
    (frozenset({Kind.NOTIFIED, Kind.FEEDBACK}), 0.5),
    (frozenset({Kind.NOTIFIED}), 0.375),
    (frozenset({Kind.FEEDBACK}), 0.25),
    (frozenset(Kind), 1.0),
)
#: Here readings call alone, and there is nobody to leave a share to.
_ALONE = frozenset({"GET /entities", "GET /entities/{id}"})


class Window:
    """
    The calls of the last minute, by kind: to one endpoint, or to all.
    """

    def __init__(self) -> None:
        self._calls: dict[Kind, deque[float]] = {kind: deque(maxlen=MOST) for kind in Kind}

    def add(self, kind: Kind, now: float) -> None:
        self._calls[kind].append(now)

    def wait(self, kind: Kind, limit: int, now: float, shared: bool = True) -> float:
        """
        Return the seconds until another call of a kind is within a limit and, if that is ``shared``, within its shares of it.
        """
        for calls in self._calls.values():
            while calls and calls[0] <= now - WINDOW_S:
                calls.popleft()
        waits = [0.0]
        for kinds, share in _SHARES if shared else _SHARES[-1:]:
            most = max(int(limit * share), 1)
            if kind in kinds and sum(len(self._calls[one]) for one in kinds) >= most:
                times = sorted(at for one in kinds for at in self._calls[one])
                waits.append(times[-most] + WINDOW_S - now)
        return max(waits)


@dataclass(eq=False)
class RateLimiter:
    """
    The calls of one engine to one tenant; may be used from several threads at once.

    ``per_minute`` limits all calls together; None: only the limits count that the tenant reports for an endpoint, and
    until it reports one there is none.
    """

    per_minute: int | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._reported: dict[str, int] = {}
        self._held_until: dict[str, float] = {}
        self._all = Window()
        self._windows: defaultdict[str, Window] = defaultdict(Window)

    def limit(self, endpoint: str) -> int | None:
        """
        Return how many calls a minute an endpoint takes by what it reported; None: it reported nothing.
        """
        reported = self._reported.get(endpoint)
        return None if reported is None else _bounded(int(reported * TENANT_SHARE))

    def acquire(self, endpoint: str, kind: Kind) -> None:
        """
        Take a token for one call, after a short wait if need be; raises RateLimited where that is not enough.
        """
        begun = self.clock()
        while True:
            with self._lock:
                now = self.clock()
                held = self._held_until.get(endpoint, now) - now
                spent, limit = self._wait(endpoint, kind, now)
                wait = max(held, spent)
                if wait <= 0:
                    self._all.add(kind, now)
                    self._windows[endpoint].add(kind, now)
                    return
            if now + wait - begun > MAX_WAIT_S[kind]:
                why = f"{limit} calls a minute are spent"
                if held > 0:
                    why = "the tenant asked to wait"
                wait = max(wait, 1.0)
                raise RateLimited(f"{endpoint}: not asked: {why}; waiting {wait:.0f} s", wait)
            self.sleep(wait)

    def observe(self, endpoint: str, headers: Mapping[str, str]) -> None:
        # Documented as the calls of one minute to this endpoint.
        value = headers.get("X-RateLimit-Limit", "")
        if re.fullmatch(r"[0-9]{1,9}", value):
            with self._lock:
                self._reported[endpoint] = int(value)

    def hold(self, endpoint: str, seconds: float) -> None:
        with self._lock:
            self._held_until[endpoint] = self.clock() + seconds

    def _wait(self, endpoint: str, kind: Kind, now: float) -> tuple[float, int]:
        # The longest wait, and the limit that asks for it.
        waits = [(0.0, 0)]
        own = self.limit(endpoint)
        if own is not None:
            shared = endpoint not in _ALONE
            waits.append((self._windows[endpoint].wait(kind, own, now, shared), own))
        if self.per_minute is not None:
            every = _bounded(self.per_minute)
            waits.append((self._all.wait(kind, every, now), every))
        return max(waits)


def _bounded(limit: int) -> int:
    return min(max(limit, LEAST), MOST)

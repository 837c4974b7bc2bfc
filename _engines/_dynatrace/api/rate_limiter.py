"""
A budget of calls a minute: a bucket of tokens, each of which comes back a minute after it was spent.

So no minute has more calls than the budget, wherever it begins. Each kind of call has a share: comments and details
never take what the poll needs, a poll every second never takes what the details need, and notifications, whose
problems may be invented, take neither from the poll nor from an order that waits to be read again. A call whose token comes
back soon waits for it; else it is refused with the time to wait, since the loop has more to do than to wait.

Dynatrace documents no number: it tells the limit of an endpoint in each answer (``X-RateLimit-Limit``), and the budget
keeps below that, whatever the configuration says.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum

from ..core.errors import RateLimited

WINDOW_S = 60.0
#: Of the limit that the tenant tells: others use its API too.
TENANT_SHARE = 0.75
LEAST, MOST = 4, 6000


class Kind(Enum):
    """
    What a call is for: the list of problems, a detail, what only a notification names, or what is told to the tenant.
    """

    LISTING = "listing"
    READING = "reading"
    NOTIFIED = "notified"
    TELLING = "telling"


#: How long a call waits for its token; telling has a thread of its own, which has nothing else to do.
PATIENCE_S = {Kind.LISTING: 1.0, Kind.READING: 1.0, Kind.NOTIFIED: 1.0, Kind.TELLING: 30.0}
#: What some kinds may spend together. Listing always finds a quarter, and reading a quarter.
_SHARES = (
    (frozenset({Kind.LISTING}), 0.5),
    (frozenset({Kind.READING, Kind.NOTIFIED, Kind.TELLING}), 0.75),
    (frozenset({Kind.LISTING, Kind.NOTIFIED, Kind.TELLING}), 0.75),
    (frozenset({Kind.NOTIFIED, Kind.TELLING}), 0.5),
    (frozenset({Kind.NOTIFIED}), 0.375),
    (frozenset({Kind.TELLING}), 0.25),
    (frozenset(Kind), 1.0),
)


class RateLimiter:
    """
    The calls of one engine to one tenant; may be used from several threads at once.

    ``per_minute`` None: only the limit that the tenant tells counts, and until it tells one there is none.
    """

    def __init__(
        self,
        per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._own = per_minute
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._told: dict[str, int] = {}
        self._held: dict[str, float] = {}
        self._spent: dict[Kind, deque[float]] = {kind: deque(maxlen=MOST) for kind in Kind}

    @property
    def limit(self) -> int | None:
        """
        Return the calls of one minute as they are now, or None.
        """
        limits = [int(told * TENANT_SHARE) for told in self._told.values()]
        if self._own is not None:
            limits.append(self._own)
        return min(max(min(limits), LEAST), MOST) if limits else None

    def spend(self, endpoint: str, kind: Kind) -> None:
        """
        Take a token for one call, after a short wait if need be; raises RateLimited where that is not enough.
        """
        begun = self._clock()
        while True:
            with self._lock:
                now = self._clock()
                wait = max(self._held.get(endpoint, now) - now, self._wait(kind, now))
                if wait <= 0:
                    self._spent[kind].append(now)
                    return
                held = self._held.get(endpoint, now) > now
            if now + wait - begun > PATIENCE_S[kind]:
                why = (
                    "the tenant asked to wait" if held else f"{self.limit} calls a minute are spent"
                )
                raise RateLimited(
                    f"{endpoint}: not asked: {why}; waiting {max(wait, 1.0):.0f} s", max(wait, 1.0)
                )
            self._sleep(wait)

    def told(self, endpoint: str, headers: Mapping[str, str]) -> None:
        """
        Take in the limit that an answer tells; it is documented as the calls of one minute to this endpoint.
        """
        value = headers.get("X-RateLimit-Limit", "")
        if re.fullmatch(r"[0-9]{1,9}", value):
            with self._lock:
                self._told[endpoint] = int(value)

    def hold(self, endpoint: str, seconds: float) -> None:
        """
        Let no call to an endpoint out before the time that the tenant asked for.
        """
        with self._lock:
            self._held[endpoint] = self._clock() + seconds

    def _wait(self, kind: Kind, now: float) -> float:
        """
        Return the seconds until this kind of call has a token, 0 for now.
        """
        limit = self.limit
        for spent in self._spent.values():
            while spent and spent[0] <= now - WINDOW_S:
                spent.popleft()
        if limit is None:
            return 0.0
        waits = [0.0]
        for kinds, share in _SHARES:
            most = max(int(limit * share), 1)
            count = sum(len(self._spent[one]) for one in kinds)
            if kind in kinds and count >= most:
                times = sorted(at for one in kinds for at in self._spent[one])
                waits.append(times[count - most] + WINDOW_S - now)
        return max(waits)

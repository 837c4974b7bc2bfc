"""
The reasons for which a minion is held, as events, comments and logs name them.
"""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """
    Why a minion is held; the value is the phrase for events, comments and logs.
    """

    COOLDOWN = "cooldown"
    IN_PROGRESS = "in progress"
    ATTEMPTS_SPENT = "attempts spent"
    STORM = "storm"
    MAINTENANCE = "maintenance"
    PAUSED = "paused"
    DRY_RUN = "dry run"
    NOT_ALLOWED = "not allowed"
    NOT_ACCEPTED = "not accepted"
    NOT_CONNECTED = "not connected"
    HEALED = "healed"
    HEALTHY = "already healthy"
    REFUSED = "refused"
    UNPROVED = "not proved"
    JOB_CACHE = "job cache unreadable"
    ONE_OF_MANY = "one of many hosts"
    MATCHED_BY_NAME = "matched by name only"
    ANOTHER_PROCESS = "another process"
    NO_REMEDY = "no remedy"
    NOT_DOWN = "not down"

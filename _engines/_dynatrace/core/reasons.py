"""
The reasons for which a minion is held, and those for which a person is called, as events, comments and logs name them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


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
    TWO_REMEDIES = "two remedies"
    NOT_DOWN = "not down"


class Escalation(str, enum.Enum):
    """
    Why a person is called; the value is the `reason` of the event `escalated`, and a heading of the runbook.
    """

    ATTEMPTS_SPENT = "attempts spent"
    REFUSED = "refused"
    UNPROVED = "not proved"
    NOT_CONNECTED = "not connected"
    JOB_CACHE = "job cache unreadable"
    UNTAKEN = "no remedy took the event"
    CONTRADICTORY = "contradictory returns"
    STILL_OPEN = "still open"
    DISAGREE = "the two disagree"
    NO_REMEDY = "no remedy"

    def __str__(self) -> str:
        return str(self.value)


#: Held since nothing more is tried in this episode: a person is called at once.
SPENT: Mapping[Reason, Escalation] = {
    Reason.ATTEMPTS_SPENT: Escalation.ATTEMPTS_SPENT,
    Reason.REFUSED: Escalation.REFUSED,
    Reason.UNPROVED: Escalation.UNPROVED,
}
#: Held for what may pass by itself: a person is called when it lasts.
AWAY: Mapping[Reason, Escalation] = {
    Reason.NOT_CONNECTED: Escalation.NOT_CONNECTED,
    Reason.JOB_CACHE: Escalation.JOB_CACHE,
}
#: Held since nobody can tell what would heal it: a person is called only if the policy says so.
UNHEALABLE: Mapping[Reason, Escalation] = {
    Reason.NO_REMEDY: Escalation.NO_REMEDY,
    Reason.TWO_REMEDIES: Escalation.NO_REMEDY,
}
#: The engine goes on beside the person.
BESIDE = (
    Escalation.STILL_OPEN,
    Escalation.DISAGREE,
    Escalation.JOB_CACHE,
    Escalation.NO_REMEDY,
)
#: Told by a comment of its own, also where nothing was tried, or only where something was; the comment on the attempt
#: says the others.
ALWAYS_COMMENTED = (Escalation.DISAGREE, Escalation.JOB_CACHE, Escalation.NO_REMEDY)
COMMENTED = (
    *ALWAYS_COMMENTED,
    Escalation.ATTEMPTS_SPENT,
    Escalation.NOT_CONNECTED,
    Escalation.CONTRADICTORY,
    Escalation.STILL_OPEN,
)

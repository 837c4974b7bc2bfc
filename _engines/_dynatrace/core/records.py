"""
What the ledger keeps, as values: episodes, attempts and their actions, events and comments that wait.

All times are epoch seconds. A *problem key* is the problem id, or ``display:<display id>`` where only that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .problem import Problem
from .resolution import Resolution

#: Attempts that nobody knows the end of.
OPEN_STATES = "('planned', 'fired', 'running', 'idle')"
#: How an action ends, and an attempt as the worst of its actions did: the worst first.
END_STATES = ("bad", "lost", "unproved", "refused", "good", "healthy", "void")
#: Those that may be at work on a minion; an idle one surely is not: its order expired before a job took it.
BUSY_STATES = "('planned', 'fired', 'running')"


@dataclass
class Episode:
    """
    One span in which a problem is open; ``summary`` is what the list showed, to see changes cheaply.

    ``state`` is open, closed, or left (older than the lookback on the first start: never acted on, never announced).
    ``due`` is when a decision is worth making again; None: not before something happens. ``waiting`` names what an
    episode waits for that no time tells: ``room`` (for the storm guard) or ``paused``. Attempts before ``counted_from``,
    when a person ordered a retry, count no longer.
    """

    problem_key: str
    episode: int
    problem: Problem
    resolution: Resolution
    summary: str
    rank: int
    opened: float
    read: float
    state: str = "open"
    due: float | None = None
    waiting: str | None = None
    attempts: int = 0
    announced: bool = False
    escalated: str | None = None
    counted_from: float = 0.0
    closed: float | None = None


@dataclass(frozen=True)
class Attempt:
    """
    One order to heal, to one or several minions, with one job id.

    ``state`` is planned (in the outbox), fired (on the bus), running (its job exists) or idle (no job took it in time,
    it waits to be ordered again); in the end one of ``END_STATES``, as its actions.
    """

    attempt_id: str
    problem_key: str
    episode: int
    number: int
    jid: str
    state: str
    created: float
    fired: float | None = None
    first_fired: float | None = None
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Action:
    """
    What an attempt does to one process on one minion.

    ``state`` is waiting; in the end good (brought back, and proved), healthy (it served, nothing was done), bad,
    refused (nothing was touched), unproved (brought back, and it cannot be proved), lost, or void (never executed).
    ``started`` is when it was ordered last. ``seen`` is when the failure that it was ordered for began, in UTC milliseconds, if the evidence told.
    """

    attempt_id: str
    minion: str
    process: str
    state: str
    comment: str
    started: float
    ended: float | None
    seen: int | None = None


@dataclass(frozen=True)
class Memory:
    """
    The end of an attempt as a minion remembers it, by this machine's clock: when it was taken and when finished.

    ``state`` is that of an action.
    """

    taken: float
    finished: float
    state: str = "good"


@dataclass(frozen=True)
class Outgoing:
    """
    An event that waits to be fired; with an attempt, only until ``fresh_until``: then it must be decided anew.
    """

    seq: int
    problem_key: str
    tag: str
    data: dict[str, Any]
    attempt_id: str | None
    fresh_until: float | None


@dataclass(frozen=True)
class Comment:
    """
    A comment that waits to be sent; ``doubtful`` means that an earlier try may have stored it.
    """

    marker: str
    problem_id: str
    message: str
    tries: int
    doubtful: bool


@dataclass(frozen=True)
class Place:
    """
    The place of an open episode in the order of decisions.

    ``only_room``: it is announced and waits for room; ``due``: its time has come, or else it is looked at for the room.
    """

    problem_key: str
    episode: int
    only_room: bool
    due: bool

"""
The states of episodes, attempts and actions, and the only moves from one to another.

What the ledger stores is the value of a state, and ``docs/architecture.md`` shows the table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

from .errors import IllegalMove


class State(str, enum.Enum):
    """
    A state that is written as its value.
    """

    def __str__(self) -> str:
        return str(self.value)


class EpisodeState(State):
    """
    IGNORED is what is older than the lookback on the first start: it is never acted on and never announced.
    """

    OPEN = "open"
    IGNORED = "ignored"
    CLOSED = "closed"


class AttemptState(State):
    """
    An attempt waits in the outbox (PLANNED), is on the bus (FIRED), and a job took it (RUNNING) or none did in time
    (EXPIRED). It ends as the worst of its actions.
    """

    PLANNED = "planned"
    FIRED = "fired"
    RUNNING = "running"
    EXPIRED = "expired"
    BAD = "bad"
    LOST = "lost"
    UNPROVED = "unproved"
    REFUSED = "refused"
    GOOD = "good"
    HEALTHY = "healthy"
    NOT_EXECUTED = "not_executed"


class ActionState(State):
    """
    An action brings a process back and proves it (GOOD) or not (UNPROVED), finds that it serves (HEALTHY), touches
    nothing (REFUSED), fails (BAD), does not return (LOST), or is never executed.
    """

    WAITING = "waiting"
    BAD = "bad"
    LOST = "lost"
    UNPROVED = "unproved"
    REFUSED = "refused"
    GOOD = "good"
    HEALTHY = "healthy"
    NOT_EXECUTED = "not_executed"


class Waiting(State):
    """
    What an episode waits for that no time tells: fewer minions in progress, the end of the pause, a minion's return,
    another minion in the index.
    """

    CAPACITY = "capacity"
    PAUSED = "paused"
    MINION = "minion"
    MATCH = "match"


S = TypeVar("S", bound=State)

#: Episodes that the tenant shows as open.
SHOWN = (EpisodeState.OPEN, EpisodeState.IGNORED)
#: Attempts that nobody knows the end of.
OPEN_ATTEMPTS = (
    AttemptState.PLANNED,
    AttemptState.FIRED,
    AttemptState.RUNNING,
    AttemptState.EXPIRED,
)
#: Those that may be at work on a minion; the order of an expired one is too old to be taken.
BUSY_ATTEMPTS = (AttemptState.PLANNED, AttemptState.FIRED, AttemptState.RUNNING)
#: How an action ends, the worst first.
ACTION_ENDS = tuple(state for state in ActionState if state is not ActionState.WAITING)
ATTEMPT_ENDS = tuple(AttemptState(end) for end in ACTION_ENDS)
#: What a return tells that comes when its attempt was given up.
_RETURNED = tuple(
    end for end in ACTION_ENDS if end not in (ActionState.LOST, ActionState.NOT_EXECUTED)
)
#: Without a job there is nothing to wait for in vain.
_NOT_LOST = tuple(state for state in ATTEMPT_ENDS if state is not AttemptState.LOST)
#: After these the service does not serve, as far as is known.
FAILED = frozenset({ActionState.BAD, ActionState.LOST, ActionState.REFUSED, ActionState.UNPROVED})
#: After these it does.
SERVING = (ActionState.GOOD, ActionState.HEALTHY)

#: By record: from each state the ones that may follow. None is the state before the first.
TRANSITIONS: Mapping[type[State], Mapping[State | None, tuple[State, ...]]] = {
    EpisodeState: {
        None: (EpisodeState.OPEN, EpisodeState.IGNORED),
        EpisodeState.OPEN: (EpisodeState.CLOSED,),
        # A person orders a retry.
        EpisodeState.IGNORED: (EpisodeState.OPEN, EpisodeState.CLOSED),
    },
    AttemptState: {
        # What the job cache knows, and the ledger does not, begins as RUNNING or, where it concerns nobody, at its end.
        None: (AttemptState.PLANNED, AttemptState.RUNNING, AttemptState.NOT_EXECUTED),
        # A job may take an order, and return, before it is recorded that it was fired.
        AttemptState.PLANNED: (AttemptState.FIRED, AttemptState.RUNNING, *_NOT_LOST),
        # PLANNED: the relay fires it while it is given again, and the second firing is harmless.
        AttemptState.FIRED: (
            AttemptState.PLANNED,
            AttemptState.RUNNING,
            AttemptState.EXPIRED,
            *_NOT_LOST,
        ),
        AttemptState.RUNNING: ATTEMPT_ENDS,
        # A return that comes late counts.
        AttemptState.LOST: tuple(map(AttemptState, _RETURNED)),
        # FIRED: an event that was lost with the bus is fired again by itself.
        AttemptState.EXPIRED: (
            AttemptState.PLANNED,
            AttemptState.FIRED,
            AttemptState.RUNNING,
            *_NOT_LOST,
        ),
    },
    ActionState: {
        None: (ActionState.WAITING,),
        ActionState.WAITING: ACTION_ENDS,
        ActionState.LOST: _RETURNED,
    },
}


def move(before: S | None, after: S) -> S:
    """
    Return the state that follows; raises IllegalMove where the table does not have the move. To stay is no move.
    """
    if before != after and after not in TRANSITIONS[type(after)].get(before, ()):
        raise IllegalMove(
            f"{type(after).__name__} does not go from {before or 'nothing'} to {after}"
        )
    return after


def sources(after: S) -> tuple[S, ...]:
    """
    Return the states from which one may follow.
    """
    moves = TRANSITIONS[type(after)].items()
    return tuple(type(after)(state) for state, next_ in moves if state and after in next_)


def sql(*states: State) -> str:
    """
    Return states as a list of SQL, such as ``('planned', 'fired')``.
    """
    return "(" + ", ".join(f"'{state}'" for state in states) + ")"

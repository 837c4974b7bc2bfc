"""
What the ledger keeps, as values: episodes, attempts and their actions, events and comments that wait.

All times are epoch seconds. A *problem key* is the problem id, or ``display:<display id>`` where only that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .problem import Problem
from .reasons import Escalation
from .resolution import Resolution
from .states import ActionState, AttemptState, EpisodeState, Waiting


@dataclass
class Episode:
    """
    One span in which a problem is open; ``summary`` is what the list showed, to see changes cheaply.

    ``due`` is when a decision is worth making again; None: not before something happens. ``waiting`` names what it waits
    for that no time tells. Attempts before ``counted_from``, when a person ordered a retry, count no longer.
    """

    problem_key: str
    episode: int
    problem: Problem
    resolution: Resolution
    summary: str
    rank: int
    opened: float
    read: float
    state: EpisodeState = EpisodeState.OPEN
    due: float | None = None
    waiting: Waiting | None = None
    attempts: int = 0
    announced: bool = False
    escalated: Escalation | None = None
    counted_from: float = 0.0
    closed: float | None = None
    #: Why nobody is acted on, as the first of its held targets has it; None while somebody is, or none is known.
    held: str | None = None

    @property
    def name(self) -> str:
        return self.problem.display_id or self.problem_key


@dataclass(frozen=True)
class Attempt:
    """
    One order to heal, to one or several minions, with one job id; ``remedy`` names that of the catalogue, if it is of one.
    """

    attempt_id: str
    problem_key: str
    episode: int
    number: int
    jid: str
    state: AttemptState
    created: float
    fired: float | None = None
    first_fired: float | None = None
    started: float | None = None
    ended: float | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Action:
    """
    What an attempt does to one process, or one part of a host, on one minion: ``process`` is the key of its target.

    ``started`` is when it was ordered last. ``seen`` is when the failure that it was ordered for began, in UTC
    milliseconds, if the evidence told.
    """

    attempt_id: str
    minion: str
    process: str
    state: ActionState
    comment: str
    started: float
    ended: float | None
    seen: int | None = None

    @property
    def entity(self) -> str:
        """
        The entity of its target.
        """
        return self.process.partition(" ")[0]


@dataclass(frozen=True)
class Executed:
    """
    What an attempt of a problem did to one process, as ``Action`` has it.
    """

    attempt_id: str
    problem_key: str
    episode: int
    remedy: str | None
    minion: str
    process: str
    state: ActionState
    started: float
    ended: float | None
    seen: int | None = None


@dataclass(frozen=True)
class Memory:
    """
    The end of an attempt as a minion remembers it, by this machine's clock: when it was taken and when finished.
    """

    taken: float
    finished: float
    state: ActionState = ActionState.GOOD


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
class Entry:
    """
    What the journal has of one moment: ``kind`` is ``notified``, ``decision``, ``lost``, ``escalated``, ``retry``, ``pause`` or
    ``resume``; ``told`` are plain values. A pause and its end belong to no problem.
    """

    seq: int
    at: float
    kind: str
    problem_key: str | None
    episode: int | None
    told: dict[str, Any]


@dataclass(frozen=True)
class Comment:
    """
    A comment that waits to be sent; ``doubtful`` means that an earlier try may have stored it.
    """

    marker: str
    problem_id: str
    message: str
    tries: int = 0
    doubtful: bool = False


@dataclass(frozen=True)
class EpisodeBrief:
    """
    What is counted of an episode, without its problem. ``ended`` is when Dynatrace closed it, in UTC milliseconds, if it tells.
    """

    problem_key: str
    episode: int
    display_id: str | None
    state: EpisodeState
    began: float
    opened: float
    closed: float | None = None
    ended: int | None = None
    merged: bool = False
    attempts: int = 0
    escalated: Escalation | None = None
    held: str | None = None

    @property
    def name(self) -> str:
        return self.display_id or self.problem_key

    @property
    def key(self) -> tuple[str, int]:
        return self.problem_key, self.episode


@dataclass(frozen=True)
class CommentRecord:
    """
    What became of a comment: when it was recorded and sent, or why it was given up.
    """

    marker: str
    message: str
    created: float
    sent: float | None = None
    given_up: str | None = None


@dataclass(frozen=True)
class Place:
    """
    The place of an open episode in the order of decisions: by its rank, and when its problem began.

    ``only_capacity``: it is announced and waits for capacity alone; ``due``: its time has come, or else it is looked at
    for the capacity.
    """

    problem_key: str
    episode: int
    only_capacity: bool
    due: bool
    rank: int
    began: float

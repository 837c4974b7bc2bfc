"""
What Dynatrace is told beside comments, where an admin asks for it: an event on each process, and to close a problem.

Both are recorded with the outcome, in the ledger's table of comments, and sent by the feedback's thread. An event
cannot be read back: one that may have been sent is not sent again, so a kill or a lost answer in the wrong moment costs
an event, and never doubles one. A problem is closed only where the ledger knows every one of its targets as healed and
the tenant still has it open; closing it twice does no harm.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ..api.client import Client
from ..core.problem import Problem, is_entity_id
from ..core.states import ActionState, AttemptState, EpisodeState
from ..store.ledger import Action, Attempt, Comment, Episode, Ledger
from .recurrence import is_healed, person_called

_EVENT, _CLOSE = "event ", "close "
#: Events of one attempt; each is a call.
MAX_EVENTS = 20
#: Who cannot close a problem yet looks again after this time.
AGAIN_S = 60.0
_VALUE_CHARS = 4096

_TITLES = {
    ActionState.GOOD: "Salt brought the service back",
    ActionState.HEALTHY: "Salt found the service serving and did nothing",
    ActionState.BAD: "Salt could not heal the service",
    ActionState.REFUSED: "Salt refused to touch the service",
    ActionState.UNPROVED: "Salt brought the service back and could not prove that it serves",
    ActionState.LOST: "Salt does not know whether the service is healed",
}


class GivenUp(Exception):
    """
    A report will not be sent; the text says why.
    """


class NotYet(Exception):
    """
    A report is not to be sent now, but later.
    """


def kind(comment: Comment) -> str:
    """
    Return what a record in the table of comments is: ``comment``, ``event`` or ``close``.
    """
    found = [mark.strip() for mark in (_EVENT, _CLOSE) if comment.marker.startswith(mark)]
    return found[0] if found else "comment"


class Reports:
    """
    Records reports on an attempt that ended. ``close_after`` None: no problem is ever closed.
    """

    def __init__(self, ledger: Ledger, events: bool, close_after: float | None) -> None:
        self._ledger = ledger
        self._events = events
        self._close_after = close_after

    def outcome(self, episode: Episode, attempt: Attempt, state: ActionState, now: float) -> None:
        """
        Record what is to be told of an outcome, within the caller's transaction if there is one.
        """
        problem_id = episode.problem.problem_id
        if problem_id is None:
            return
        with self._ledger.transaction():
            if self._events:
                self._record_events(problem_id, episode, attempt, now)
            if self._close_after is not None and state == ActionState.GOOD:
                own = _CLOSE + attempt.attempt_id
                self._ledger.add_comment(own, problem_id, "", now)
                self._ledger.comment_later(own, now + self._close_after, doubtful=False)

    def _record_events(
        self, problem_id: str, episode: Episode, attempt: Attempt, now: float
    ) -> None:
        actions = self._ledger.actions(attempt.attempt_id)
        told = [action for action in actions if action.state in _TITLES]
        for action in [one for one in told if is_entity_id(one.process)][:MAX_EVENTS]:
            own = f"{_EVENT}{attempt.attempt_id} {action.minion} {action.process}"
            body = json.dumps(_event(episode.problem, attempt, action, now))
            self._ledger.add_comment(own, problem_id, body, now)


def _event(problem: Problem, attempt: Attempt, action: Action, now: float) -> dict[str, Any]:
    properties = {
        "salt.minion": action.minion,
        "salt.outcome": action.state,
        "salt.comment": action.comment,
        "salt.attempt": str(attempt.number),
        "salt.attempt_id": attempt.attempt_id,
        "salt.job": attempt.jid,
        "problem": problem.display_id or problem.problem_id or "",
        "problem.url": problem.url or "",
    }
    begun = attempt.first_fired or attempt.created
    return {
        "entity_id": action.process,
        "title": _TITLES[action.state],
        "properties": {key: value[:_VALUE_CHARS] for key, value in properties.items() if value},
        "start_ms": int(begun * 1000),
        "end_ms": int(max(attempt.ended or now, begun) * 1000),
    }


def send_event(ledger: Ledger, client: Client, record: Comment, due: float) -> None:
    """
    Send an event; ``due`` is when it is looked at again if this process is killed now. Raises GivenUp, or ApiError.
    """
    if record.doubtful:
        raise GivenUp("it may have been sent before, and cannot be looked for")
    ledger.comment_trying(record.marker, due)
    client.ingest_event(**json.loads(record.message))


def send_close(ledger: Ledger, client: Client, record: Comment, due: float, now: float) -> None:
    """
    Close a problem if that is still right. Raises GivenUp or NotYet where it is not, or ApiError.
    """
    attempt = ledger.attempt(record.marker.removeprefix(_CLOSE))
    episode = ledger.latest_episode(attempt.problem_key) if attempt is not None else None
    if attempt is None or episode is None or episode.episode != attempt.episode:
        raise GivenUp("its episode is over")
    why = _why_not(ledger, episode, attempt)
    if why is not None:
        raise GivenUp(why)
    if ledger.get("paused") is not None:
        raise NotYet("the engine is paused")
    problem = client.problem(record.problem_id)
    if not problem.is_open:
        raise GivenUp("Dynatrace closed it")
    if _concerned(problem) != _concerned(episode.problem):
        raise NotYet("it concerns others than when it was last read")
    fresh = replace(episode, problem=problem)
    if not all(is_healed(ledger, fresh, one) for one in episode.resolution.targets):
        raise GivenUp("it failed again")
    ledger.comment_trying(record.marker, due)
    client.close_problem(record.problem_id, close_message(attempt, now))


def _why_not(ledger: Ledger, episode: Episode, attempt: Attempt) -> str | None:
    """
    Return why the problem must not be closed on account of this attempt, or None.
    """
    if episode.state != EpisodeState.OPEN or person_called(episode):
        return "it is closed" if episode.state != EpisodeState.OPEN else "a person was called"
    made = [one for one in ledger.attempts_of(episode) if one.state != AttemptState.NOT_EXECUTED]
    if not made or made[-1].attempt_id != attempt.attempt_id or attempt.state != AttemptState.GOOD:
        return "a later attempt was made"
    found = episode.resolution
    if found.unmatched or not found.targets:
        return "it concerns what no minion was found for"
    if not all(is_healed(ledger, episode, one) for one in found.targets):
        return "not all of its targets were brought back"
    return None


def _concerned(problem: Problem) -> set[str]:
    """
    Return the ids of all that a problem names, in its evidence too.
    """
    named = [*problem.affected, *(item.entity for item in problem.evidence)]
    return {entity.id for entity in named}


def close_message(attempt: Attempt, now: float) -> str:
    """
    Return the comment with which a problem is closed.
    """
    since = now - (attempt.ended or now)
    return (
        f"Salt healed this {since:.0f} s ago (attempt {attempt.number}, job {attempt.jid}), every target came back good, "
        "and Dynatrace still had it open. Closed by salt-dynatrace, whose configuration asks for that."
    )

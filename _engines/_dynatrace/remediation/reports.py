"""
Reports to Dynatrace beside comments, where an admin asks for them: an event on each process, and closing a problem.

Both are recorded with the outcome, in the ledger's table of comments. An event cannot be read back: one that may have
been sent is not sent again, so a kill in the wrong moment costs an event, and never doubles one. A problem is closed
only where the ledger knows every one of its targets as healed and the tenant still has it open.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from ..api.client import Client
from ..core.problem import Problem, is_entity_id
from ..core.reasons import Reason
from ..core.records import Action, Attempt, Comment, Episode
from ..core.remedies import Catalogue
from ..core.states import ActionState, AttemptState, EpisodeState
from ..store.ledger import Ledger
from .recurrence import person_called, serves

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
    word = comment.marker.partition(" ")[0]
    return word if word in ("event", "close") else "comment"


@dataclass
class Reports:
    """
    Records reports on an attempt that ended. ``close_after`` None: no problem is ever closed.
    """

    ledger: Ledger
    events: bool
    close_after: float | None

    def outcome(self, episode: Episode, attempt: Attempt, now: float) -> None:
        problem_id = episode.problem.problem_id
        if problem_id is None:
            return
        with self.ledger.transaction():
            if self.events:
                self._record_events(problem_id, episode, attempt, now)
            if self.close_after is not None and attempt.state == AttemptState.GOOD:
                own = f"close {attempt.attempt_id}"
                self.ledger.comments.add(own, problem_id, "", now)
                self.ledger.comments.later(own, now + self.close_after, doubtful=False)

    def _record_events(
        self, problem_id: str, episode: Episode, attempt: Attempt, now: float
    ) -> None:
        actions = self.ledger.attempts.actions(attempt.attempt_id)
        ended = [action for action in actions if action.state in _TITLES]
        for action in [one for one in ended if is_entity_id(one.entity)][:MAX_EVENTS]:
            # By its state: what was called lost, and returns late, is told again.
            own = f"event {attempt.attempt_id} {action.minion} {action.process} {action.state}"
            body = json.dumps(_event(episode.problem, attempt, action, now))
            self.ledger.comments.add(own, problem_id, body, now)


def _event(problem: Problem, attempt: Attempt, action: Action, now: float) -> dict[str, Any]:
    properties = {
        "salt.minion": action.minion,
        "salt.outcome": action.state,
        "salt.comment": action.comment,
        "salt.attempt": str(attempt.number),
        "salt.attempt_id": attempt.attempt_id,
        "salt.job": attempt.jid,
        "salt.remedy": attempt.remedy or "",
        "problem": problem.display_id or problem.problem_id or "",
        "problem.url": problem.url or "",
    }
    begun = attempt.first_fired or attempt.created
    return {
        "entity_id": action.entity,
        "title": _TITLES[action.state],
        "properties": {key: value[:_VALUE_CHARS] for key, value in properties.items() if value},
        "start_ms": int(begun * 1000),
        "end_ms": int(max(attempt.ended or now, begun) * 1000),
    }


def closing(
    ledger: Ledger, client: Client, record: Comment, now: float, catalogue: Catalogue
) -> str:
    """
    Return the comment with which a problem is closed. Raises GivenUp or NotYet where that is not right, or ApiError.
    """
    attempt = ledger.attempts.get(record.marker.removeprefix("close "))
    episode = ledger.episodes.latest(attempt.problem_key) if attempt is not None else None
    if attempt is None or episode is None or episode.episode != attempt.episode:
        raise GivenUp("its episode is over")
    _check(ledger, episode, attempt, catalogue)
    if ledger.settings.get("paused") is not None:
        raise NotYet("the engine is paused")
    problem = client.problem(record.problem_id)
    if not problem.is_open:
        raise GivenUp("Dynatrace closed it")
    if _concerned(problem) != _concerned(episode.problem):
        raise NotYet("it concerns others than when it was last read")
    fresh = replace(episode, problem=problem)
    if not _all_healed(ledger, fresh, catalogue):
        raise GivenUp("it failed again")
    since = now - (attempt.ended or now)
    return (
        f"Salt healed this {since:.0f} s ago (attempt {attempt.number}, job {attempt.jid}), every target came back good, "
        "and Dynatrace still had it open. Closed by salt-dynatrace, whose configuration asks for that."
    )


def _check(ledger: Ledger, episode: Episode, attempt: Attempt, catalogue: Catalogue) -> None:
    if episode.state != EpisodeState.OPEN:
        raise GivenUp("it is closed")
    if person_called(episode):
        raise GivenUp("a person was called")
    made = [one for one in ledger.attempts.of(episode) if one.state != AttemptState.NOT_EXECUTED]
    if not made or made[-1].attempt_id != attempt.attempt_id or attempt.state != AttemptState.GOOD:
        raise GivenUp("a later attempt was made")
    found = episode.resolution
    if found.unmatched or not found.targets:
        raise GivenUp("it concerns what no minion was found for")
    if not _all_healed(ledger, episode, catalogue):
        raise GivenUp("not all of its targets were brought back")


def _all_healed(ledger: Ledger, episode: Episode, catalogue: Catalogue) -> bool:
    targets = catalogue.assign(episode.problem, episode.resolution.targets)
    return all(serves(ledger.attempts, episode, one) is Reason.HEALED for one in targets)


def _concerned(problem: Problem) -> set[str]:
    named = [*problem.affected, *(item.entity for item in problem.evidence)]
    return {entity.id for entity in named}

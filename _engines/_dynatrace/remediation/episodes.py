"""
Keeps the episodes: a problem opens, changes while it is open, closes, and may open again under the same id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..core.evidence import last_failure
from ..core.problem import Problem
from ..core.resolution import Resolution, resolve
from ..core.states import ActionState, AttemptState, EpisodeState, move
from ..master.event import complete, describe, tag
from ..store.ledger import Episode, Ledger
from .problem_reader import ProblemReader, digest, problem_key

log = logging.getLogger(__name__)

#: The most severe first: whom the storm guard lets through before others.
SEVERITIES = (
    "AVAILABILITY",
    "MONITORING_UNAVAILABLE",
    "ERROR",
    "PERFORMANCE",
    "RESOURCE_CONTENTION",
    "CUSTOM_ALERT",
)


class Episodes:
    """
    Brings the ledger's episodes up to what was seen, and announces what changed or closed.

    ``match`` returns whom a problem concerns; it may raise ApiError, and then the problem is left as it was.
    """

    def __init__(
        self,
        instance: str,
        ledger: Ledger,
        match: Callable[[Problem], Resolution],
        lookback: float,
        dry_run: bool,
    ) -> None:
        self._instance = instance
        self._ledger = ledger
        self._match = match
        self._lookback = lookback
        self._dry_run = dry_run

    def observe(self, problem: Problem, now: float) -> str | None:
        """
        Take in one problem as it was just read; return a few words where something happened.

        Raises ApiError when the entities of a problem cannot be read.
        """
        known = self._ledger.latest_episode(problem_key(problem.problem_id, problem.display_id))
        if problem.source != "api" and known is not None and known.problem.merged:
            return None  # It lives on in another problem, whatever is still notified of it.
        if problem.is_open:
            if known is None or known.state == EpisodeState.CLOSED:
                return self._open(problem, known, now)
            if known.state == EpisodeState.IGNORED:
                self._ledger.save_episode(
                    replace(known, problem=problem, summary=digest(problem), read=now)
                )
                return None
            return self._refresh(problem, known, now)
        if known is not None and known.state != EpisodeState.CLOSED:
            return self._close(problem, known, now)
        return None

    def _open(self, problem: Problem, known: Episode | None, now: float) -> str | None:
        key = problem_key(problem.problem_id, problem.display_id)
        old = self._too_old(problem, now)
        resolution = Resolution() if old else self._match(problem)
        episode = Episode(
            problem_key=key,
            episode=known.episode + 1 if known else 1,
            problem=problem,
            resolution=resolution,
            summary=digest(problem),
            rank=_rank(problem),
            opened=now,
            read=now,
            state=EpisodeState.IGNORED if old else EpisodeState.OPEN,
            due=None if old else now,
        )
        # Nothing is decided about it yet: if it is lost, the problem is seen anew.
        with self._ledger.transaction(soon=True):
            self._ledger.save_episode(episode)
        if old:
            log.info(
                "%s: %s is older than the lookback and ignored", self._instance, _name(problem)
            )
            return f"ignored {_name(problem)}"
        return None

    def _too_old(self, problem: Problem, now: float) -> bool:
        if self._ledger.get("first_poll") is not None or problem.start is None:
            return False
        looked = float(self._ledger.get("first_listed") or now)
        return problem.start / 1000 < min(looked, now) - self._lookback

    def _refresh(self, problem: Problem, known: Episode, now: float) -> str | None:
        resolution = self._match(problem).keeping(known.resolution)
        changes = _changes(known, problem, resolution)
        # Decisions read the new state; an episode that waits for nothing is woken only by a change.
        due = now if changes or _failures(problem) - _failures(known.problem) else known.due
        episode = replace(
            known,
            problem=problem,
            resolution=resolution,
            summary=digest(problem),
            rank=_rank(problem),
            read=now,
            due=due,
        )
        with self._ledger.transaction():
            self._ledger.save_episode(episode)
            if changes and known.announced:
                self._announce(episode, "changed", now, reason=", ".join(changes))
        return f"{_name(problem)} changed ({', '.join(changes)})" if changes else None

    def rematch(self, known: Episode, now: float) -> Episode:
        """
        Look once more whom a problem concerns: minions come and go while it is open. Raises ApiError.
        """
        resolution = self._match(known.problem).keeping(known.resolution)
        if _minions(resolution) == _minions(known.resolution):
            return known
        episode = replace(known, resolution=resolution)
        with self._ledger.transaction():
            self._ledger.save_episode(episode)
            if known.announced:
                self._announce(episode, "changed", now, reason="minions")
        return episode

    def _close(self, problem: Problem, known: Episode, now: float) -> str | None:
        # A problem that vanished, or a bare notification, tells less than what is known.
        told = (
            problem
            if problem.display_id
            else replace(known.problem, status=problem.status, end=problem.end)
        )
        told = replace(told, title=told.title or known.problem.title, merged=problem.merged)
        if told.severity == "UNKNOWN":
            told = replace(told, severity=known.problem.severity, impact=known.problem.impact)
        episode = replace(
            known,
            problem=told,
            state=move(known.state, EpisodeState.CLOSED),
            closed=now,
            read=now,
            due=None,
            summary=digest(told),
            announced=known.announced or known.state == EpisodeState.OPEN,
        )
        with self._ledger.transaction():
            self._ledger.save_episode(episode)
            self._take_back_unfired(episode, now)
            if known.state == EpisodeState.OPEN and not known.announced:
                # It closed before anything was decided; whoever hears of the end has heard of the beginning.
                self._announce(known, "open", now)
            if known.state == EpisodeState.OPEN:
                self._announce(episode, "resolved", now)
        return f"{_name(told)} resolved" if known.state == EpisodeState.OPEN else None

    def _take_back_unfired(self, episode: Episode, now: float) -> None:
        """
        Take back attempts that are recorded but not on the bus: nothing acts on a closed problem.
        """
        for attempt in self._ledger.open_attempts():
            if attempt.problem_key != episode.problem_key or attempt.state not in (
                AttemptState.PLANNED,
                AttemptState.EXPIRED,
            ):
                continue
            ordered = self._ledger.event_of(attempt.attempt_id)
            if ordered is not None:
                self._ledger.disarm(attempt.attempt_id, disarmed(ordered))
            for action in self._ledger.actions(attempt.attempt_id):
                self._ledger.end_action(
                    attempt.attempt_id,
                    action.minion,
                    ActionState.NOT_EXECUTED,
                    "the problem closed first",
                    now,
                )
            self._ledger.move_attempt(attempt.attempt_id, AttemptState.NOT_EXECUTED, ended=now)

    def _announce(self, episode: Episode, what: str, now: float, reason: str | None = None) -> None:
        described = describe(episode.problem, episode.resolution, (), (), dry_run=self._dry_run)
        data = complete(
            what, described, instance=self._instance, episode=episode.episode, reason=reason
        )
        self._ledger.add_event(episode.problem_key, tag(what, episode.problem), data, now)


def disarmed(data: dict[str, Any]) -> dict[str, Any]:
    """
    Return the data of an event that ordered an attempt, as a report on which nobody acts.
    """
    return {
        **data,
        "attempt": 0,
        "attempt_id": None,
        "jid": None,
        "minions": [],
        "technologies": {},
        "processes": {},
    }


def _rank(problem: Problem) -> int:
    return SEVERITIES.index(problem.severity) if problem.severity in SEVERITIES else len(SEVERITIES)


def _name(problem: Problem) -> str:
    return problem.display_id or problem.problem_id or "a problem"


def _changes(known: Episode, problem: Problem, resolution: Resolution) -> list[str]:
    """
    Return in words what changed of all that decisions and reactors go by.
    """
    before = known.problem
    pairs = (
        ("title", before.title, problem.title),
        ("severity", before.severity, problem.severity),
        ("root cause", before.root_cause, problem.root_cause),
        (
            "affected entities",
            {item.id for item in before.affected},
            {item.id for item in problem.affected},
        ),
        ("maintenance", before.under_maintenance, problem.under_maintenance),
        ("minions", _minions(known.resolution), _minions(resolution)),
    )
    return [name for name, old, new in pairs if old != new]


def _minions(resolution: Resolution) -> set[tuple[str, str, tuple[str, ...], str, bool]]:
    """
    Return who is meant, and by what that is known: what is matched by name today may be proved tomorrow.
    """
    return {
        (one.minion, one.entity, one.technologies, one.matched_by, one.down)
        for one in resolution.targets
    }


def _failures(problem: Problem) -> set[tuple[str, int | None]]:
    """
    Return which processes are down by an event that is open, and since when.
    """
    ids = {item.entity.id for item in problem.evidence}
    return {(own, last_failure(problem, own, still_open=True)) for own in ids}


def matcher(
    entity: Callable[[str], Any] | None, find: Callable[..., Any]
) -> Callable[[Problem], Resolution]:
    """
    Return the function that finds whom a problem concerns; without an API no entity is known beyond its id.
    """

    def match(problem: Problem) -> Resolution:
        return resolve(problem, entity or (lambda _: None), find)

    return match


def rereader(
    intake: ProblemReader, episodes: Episodes, ledger: Ledger
) -> Callable[[Episode, float], Episode | None]:
    """
    Return the function that reads an episode's problem again before it is acted on; None when it is over.

    Without an API what is known is all there is.
    """

    def reread(episode: Episode, now: float) -> Episode | None:
        if episode.problem.source != "api" or episode.problem.problem_id is None:
            return episode
        episodes.observe(intake.read(episode.problem.problem_id), now)
        latest = ledger.latest_episode(episode.problem_key)
        return (
            latest
            if latest is not None
            and latest.state == EpisodeState.OPEN
            and latest.episode == episode.episode
            else None
        )

    return reread

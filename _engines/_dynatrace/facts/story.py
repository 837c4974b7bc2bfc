"""
Tells one episode as a timeline: what failed since when, what was decided and done, what came of it.

Facts only, from the ledger; how they look is for the room ``pages``. Times of failures and of the problem are by the
tenant's clock, all others by the master's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ..core.problem import Problem
from ..core.reasons import Escalation
from ..core.records import Action, Attempt, CommentRecord, Entry, Episode
from ..core.remedies import Catalogue
from ..core.resolution import Target
from ..master.envelope import iso
from ..remediation.comments import advice_marker, escalation_marker, outcome_marker
from ..store.ledger import Ledger
from .outages import Outage, closed_at, length, outages, union
from .rows import LISTED, attempt_rows, state_of, target_row, unmatched_rows
from .steps import Step, of_attempt, of_entry, ordered

Done = tuple[Attempt, Sequence[Action]]

#: The first and the last of more steps are told.
MAX_STEPS = 500


@dataclass(frozen=True)
class Story:
    """
    Reads stories from the ledger; any thread may call it.
    """

    ledger: Ledger
    catalogue: Catalogue = field(default_factory=Catalogue)

    def of(self, episode: Episode, now: float) -> dict[str, Any]:
        """
        Return the facts of an episode, as ``docs/reference/runner.md`` describes them for ``report``.

        An outage that lasts is told with the seconds until ``now``.
        """
        problem = episode.problem
        targets = self.catalogue.assign(problem, episode.resolution.targets)
        done = self.ledger.attempts.done(episode)
        found = outages(episode, targets, [one for _, actions in done for one in actions])
        merged = union(found, now)
        attempts = [attempt for attempt, _ in done]
        comments = self._comments(episode, attempts)
        steps = ordered(
            chain(_of_problem(episode, found, comments), self._of_engine(episode, done))
        )
        return {
            "problem": episode.name,
            "problem_id": problem.problem_id,
            "title": problem.title,
            "severity": problem.severity,
            "url": problem.url,
            "state": state_of(episode, attempts),
            "episode": episode.episode,
            "failed_at": iso(_failed_at(problem, found)),
            "opened": iso(episode.opened),
            "closed": iso(closed_at(episode)),
            "healed_at": iso(_healed_at(found)),
            "outage_s": round(length(merged, now)),
            "outage_ms": round(length(merged, now) * 1000),
            "down": [{"from": iso(start), "to": iso(end)} for start, end in merged[:LISTED]],
            "outages": [_outage_row(problem, one) for one in found[:LISTED]],
            "targets": [
                {**target_row(one), "process": process_name(problem, one)}
                for one in targets[:LISTED]
            ],
            "unmatched": unmatched_rows(episode),
            "told_at": iso(now),
            "attempts": attempt_rows(done),
            "comments": [_comment_row(one) for one in comments],
            "steps": [one.row() for one in _shortened(steps)],
        }

    def _of_engine(self, episode: Episode, done: Iterable[Done]) -> Iterator[Step]:
        yield Step(episode.opened, "seen", "the engine knows of the problem")
        numbers = {}
        for attempt, actions in done:
            numbers[attempt.attempt_id] = attempt.number
            yield from of_attempt(attempt, actions)
        for entry in self._entries(episode):
            step = of_entry(entry, numbers)
            if step is not None:
                yield step

    def _entries(self, episode: Episode) -> Iterator[Entry]:
        """
        Yield what was written about an episode, and the pauses and their ends while it was open, with one that it began in.
        """
        yield from self.ledger.journal.of(episode)
        until = episode.closed if episode.closed is not None else math.inf
        pauses = self.ledger.journal.orders(until)
        before = [one for one in pauses if one.at < episode.opened]
        if before and before[-1].kind == "pause":
            yield before[-1]
        yield from (one for one in pauses if one.at >= episode.opened)

    def _comments(self, episode: Episode, attempts: Iterable[Attempt]) -> list[CommentRecord]:
        markers = [outcome_marker(one, late) for one in attempts for late in (False, True)]
        markers += dict.fromkeys(escalation_marker(episode, reason) for reason in Escalation)
        return self.ledger.comments.of([*markers, advice_marker(episode)])


def _of_problem(
    episode: Episode, found: Iterable[Outage], comments: Iterable[CommentRecord]
) -> Iterator[Step]:
    problem = episode.problem
    for outage in found:
        target = outage.target
        text = f"{process_name(problem, target)} on {target.minion} is down ({outage.event})"
        yield Step(outage.start, "failed", text, target.minion)
    if problem.start is not None:
        text = f"{episode.name} begins: {problem.title}"
        yield Step(problem.start / 1000, "problem", text)
    for comment in comments:
        if comment.sent is not None:
            text = comment.message.partition("\n")[0].removesuffix(comment.marker).rstrip()
            yield Step(comment.sent, "commented", text)
    closed = closed_at(episode)
    if closed is not None:
        yield Step(closed, "closed", f"Dynatrace closed {episode.name}")


def _failed_at(problem: Problem, found: Sequence[Outage]) -> float | None:
    if found:
        return found[0].start
    return problem.start / 1000 if problem.start is not None else None


def _healed_at(found: Sequence[Outage]) -> float | None:
    """
    Return when the last process was proved to serve; None unless attempts ended all of it.
    """
    ends = [one.end for one in found if one.proved]
    return max(end or 0.0 for end in ends) if ends and len(ends) == len(found) else None


def process_name(problem: Problem, target: Target) -> str:
    """
    Return what Dynatrace calls the process of a target, else its id.
    """
    own = (one.entity.name for one in problem.evidence if one.entity.id == target.entity)
    return next(filter(None, (*own, *target.process.names)), target.entity)


def _outage_row(problem: Problem, outage: Outage) -> dict[str, Any]:
    return {
        "minion": outage.target.minion,
        "process": process_name(problem, outage.target),
        "from": iso(outage.start),
        "to": iso(outage.end),
        "proved": outage.proved,
    }


def _comment_row(comment: CommentRecord) -> dict[str, Any]:
    return {
        "recorded": iso(comment.created),
        "sent": iso(comment.sent),
        "given_up": comment.given_up,
        "message": comment.message,
    }


def _shortened(steps: Sequence[Step]) -> list[Step]:
    half = MAX_STEPS // 2
    return list(steps) if len(steps) <= MAX_STEPS else [*steps[:half], *steps[-half:]]

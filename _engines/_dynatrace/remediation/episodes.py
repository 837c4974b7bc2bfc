"""
Keeps the episodes: a problem opens, changes while it is open, closes, and may open again under the same id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..core.errors import LedgerError
from ..core.problem import Problem, summary
from ..core.records import Episode
from ..core.resolution import Resolution
from ..core.states import AttemptState, EpisodeState, move
from ..store.ledger import Ledger
from .announcements import Announcements
from .outcomes import not_executed
from .recurrence import recovered_by

log = logging.getLogger(__name__)

#: A problem, whom it concerns if that is known, and when it was read.
Matched = tuple[Problem, "Resolution | None", float]
#: A problem read longer ago is read again before anything is done about it.
FRESH_S = 20.0


@dataclass
class Episodes:
    """
    Brings the ledger's episodes up to what was seen, and announces what changed or closed.

    ``match`` returns whom a problem concerns, ``read`` a problem as it is now; both may raise ApiError, and then the
    episode is left as it was. ``is_held`` tells of a problem key that the tenant lately said it is under maintenance.
    """

    instance: str
    ledger: Ledger
    announcements: Announcements
    match: Callable[[Problem], Resolution]
    read: Callable[[str], Problem]
    is_held: Callable[[str, float], bool]
    lookback: float
    _looked: bool = field(default=False, init=False)

    def observe_all(
        self, problems: Sequence[Problem], now: float, read_at: Mapping[str, float]
    ) -> tuple[list[str], dict[str, Exception]]:
        """
        Take in problems that were just read, in one commit; return a few words for each to which something happened, and by
        problem key why others are left as they were. ``read_at`` tells by key when a problem was read, if not just now.
        """
        failed: dict[str, Exception] = {}
        matched: list[Matched] = []
        for problem in problems:
            try:
                # The tenant may be asked, which no transaction may wait for.
                wanted = problem.is_open and not self._is_too_old(problem, now)
                resolution = self.match(problem) if wanted else None
                # A clock that was set back meanwhile must not make it fresh for long.
                matched.append((problem, resolution, min(read_at.get(problem.key, now), now)))
            except LedgerError:
                raise
            except Exception as err:  # noqa: BLE001 - One problem must not keep the others from being seen.
                failed[problem.key] = err
        said = self._take_in_all(matched, failed, now)
        return [happened for happened in said if happened], failed

    def _take_in_all(
        self,
        matched: Sequence[Matched],
        failed: dict[str, Exception],
        now: float,
    ) -> list[str | None]:
        if len(matched) > 1:
            try:
                # If new ones are lost they are seen anew, as in `_open`.
                known = self.ledger.episodes.any_known(one.key for one, *_ in matched)
                with self.ledger.transaction(soon=not known):
                    return [self._take_in(*one, now) for one in matched]
            except LedgerError:
                raise
            except Exception as err:  # noqa: BLE001 - Which of them it is shows below.
                log.debug("%s: one of %d problems: %r", self.instance, len(matched), err)
        said: list[str | None] = []
        for one in matched:
            try:
                said.append(self._take_in(*one, now))
            except LedgerError:
                raise
            except Exception as err:  # noqa: BLE001 - It is told by the caller.
                failed[one[0].key] = err
        return said

    def observe(self, problem: Problem, now: float) -> str | None:
        """
        Take in one problem as it was just read; return a few words where something happened. Raises ApiError.
        """
        return self._take_in(problem, None, now, now)

    def _take_in(
        self, problem: Problem, resolution: Resolution | None, read: float, now: float
    ) -> str | None:
        known = self.ledger.episodes.latest(problem.key)
        if problem.source != "api" and known is not None and known.problem.merged:
            return None  # It lives on in another problem, whatever is still notified of it.
        if known is not None and read < known.read:
            return None  # What was read since then is recorded; readings that overlap may end in any order.
        if known is None or known.state == EpisodeState.CLOSED:
            if not problem.is_open:
                return None
            return self._open(problem, resolution, known, now, read)
        if not problem.is_open:
            return self._close(problem, known, now)
        if _was_reopened(problem, known):
            # It closed meanwhile, which nobody saw.
            self._close(replace(known.problem, status="CLOSED"), known, now)
            return self._open(problem, resolution, known, now, read)
        updated = _updated(known, problem, read)
        if known.state == EpisodeState.IGNORED:
            self.ledger.episodes.save(updated)
            return None
        return self._refresh(updated, resolution, known, now)

    def fresh(self, episode: Episode, now: float) -> Episode | None:
        """
        Return an episode as it is now, read again if that was long ago; None when it is over.

        Without an API what is known is all there is.
        """
        problem = episode.problem
        is_old = now - episode.read > FRESH_S
        if problem.under_maintenance and self.is_held(episode.problem_key, now):
            return episode
        if not is_old or problem.source != "api" or problem.problem_id is None:
            return episode
        self.observe(self.read(problem.problem_id), now)
        latest = self.ledger.episodes.latest(episode.problem_key)
        still = (
            latest is not None
            and latest.state == EpisodeState.OPEN
            and latest.episode == episode.episode
        )
        return latest if still else None

    def _open(
        self,
        problem: Problem,
        resolution: Resolution | None,
        known: Episode | None,
        now: float,
        read: float,
    ) -> str | None:
        old = self._is_too_old(problem, now)
        episode = Episode(
            problem_key=problem.key,
            episode=known.episode + 1 if known else 1,
            problem=problem,
            resolution=Resolution() if old else resolution or self.match(problem),
            summary=summary(problem),
            rank=problem.rank,
            opened=now,
            read=read,
            state=EpisodeState.IGNORED if old else EpisodeState.OPEN,
            due=None if old else now,
        )
        # Nothing is decided about it yet: if it is lost, the problem is seen anew.
        with self.ledger.transaction(soon=True):
            self.ledger.episodes.save(episode)
        if not old:
            return None
        name = episode.name
        log.info("%s: %s is older than the lookback and ignored", self.instance, name)
        return f"ignored {name}"

    def _is_too_old(self, problem: Problem, now: float) -> bool:
        # Neither is asked for each problem of a crowd: what began of late is never too old, and what is known stays so.
        if problem.start is None or problem.start / 1000 >= now - self.lookback:
            return False
        self._looked = self._looked or self.ledger.settings.get("first_poll") is not None
        if self._looked:
            return False
        looked = float(self.ledger.settings.get("first_listed") or now)
        return problem.start / 1000 < min(looked, now) - self.lookback

    def _refresh(
        self, updated: Episode, resolution: Resolution | None, known: Episode, now: float
    ) -> str | None:
        problem = updated.problem
        resolution = (resolution or self.match(problem)).keeping(known.resolution)
        changes = _changes(known, problem, resolution)
        # Decisions read the new state; an episode that waits for nothing is woken only by a change.
        due = now if changes or _failures(problem) - _failures(known.problem) else known.due
        episode = replace(updated, resolution=resolution, due=due)
        self._save_changed(episode, changes, now)
        return f"{episode.name} changed ({', '.join(changes)})" if changes else None

    def rematch(self, known: Episode, now: float) -> Episode:
        """
        Look once more whom a problem concerns: minions come and go while it is open. Raises ApiError.
        """
        resolution = self.match(known.problem).keeping(known.resolution)
        if _minions(resolution) == _minions(known.resolution):
            return known
        episode = replace(known, resolution=resolution)
        self._save_changed(episode, ["minions"], now)
        return episode

    def _save_changed(self, episode: Episode, changes: list[str], now: float) -> None:
        with self.ledger.transaction():
            self.ledger.episodes.save(episode)
            if changes and episode.announced:
                self.announcements.announce(episode, "changed", now, reason=", ".join(changes))

    def _close(self, problem: Problem, known: Episode, now: float) -> str | None:
        was_open = known.state == EpisodeState.OPEN
        episode = replace(
            _updated(known, _ended(problem, known.problem), now),
            state=move(known.state, EpisodeState.CLOSED),
            closed=now,
            due=None,
            announced=known.announced or was_open,
        )
        with self.ledger.transaction():
            self.ledger.episodes.save(episode)
            # Nothing acts on a closed problem, though an attempt is recorded that is not on the bus.
            for attempt in self.ledger.attempts.of(episode):
                if attempt.state in (AttemptState.PLANNED, AttemptState.EXPIRED):
                    not_executed(self.ledger, attempt, "the problem closed first", now)
            if was_open and not known.announced:
                # It closed before anything was decided; whoever hears of the end has heard of the beginning.
                self.announcements.announce(known, "open", now)
            if was_open:
                self.announcements.announce(episode, "resolved", now)
            if was_open and not episode.problem.merged:
                # As it was known: what is told of a problem that is over may lack its evidence.
                targets = self.announcements.targets(known)
                by = recovered_by(self.ledger.attempts, known, targets)
                self.ledger.settings.count("problems_closed", by)
        return f"{episode.name} resolved" if was_open else None


def _updated(known: Episode, problem: Problem, read: float) -> Episode:
    return replace(known, problem=problem, summary=summary(problem), rank=problem.rank, read=read)


def _was_reopened(problem: Problem, known: Episode) -> bool:
    # What knew the problem first may not have told of a reopening before that.
    at, before = problem.reopened, known.problem.reopened
    if at is None or at == before:
        return False
    return before is not None or at / 1000 > known.opened


def _ended(problem: Problem, known: Problem) -> Problem:
    """
    Return a problem that is over: one that vanished, or a bare notification, tells less than what is known.
    """
    if not problem.display_id:
        return replace(known, status=problem.status, end=problem.end, merged=problem.merged)
    if problem.severity == "UNKNOWN":
        problem = replace(problem, severity=known.severity, impact=known.impact)
    evidence = problem.evidence or known.evidence
    return replace(problem, title=problem.title or known.title, evidence=evidence)


def _changes(known: Episode, problem: Problem, resolution: Resolution) -> list[str]:
    before = known.problem
    pairs = (
        ("title", before.title, problem.title),
        ("severity", before.severity, problem.severity),
        ("root cause", before.root_cause, problem.root_cause),
        ("affected entities", _affected(before), _affected(problem)),
        ("maintenance", before.under_maintenance, problem.under_maintenance),
        ("minions", _minions(known.resolution), _minions(resolution)),
    )
    return [name for name, old, new in pairs if old != new]


def _affected(problem: Problem) -> set[str]:
    return {item.id for item in problem.affected}


def _minions(resolution: Resolution) -> set[tuple[str, str, tuple[str, ...], str, bool]]:
    # What is matched by name today may be proved tomorrow.
    return {
        (one.minion, one.entity, one.technologies, one.matched_by, one.down)
        for one in resolution.targets
    }


def _failures(problem: Problem) -> set[tuple[str, str, str | None, int | None]]:
    # What is said to fail by an event that is open, and since when: a remedy may take any.
    return {
        (item.entity.id, item.event_type, item.unit, item.start)
        for item in problem.evidence
        if item.is_open is True
    }

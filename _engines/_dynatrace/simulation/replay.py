"""
Replays problems that are over, in their order and at their times, on an empty ledger: what would be done under a policy.

Each attempt is assumed to end as it is told, so that cooldowns, budgets and the storm guard count as they would. What the
evidence tells is taken as open for as long as its problem was, since nothing keeps when each event ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..core.evidence import is_down
from ..core.problem import Problem
from ..core.records import Attempt, Episode
from ..core.resolution import Resolution, Target
from ..core.states import ActionState
from ..master.job_results import Result
from .trial import Source, Trial

#: An attempt takes so long from its order to its proof, where no real one tells.
TOOK_S = 10.0
#: Held for what no time changes while a problem stays as it was: it is not decided again.
PASSING = ("cooldown", "storm", "in progress")
_ASSUMED = "assumed"


def as_it_was(problem: Problem, at: float) -> Problem:
    """
    Return a problem that is over as it was open at a time, in epoch seconds.
    """
    first = min((one.start for one in problem.evidence if one.start is not None), default=0)
    until = max(int(at * 1000), first)
    evidence = tuple(
        replace(one, is_open=True)
        for one in problem.evidence
        if one.start is None or one.start <= until
    )
    return replace(problem, status="OPEN", end=None, merged=False, evidence=evidence)


def whom(problem: Problem, known: Resolution) -> Resolution:
    """
    Return whom a problem concerns as it was matched then; what is down is told by the evidence.
    """
    return replace(known, targets=tuple(_target(problem, one) for one in known.targets))


def _target(problem: Problem, known: Target) -> Target:
    process = not known.entity.startswith("HOST-")
    down = process and known.actionable and is_down(problem, known.entity)
    technologies = known.process.technologies or known.technologies
    again = replace(known, down=down, technologies=technologies if down else ())
    return replace(again, failed=again.last_failure(problem))


@dataclass
class Replay:
    """
    Replays episodes in a trial on an empty ledger; ``took`` tells by problem key how long an attempt on it took.
    """

    trial: Trial
    episodes: Sequence[Episode]
    ends: ActionState
    took: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        #: By problem key, the episode that is seen now.
        self._seen: dict[str, Episode] = {}
        self.trial.source = Source(
            lambda key: as_it_was(self._seen[key].problem, self.trial.now),
            lambda problem: whom(problem, self._seen[problem.key].resolution),
        )
        #: When what is to be seen of which episode, the first first.
        self._moments = sorted(_moments(self.episodes), key=lambda one: one[0])
        #: By attempt id, the attempts at work and when each ends.
        self._ending: dict[str, tuple[float, Attempt]] = {}

    def run(self, progress: Callable[[int, int], None]) -> None:
        """
        Replay all; ``progress`` hears how many moments of how many are over.
        """
        count, moments = len(self._moments), list(self._moments)
        self.trial.now = min((at for at, *_ in moments), default=self.trial.now)
        while moments:
            now = self._next(moments[0][0])
            self.trial.now = max(now, self.trial.now)
            while moments and moments[0][0] <= self.trial.now:
                _, episode, is_open = moments.pop(0)
                self._see(episode, is_open)
            self._end_attempts()
            self._decide()
            progress(count - len(moments), count)

    def _next(self, moment: float) -> float:
        due = self.trial.ledger.episodes.next_due()
        ends = [at for at, _ in self._ending.values()]
        # What stays due without a decision must not stop the time.
        due = None if due is None else max(due, self.trial.now + 1.0)
        return min([moment, *ends, *([due] if due is not None else [])])

    def _see(self, episode: Episode, is_open: bool) -> None:
        now, problem = self.trial.now, episode.problem
        self._seen[episode.problem_key] = episode
        seen = as_it_was(problem, now) if is_open else replace(problem, status="CLOSED")
        self.trial.episodes.observe(seen, now)

    def _end_attempts(self) -> None:
        now, outcomes = self.trial.now, self.trial.outcomes
        for own_id, (at, attempt) in list(self._ending.items()):
            if at > now:
                continue
            del self._ending[own_id]
            minions = {one.minion for one in self.trial.ledger.attempts.actions(own_id)}
            for minion in sorted(minions):
                outcomes.end_action(attempt, minion, Result(self.ends, _ASSUMED), now)

    def _begin_attempts(self) -> None:
        trial, now = self.trial, self.trial.now
        for attempt in trial.ledger.attempts.open():
            if attempt.attempt_id not in self._ending:
                actions = trial.ledger.attempts.actions(attempt.attempt_id)
                trial.outcomes.started(attempt, [one.minion for one in actions], now)
                at = now + self.took.get(attempt.problem_key, TOOK_S)
                self._ending[attempt.attempt_id] = at, attempt

    def _decide(self) -> None:
        trial, now = self.trial, self.trial.now
        while trial.scheduler.decide(now):
            # Decisions wait while many orders do.
            self._begin_attempts()
        for entry in trial.ledger.journal.between(now, now + 0.001, "decision"):
            if not any(one["reason"] in PASSING for one in entry.told["targets"]):
                trial.ledger.episodes.wake(entry.problem_key or "", entry.episode or 0, None)


def _moments(episodes: Iterable[Episode]) -> Iterable[tuple[float, Episode, bool]]:
    for one in episodes:
        closed = one.closed if one.closed is not None else one.opened
        yield one.opened, one, True
        starts = {item.start for item in one.problem.evidence if item.start is not None}
        for at in sorted(start / 1000 for start in starts):
            if one.opened < at < closed:
                yield at, one, True
        yield closed, one, False

"""
Asks the policy about each target of an episode, with all that it must know of ledger, master and minions.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.policy import Past, Policy, Situation, Verdict
from ..core.reasons import Reason
from ..core.records import Episode
from ..core.remedies import Catalogue
from ..core.resolution import Target
from ..core.rules import Case, decide
from ..core.states import ActionState
from ..core.unhealable import CATALOGUE, line_for
from ..master.event import carried, tag
from ..master.minion_index import MinionIndex
from ..master.ping import Ping, Unasking
from ..store.ledger import Ledger
from .decision import Capacity, Decision, Held
from .recurrence import person_called, serves
from .uptake import Kind, Uptake, kind_of, kind_of_order

#: Attempts are counted over a week at most, the largest window that the configuration allows.
PAST_S = 7 * 86400.0
#: Of a process whose technology nobody knows: it may be any.
_ANY = frozenset({""})


@dataclass
class Verdicts:
    """
    What the policy says. ``why_untaken`` returns why no reactor takes an order under any of some tags, for a process of
    some technologies, with a remedy or none. Without ``ping`` minions that did not return are not asked before another
    order.
    """

    ledger: Ledger
    policy: Policy
    minions: MinionIndex
    why_untaken: Callable[[Iterable[str], Sequence[str], str | None], str | None]
    ping: Ping | None = None
    catalogue: Catalogue = field(default_factory=Catalogue)
    uptake: Uptake = field(default_factory=Uptake)
    #: By attempt id, of the orders that no job took yet.
    _kinds_out: dict[str, Kind] = field(default_factory=dict)

    def unasking(self) -> Verdicts:
        """
        Return what says the same and asks no minion: to explain, in any thread, what is decided.
        """
        ping = Unasking(self.ping) if self.ping is not None else None
        return replace(self, ping=ping, _kinds_out={})

    def capacity(self) -> Capacity:
        accepted, in_progress = len(self.minions), self.ledger.attempts.in_progress
        shares = {
            remedy: Capacity(self.policy_of(remedy).limit(accepted), in_progress.busy_with(remedy))
            for remedy in self.catalogue.limited
        }
        busy = in_progress.busy_minions()
        return Capacity(self.policy.limit(accepted), busy, self._doubtful_minions(), shares)

    def targets(self, episode: Episode) -> list[Target]:
        """
        Return the targets of an episode, each with the remedy that takes it.
        """
        return self.catalogue.assign(episode.problem, episode.resolution.targets)

    def policy_of(self, remedy: str | None) -> Policy:
        return self.policy.of_remedy(self.catalogue.policy(remedy))

    def _doubtful_minions(self) -> set[str]:
        if not self.uptake:
            return set()
        out = self.ledger.attempts.in_progress.without_job()
        known = self._kinds_out
        self._kinds_out = {one: known.get(one) or self._kind_of(one) for one in out}
        return {
            minion
            for attempt_id, minions in out.items()
            if self.uptake.doubts(self._kinds_out[attempt_id])
            for minion in minions
        }

    def _kind_of(self, attempt_id: str) -> Kind:
        return kind_of_order(self.ledger.outbox.event_of(attempt_id) or {})

    def doubts(self, episode: Episode, target: Target) -> bool:
        """
        Tell whether perhaps nobody takes an order for a target.
        """
        kind = kind_of(episode.problem.severity, target.technologies, target.remedy)
        return self.uptake.doubts(kind)

    def doubts_order(self, data: Mapping[str, Any]) -> bool:
        return self.uptake.doubts(kind_of_order(data))

    def paused(self) -> bool:
        return self.ledger.settings.get("paused") is not None

    def minion_answered(self) -> bool:
        return self.ping is not None and self.ping.has_news()

    def untried(self, episodes: Iterable[Episode]) -> set[str]:
        """
        Return the minions of some episodes on which nothing was ever tried.
        """
        minions = {one.minion for episode in episodes for one in episode.resolution.targets}
        return minions - self.ledger.attempts.tried(minions)

    def of(
        self,
        episode: Episode,
        capacity: Capacity,
        now: float,
        untried: Container[str] = (),
    ) -> Decision:
        """
        Return what may be done about an episode now; of minions that are ``untried`` the ledger is not asked.
        """
        acting: list[Target] = []
        held: list[Held] = []
        for case, verdict, _ in self.judged(episode, capacity, now, untried):
            if verdict.reason is None:
                acting.append(case.target)
            else:
                held.append((case.target, verdict))
        chosen, later = of_one_order(acting, held, now)
        return Decision(episode, chosen, held + later)

    def judged(
        self,
        episode: Episode,
        capacity: Capacity,
        now: float,
        untried: Container[str] = (),
    ) -> Iterator[tuple[Case, Verdict, Capacity]]:
        """
        Yield each target with all that is decided by, the verdict, and the capacity that those before it left.
        """
        paused = bool(episode.resolution.targets) and self.paused()
        taken = capacity.copy()
        for target in self.targets(episode):
            situation = self._situation(episode, target, taken, now, paused)
            case = Case(target, (), situation, self.policy_of(target.remedy))
            if target.minion not in untried:
                case = self._tried(episode, case)
            verdict = decide(*case)
            if verdict.reason is None and not self._is_connected(case, untried):
                case = case._replace(situation=replace(case.situation, connected=False))
                verdict = decide(*case)
            yield case, verdict, taken
            if verdict.reason is None:
                taken.take([target.minion], self.doubts(episode, target), target.remedy)

    def _tried(self, episode: Episode, case: Case) -> Case:
        """
        Return a case with what the ledger knows of earlier attempts.
        """
        past = self._past(episode, case.target, case.situation.now)
        was_tried = any(attempt.started >= episode.opened for attempt in past)
        situation = replace(
            case.situation,
            serves=serves(self.ledger.attempts, episode, case.target),
            called=was_tried and person_called(episode),
        )
        return case._replace(past=past, situation=situation)

    def _past(self, episode: Episode, target: Target, now: float) -> list[Past]:
        since = min(now - PAST_S, episode.opened)
        return [
            attempt
            for attempt in self.ledger.attempts.past(target.minion, target.key, since)
            if attempt.started >= episode.counted_from or attempt.state == ActionState.WAITING
        ]

    def _situation(
        self, episode: Episode, target: Target, capacity: Capacity, now: float, paused: bool
    ) -> Situation:
        remedy = target.remedy
        return Situation(
            now=now,
            paused=paused,
            accepted=target.minion in self.minions,
            maintenance=episode.problem.under_maintenance,
            busy=capacity.has(target.minion, remedy),
            capacity=capacity.left_for(self.doubts(episode, target), remedy),
            since=episode.opened,
            untaken=self._why_untaken(episode, target),
        )

    def _why_untaken(self, episode: Episode, target: Target) -> str | None:
        orders = tag("open", episode.problem), tag("retry", episode.problem)
        why = self.why_untaken(orders, target.technologies, target.remedy)
        line = line_for(target.process) if self.catalogue and target.remedy is None else ""
        return f"{why}; a line for it in {CATALOGUE}: {line}" if why and line else why

    def _is_connected(self, case: Case, untried: Container[str]) -> bool:
        minion, now = case.target.minion, case.situation.now
        if self.ping is None or minion in untried:
            return True
        lost_at = self.ledger.attempts.lost_at(minion)
        return lost_at is None or self.ping.is_connected(minion, lost_at, now)


def of_one_order(
    targets: Sequence[Target], held: Sequence[Held], now: float
) -> tuple[list[Target], list[Held]]:
    """
    Return those of the targets that one attempt may order, and why the rest of them is held too.
    """
    # One event starts one job on a minion, which is about one process, by one remedy; each technology has one of its own.
    at_work: dict[str, set[str]] = {}
    for target, verdict in held:
        if verdict.reason is Reason.IN_PROGRESS:
            at_work.setdefault(target.minion, set()).update(_marks(target) or _ANY)
    chosen: list[Target] = []
    later: list[Held] = []
    for target in targets:
        known, own = at_work.get(target.minion, set()), _marks(target)
        if known and (known & (own | _ANY) or not own):
            # It gets the next attempt when that one is done: the two would run beside each other, or pass for one.
            later.append((target, Verdict(Reason.IN_PROGRESS)))
        elif not _go_together(target, chosen):
            later.append((target, Verdict(Reason.STORM, now)))
        else:
            chosen.append(target)
            at_work[target.minion] = known | (own or _ANY)
    count = carried(chosen)
    # Whom this event cannot carry is ordered by another one at once.
    return chosen[:count], [(one, Verdict(Reason.STORM, now)) for one in chosen[count:]] + later


def _marks(target: Target) -> set[str]:
    # The technologies beside which a remedy of another one may run; beside one of the catalogue none may.
    return set() if target.remedy is not None else set(target.technologies)


def _go_together(target: Target, chosen: Sequence[Target]) -> bool:
    if not chosen or target.remedy != chosen[0].remedy:
        return not chosen
    first = next((marks for one in chosen if (marks := _marks(one))), set())
    own = _marks(target)
    return not own or not first or own == first

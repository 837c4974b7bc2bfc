"""
What the status page shows of the ledger: what is open and why it is held, what runs, what was healed last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..api.environment import problem_url
from ..core.problem import PROBLEM_ID
from ..core.reasons import Reason
from ..core.records import Action, Attempt, Episode
from ..core.states import ActionState, AttemptState, EpisodeState
from ..master.envelope import iso
from ..remediation.recurrence import person_called
from ..store.ledger import Ledger
from .recent import Recent
from .rows import minions_of, state_of, unmatched_rows
from .steps import named
from .story import Story

#: So many are shown of each.
PROBLEMS, ATTEMPTS, HEALS = 50, 10, 5
#: Among so many attempts that ended last those are looked for that healed.
ENDED = 100
#: Held, since there is nothing left to do.
_HEALED = (Reason.HEALED.value, Reason.HEALTHY.value)
Facts = dict[str, Any]
#: What is shown while the ledger was never read.
NOTHING: Facts = {
    "paused": None,
    "counts": {"open": None, "person": 0, "healing": 0, "held": 0, "healed": 0, "others": 0},
    "now": {"attempts": [], "more": 0},
    "open": {"rows": [], "count": None, "held": {}},
    "heals": [],
    "recent": None,
}


@dataclass(frozen=True)
class PageFacts:
    """
    Reads them from the ledger, by many short looks: others may write between two of them.
    """

    ledger: Ledger
    story: Story
    recent: Recent
    environment_url: str | None
    clock: Callable[[], float]

    def read(self) -> Facts:
        """
        Return the facts, as ``pages.status.parts`` takes them. Raises LedgerError.
        """
        paused = self.ledger.settings.get("paused")
        attempts = self.ledger.attempts.open()
        standing = self.ledger.episodes.standing()
        held = {reason: n for person, reason, n in standing if reason and not person}
        healed = sum(held.pop(reason, 0) for reason in _HEALED)
        count = sum(n for *_, n in standing)
        counts = {
            "person": sum(n for person, _, n in standing if person),
            "healing": len({(one.problem_key, one.episode) for one in attempts}),
            "held": sum(held.values()),
            "healed": healed,
        }
        return {
            "paused": json.loads(paused) if paused else None,
            # One with a person called may be at work too, beside them.
            "counts": {**counts, "open": count, "others": max(count - sum(counts.values()), 0)},
            "now": {
                "attempts": [self._attempt(one) for one in attempts[:ATTEMPTS]],
                "more": max(len(attempts) - ATTEMPTS, 0),
            },
            "open": {
                "rows": [self._problem(one) for one in self.ledger.episodes.by_need(PROBLEMS)],
                "count": count,
                "held": held,
            },
            "heals": [self._heal(one) for one in self._healed()],
            "recent": self.recent.of(self.clock()),
        }

    def _problem(self, episode: Episode) -> Facts:
        decision = self.ledger.journal.latest(episode, "decision")
        unmatched = unmatched_rows(episode)
        return {
            **self._named(episode),
            "key": f"{episode.problem_key} {episode.episode}",
            "title": episode.problem.title,
            "state": state_of(episode, self.ledger.attempts.of(episode)),
            "held": episode.held or "not decided",
            "where": named(minions_of(episode)) or "no minion",
            "opened": iso(episode.opened),
            "escalated": str(episode.escalated) if episode.escalated else None,
            "final": person_called(episode),
            "left_alone": episode.state is EpisodeState.IGNORED,
            "unmatched": unmatched[0] if unmatched else None,
            "decision": decision.told if decision else None,
        }

    def _attempt(self, attempt: Attempt) -> Facts:
        episode = self.ledger.episodes.get(attempt.problem_key, attempt.episode)
        actions = self.ledger.attempts.actions(attempt.attempt_id)
        return {
            **(self._named(episode) if episode else {"problem": attempt.problem_key, "url": None}),
            "attempt_id": attempt.attempt_id,
            "number": attempt.number,
            "remedy": attempt.remedy,
            "minions": named(dict.fromkeys(one.minion for one in actions)),
            "steps": steps(attempt, actions),
        }

    def _healed(self) -> list[Episode]:
        ended = self.ledger.attempts.ended(ENDED)
        good = [one for one in ended if one.state is AttemptState.GOOD]
        latest = list(dict.fromkeys((one.problem_key, one.episode) for one in good))[:HEALS]
        found = (self.ledger.episodes.get(*one) for one in latest)
        return [one for one in found if one is not None]

    def _heal(self, episode: Episode) -> Facts:
        return {**self._named(episode), "story": self.story.of(episode, self.clock())}

    def _named(self, episode: Episode) -> Facts:
        return {"problem": episode.name, "url": self._url(episode.problem.problem_id)}

    def _url(self, problem_id: str | None) -> str | None:
        """
        Return where a person sees a problem: made of the environment that is configured, and of an id that is one.
        """
        if not self.environment_url or not problem_id or not PROBLEM_ID.fullmatch(problem_id):
            return None
        return problem_url(self.environment_url, problem_id)


def steps(attempt: Attempt, actions: Iterable[Action]) -> list[Facts]:
    """
    Return the steps of an attempt in their order, with when each was taken; ``next`` is the first that was not.
    """
    states = [one.state for one in actions]
    back = sum(state is not ActionState.WAITING for state in states)
    ended = f"{back} of {len(states)} returned" if len(states) > 1 else "Returned"
    told: list[Facts] = [
        {"said": "Ordered", "at": iso(attempt.created)},
        {"said": "On the bus", "at": iso(attempt.first_fired)},
        {"said": "Taken by a job", "at": iso(attempt.started), "note": attempt.jid},
        {"said": ended, "at": iso(attempt.ended)},
    ]
    due = next((one for one in told if one["at"] is None), None)
    return [{"note": None, **one, "next": one is due} for one in told]

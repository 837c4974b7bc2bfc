"""
What the runner is told: the state of the engine, the open problems, one problem, and the latest attempts.

The keys are an interface, described in ``docs/reference/runner.md``: scripts read them with ``--out=json``. Times are ISO texts,
durations whole numbers with their unit in the name, since events carry no floats.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.policy import Past, Policy, Situation
from ..core.records import Attempt, Episode
from ..core.remedies import Catalogue
from ..core.resolution import Target
from ..core.rules import decide
from ..core.states import OPEN_ATTEMPTS, ActionState, AttemptState
from ..facts.rows import (
    LISTED,
    MAX_ROWS,
    attempt_rows,
    minions_of,
    state_of,
    target_row,
    unmatched_rows,
)
from ..master.envelope import iso
from ..store.ledger import Ledger
from .health import VERSION, Status

_MINIONS = 20


@dataclass(frozen=True)
class Views:
    """
    Reads what is told from the ledger; any thread may call it.

    A list of minions is cut, and its whole length told, so that a row fits into an event.
    """

    ledger: Ledger
    policy: Policy
    state: Status
    troubles: Callable[[], Mapping[str, Any]]
    catalogue: Catalogue = field(default_factory=Catalogue)

    def status(self, now: float) -> dict[str, Any]:
        status = self.state
        paused = self.ledger.settings.get("paused")
        return {
            "version": VERSION,
            "uptime_s": round(now - status.started),
            "paused": json.loads(paused) if paused else False,
            "dry_run": self.policy.dry_run,
            "last_poll": iso(status.last_poll),
            "api": status.api_error or "ok",
            "open_problems": self.ledger.episodes.shown_count(),
            "healing": sorted(self.ledger.attempts.in_progress.busy_minions())[:LISTED],
            "queue": self.ledger.queue_length(),
            **self.troubles(),
            "counters": _counted(self.ledger.settings.counters()),
        }

    def problems(self, now: float) -> list[dict[str, Any]]:
        return [self._row(episode, now) for episode in self.ledger.episodes.shown(MAX_ROWS)]

    def problem(self, episode: Episode, now: float) -> dict[str, Any]:
        return {
            **self._row(episode, now),
            "title": episode.problem.title,
            "episode": episode.episode,
            "url": episode.problem.url,
            "targets": [target_row(one) for one in self._targets(episode)[:LISTED]],
            "unmatched": unmatched_rows(episode),
        }

    def _targets(self, episode: Episode) -> list[Target]:
        return self.catalogue.assign(episode.problem, episode.resolution.targets)

    def remedies(self) -> list[dict[str, Any]]:
        """
        Return a row for each remedy of the catalogue, as the engine reads it.
        """
        return [
            {
                "remedy": one.name,
                "on": {kind: list(values) for kind, values in one.on.items()},
                "policy": dict(one.policy),
                "settings": dict(one.settings),
                "fault": one.fault or None,
            }
            for one in self.catalogue.remedies.values()
        ]

    def attempts(self, episode: Episode) -> list[dict[str, Any]]:
        """
        Return a row for each attempt on a problem, with the outcome on each minion.
        """
        return attempt_rows(self.ledger.attempts.done(episode))

    def history(self) -> list[dict[str, Any]]:
        """
        Return a row for each of the latest attempts, newest first.
        """
        return [
            {
                "created": iso(attempt.created),
                "problem": display_id,
                "attempt": attempt.number,
                "minions": minions[:_MINIONS],
                "minion_count": len(minions),
                "state": attempt.state,
                "took_ms": _took_ms(attempt),
                "jid": attempt.jid,
            }
            for attempt, display_id, minions in self.ledger.attempts.history(MAX_ROWS)
        ]

    def held(self, minion: str, now: float) -> dict[str, Any]:
        """
        Return what would hold a failure on a minion now, whichever process fails, and the problems that are open there.
        """
        past = [
            Past(_as_action(attempt), attempt.created, attempt.ended)
            for attempt, _, minions in reversed(self.ledger.attempts.history(MAX_ROWS))
            if minion in minions and attempt.state is not AttemptState.NOT_EXECUTED
        ]
        act_on = self.policy.act_on
        target = Target(minion, host="", entity="", matched_by=act_on[0])
        verdict = decide(target, past, Situation(now), self.policy)
        episodes = self.ledger.episodes.shown(MAX_ROWS)
        own = [episode for episode in episodes if minion in minions_of(episode)]
        return {
            "held": verdict.reason.value if verdict.reason else None,
            "until": iso(verdict.until),
            "open": [self._row(episode, now)["problem"] for episode in own[:LISTED]],
            "needs_host_id": "host_id" in act_on and not {"name", "address"} & set(act_on),
        }

    def _row(self, episode: Episode, now: float) -> dict[str, Any]:
        return {
            "problem": episode.name,
            "problem_id": episode.problem.problem_id,
            "severity": episode.problem.severity,
            "opened": iso(episode.opened),
            "age_s": round(max(now - episode.opened, 0)),
            "minions": minions_of(episode)[:_MINIONS],
            "minion_count": len(minions_of(episode)),
            "attempts": episode.attempts,
            "state": state_of(episode, self.ledger.attempts.of(episode)),
            "title": episode.problem.title[:60],
        }


def _counted(counters: Mapping[tuple[str, ...], int]) -> dict[str, int]:
    """
    Return counters by name and last label, such as ``attempts_good``: of all remedies together.
    """
    found: Counter[str] = Counter()
    for (name, *labels), value in counters.items():
        found["_".join([name, *labels[-1:]]).replace(" ", "_")] += value
    return dict(found)


def _as_action(attempt: Attempt) -> ActionState:
    is_open = attempt.state in OPEN_ATTEMPTS
    return ActionState.WAITING if is_open else ActionState(attempt.state)


def _took_ms(attempt: Attempt) -> int | None:
    return round((attempt.ended - attempt.created) * 1000) if attempt.ended else None

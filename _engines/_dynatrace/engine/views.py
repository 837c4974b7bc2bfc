"""
What the runner is told: the state of the engine, the open problems, one problem, and the latest attempts.

The keys are an interface, described in ``docs/reference/runner.md``: scripts read them with ``--out=json``. Times are ISO texts,
durations whole numbers with their unit in the name, since events carry no floats.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.policy import Past, Policy, Situation
from ..core.records import Action, Attempt, Episode
from ..core.remedies import Catalogue
from ..core.resolution import Target
from ..core.rules import decide
from ..core.states import FAILED, OPEN_ATTEMPTS, ActionState, AttemptState, EpisodeState
from ..master.envelope import iso
from ..store.ledger import Ledger
from .health import VERSION, Status

MAX_ROWS = 1000
_MINIONS = 20
#: Of targets, and of the outcomes of an attempt.
LISTED = 50


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
            "state": state_of(self.ledger, episode),
            "title": episode.problem.title[:60],
        }


def state_of(ledger: Ledger, episode: Episode) -> str:
    """
    Return in a few words what becomes of a problem, or what it waits for.
    """
    if episode.state != EpisodeState.OPEN:
        return episode.state
    if episode.escalated:
        return f"escalated: {episode.escalated}"
    states = {attempt.state for attempt in ledger.attempts.of(episode)}
    if states.intersection(OPEN_ATTEMPTS):
        return "healing"
    if AttemptState.GOOD in states:
        return "healed, waits for Dynatrace"
    if AttemptState.HEALTHY in states:
        return "already healthy, waits for Dynatrace"
    if states.intersection(map(AttemptState, FAILED)):
        return "failed, waits"
    return "held" if minions_of(episode) else "unmatched"


def attempt_rows(done: Iterable[tuple[Attempt, Sequence[Action]]]) -> list[dict[str, Any]]:
    """
    Return a row for each attempt on a problem, with the outcome on each minion.
    """
    return [_attempt(attempt, actions) for attempt, actions in done]


def _attempt(attempt: Attempt, actions: Sequence[Action]) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "attempt_id": attempt.attempt_id,
        "remedy": attempt.remedy,
        "state": attempt.state,
        "jid": attempt.jid,
        "created": iso(attempt.created),
        "ended": iso(attempt.ended),
        "minions": {
            action.minion: f"{action.state} {action.comment[:200]}".strip()
            for action in actions[:LISTED]
        },
        "minion_count": len({action.minion for action in actions}),
    }


def _counted(counters: Mapping[tuple[str, ...], int]) -> dict[str, int]:
    """
    Return counters by name and last label, such as ``attempts_good``: of all remedies together.
    """
    found: Counter[str] = Counter()
    for (name, *labels), value in counters.items():
        found["_".join([name, *labels[-1:]]).replace(" ", "_")] += value
    return dict(found)


def target_row(target: Target) -> dict[str, Any]:
    """
    Return what is told of a target.
    """
    return {
        "minion": target.minion,
        "entity": target.entity,
        "matched_by": target.matched_by,
        "remedy": target.remedy,
        "by": target.choice.by,
    }


def minions_of(episode: Episode) -> list[str]:
    """
    Return the minions that an episode concerns, each once.
    """
    return list(dict.fromkeys(target.minion for target in episode.resolution.targets))


def _as_action(attempt: Attempt) -> ActionState:
    is_open = attempt.state in OPEN_ATTEMPTS
    return ActionState.WAITING if is_open else ActionState(attempt.state)


def _took_ms(attempt: Attempt) -> int | None:
    return round((attempt.ended - attempt.created) * 1000) if attempt.ended else None


def unmatched_rows(episode: Episode) -> list[dict[str, Any]]:
    """
    Return a row for each entity that no minion is known for: its id, what Dynatrace calls it if it says, and why.
    """
    problem = episode.problem
    known = (*problem.affected, *(one.entity for one in problem.evidence))
    names = {one.id: one.name for one in known if one.name}
    return [
        {"entity": one.entity, "name": names.get(one.entity), "reason": one.reason}
        for one in episode.resolution.unmatched[:LISTED]
    ]

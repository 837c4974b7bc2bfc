"""
Tells why each process of a problem is acted on or not, and what happens next.

Of an open problem the decision is explained as it would be made now; of a closed one the journal's last is told. The keys
are an interface, described in ``docs/reference/runner.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.explanation import Result
from ..core.measures import BY_SALT
from ..core.reasons import Reason
from ..core.records import Entry, Episode
from ..core.states import EpisodeState, Waiting
from ..master.envelope import iso
from ..remediation.decision import untimed
from ..remediation.explained import Explained, Explanations
from ..remediation.recurrence import person_called, recovered_by
from ..store.ledger import Ledger
from ..store.retention import KEEP_S
from . import steps
from .outages import closed_at
from .outlook import Outlook
from .rows import LISTED, attempt_rows, state_of, target_row, unmatched_rows
from .story import process_name

_WAITS = {
    Waiting.CAPACITY: "for fewer minions in progress",
    Waiting.PAUSED: "for the end of the pause",
    Waiting.MINION: "for a minion's return",
    Waiting.MATCH: "for a minion that it fits",
}


@dataclass(frozen=True)
class Why:
    """
    Explains episodes; any thread may call it. Nothing is written, and no minion is asked.
    """

    ledger: Ledger
    explanations: Explanations

    def of(self, episode: Episode, now: float) -> dict[str, Any]:
        """
        Return what is decided about an episode and why, and what happens next.

        ``processes`` has a row for each process, ``rules`` of it a row for each rule in their order.
        """
        last = self.ledger.journal.latest(episode, "decision")
        done = self.ledger.attempts.done(episode)
        is_open = episode.state is EpisodeState.OPEN
        rows = self._explained(episode, now) if is_open else _recorded(last, episode)
        return {
            "problem": episode.name,
            "problem_id": episode.problem.problem_id,
            "title": episode.problem.title,
            "severity": episode.problem.severity,
            "episode": episode.episode,
            "state": str(state_of(episode, [attempt for attempt, _ in done])),
            "opened": iso(episode.opened),
            "closed": iso(closed_at(episode)),
            "told_at": iso(now),
            "says": self._says(episode, last, bool(done)),
            "next": iso(episode.due) if is_open else None,
            "waits": _WAITS[episode.waiting] if is_open and episode.waiting else None,
            "process_count": len(rows) if is_open else last.told["count"] if last else 0,
            "processes": rows[:LISTED],
            "unmatched": unmatched_rows(episode),
            "attempts": attempt_rows(done),
        }

    def unknown(self, asked: str) -> str:
        """
        Return what is said of a problem that is not in the ledger.
        """
        first = self.ledger.episodes.first_closed()
        closed = (
            f"those that closed since {iso(first)}" if first is not None else "none that closed"
        )
        return (
            f"no problem {asked!r} is in the ledger; it has the {self.ledger.episodes.shown_count()} open ones, which "
            f"`dynatrace.problems` lists, and {closed}: closed ones are forgotten after {KEEP_S / 86400:.0f} days"
        )

    def _explained(self, episode: Episode, now: float) -> list[dict[str, Any]]:
        _, told = self.explanations.of(episode, now)
        return [self._row(episode, one, now) for one in told]

    def _row(self, episode: Episode, one: Explained, now: float) -> dict[str, Any]:
        verdicts, verdict, target = self.explanations.verdicts, one.verdict, one.target
        rule = next((step.rule for step in one.steps if step.result is Result.HELD), None)
        policy = verdicts.policy_of(target.remedy)
        parts = target, verdict, rule, policy, self.ledger.attempts, now
        return {
            **target_row(target),
            "process": process_name(episode.problem, target),
            "verdict": verdict.reason.value if verdict.reason else None,
            "until": iso(verdict.until),
            "detail": verdict.detail,
            "next": Outlook(episode, *parts).text,
            "rules": [
                {"rule": step.rule, "result": str(step.result), "told": step.told}
                for step in one.steps
            ],
        }

    def _says(self, episode: Episode, last: Entry | None, tried: bool) -> list[str]:
        """
        Return what is to be said of the episode as a whole.
        """
        found = []
        if episode.state is EpisodeState.CLOSED:
            found.append(
                f"Dynatrace closed it; {self._ended(episode, tried)}; nothing more is done"
            )
        elif episode.state is EpisodeState.IGNORED:
            found.append(
                "it is older than `lookback` at the first start and left alone; "
                f"`salt-run dynatrace.retry {episode.name}` takes it up"
            )
        if episode.escalated is not None:
            called = self.ledger.journal.latest(episode, "escalated")
            at = f" at {steps.time_of(called.at)}" if called else ""
            found.append(f"a person was called{at}: {episode.escalated}")
        if last is not None:
            # Its window may pass, and nothing comes of it.
            told = untimed(last.told) if person_called(episode) else last.told
            found.append(f"last decision at {steps.time_of(last.at)}: {steps.decision(told)}")
            found += self._pauses(episode, last)
        elif episode.state is EpisodeState.OPEN:
            found.append("nothing is decided yet")
        if not episode.resolution.targets and not episode.resolution.unmatched:
            found.append("its evidence names nothing that a minion could be found for")
        elif not episode.resolution.targets:
            found.append("no minion is known for anything that it names")
        return found

    def _ended(self, episode: Episode, tried: bool) -> str:
        """
        Return who ended a problem, as it is counted.
        """
        targets = self.explanations.verdicts.targets(episode)
        if recovered_by(self.ledger.attempts, episode, targets) == BY_SALT:
            return "Salt had healed it" if tried else "it was healed for another problem"
        what = "no attempt healed it" if tried else "Salt tried nothing"
        return f"{what}, it ended by hand, or by itself"

    def _pauses(self, episode: Episode, last: Entry) -> list[str]:
        """
        Return who had paused all when a closed problem was decided last, if somebody had.
        """
        if episode.state is EpisodeState.OPEN or Reason.PAUSED.value not in last.told["held"]:
            return []
        told = [one for one in self.ledger.journal.orders(last.at) if one.kind == "pause"][-1:]
        return [
            f"paused by {one.told['who']} at {steps.time_of(one.at)}: {one.told['reason']}"
            for one in told
        ]


def _recorded(last: Entry | None, episode: Episode) -> list[dict[str, Any]]:
    # What the journal kept of a decision: whom it was about, and the reasons.
    names = {one.key: process_name(episode.problem, one) for one in episode.resolution.targets}
    told: list[Mapping[str, Any]] = last.told["targets"] if last is not None else []
    return [
        {
            "minion": one["minion"],
            "entity": one["entity"],
            "matched_by": one["matched_by"],
            "remedy": one["remedy"],
            "by": one["by"],
            "process": names.get(one["process"], one["process"]),
            "verdict": one["reason"],
            "until": iso(one["until"]),
            "detail": one["detail"],
            "next": "nothing: the problem is not open",
            "rules": [],
        }
        for one in told
    ]

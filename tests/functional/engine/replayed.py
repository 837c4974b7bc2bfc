"""
Compares each decision that an engine records with what `dynatrace.why` explains and `dynatrace.simulate` decides.

Both look at the same moment: the one at the ledger when the decision is about to be recorded, the other at a copy of it.
What was read of tenant and minions for the decision is taken as it was read: neither asks anybody.
"""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _dynatrace.core.explanation import Result
from _dynatrace.core.reasons import Reason
from _dynatrace.engine.parts import Parts
from _dynatrace.master.ping import Unasking
from _dynatrace.remediation.decision import Decision
from _dynatrace.remediation.explained import Explained, Explanations
from _dynatrace.remediation.group import Group
from _dynatrace.simulation.trial import Source, Trial
from _dynatrace.store.ledger import Ledger

#: So many decisions of a test are all looked at, and later ones each so many'th: a crowd has thousands, and a copy of a
#: ledger takes some milliseconds.
EXPLAINED, SIMULATED, EACH = 200, 20, 25


def known(decision: Decision) -> dict[tuple[str, str], Any]:
    """
    Return by minion and process what is decided: None where it is acted on, else why not and until when.
    """
    acting = {(one.minion, one.key): None for one in decision.acting}
    held = {(one.minion, one.key): (why.reason, why.until) for one, why in decision.held}
    return {**acting, **held}


def explained(told: list[Explained]) -> dict[tuple[str, str], Any]:
    """
    Return the same by an explanation; the rule that is held must be there exactly where it is not acted on.
    """
    found: dict[tuple[str, str], Any] = {}
    for one in told:
        held = [step.rule for step in one.steps if step.result is Result.HELD]
        verdict, key = one.verdict, (one.target.minion, one.target.key)
        found[key] = (verdict.reason, verdict.until) if verdict.reason else None
        if len(held) != (verdict.reason is not None):
            found[key] = f"by the rules {held}"
    return found


@dataclass
class Replayed:
    """
    Hears of decisions; ``differences`` says what was explained or simulated otherwise than decided.
    """

    home: Path
    differences: list[str] = field(default_factory=list)
    #: How many were made, explained and simulated.
    heard: int = 0
    explained: int = 0
    simulated: int = 0

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)

    def made(self, engine: Parts, decision: Decision, group: Group) -> None:
        """
        Look at a decision that was just made; within a group it would lack those before it, which are not recorded yet.
        """
        self.heard += 1
        if not group.ready and _counts(self.heard, SIMULATED):
            self._simulate(engine, decision, group)

    def recorded(self, engine: Parts, decision: Decision, group: Group) -> None:
        """
        Look at a decision that is about to be recorded.
        """
        if decision.acting and engine.verdicts.paused():
            return  # A pause came meanwhile: it is not recorded.
        if not _counts(self.heard, EXPLAINED) or _after_others(decision, group):
            return
        self.explained += 1
        if any(why.reason is Reason.JOB_CACHE for _, why in decision.held):
            return  # It is read for a decision, and an explanation waits for nothing.
        own = Explanations(engine.verdicts.unasking())
        made, told = own.of(decision.episode, group.now)
        self._compare("explained", decision, known(made))
        self._compare("told", decision, explained(told))

    def _simulate(self, engine: Parts, decision: Decision, group: Group) -> None:
        self.simulated += 1
        trial = self.trial(engine, decision, group.now)
        try:
            episode = trial.ledger.episodes.get(
                decision.episode.problem_key, decision.episode.episode
            )
            made = trial.scheduler.preview(episode, group.now) if episode else None
            self._compare("simulated", decision, known(made) if made else {})
        finally:
            trial.ledger.close()

    def trial(self, engine: Parts, decision: Decision, now: float) -> Trial:
        """
        Return a trial on a copy of an engine's ledger, with what the engine knows besides.
        """
        path = self.home / f"ledger-{next(self._numbers)}.db"
        with closing(sqlite3.connect(path)) as copy:
            engine.ledger.database.connection.backup(copy)
        parts = engine.instance, engine.config, engine.master, Ledger(path), now
        trial = Trial(*parts)
        trial.source = Source(
            lambda _: decision.episode.problem, lambda _: decision.episode.resolution
        )
        trial.minions, trial.catalogue = engine.minions, engine.catalogue
        trial.ping = Unasking(engine.ping) if engine.ping is not None else None
        trial.verdicts.uptake = engine.verdicts.uptake
        return trial

    def _compare(self, what: str, decision: Decision, found: dict[Any, Any]) -> None:
        wanted = known(decision)
        if found != wanted:
            name = decision.episode.name
            self.differences.append(f"{name}: {what} {found}, and decided {wanted}")


def _after_others(decision: Decision, group: Group) -> bool:
    # It was made before an order of its group on the same minion was recorded, and is recorded after it.
    acting = {one.minion for one in decision.acting}
    return not (group.ordered - acting).isdisjoint(one.minion for one, _ in decision.held)


def _counts(number: int, first: int) -> bool:
    return number <= first or number % EACH == 0

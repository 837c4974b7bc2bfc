"""
Says what would be done about problems, under the engine's policy and catalogue and under others, by its own functions.

An open problem is decided on a copy of the ledger as it is now; problems that are over are replayed on an empty one. It
runs in the runner's process, and writes to no ledger but its own. The keys are an interface, described in
``docs/reference/runner.md``.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..api.sources import Listing
from ..config import config as configuration
from ..config.config import Config
from ..core.errors import ApiError, ConfigError, DynatraceError, NotFound
from ..core.problem import DISPLAY_ID, PROBLEM_ID, Problem
from ..core.records import Episode
from ..core.states import ActionState, EpisodeState
from ..master.envelope import iso
from ..master.job_cache import Jobs
from ..master.salt_interface import Master
from ..remediation.explained import Explanations
from ..store.copies import copied
from ..store.ledger import Ledger
from ..webhook.payload import parse
from .replay import Replay
from .simulated import Outcomes, counts, decided, nobody, replayed, rows
from .trial import Trial
from .unseen import unseen

DAY_S = 86400.0
ENDS = {"good": ActionState.GOOD, "bad": ActionState.BAD}
#: Hears how many moments of how many are over.
Progress = Callable[[int, int], None]


class Unusable(DynatraceError):
    """
    It cannot be simulated; the text says why, for the one who asked.
    """


@dataclass(frozen=True)
class Asked:
    """
    What is to be simulated: a problem by its id, the body of a notification, or what closed in so many days.

    ``policy`` replaces keys of the engine's policy, ``remedies`` its catalogue; None: as they are. ``ends`` is how each
    attempt of a replay ends.
    """

    problem: str | None = None
    body: bytes | None = None
    days: float | None = None
    policy: Mapping[str, Any] | None = None
    remedies: Any = None
    ends: ActionState = ActionState.GOOD

    @property
    def has_other(self) -> bool:
        return self.policy is not None or self.remedies is not None


@dataclass
class Simulation:
    """
    Simulates for one engine, of which ``given`` are the options.
    """

    instance: str
    given: Mapping[str, Any]
    master: Master
    now: float
    _closed: Listing | None = field(default=None, init=False)

    def run(self, asked: Asked, progress: Progress = lambda *_: None) -> dict[str, Any]:
        """
        Return ``says``, ``simulated`` (a row for each process) and ``counts``. Raises Unusable and DynatraceError.
        """
        says: list[str] = []
        now = self._outcomes(asked, self._config(None), self.master, says, progress)
        other: Outcomes | None = None
        if asked.has_other:
            master = self.master
            if asked.remedies is not None:
                master = replace(master, remedies=asked.remedies)
            other = self._outcomes(asked, self._config(asked.policy), master, says, progress)
        told = {"now": counts(now), **({"other": counts(other)} if other is not None else {})}
        return {"says": says, "simulated": rows(now, other), "counts": told}

    def _unseen(
        self, trial: Trial, since: float, known: Iterable[Episode], says: list[str]
    ) -> list[Episode]:
        """
        Return those that only the tenant knows, which is read once, for both policies.
        """
        if trial.client is None:
            return []
        try:
            if self._closed is None:
                self._closed = trial.client.closed(math.ceil((trial.now - since) / 3600))
            found, told = unseen(trial, self._closed, since, known)
        except ApiError as err:
            found, told = (
                [],
                [f"only what the ledger knows is told, since the tenant cannot be read: {err}"],
            )
        says += [one for one in told if one not in says]
        return found

    def _config(self, policy: Mapping[str, Any] | None) -> Config:
        given = dict(self.given)
        if policy is not None:
            given["policy"] = {**(given.get("policy") or {}), **policy}
        try:
            return configuration.load(given)
        except ConfigError as err:
            raise Unusable("the policy cannot be used: " + "; ".join(err.problems)) from err

    def _outcomes(
        self, asked: Asked, config: Config, master: Master, says: list[str], progress: Progress
    ) -> Outcomes:
        with self._trial(config, master) as trial:
            says += [one for one in trial.catalogue.faults if one not in says]
            if asked.days is not None:
                since = self.now - asked.days * DAY_S
                episodes = trial.ledger.episodes.closed_since(since)
                episodes += self._unseen(trial, since, episodes, says)
                episodes.sort(key=lambda one: (one.opened, one.problem_key))
                if not episodes:
                    raise Unusable(f"no problem closed in the last {asked.days:g} days")
                return self._replayed(asked, trial, episodes, says, progress)
            episode = _episode_of(trial, asked)
            if episode.state is EpisodeState.CLOSED:
                return self._replayed(asked, trial, [episode], says, progress)
            return _decided(trial, episode)

    @contextmanager
    def _trial(self, config: Config, master: Master, empty: bool = False) -> Iterator[Trial]:
        path = config.get("ledger") or self.master.directory / self.instance / "ledger.db"
        with tempfile.TemporaryDirectory(prefix="dynatrace-simulation-") as home:
            own = Path(home, "ledger.db")
            ledger = Ledger(own) if empty else copied(Path(path), own)
            trial = Trial(self.instance, config, master, ledger, self.now)
            try:
                trial.minions.refresh()
                yield trial
            finally:
                trial.close()

    def _replayed(
        self,
        asked: Asked,
        copy: Trial,
        episodes: list[Episode],
        says: list[str],
        progress: Progress,
    ) -> Outcomes:
        ended = "well" if asked.ends is ActionState.GOOD else "badly"
        assumed = (
            f"{len(episodes)} closed problems are replayed from {_day(episodes[0])} on, on an empty ledger; each attempt is "
            f"assumed to end {ended}, and evidence to be open as long as its problem"
        )
        says += [assumed] if assumed not in says else []
        # The jobs that there were must not pass for those of the replay.
        alone = replace(copy.master, jobs=Jobs(lambda _: [], lambda _: {}, cached=False))
        with self._trial(copy.config, alone, empty=True) as trial:
            Replay(trial, episodes, asked.ends, _took(copy.ledger, episodes)).run(progress)
            return _of_replay(trial, episodes)


def _took(ledger: Ledger, episodes: Iterable[Episode]) -> dict[str, float]:
    found: dict[str, float] = {}
    for episode in episodes:
        for attempt in ledger.attempts.of(episode):
            if attempt.ended is not None:
                found.setdefault(episode.problem_key, max(attempt.ended - attempt.created, 0.1))
    return found


def _episode_of(trial: Trial, asked: Asked) -> Episode:
    """
    Return the episode of the problem that is asked for, read from the tenant where the ledger has none.
    """
    if asked.body is not None:
        return _notified(trial, asked.body)
    name = asked.problem or ""
    episode = trial.ledger.episodes.find(name) or trial.ledger.episodes.latest(name)
    if episode is not None:
        return episode
    return _observed(trial, _read(trial, name))


def _notified(trial: Trial, body: bytes) -> Episode:
    notice = parse(body, trial.config.get("webhook.keys"))
    if notice.test:
        raise Unusable("it is a test notification, for which nothing is done")
    try:
        problem = _read(trial, notice.name)
    except DynatraceError:
        # As an engine without credentials, it believes what the notification tells.
        if notice.problem is None:
            raise
        problem = notice.problem
    return _observed(trial, problem)


def _read(trial: Trial, name: str) -> Problem:
    if not (PROBLEM_ID.fullmatch(name) or DISPLAY_ID.fullmatch(name)):
        raise Unusable(f"{name[:40]!r} has not the form of a problem's id")
    if trial.client is None:
        raise Unusable(
            f"no problem {name!r} is in the ledger, and there are no credentials to read it"
        )
    listed = None
    if not PROBLEM_ID.fullmatch(name):
        listed = trial.client.find_by_display_id(name)
        if listed is None or listed.problem_id is None:
            raise Unusable(f"neither the ledger nor the tenant knows a problem {name!r}")
    try:
        return trial.source.read(listed.problem_id if listed and listed.problem_id else name)
    except NotFound as err:
        raise Unusable(f"neither the ledger nor the tenant knows a problem {name!r}") from err


def _observed(trial: Trial, problem: Problem) -> Episode:
    trial.episodes.observe(problem, trial.now)
    episode = trial.ledger.episodes.latest(problem.key)
    if episode is None:
        raise Unusable(
            f"{problem.display_id or problem.key} is closed, and the ledger does not know it"
        )
    return episode


def _day(episode: Episode) -> str:
    return (iso(episode.opened) or "")[:10]


def _decided(trial: Trial, episode: Episode) -> Outcomes:
    """
    Return what would be decided now about an episode that is open.
    """
    if episode.state is EpisodeState.IGNORED:
        raise Unusable(
            f"{episode.name} is older than `lookback` and left alone: nothing is decided"
        )
    decision = trial.scheduler.preview(episode, trial.now)
    if decision is None:
        raise Unusable(f"{episode.name} is closed by now: ask again")
    _, explained = Explanations(trial.verdicts).of(decision.episode, trial.now)
    return decided(decision, explained)


def _of_replay(trial: Trial, episodes: Iterable[Episode]) -> Outcomes:
    found: Outcomes = {}
    numbers: Counter[str] = Counter()
    for known in episodes:
        numbers[known.problem_key] += 1
        # Of those that are replayed it is so many'th.
        episode = trial.ledger.episodes.get(known.problem_key, numbers[known.problem_key])
        found.update(replayed(trial, episode) if episode is not None else nobody(known))
    return found

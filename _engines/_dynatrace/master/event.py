"""
Builds what goes on the event bus: tags, data, and ids that are the same on every master.

Nothing that comes from outside gets into a tag or a key. How data is made fit for the bus and signed is
``master.envelope``.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.policy import Verdict
from ..core.problem import Problem
from ..core.reasons import Reason
from ..core.records import Attempt, Episode
from ..core.resolution import Target
from .envelope import MAX_EVENT_BYTES, clean, iso, shrink

SCHEMA = 1
PREFIX = "dynatrace/problem"
TEST_TAG = "dynatrace/notification/test"
COMMAND_PREFIX = "dynatrace/command/"
#: Fired by the engine to see whether the bus works; it means nothing to anybody else.
PROBE_TAG = "dynatrace/engine/probe"
#: Whom a job must reach is never cut from an event, so one event orders only so many: this much of `minions`,
#: `technologies` and `processes`, a half of what an event may hold.
MAX_ORDER_BYTES = MAX_EVENT_BYTES // 2
MAX_TECHNOLOGIES = 20
_TAG_PART = re.compile(r"[A-Za-z0-9_-]{1,64}")


def attempt_id(problem_key: str, episode: int, attempt: int) -> str:
    """
    Return the id of an attempt: 32 hex digits, the same on every master that sees the same problem.
    """
    return hashlib.sha256(f"{problem_key}|{episode}|{attempt}".encode()).hexdigest()[:32]


def job_id(attempt: str, start_ms: int | None) -> str:
    """
    Return the Salt job id of an attempt: date and hour of the problem's start, the rest from the attempt's id.

    The 3.6e9 values within an hour keep the attempts of one storm apart; six digits would not.
    """
    hour = time.strftime("%Y%m%d%H", time.gmtime((start_ms or 0) / 1000))
    rest = int(hashlib.sha256(attempt.encode()).hexdigest(), 16) % (3600 * 10**6)
    seconds, micros = divmod(rest, 10**6)
    return f"{hour}{seconds // 60:02d}{seconds % 60:02d}{micros:06d}"


def tag(what: str, problem: Problem) -> str:
    """
    Return ``dynatrace/problem/<what>/<severity>/<display id>``, of checked parts only.
    """
    severity, number = problem.severity.lower(), problem.display_id or "unknown"
    parts = [part if _TAG_PART.fullmatch(part) else "unknown" for part in (what, severity, number)]
    return "/".join((PREFIX, *parts))


def event_data(
    what: str,
    episode: Episode,
    acting: Sequence[Target],
    held: Iterable[tuple[Target, Verdict]],
    *,
    instance: str,
    dry_run: bool,
    targets: Iterable[Target] | None = None,
    attempt: Attempt | None = None,
    reason: str | None = None,
    outcome: Iterable[Mapping[str, Any]] = (),
    act: bool = False,
) -> dict[str, Any]:
    """
    Return the whole data of an event, without times and signature, which belong to the moment of firing.

    ``targets`` are all that the problem concerns, those of its resolution unless they are given. ``act`` says that a reactor may act on it; events that only report keep the ids but carry no minions to act on.
    """
    problem, resolution = episode.problem, episode.resolution
    ordered = acting if act else ()
    data = {
        "schema": SCHEMA,
        "instance": instance,
        "what": what,
        "problem_id": problem.problem_id,
        "display_id": problem.display_id,
        "title": problem.title,
        "severity": problem.severity,
        "impact": problem.impact,
        "status": "OPEN" if problem.is_open else "CLOSED",
        "start": iso(problem.start / 1000 if problem.start else None),
        "end": iso(problem.end / 1000 if problem.end else None),
        "url": problem.url,
        "root_cause": dict(vars(problem.root_cause)) if problem.root_cause else None,
        "affected": [dict(vars(item)) for item in problem.affected],
        "event_types": problem.event_types,
        "tags": problem.tags,
        "management_zones": problem.management_zones,
        "under_maintenance": problem.under_maintenance,
        "merged": problem.merged,
        "minions": list(dict.fromkeys(target.minion for target in ordered)),
        "technologies": _technologies(ordered),
        "processes": _processes(ordered),
        "remedy": attempt.remedy if attempt else None,
        "targets": [_target(item) for item in (resolution.targets if targets is None else targets)],
        "held": [_held(target, verdict) for target, verdict in held],
        "unmatched": [
            {"entity": item.entity, "reason": item.reason} for item in resolution.unmatched
        ],
        "source": problem.source,
        "dry_run": dry_run,
        "episode": episode.episode,
        "attempt": attempt.number if attempt else 0,
        "attempt_id": attempt.attempt_id if attempt else None,
        "jid": attempt.jid if attempt else None,
        "reason": reason,
        "outcome": list(outcome),
        "cut": {},
    }
    return shrink(clean(data))


def carried(targets: Sequence[Target]) -> int:
    """
    Return how many of the targets, from the first on, one event can order to act; at least one.
    """
    if len(targets) == 1:
        return 1  # As nearly always; to measure it takes as long as to decide it.
    used = 0
    for count, target in enumerate(targets):
        name = len(json.dumps(target.minion)) + 1
        keys = [len(one) + 6 for one in target.technologies[:MAX_TECHNOLOGIES]]
        used += name * (2 + len(keys)) + sum(keys) + len(json.dumps(clean(_process(target)))) + 2
        if used > MAX_ORDER_BYTES and count:
            return count
    return len(targets)


def _technologies(targets: Iterable[Target]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for target in targets:
        for technology in target.technologies[:MAX_TECHNOLOGIES]:
            minions = found.setdefault(technology, [])
            if target.minion not in minions:
                minions.append(target.minion)
    return found


def _processes(targets: Iterable[Target]) -> dict[str, dict[str, Any]]:
    """
    Return by minion the process that is meant there; an attempt has one at most, and the first would count.
    """
    found: dict[str, dict[str, Any]] = {}
    for target in targets:
        found.setdefault(target.minion, _process(target))
    return found


def _process(target: Target) -> dict[str, Any]:
    known = target.process
    return {
        "entity": target.entity,
        "failed": iso(target.failed / 1000 if target.failed else None),
        "executable": known.executable,
        "command_line": known.command_line,
        "config": known.config,
        "ports": list(known.ports),
        "unit": known.unit,
        "name": next(iter(known.names), None),
        "container": known.container,
        "by": target.choice.by,
    }


def _target(target: Target) -> dict[str, Any]:
    return {
        "minion": target.minion,
        "host": target.host,
        "entity": target.entity,
        "technologies": list(target.technologies),
        "root_cause": target.root_cause,
        "matched_by": target.matched_by,
        "remedy": target.remedy,
        "by": target.choice.by,
    }


def _held(target: Target, verdict: Verdict) -> dict[str, Any]:
    reason = verdict.reason or Reason.IN_PROGRESS
    return {
        "minion": target.minion,
        "entity": target.entity,
        "reason": reason.value,
        "until": iso(verdict.until),
        "detail": verdict.detail,
    }

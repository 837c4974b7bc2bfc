"""
Builds what goes on the event bus: tags, data, ids that are the same on every master, and the signature.

Whatever comes from outside is made fit for the bus here and nowhere else: no lone surrogate, no integer beyond 64
bits, under 100 kB, and never in a tag or a key.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from _dynatrace_policy import Reason, Verdict
from _dynatrace_problems import Entity, Problem
from _dynatrace_targets import Resolution, Target

SCHEMA = 1
PREFIX = "dynatrace/problem"
TEST_TAG = "dynatrace/notification/test"
COMMAND_PREFIX = "dynatrace/command/"
#: Fired by the engine to hear whether the bus works; it means nothing to anybody else.
PROBE_TAG = "dynatrace/engine/probe"
MAX_EVENT_BYTES = 90_000
MAX_TEXT_CHARS = 1000
MAX_ITEMS = 500
#: Whom a job must reach is never cut from an event, so one event orders only so many: this much of `minions` and
#: `technologies`, a half of what an event may hold.
MAX_ORDER_BYTES = MAX_EVENT_BYTES // 2
MAX_TECHNOLOGIES = 20
#: Never part of the signature: Salt adds the stamp after signing.
UNSIGNED = ("signature", "_stamp")
#: Long lists of an event, the least needed first: cut in this order until it fits.
_LISTS = (
    "unmatched",
    "tags",
    "management_zones",
    "held",
    "affected",
    "event_types",
    "targets",
    "outcome",
)

#: Lone surrogates, which the bus cannot carry, and what lies beyond U+FFFF: Jinja's `tojson` writes that as two
#: surrogates, which YAML refuses, and an emoji in a title would lose the whole reaction.
_UNREADABLE = re.compile("[^\u0000-\ud7ff\ue000-\uffff]")
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


def iso(seconds: float | None) -> str | None:
    """
    Return epoch seconds as ``2024-07-21T06:59:59.999Z``, or None.
    """
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def describe(
    problem: Problem,
    resolution: Resolution,
    acting: Iterable[Target],
    held: Iterable[tuple[Target, Verdict]],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """
    Return the part of an event's data that tells of the problem and of whom it concerns.
    """
    chosen = list(acting)
    minions = list(dict.fromkeys(target.minion for target in chosen))
    return {
        "problem_id": problem.problem_id,
        "display_id": problem.display_id,
        "title": problem.title,
        "severity": problem.severity,
        "impact": problem.impact,
        "status": "OPEN" if problem.is_open else "CLOSED",
        "start": iso(problem.start / 1000 if problem.start else None),
        "end": iso(problem.end / 1000 if problem.end else None),
        "url": problem.url,
        "root_cause": _entity(problem.root_cause) if problem.root_cause else None,
        "affected": [_entity(item) for item in problem.affected],
        "event_types": list(problem.event_types),
        "tags": list(problem.tags),
        "management_zones": list(problem.management_zones),
        "under_maintenance": problem.under_maintenance,
        "merged": problem.merged,
        "minions": minions,
        "technologies": _technologies(chosen),
        "targets": [_target(item) for item in resolution.targets],
        "held": [_held(target, verdict) for target, verdict in held],
        "unmatched": [
            {"entity": item.entity, "reason": item.reason} for item in resolution.unmatched
        ],
        "source": problem.source,
        "dry_run": dry_run,
    }


def carried(targets: Sequence[Target]) -> int:
    """
    Return how many of the targets, from the first on, one event can order to act; at least one.
    """
    used = 0
    for count, target in enumerate(targets):
        name = len(json.dumps(target.minion)) + 1
        keys = [len(one) + 6 for one in target.technologies[:MAX_TECHNOLOGIES]]
        used += name * (1 + len(keys)) + sum(keys)
        if used > MAX_ORDER_BYTES and count:
            return count
    return len(targets)


def complete(
    what: str,
    described: Mapping[str, Any],
    *,
    instance: str,
    episode: int,
    attempt: int = 0,
    start_ms: int | None = None,
    problem_key: str = "",
    reason: str | None = None,
    outcome: Iterable[Mapping[str, Any]] = (),
    act: bool = False,
) -> dict[str, Any]:
    """
    Return the whole data of an event, without times and signature, which belong to the moment of firing.

    ``act`` says that a reactor may act on it; events that only report keep the ids but carry no minions to act on.
    """
    own_id = attempt_id(problem_key, episode, attempt) if attempt else None
    data = {
        "schema": SCHEMA,
        "instance": instance,
        "what": what,
        **described,
        "episode": episode,
        "attempt": attempt,
        "attempt_id": own_id,
        "jid": job_id(own_id, start_ms) if own_id else None,
        "reason": reason,
        "outcome": list(outcome),
        "cut": {},
    }
    if not act:
        data["technologies"] = {}
        data["minions"] = []
    return shrink(clean(data))


def _entity(entity: Entity) -> dict[str, str]:
    return {"id": entity.id, "type": entity.type, "name": entity.name}


def _technologies(targets: Iterable[Target]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for target in targets:
        for technology in target.technologies[:MAX_TECHNOLOGIES]:
            minions = found.setdefault(technology, [])
            if target.minion not in minions:
                minions.append(target.minion)
    return found


def _target(target: Target) -> dict[str, Any]:
    return {
        "minion": target.minion,
        "host": target.host,
        "entity": target.entity,
        "technologies": list(target.technologies),
        "root_cause": target.root_cause,
        "matched_by": target.matched_by,
    }


def _held(target: Target, verdict: Verdict) -> dict[str, Any]:
    reason = verdict.reason or Reason.IN_PROGRESS
    return {
        "minion": target.minion,
        "entity": target.entity,
        "reason": reason.value,
        "until": iso(verdict.until),
    }


def clean(value: Any) -> Any:
    """
    Return ``value`` as the bus can carry it: texts without lone surrogates and not too long, integers of 64 bits.
    """
    if isinstance(value, str):
        text = _UNREADABLE.sub("\ufffd", value)
        return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return str(
            value
        )  # A float may come back from msgpack and JSON as another text, and break the signature.
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    return [clean(item) for item in value]


def shrink(data: dict[str, Any]) -> dict[str, Any]:
    """
    Return ``data`` under the event size limit, its long lists cut and the number of what was left out under ``cut``.
    """
    data = copy.deepcopy(data)
    for name in _LISTS:
        _cut(data, name, MAX_ITEMS)
    keep = MAX_ITEMS
    while len(canonical(data)) > MAX_EVENT_BYTES and keep > 0:
        keep //= 2
        for name in _LISTS:
            _cut(data, name, keep)
            if len(canonical(data)) <= MAX_EVENT_BYTES:
                break
    return data


def _cut(data: dict[str, Any], name: str, keep: int) -> None:
    items = data.get(name)
    if isinstance(items, list) and len(items) > keep:
        data["cut"][name] = data["cut"].get(name, 0) + len(items) - keep
        data[name] = items[:keep]


def canonical(data: Mapping[str, Any]) -> bytes:
    """
    Return the bytes that are signed: JSON with sorted keys, ASCII only, without what is never signed.
    """
    rest = {key: value for key, value in data.items() if key not in UNSIGNED}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def sign(data: Mapping[str, Any], key: bytes, fired: float, valid_for: float) -> dict[str, Any]:
    """
    Return a copy of ``data`` with the moment of firing, the end of its validity, and the signature over all of it.
    """
    signed = {key_: value for key_, value in data.items() if key_ not in UNSIGNED}
    signed["fired"] = iso(fired)
    signed["valid_until"] = iso(fired + valid_for)
    signed["signature"] = hmac.new(key, canonical(signed), hashlib.sha256).hexdigest()
    return signed

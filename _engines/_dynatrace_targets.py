"""
Works out from a problem and its evidence which processes are meant, and on which minions they run.

A PROCESS_GROUP_INSTANCE runs on one host. A SERVICE or PROCESS_GROUP may run on many: only evidence that Dynatrace
marks as root cause relevant decides then; without it the hosts are listed, and none may be acted on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from _dynatrace_minions import Match
from _dynatrace_problems import DOWN_EVENTS, Entity, EntityDetail, Problem, Process

PROCESS = "PROCESS_GROUP_INSTANCE"
WIDE = ("SERVICE", "PROCESS_GROUP")

#: Returns the entity, or None when the tenant does not know it.
ReadEntity = Callable[[str], "EntityDetail | None"]
FindMinion = Callable[[str, Callable[[], "EntityDetail | None"]], Match]


@dataclass(frozen=True)
class Target:
    """
    One matched minion and the entity that failed on it.

    ``technologies`` are those of the process, and only when the evidence says that this process is down; ``failed`` is
    when it last did, in UTC milliseconds, if the evidence tells.
    ``actionable`` is false for a host that is only one of many on which a service runs.
    """

    minion: str
    host: str
    entity: str
    technologies: tuple[str, ...] = ()
    root_cause: bool = False
    matched_by: str = ""
    actionable: bool = True
    process: Process = field(default_factory=Process)
    failed: int | None = None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Target:
        """
        Return the target that ``dataclasses.asdict`` made plain.
        """
        process = Process.from_dict(data["process"]) if "process" in data else Process()
        return cls(**{**data, "technologies": tuple(data["technologies"]), "process": process})


@dataclass(frozen=True)
class Unmatched:
    """
    An entity for which no minion was found, and why.
    """

    entity: str
    reason: str


@dataclass(frozen=True)
class Resolution:
    """
    All that is known of whom a problem concerns; root cause first.
    """

    targets: tuple[Target, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """
        Return plain data for the ledger; ``from_dict`` is its inverse.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Resolution:
        """
        Return the resolution that ``to_dict`` wrote.
        """
        targets = tuple(Target.from_dict(item) for item in data["targets"])
        return cls(targets, tuple(Unmatched(**item) for item in data["unmatched"]))


def resolve(problem: Problem, entity: ReadEntity, find: FindMinion) -> Resolution:
    """
    Return whom a problem concerns. ``entity`` may raise ApiError, which passes through: then nothing is decided.
    """
    targets: dict[tuple[str, str], Target] = {}
    unmatched: dict[str, Unmatched] = {}
    concerned = list(_concerned(problem))
    for subject, root_cause in concerned:
        _place(problem, subject, root_cause, entity, find, targets, unmatched)
    if not any(root_cause for _, root_cause in concerned):
        for subject in _wide(problem):
            _spread(subject, entity, find, targets, unmatched)
    ordered = sorted(targets.values(), key=lambda target: not target.root_cause)
    return Resolution(tuple(ordered), tuple(unmatched.values()))


def _concerned(problem: Problem) -> Iterator[tuple[Entity, bool]]:
    """
    Yield the processes and hosts that are named, each once, with whether evidence calls it root cause relevant.
    """
    relevant = {item.entity.id: item.entity for item in problem.evidence if item.root_cause}
    if problem.root_cause is not None:
        relevant.setdefault(problem.root_cause.id, problem.root_cause)
    named = dict(relevant)
    for affected in problem.affected:
        named.setdefault(affected.id, affected)
    for subject in named.values():
        if subject.type in (PROCESS, "HOST"):
            yield subject, subject.id in relevant


def _wide(problem: Problem) -> list[Entity]:
    named = list(problem.affected)
    if problem.root_cause is not None:
        named.append(problem.root_cause)
    known = {
        item.grouping.id
        for item in problem.evidence
        if item.grouping and item.entity.type == PROCESS
    }
    return [
        subject
        for subject in dict.fromkeys(named)
        if subject.type in WIDE and subject.id not in known
    ]


def _place(
    problem: Problem,
    subject: Entity,
    root_cause: bool,
    entity: ReadEntity,
    find: FindMinion,
    targets: dict[tuple[str, str], Target],
    unmatched: dict[str, Unmatched],
) -> None:
    host_id = subject.id
    technologies: tuple[str, ...] = ()
    process = Process()
    if subject.type == PROCESS:
        detail = entity(subject.id)
        hosts = detail.relations.get("from.isProcessOf", ()) if detail else ()
        if detail is None or len(hosts) != 1:
            reason = (
                "the tenant does not know this process"
                if detail is None
                else _hosts_reason(len(hosts))
            )
            unmatched[subject.id] = Unmatched(subject.id, reason)
            return
        host_id = hosts[0]
        technologies = detail.technologies if is_down(problem, subject.id) else ()
        process = detail.process
    match = find(host_id, lambda: entity(host_id))
    if match.minion is None:
        unmatched[subject.id] = Unmatched(subject.id, match.reason)
        return
    targets[match.minion, subject.id] = Target(
        match.minion,
        host_id,
        subject.id,
        technologies,
        root_cause,
        match.by,
        process=process,
        failed=last_failure(problem, subject.id),
    )


def _hosts_reason(count: int) -> str:
    return (
        "the tenant names no host for this process"
        if count == 0
        else f"the tenant names {count} hosts for it"
    )


def _spread(
    subject: Entity,
    entity: ReadEntity,
    find: FindMinion,
    targets: dict[tuple[str, str], Target],
    unmatched: dict[str, Unmatched],
) -> None:
    """
    List every host of a service or process group, without leave to act on any of them.
    """
    detail = entity(subject.id)
    relation = "from.runsOnHost" if subject.type == "SERVICE" else "from.runsOn"
    hosts = [
        host
        for host in (detail.relations.get(relation, ()) if detail else ())
        if host.startswith("HOST-")
    ]
    if not hosts:
        unmatched[subject.id] = Unmatched(subject.id, "the tenant names no host for it")
    for host_id in hosts:
        match = find(host_id, lambda host_id=host_id: entity(host_id))  # type: ignore[misc]
        if match.minion is None:
            unmatched[host_id] = Unmatched(host_id, match.reason)
        elif (match.minion, subject.id) not in targets:
            target = Target(
                match.minion, host_id, subject.id, (), False, match.by, actionable=False
            )
            targets[match.minion, subject.id] = target


def is_down(problem: Problem, entity_id: str) -> bool:
    """
    Tell whether the evidence says that this very process is down now, not merely slow, and not back already.
    """
    own = [item for item in problem.evidence if item.entity.id == entity_id]
    events = [item for item in own if item.event_type]
    if events:
        return any(item.event_type in DOWN_EVENTS and item.is_open is not False for item in events)
    # Without events an availability evidence, or no evidence at all in an availability problem, must do.
    return problem.severity == "AVAILABILITY" and (bool(own) or not problem.evidence)


def last_failure(problem: Problem, entity_id: str, still_open: bool = False) -> int | None:
    """
    Return when the latest event by which this process is down began, in UTC milliseconds; None: no event tells.

    ``still_open``: of those only that the evidence expressly calls open.
    """
    starts = [
        item.start
        for item in problem.evidence
        if item.entity.id == entity_id
        and item.event_type in DOWN_EVENTS
        and item.start is not None
        and (item.is_open is True or not still_open)
    ]
    return max(starts, default=None)

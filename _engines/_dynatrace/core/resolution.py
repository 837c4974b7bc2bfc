"""
Works out from a problem and its evidence which processes are meant, and on which minions they run.

A PROCESS_GROUP_INSTANCE runs on one host. A SERVICE or PROCESS_GROUP may run on many: only evidence that Dynatrace
marks as root cause relevant decides then; without it the hosts are listed, and none may be acted on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .errors import UnexpectedResponse
from .evidence import PROCESS, concerned, is_down, last_failure, others, wide
from .identity import Match
from .problem import Entity, EntityDetail, Problem, Process
from .unhealable import advice, is_os_service, why_nothing

#: Returns the entity, or None when the tenant does not know it.
ReadEntity = Callable[[str], "EntityDetail | None"]
FindMinion = Callable[[str, Callable[[], "EntityDetail | None"]], Match]


@dataclass(frozen=True)
class Target:
    """
    One matched minion and the entity that failed on it.

    ``technologies`` are those of the process, and only when the evidence says that this process is down; ``failed`` is
    when it last did, in UTC milliseconds, if the evidence tells.
    ``actionable`` is false for a host that is only one of many on which a service runs. ``down`` is false for what is
    slow, busy, or back already. ``advice`` says what would make healable what names no process.
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
    down: bool = True
    advice: str | None = None


@dataclass(frozen=True)
class Unmatched:
    """
    An entity for which no minion was found, and why; ``final``: whatever minions there will be.
    """

    entity: str
    reason: str
    final: bool = False


@dataclass(frozen=True)
class Resolution:
    """
    All that is known of whom a problem concerns; root cause first.
    """

    targets: tuple[Target, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()

    def keeping(self, before: Resolution) -> Resolution:
        """
        Return this with the units that were known before: a host may name no process of a unit that is down.
        """
        units = {(one.minion, one.entity): one.process.unit for one in before.targets}
        return replace(
            self,
            targets=tuple(
                replace(one, process=replace(one.process, unit=units.get((one.minion, one.entity))))
                if one.process.unit is None
                else one
                for one in self.targets
            ),
        )


def resolve(problem: Problem, entity: ReadEntity, find: FindMinion) -> Resolution:
    """
    Return whom a problem concerns. ``entity`` may raise ApiError, which passes through: then nothing is decided.
    """
    targets: dict[tuple[str, str], Target] = {}
    unmatched: dict[str, Unmatched] = {}
    named = list(concerned(problem))
    for subject, root_cause in named:
        _place(problem, subject, root_cause, entity, find, targets, unmatched)
    if not any(root_cause for _, root_cause in named):
        for subject in wide(problem):
            _spread(subject, entity, find, targets, unmatched)
    for subject in others(problem):
        _place_service(problem, subject, entity, find, targets, unmatched)
    ordered = sorted(targets.values(), key=lambda target: not target.root_cause)
    return Resolution(tuple(ordered), tuple(unmatched.values()))


def _place_service(
    problem: Problem,
    subject: Entity,
    entity: ReadEntity,
    find: FindMinion,
    targets: dict[tuple[str, str], Target],
    unmatched: dict[str, Unmatched],
) -> None:
    """
    Say why an entity leads to nobody; an OS service leads to the one host that it is related to, if there is one.
    """
    hosts = _related_hosts(subject, entity) if is_os_service(subject) else set()
    if len(hosts) != 1:
        unmatched[subject.id] = Unmatched(subject.id, why_nothing(subject), final=True)
        return
    [host_id] = hosts
    match = find(host_id, lambda: entity(host_id))
    if match.minion is None:
        unmatched[subject.id] = Unmatched(subject.id, match.reason)
        return
    targets[match.minion, subject.id] = Target(
        match.minion,
        host_id,
        subject.id,
        matched_by=match.by,
        down=False,
        advice=advice(problem, subject),
    )


def _related_hosts(subject: Entity, entity: ReadEntity) -> set[str]:
    try:
        detail = entity(subject.id)
    except UnexpectedResponse:
        # How such ids are asked for is not documented, and its problem must not wait for it.
        return set()
    related = detail.relations.values() if detail else ()
    return {one for ids in related for one in ids if one.startswith("HOST-")}


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
    down = False
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
        down = is_down(problem, subject.id)
        technologies = detail.technologies if down else ()
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
        process=replace(process, unit=_unit(subject.id, host_id, entity) if down else None),
        failed=last_failure(problem, subject.id),
        down=down,
        advice=advice(problem, subject),
    )


def _unit(process_id: str, host_id: str, entity: ReadEntity) -> str | None:
    """
    Return which OS service a process belongs to, as its host tells.
    """
    host = entity(host_id)
    return host.units.get(process_id) if host else None


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

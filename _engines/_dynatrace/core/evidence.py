"""
Reads from a problem and its evidence which entities are named, whether a process is down, and since when.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from .problem import DOWN_EVENTS, Entity, Evidence, Problem

PROCESS = "PROCESS_GROUP_INSTANCE"
#: By what an OS service policy or a process availability rule raises.
AVAILABILITY_EVENT = "AVAILABILITY_EVENT"
WIDE = ("SERVICE", "PROCESS_GROUP")


def concerned(problem: Problem) -> Iterator[tuple[Entity, bool]]:
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


def wide(problem: Problem) -> list[Entity]:
    """
    Return the services and process groups that are named, but for those whose process the evidence names.
    """
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


def others(problem: Problem) -> Iterator[Entity]:
    """
    Yield each entity that is named and leads to no process by its type.
    """
    named = [problem.root_cause, *problem.affected, *(item.entity for item in problem.evidence)]
    for subject in {one.id: one for one in named if one is not None}.values():
        if subject.type not in (PROCESS, "HOST", *WIDE):
            yield subject


def told_hosts(problem: Problem, entity_id: str) -> tuple[str, ...]:
    """
    Return the hosts that a problem itself names for a process: those of its own events, else all that a problem of this
    process alone names. More than one is an ambiguity. The Problems API names none.
    """
    own = {item.host for item in problem.evidence if item.entity.id == entity_id and item.host}
    if own:
        return tuple(sorted(own))
    return problem.hosts if is_alone(problem, entity_id) else ()


def is_alone(problem: Problem, entity_id: str) -> bool:
    """
    Tell whether a record of Grail names this process and no other: then what the record tells is about this one.
    """
    affected = {one.id for one in problem.affected if one.type == PROCESS}
    return entity_id in problem.processes and affected.union(problem.processes) == {entity_id}


def names(problem: Problem, entity_id: str) -> tuple[str, ...]:
    """
    Return what a problem and its evidence call an entity.
    """
    named = [*problem.affected, problem.root_cause, *(item.entity for item in problem.evidence)]
    same = (one.name for one in named if one is not None and one.id == entity_id and one.name)
    return tuple(dict.fromkeys(same))


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


def open_events(problem: Problem, entity_id: str) -> list[Evidence]:
    """
    Return the events of an entity that the evidence does not call closed.
    """
    return [
        item
        for item in problem.evidence
        if item.entity.id == entity_id and item.event_type and item.is_open is not False
    ]


def last_failure(
    problem: Problem,
    entity_id: str,
    still_open: bool = False,
    kinds: Container[str] = DOWN_EVENTS,
    about: str = "",
) -> int | None:
    """
    Return when the latest event by which this entity fails began, in UTC milliseconds; None: no event tells.

    ``kinds`` are the types of events that mean it; ``about``: of those only that are about this unit, or of this type.
    ``still_open``: of those only that the evidence expressly calls open.
    """
    starts = [
        item.start
        for item in problem.evidence
        if item.entity.id == entity_id
        and item.event_type in kinds
        and about in ("", item.unit, item.event_type)
        and item.start is not None
        and (item.is_open is True or not still_open)
    ]
    return max(starts, default=None)

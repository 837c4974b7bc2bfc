"""
What failed, as far as a remedy is chosen by it: facts of the process, its host and its open events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .evidence import AVAILABILITY_EVENT
from .problem import Evidence, Problem
from .resolution import Target
from .unhealable import is_os_service


@dataclass(frozen=True)
class Failure:
    """
    What failed, as a remedy is chosen by it.

    ``names`` are those of the process and its group, ``events`` the types of its open events, ``named`` the values of
    ``salt_remedy``; ``by_host``: its host alone has them. ``down``: an open event means that the process is down. ``service``: one is about an OS service.
    ``told``: the availability event itself names the remedy.
    """

    minion: str
    names: tuple[str, ...] = ()
    unit: str | None = None
    technologies: tuple[str, ...] = ()
    container: str | None = None
    events: tuple[str, ...] = ()
    severity: str = ""
    tags: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    by_host: bool = False
    down: bool = False
    service: bool = False
    told: bool = False


def failure_of(problem: Problem, target: Target, own: Sequence[Evidence]) -> Failure:
    """
    Return what a remedy is chosen by; ``own`` are the open events that the target is about.
    """
    known = target.process
    groups = _groups(problem, target.entity)
    units = [item.unit for item in own if item.unit]
    named = (*known.remedies, *(name for item in own for name in item.remedies))
    availability = [item for item in own if item.event_type == AVAILABILITY_EVENT]
    return Failure(
        minion=target.minion,
        names=tuple(dict.fromkeys(filter(None, (*known.names, *groups)))),
        unit=units[0] if len(set(units)) == 1 else known.unit,
        technologies=known.technologies,
        container=known.container,
        events=tuple(dict.fromkeys(item.event_type for item in own)),
        severity=problem.severity,
        tags=known.tags,
        named=tuple(dict.fromkeys((*named, *known.host_remedies))),
        by_host=not named,
        down=target.down,
        service=any(item.unit or is_os_service(item.entity) for item in availability),
        told=any(item.remedies for item in availability),
    )


def _groups(problem: Problem, entity_id: str) -> list[str]:
    found = (item.grouping for item in problem.evidence if item.entity.id == entity_id)
    return [one.name for one in found if one is not None and one.type == "PROCESS_GROUP"]

"""
Problems, entities and evidence as frozen values, whoever told of them, and the form of their ids.

How they are read from what the API sends is ``api.parsing``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: ``[-]<int64>_<start ms>V2``; ids may begin with a minus.
PROBLEM_ID = re.compile(r"-?[0-9]{1,20}_[0-9]{1,15}V2")
DISPLAY_ID = re.compile(r"P-[0-9]{1,18}|[0-9]{1,18}")
#: Generic types have a colon in their name; their ids as texts are not documented.
ENTITY_ID = re.compile(r"[A-Z][A-Z0-9_:]{0,63}-[0-9A-F]{16}")

#: Both vocabularies: settings and Problems v2, and the v1 names that older evidence and webhooks carry.
DOWN_EVENTS = frozenset(
    {
        "PGI_UNAVAILABLE",
        "PROCESS_UNAVAILABLE",
        "PGI_OF_SERVICE_UNAVAILABLE",
        "PG_LOW_INSTANCE_COUNT",
        "PROCESS_GROUP_LOW_INSTANCE_COUNT",
        "PROCESS_CRASHED",
    }
)

#: The most severe first: who is read, decided and healed before others.
SEVERITIES = (
    "AVAILABILITY",
    "MONITORING_UNAVAILABLE",
    "ERROR",
    "PERFORMANCE",
    "RESOURCE_CONTENTION",
    "CUSTOM_ALERT",
)
#: At the end of a summary: it was under maintenance, which the list of problems does not show.
HELD = "+maintenance"


@dataclass(frozen=True)
class Entity:
    """
    A reference to a monitored entity; ``name`` is text from outside and may be empty.
    """

    id: str
    type: str
    name: str = ""


@dataclass(frozen=True)
class Evidence:
    """
    One piece of evidence: ``is_open`` is None where the API does not say (2021 captures have no event data).

    ``start`` is in UTC milliseconds, None where it is not told. ``source`` is what raised the event, ``unit`` the OS
    service that it is about, and ``remedies`` are the values of ``salt_remedy``, where its properties tell. ``host`` is
    the one host that the event itself names.
    """

    entity: Entity
    kind: str
    event_type: str = ""
    root_cause: bool = False
    is_open: bool | None = None
    grouping: Entity | None = None
    start: int | None = None
    source: str = ""
    unit: str | None = None
    remedies: tuple[str, ...] = ()
    host: str | None = None


@dataclass(frozen=True)
class Problem:
    """
    One Dynatrace problem; ``start`` and ``end`` are UTC milliseconds, ``end`` is None while it is open.

    A record of Grail tells more: ``reopened`` is when it was opened again last, in UTC milliseconds; ``hosts`` and
    ``processes`` are the ids of those that it names, ``host_names`` what the hosts are called; ``container`` is the mark by
    which it is about one. The Problems API tells none of these.
    """

    problem_id: str | None
    display_id: str | None
    title: str = ""
    severity: str = "UNKNOWN"
    impact: str = "UNKNOWN"
    status: str = "OPEN"
    start: int | None = None
    end: int | None = None
    root_cause: Entity | None = None
    affected: tuple[Entity, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    tags: tuple[str, ...] = ()
    management_zones: tuple[str, ...] = ()
    under_maintenance: bool = False
    merged: bool = False
    url: str | None = None
    source: str = "api"
    reopened: int | None = None
    hosts: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    container: str | None = None

    @property
    def key(self) -> str:
        """
        The key of the problem in the ledger.
        """
        return self.problem_id or f"display:{self.display_id}"

    @property
    def rank(self) -> int:
        """
        The place of its severity, the most severe first.
        """
        known = self.severity in SEVERITIES
        return SEVERITIES.index(self.severity) if known else len(SEVERITIES)

    @property
    def is_open(self) -> bool:
        return self.status == "OPEN" and not self.merged

    @property
    def event_types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.event_type for item in self.evidence if item.event_type))


@dataclass(frozen=True)
class Process:
    """
    What Dynatrace tells of a process, by which it is known again; what it does not tell is None or empty.

    ``unit`` is the OS service that it belongs to, as its host tells. ``container`` names the mark by which it runs in one.
    ``names`` are those that it is shown and detected by. ``technologies`` are known whether or not it is down. ``tags`` are
    its own and its host's. ``remedies`` are its own values of ``salt_remedy``, ``host_remedies`` those of its host.
    """

    executable: str | None = None
    command_line: str | None = None
    config: str | None = None
    ports: tuple[int, ...] = ()
    unit: str | None = None
    container: str | None = None
    names: tuple[str, ...] = ()
    technologies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    host_remedies: tuple[str, ...] = ()


@dataclass(frozen=True)
class EntityDetail:
    """
    What is needed of an entity; ``relations`` maps a relationship to entity ids (from and to, one name each).

    ``process`` describes a process, of a host only its tags and remedies, of an OS service its unit too. ``units`` tells for
    a host which OS service each of its processes belongs to.
    """

    id: str
    name: str = ""
    technologies: tuple[str, ...] = ()
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    detected_name: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    salt_minions: tuple[str, ...] = ()
    process: Process = field(default_factory=Process)
    units: Mapping[str, str] = field(default_factory=dict)


def summary(problem: Problem, held: bool | None = None) -> str:
    """
    Return a short text that changes when anything changes that the list of problems shows, or with the maintenance.

    ``held`` tells of the maintenance where the problem, since it is of the list, does not.
    """
    shown = [
        *(problem.display_id, problem.title, problem.severity, problem.impact, problem.status),
        *(problem.start, problem.end, problem.root_cause, problem.affected, problem.tags),
        *(problem.management_zones, problem.merged),
    ]
    # Only if it is told: the Problems API tells no reopening, and its summaries stay what they were.
    shown += [problem.reopened] if problem.reopened is not None else []
    text = json.dumps(shown, default=vars)
    held = problem.under_maintenance if held is None else held
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest() + HELD * held


def is_entity_id(value: Any) -> bool:
    """
    Tell whether a value has the form of an entity id, e.g. ``HOST-5FD609AD6757BE7D``.
    """
    return isinstance(value, str) and ENTITY_ID.fullmatch(value) is not None


def entity_type(entity_id: str) -> str:
    """
    Return the type that an entity id carries: all before its last dash.
    """
    return entity_id.rpartition("-")[0]

"""
Works out from a problem and its evidence which processes are meant, and on which minions they run.

A PROCESS_GROUP_INSTANCE runs on one host. A SERVICE or PROCESS_GROUP may run on many: only evidence that Dynatrace
marks as root cause relevant decides then; without it the hosts are listed, and none may be acted on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import UnexpectedResponse
from .evidence import (
    PROCESS,
    concerned,
    is_alone,
    is_down,
    last_failure,
    names,
    others,
    told_hosts,
    wide,
)
from .identity import Match
from .problem import DOWN_EVENTS, Entity, EntityDetail, Problem, Process
from .reasons import Reason
from .unhealable import advice, is_os_service, why_nothing

#: Returns the entity, or None when the tenant does not know it.
ReadEntity = Callable[[str], "EntityDetail | None"]
FindMinion = Callable[[str, Callable[[], "EntityDetail | None"]], Match]


@dataclass(frozen=True)
class Choice:
    """
    The remedy of the catalogue that takes a target, and the kind ``by`` which it fits; or the reason why none may, with a
    detail. Neither: no entry of the catalogue fits.
    """

    remedy: str | None = None
    by: str | None = None
    reason: Reason | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Target:
    """
    One matched minion and the entity that failed on it.

    ``technologies`` are those of the process, and only when the evidence says that this process is down; ``failed`` is
    when it last did, in UTC milliseconds, if the evidence tells.
    ``actionable`` is false for a host that is only one of many on which a service runs. ``down`` is false for what is
    slow, busy, or back already. ``advice`` says what would make healable what names no process.

    The catalogue of remedies adds ``choice``; ``events``, the types of events that mean this failure (empty: those that
    mean a process is down); and ``about``, on a host the unit or the type of event that is meant.
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
    choice: Choice = Choice()
    events: tuple[str, ...] = ()
    about: str = ""

    @property
    def remedy(self) -> str | None:
        return self.choice.remedy

    @property
    def key(self) -> str:
        """
        What failed, as the ledger names it: the entity, and on a host what of it.
        """
        return f"{self.entity} {self.about}" if self.about else self.entity

    def last_failure(self, problem: Problem, still_open: bool = False) -> int | None:
        """
        Return when it last failed, as ``evidence.last_failure`` does.
        """
        kinds = self.events or DOWN_EVENTS
        return last_failure(problem, self.entity, still_open, kinds, self.about)


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


def resolve(
    problem: Problem, entity: ReadEntity, find: FindMinion, with_hosts: bool = False
) -> Resolution:
    """
    Return whom a problem concerns. ``entity`` may raise ApiError, which passes through: then nothing is decided.

    ``with_hosts``: the hosts are read too, since a catalogue of remedies may choose by what they tell.
    """
    found = _Found(problem, entity, find, with_hosts)
    named = list(concerned(problem))
    for subject, root_cause in named:
        found.place(subject, root_cause)
    if not any(root_cause for _, root_cause in named):
        for subject in wide(problem):
            found.spread(subject)
    for subject in others(problem):
        found.place_other(subject)
    ordered = sorted(found.targets.values(), key=lambda target: not target.root_cause)
    return Resolution(tuple(ordered), tuple(found.unmatched.values()))


@dataclass
class _Found:
    """
    What was found for one problem: targets by minion and entity, and the entities that lead to nobody.
    """

    problem: Problem
    entity: ReadEntity
    find: FindMinion
    with_hosts: bool
    targets: dict[tuple[str, str], Target] = field(default_factory=dict)
    unmatched: dict[str, Unmatched] = field(default_factory=dict)

    def place(self, subject: Entity, root_cause: bool) -> None:
        """
        Take a host, or a process and the host that it runs on.
        """
        if subject.type != PROCESS:
            self._add(subject, subject.id, root_cause=root_cause, down=False)
            return
        detail = self.entity(subject.id)
        hosts = self._hosts_of(subject.id, detail)
        if detail is None and not hosts:
            self._nobody(subject.id, "the tenant does not know this process")
        elif not hosts:
            self._nobody(subject.id, "the tenant names no host for this process")
        elif len(hosts) > 1:
            self._nobody(subject.id, f"the tenant names {len(hosts)} hosts for it")
        else:
            down = is_down(self.problem, subject.id)
            self._add(
                subject,
                hosts[0],
                technologies=detail.technologies if detail and down else (),
                root_cause=root_cause,
                process=self._process(subject.id, detail),
                down=down,
            )

    def _hosts_of(self, process: str, detail: EntityDetail | None) -> tuple[str, ...]:
        # Where the tenant's entities and the problem contradict each other nobody knows.
        known = detail.relations.get("from.isProcessOf", ()) if detail else ()
        told = told_hosts(self.problem, process)
        if not known or not told:
            return known or told
        return known if set(known) <= set(told) else tuple(dict.fromkeys((*known, *told)))

    def _process(self, entity_id: str, detail: EntityDetail | None) -> Process:
        # Of a process that no entity tells of, what the problem calls it.
        known = detail.process if detail else Process(names=names(self.problem, entity_id))
        marked = detail is None or is_alone(self.problem, entity_id)
        container = self.problem.container if marked else None
        return replace(known, container=known.container or container)

    def spread(self, subject: Entity) -> None:
        """
        List every host of a service or process group, without leave to act on any of them.
        """
        detail = self.entity(subject.id)
        relation = "from.runsOnHost" if subject.type == "SERVICE" else "from.runsOn"
        related = detail.relations.get(relation, ()) if detail else ()
        hosts = [host for host in related if host.startswith("HOST-")] or self.problem.hosts
        if not hosts:
            self._nobody(subject.id, "the tenant names no host for it")
        for host in hosts:
            self._add(subject, host, unmatched=host, actionable=False)

    def place_other(self, subject: Entity) -> None:
        """
        Say why an entity leads to nobody; an OS service or a disk leads to the one host that it is related to, if there is one.
        """
        leads = is_os_service(subject) or (self.with_hosts and subject.type == "DISK")
        detail = self._read_other(subject) if leads else None
        related = detail.relations.values() if detail else ()
        hosts = {one for ids in related for one in ids if one.startswith("HOST-")}
        if detail and len(hosts) == 1:
            self._add(subject, *hosts, process=detail.process, down=False)
        else:
            self._nobody(subject.id, why_nothing(subject), final=True)

    def _add(self, subject: Entity, host: str, unmatched: str = "", **known: Any) -> None:
        match = self.find(host, lambda: self.entity(host) or self._told_host(host))
        if match.minion is None:
            self._nobody(unmatched or subject.id, match.reason)
            return
        target = Target(match.minion, host, subject.id, matched_by=match.by, **known)
        if target.actionable:
            target = replace(
                target,
                process=self._with_host(target),
                failed=last_failure(self.problem, subject.id),
                advice=advice(self.problem, subject),
            )
        self.targets.setdefault((match.minion, subject.id), target)

    def _told_host(self, host: str) -> EntityDetail | None:
        hosts, called = self.problem.hosts, self.problem.host_names
        known = (host,) == hosts and len(called) == 1
        return EntityDetail(host, called[0], detected_name=called[0]) if known else None

    def _nobody(self, entity: str, reason: str, final: bool = False) -> None:
        self.unmatched[entity] = Unmatched(entity, reason, final)

    def _with_host(self, target: Target) -> Process:
        """
        Return what is known of a process, with what its host tells of it.
        """
        known = target.process
        host = self.entity(target.host) if target.down or self.with_hosts else None
        if host is None:
            return known
        own = host.process
        return replace(
            known,
            unit=host.units.get(target.entity, known.unit),
            tags=tuple(dict.fromkeys((*known.tags, *own.tags))),
            host_remedies=own.remedies,
        )

    def _read_other(self, subject: Entity) -> EntityDetail | None:
        try:
            return self.entity(subject.id)
        except UnexpectedResponse:
            # How such ids are asked for is not documented, and its problem must not wait for it.
            return None

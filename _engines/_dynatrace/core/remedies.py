"""
The catalogue of remedies, and which of them takes a failure: a pure function that gives its reason.

What Dynatrace tells is compared with what the admin wrote, and never used for anything else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

from .evidence import AVAILABILITY_EVENT, PROCESS, open_events
from .failure import Failure, failure_of
from .problem import Evidence, Problem
from .reasons import Reason
from .resolution import Choice, Target
from .unhealable import in_container, of_unit

#: By what a remedy takes a failure, the most specific first.
KINDS = ("remedy", "unit", "process", "technology", "event", "severity", "tag", "minion")
#: These must fit even where the tenant names the remedy.
_ALWAYS = ("event", "severity", "minion")
#: Of one host so many failures are told apart.
MAX_PARTS = 50
#: The name of a unit, not a path and not an option; and of a unit that is no service, by systemd's other types.
_UNIT = re.compile(r"[A-Za-z0-9:_\\@][A-Za-z0-9:_.\\@-]{0,254}")
_NO_SERVICE = re.compile(
    r".*\.(?:socket|target|mount|automount|swap|timer|path|slice|scope|device|snapshot)"
)


@dataclass(frozen=True)
class Remedy:
    """
    An entry of the catalogue: ``on`` holds by kind what it takes, ``policy`` what replaces the engine's, and ``settings``
    what the minion gets. With a ``fault`` it takes what it takes and heals nothing: no other entry is to take it.
    """

    name: str
    on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""

    def settings_of(self, family: str | None) -> Mapping[str, Any]:
        """
        Return the settings on a minion of a family by the grain ``os_family``; None: of one that the entry does not name.
        """
        return {**self.settings, **self.settings.get("os_family", {}).get(family, {})}

    @cached_property
    def variants(self) -> list[Mapping[str, Any]]:
        """
        The settings of a minion, for each family that the entry names and for all others.
        """
        return [self.settings_of(family) for family in (None, *self.settings.get("os_family", ()))]

    @cached_property
    def for_container(self) -> bool:
        return any("container" in one for one in self.variants)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """
        The kinds that it names, the most specific first.
        """
        return tuple(kind for kind in KINDS if kind in self.on)

    @property
    def names(self) -> tuple[str, ...]:
        """
        The names by which the tenant may name it.
        """
        return self.on.get("remedy", (self.name,))


class Catalogue:
    """
    The remedies of a master by their names; empty: it has none, and reactors alone say what is taken. ``faults`` are the
    sentences on what is wrong with what was written.
    """

    def __init__(self, remedies: Iterable[Remedy] = (), faults: Sequence[str] = ()) -> None:
        self.remedies = {one.name: one for one in remedies}
        self.faults = list(faults)
        #: The types of events that an entry names, beside those that mean down.
        self._events = {kind for one in self.remedies.values() for kind in one.on.get("event", ())}
        #: The names of those that have a limit of minions of their own.
        self.limited = [one.name for one in self.remedies.values() if "max_minions" in one.policy]

    def __bool__(self) -> bool:
        return bool(self.remedies)

    @cached_property
    def digest(self) -> str:
        """
        A short text that changes with the catalogue; empty without one.
        """
        known = [(one.name, one.on, one.policy, one.settings) for one in self.remedies.values()]
        text = json.dumps(known, default=str)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest() if known else ""

    def policy(self, remedy: str | None) -> Mapping[str, Any]:
        """
        Return what a remedy has instead of the engine's policy.
        """
        known = self.remedies.get(remedy) if remedy is not None else None
        return known.policy if known is not None else {}

    def assign(self, problem: Problem, targets: Iterable[Target]) -> list[Target]:
        """
        Return the targets of a problem, each with the remedy that takes it, or why none may.

        A host on which several units or types of events fail is several targets, if a remedy takes any of them.
        """
        if not self:
            return list(targets)
        found = [one for target in targets for one in self._assigned(problem, target)]
        # What the event of an OS service is about may be named as a process too: one failure has one budget of attempts.
        processes = {_place(one) for one in found if one.entity.startswith(PROCESS) and one.remedy}
        return [
            one for one in found if one.entity.startswith(PROCESS) or _place(one) not in processes
        ]

    def choose(self, failure: Failure) -> Choice:
        """
        Return the remedy that takes a failure: the one of the most specific kind, and of two none.
        """
        if len(failure.named) > 1:
            both = ", ".join(map(_quoted, failure.named))
            detail = f"Dynatrace names several remedies of it by salt_remedy: {both}"
            return Choice(reason=Reason.TWO_REMEDIES, detail=detail)
        if failure.named:
            return self._named(failure, failure.named[0])
        kinds = ((one, _kind(one, failure)) for one in self.remedies.values())
        return _most_specific([(one, kind) for one, kind in kinds if kind], failure)

    def _named(self, failure: Failure, name: str) -> Choice:
        known = [one for one in self.remedies.values() if name in one.names]
        if not known:
            detail = f"Dynatrace names the remedy {_quoted(name)} by salt_remedy, and the catalogue has none of that name"
            return Choice(reason=Reason.NO_REMEDY, detail=detail)
        # Each process of a host has its host's tag: the minion must know the process again, as by any tag.
        by = "tag" if failure.by_host else "remedy"
        fitting = [(one, by) for one in known if _fit(one, failure, _ALWAYS, named=True)]
        if not fitting and not failure.events:
            return Choice()
        if not fitting:
            detail = f"the remedy {_quoted(name)}, which Dynatrace names by salt_remedy, does not take {', '.join(failure.events)}"
            reason = Reason.NO_REMEDY if failure.down else Reason.NOT_DOWN
            return Choice(reason=reason, detail=detail)
        return _most_specific(fitting, failure)

    def _assigned(self, problem: Problem, target: Target) -> Sequence[Target]:
        if not target.actionable:
            return [target]
        own = open_events(problem, target.entity)
        if not target.entity.startswith("HOST-"):
            return [self._taken(problem, target, own)]
        parts = [self._part(problem, target, own, about) for about in self._parts(own)]
        known = any(part.choice != Choice() for part in parts)
        return parts if known else [target]

    def _parts(self, own: Iterable[Evidence]) -> list[str]:
        found: dict[str, None] = {}
        for item in own:
            is_availability = item.event_type == AVAILABILITY_EVENT
            if is_availability and item.unit:
                found[item.unit] = None
            elif item.event_type in self._events or (is_availability and item.remedies):
                found[item.event_type] = None
        return list(found)[:MAX_PARTS]

    def _part(
        self, problem: Problem, target: Target, own: Iterable[Evidence], about: str
    ) -> Target:
        events = [item for item in own if about in (item.unit, item.event_type)]
        unit = about if any(item.unit == about for item in events) else None
        part = replace(target, about=about, process=replace(target.process, unit=unit))
        part = self._taken(problem, part, events)
        return replace(part, advice=of_unit(unit)) if unit and part.choice == Choice() else part

    def _taken(self, problem: Problem, target: Target, own: Sequence[Evidence]) -> Target:
        failure = failure_of(problem, target, own)
        choice = self.choose(failure)
        if choice.remedy is None:
            return replace(target, choice=choice, advice=None if choice.reason else target.advice)
        wanted = self.remedies[choice.remedy].on.get("event")
        if wanted is not None:
            events = tuple(one for one in failure.events if one in wanted)
        else:
            events = () if failure.down else (AVAILABILITY_EVENT,)
        taken = replace(target, choice=choice, events=events, advice=None)
        return replace(taken, failed=taken.last_failure(problem))


@lru_cache(1024)
def service_unit(name: str | None) -> str | None:
    """
    Return the unit of a service without its suffix; None: it is no service.
    """
    if name is None or not _UNIT.fullmatch(name) or _NO_SERVICE.fullmatch(name):
        return None
    return name.removesuffix(".service")


def _most_specific(fitting: Sequence[tuple[Remedy, str]], failure: Failure) -> Choice:
    inside = failure.container is not None
    usable = [(one, kind) for one, kind in fitting if one.fault or one.for_container == inside]
    if fitting and not usable:
        return Choice(reason=Reason.ANOTHER_PROCESS, detail=_wrong_place(fitting[0][0], failure))
    first = min((kind for _, kind in usable), key=KINDS.index, default=None)
    found = [one for one, kind in usable if kind == first]
    if len(found) > 1:
        names = " and ".join(one.name for one in found[:5])
        detail = f"by {first} the remedies {names} take it: no more than one may"
        return Choice(reason=Reason.TWO_REMEDIES, detail=detail)
    if found and found[0].fault:
        detail = f"the remedy {found[0].name} would take it, and has a fault: {found[0].fault}"
        return Choice(reason=Reason.NO_REMEDY, detail=detail)
    return Choice(found[0].name, first) if found else Choice()


def _place(target: Target) -> tuple[str, str | None, str | None]:
    """
    Return which service of a minion a remedy would bring back for a target; one without a unit is unlike all others.
    """
    unit = service_unit(target.process.unit)
    return target.minion, target.remedy, unit or target.key


def _wrong_place(remedy: Remedy, failure: Failure) -> str:
    if failure.container is not None:
        return in_container(failure.container)
    return (
        f"the remedy {remedy.name} is for containers, and it runs in none as far as Dynatrace tells"
    )


def _kind(remedy: Remedy, failure: Failure) -> str | None:
    """
    Return the kind by which a remedy takes a failure whose remedy nobody names; None: it does not.
    """
    given = remedy.kinds
    if not given or given[0] == "remedy" or not _fit(remedy, failure, given):
        return None
    return given[0]


def _fit(remedy: Remedy, failure: Failure, kinds: Iterable[str], named: bool = False) -> bool:
    if "event" not in remedy.on and not _is_down(remedy, failure, named):
        return False
    for kind in kinds:
        if kind in remedy.on and not _FITS[kind](remedy.on[kind], failure):
            return False
    return True


def _is_down(remedy: Remedy, failure: Failure, named: bool) -> bool:
    if failure.down or (named and failure.told):
        return True
    return failure.service and (named or "unit" in remedy.on)


def _fits_unit(globs: Iterable[str], failure: Failure) -> bool:
    unit = service_unit(failure.unit)
    return unit is not None and any(
        fnmatchcase(unit, glob.removesuffix(".service")) for glob in globs
    )


def _any(globs: Iterable[str], texts: Iterable[str]) -> bool:
    wanted = tuple(globs)
    return any(fnmatchcase(text, glob) for text in texts for glob in wanted)


def _quoted(text: str) -> str:
    return repr(text[:64])


#: By kind, whether what an entry names fits a failure.
_FITS: Mapping[str, Callable[[tuple[str, ...], Failure], bool]] = {
    "unit": _fits_unit,
    "process": lambda globs, failure: _any(globs, failure.names),
    "technology": lambda names, failure: not set(names).isdisjoint(failure.technologies),
    "event": lambda names, failure: not set(names).isdisjoint(failure.events),
    "severity": lambda names, failure: failure.severity in names,
    "tag": lambda globs, failure: _any(globs, failure.tags),
    "minion": lambda globs, failure: _any(globs, [failure.minion]),
}

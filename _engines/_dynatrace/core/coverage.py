"""
Tells what each remedy of a catalogue would take among the processes that a tenant knows, if they were down now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .failure import Failure
from .problem import EntityDetail
from .remedies import Catalogue

#: So many processes are named of each kind.
MAX_NAMED = 5
_DOWN = "PROCESS_UNAVAILABLE"


@dataclass
class Taken:
    """
    How many processes there are, and the names of some of them, each with its host.
    """

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.names) < MAX_NAMED and name not in self.names:
            self.names.append(name)


@dataclass(frozen=True)
class Coverage:
    """
    What each remedy takes by its name, what none takes, and what none may take, by the reason.
    """

    taken: Mapping[str, Taken]
    nothing: Taken
    held: Mapping[str, Taken]


def covered(
    catalogue: Catalogue,
    processes: Iterable[EntityDetail],
    hosts: Mapping[str, EntityDetail],
) -> Coverage:
    """
    Return what a catalogue takes of these processes. The minion of a host is taken to be named as the tenant names the host.
    """
    taken = {name: Taken() for name in catalogue.remedies}
    nothing, held = Taken(), dict[str, Taken]()
    for process in processes:
        host = hosts.get(next(iter(process.relations.get("from.isProcessOf", ())), ""))
        choice = catalogue.choose(_failure(process, host))
        place = nothing
        if choice.remedy is not None:
            place = taken[choice.remedy]
        elif choice.reason is not None:
            place = held.setdefault(choice.detail or choice.reason.value, Taken())
        place.add(f"{process.name or process.id} on {_name(host)}")
    return Coverage(taken, nothing, held)


def _failure(process: EntityDetail, host: EntityDetail | None) -> Failure:
    known = process.process
    above = host.process if host else known
    return Failure(
        minion=_name(host),
        names=known.names,
        unit=host.units.get(process.id) if host else None,
        technologies=known.technologies,
        container=known.container,
        events=(_DOWN,),
        severity="AVAILABILITY",
        tags=tuple(dict.fromkeys((*known.tags, *above.tags))),
        named=tuple(dict.fromkeys((*known.remedies, *above.remedies))),
        by_host=not known.remedies,
        down=True,
    )


def _name(host: EntityDetail | None) -> str:
    if host is None:
        return "an unknown host"
    return next(iter((*host.salt_minions, host.detected_name, host.name)), "") or host.id

"""
Finds the one minion that is a host of Dynatrace, among what is known of all.

The order of the steps is the order of trust: the host's own id, then what an admin wrote on the host, then names, then
addresses. The first step that gives exactly one accepted minion wins; two candidates are an ambiguity, never a choice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..core.identity import Keys, Match, against, host_names, usable
from ..core.problem import EntityDetail

ReadHost = Callable[[], "EntityDetail | None"]
NAMED = 5
NO_MINION = "no minion has this host id, name or address"
NO_HOST = "no minion has this host id, and the tenant does not know the host"


def named(minions: Collection[str]) -> str:
    """
    Return a text that names some of the minions.
    """
    return ", ".join(sorted(minions)[:NAMED]) + (", …" if len(minions) > NAMED else "")


@dataclass
class Candidates:
    """
    What is known of each minion, and who has what. Any thread may use it; each call sees a minion wholly or not at all.
    """

    known: dict[str, Keys] = field(default_factory=dict)
    host_ids: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    addresses: dict[str, set[str]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    def put(self, minion: str, found: Keys, again: bool = False) -> bool:
        """
        Note all that a minion has, and nothing that it had; tell whether that is new. ``again``: only if it is known.
        """
        with self._lock:
            before = self.known.get(minion)
            if before == found or (again and before is None):
                return False
            self.drop(minion)
            self.known[minion] = found
            for places, key in self._places(found):
                places.setdefault(key, set()).add(minion)
            return True

    def drop(self, minion: str) -> bool:
        """
        Forget a minion; tell whether it was known.
        """
        with self._lock:
            found = self.known.pop(minion, None)
            for places, key in self._places(found or Keys()):
                places[key].discard(minion)
                if not places[key]:
                    del places[key]
            return found is not None

    def _places(self, found: Keys) -> Iterator[tuple[dict[str, set[str]], str]]:
        if found.host_id:
            yield self.host_ids, found.host_id
        yield from ((self.names, name) for name in found.names)
        yield from ((self.addresses, address) for address in found.addresses)

    def match(self, host_id: str, detail: ReadHost) -> Match:
        """
        Return the minion that is the host ``host_id``; ``detail`` reads the HOST entity and is only asked when needed.
        """
        found = self._by_id(host_id)
        if found is None:
            host = detail()  # Not under the lock: it may be a call to the tenant.
            if host is None:
                return Match(None, reason=NO_HOST)
            with self._lock:
                found = self._by_id(host_id) or self._without_id(host_id, host)
        return found

    def agreed(self, host_id: str, host: EntityDetail) -> Match | None:
        """
        Return the only minion that is known to have the host's id, if it is also called as the host is: then it need not
        be known who else has the id.
        """
        with self._lock:
            match = self._by_id(host_id)
            if match is None or match.minion is None:
                return None
            found = self.known[match.minion]
            named_alike = found.names & host_names(host) and not against(host, found, "name")
            return match if named_alike else None

    def _by_id(self, host_id: str) -> Match | None:
        with self._lock:
            candidates = self.host_ids.get(host_id)
            return _one(candidates, "host_id") if candidates else None

    def _without_id(self, host_id: str, host: EntityDetail) -> Match:
        proved = {minion for minion in host.salt_minions if minion in self.known}
        called = host_names(host)
        steps: tuple[tuple[str, set[str], set[str]], ...] = (
            ("property", proved, set()),
            ("name", _collect(self.names, called), called),
            ("address", self._addressed(usable(host.addresses)), set()),
        )
        for step, found, names in steps:
            if found:
                return self._chosen(step, found, names, host_id, host)
        return Match(None, reason=NO_MINION)

    def _chosen(
        self, step: str, found: set[str], names: set[str], host_id: str, host: EntityDetail
    ) -> Match:
        """
        Return the one of those that a step found which nothing speaks against.
        """
        known = self.known
        # A minion that knows itself to be another host is not this one, whatever it is called.
        mine = {minion for minion in found if known[minion].host_id in (None, host_id)}
        if not mine:
            minion = min(found)
            return Match(None, reason=f"{minion} fits by {step}, but is {known[minion].host_id}")
        if step == "property" or (len(mine) > 1 and step == "address"):
            return _one(mine, step)
        doubts = {minion: against(host, known[minion], step) for minion in mine}
        good = {minion for minion, doubt in doubts.items() if not doubt}
        if not good:
            minion = min(mine)
            return Match(None, reason=f"{minion} fits by {step}, but {doubts[minion]}")
        # Whose very id the host has is a candidate, however little its other names prove.
        return _one(good | {minion for minion in mine if minion.lower() in names}, step)

    def _addressed(self, addresses: set[str]) -> set[str]:
        """
        Return the minions that alone have one of the addresses for their own; if there are none, all that share one.
        """
        holders = self.addresses
        shared = _collect(holders, addresses)
        alone = {
            minion
            for address in addresses
            for minion in holders.get(address, ())
            if len(holders[address]) == 1 and address in self.known[minion].own
        }
        return alone or (shared if len(shared) > 1 else set())


def _collect(index: Mapping[str, set[str]], found: Iterable[str]) -> set[str]:
    return {minion for key in found for minion in index.get(key, ())}


def _one(candidates: set[str], step: str) -> Match:
    if len(candidates) == 1:
        return Match(next(iter(candidates)), by=step)
    reason = f"ambiguous: {len(candidates)} minions by {step}: {named(candidates)}"
    # Nothing cures it but a person, who has never seen it before.
    hint = "; a clone keeps the id of its original until it gets a OneAgent of its own"
    return Match(None, reason=reason + (hint if step == "host_id" else ""))

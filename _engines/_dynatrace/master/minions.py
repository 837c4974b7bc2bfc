"""
Finds the one minion that is a host of Dynatrace.

The order of the steps is the order of trust: the host's own id, then what an admin wrote on the host, then names, then
addresses. The first step that gives exactly one accepted minion wins; two candidates are an ambiguity, never a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..core.identity import Grains as Grains
from ..core.identity import Match, against, host_names, usable
from ..core.problem import EntityDetail
from .minion_index import MinionIndex, named

#: A scan of 10,000 minions takes about 2 s: a miss may cause one, but not each miss.
RESCAN_S = 30.0

ReadHost = Callable[[], "EntityDetail | None"]


class Minions(MinionIndex):
    """
    The accepted minions, among which hosts are looked for.
    """

    def find(self, host_id: str, detail: ReadHost) -> Match:
        """
        Return the minion that is the host ``host_id``; ``detail`` reads the HOST entity and is only asked when needed.
        """
        self.refresh()
        match = self._find(host_id, detail)
        # A name or an address may have become another minion's too, of which no event tells.
        if match.by in ("", "name", "address") and self.age() >= RESCAN_S:
            self.scan()
            match = self._find(host_id, detail)
        elif match.minion is not None:
            # The index may be behind the grains cache; one read (0.2 ms) makes sure of the one that is acted on.
            self.reread(match.minion)
            match = self._find(host_id, detail)
        return match

    def _find(self, host_id: str, detail: ReadHost) -> Match:
        candidates = self.index.host_ids.get(host_id, set())
        if candidates:
            return _one(candidates, "host_id")
        host = detail()
        if host is None:
            why = "no minion has this host id, and the tenant does not know the host"
            return Match(None, reason=why + self.lacking())
        known = self.index.known
        proved = {minion for minion in host.salt_minions if minion in known}
        called = host_names(host)
        steps: tuple[tuple[str, set[str], set[str]], ...] = (
            ("property", proved, set()),
            ("name", _collect(self.index.names, called), called),
            ("address", self._addressed(usable(host.addresses)), set()),
        )
        for step, found, names in steps:
            if found:
                return self._chosen(step, found, names, host_id, host)
        return Match(None, reason="no minion has this host id, name or address" + self.lacking())

    def _chosen(
        self, step: str, found: set[str], names: set[str], host_id: str, host: EntityDetail
    ) -> Match:
        """
        Return the one of those that a step found which nothing speaks against.
        """
        known = self.index.known
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
        known, holders = self.index.known, self.index.addresses
        shared = _collect(holders, addresses)
        alone = {
            minion
            for address in addresses
            for minion in holders.get(address, ())
            if len(holders[address]) == 1 and address in known[minion].own
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

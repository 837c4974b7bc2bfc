"""
Finds the one minion that is a host of Dynatrace: an index of grains, built once and kept current from the bus.

The order of the steps is the order of trust: the host's own id, then what an admin wrote on the host, then names, then
addresses. The first step that gives exactly one accepted minion wins; two candidates are an ambiguity, never a choice.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from _dynatrace_problems import EntityDetail

#: A scan of 10,000 minions takes about 2 s: a miss may cause one, but not each miss.
RESCAN_S = 30.0
#: Any minion can fire the events that cause a listing of the keys.
RELIST_S = 2.0

Grains = Mapping[str, Any]


@dataclass(frozen=True)
class Match:
    """
    The minion that is the host, by which step; or no minion, and why.
    """

    minion: str | None
    by: str = ""
    reason: str = ""


@dataclass
class _Keys:
    """
    What one minion can be found by.
    """

    host_id: str | None = None
    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass
class _Index:
    host_ids: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    addresses: dict[str, set[str]] = field(default_factory=dict)


class Minions:
    """
    The accepted minions and what they can be found by.

    ``accepted`` returns the ids of all accepted minions, ``grains`` the cached grains of one (or None); both come from
    Salt and may be slow for thousands of minions. Used by one thread; ``touch`` and ``touch_keys`` may come from others.
    """

    def __init__(
        self,
        accepted: Callable[[], Iterable[str]],
        grains: Callable[[str], Grains | None],
        now: Callable[[], float],
    ) -> None:
        self._accepted_now = accepted
        self._grains = grains
        self._now = now
        self._keys: dict[str, _Keys] = {}
        self._index = _Index()
        self._scanned: float | None = None
        self._touched: set[str] = set()
        self._keys_touched = False
        self._relisted = 0.0

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, minion: object) -> bool:
        return minion in self._keys

    def touch(self, minion: str) -> None:
        """
        Note that a minion's grains may have changed; they are read again before the next search.
        """
        self._touched.add(minion)

    def touch_keys(self) -> None:
        """
        Note that keys were accepted or removed; they are listed again before the next search.
        """
        self._keys_touched = True

    def refresh(self) -> None:
        """
        Bring the index up to date with what was touched; the first call scans all minions.
        """
        if self._scanned is None:
            self._scan()
        if self._keys_touched and self._now() - self._relisted >= RELIST_S:
            self._keys_touched = False
            self._relisted = self._now()
            self._relist()
        while self._touched:
            self._reread(self._touched.pop())

    def find(self, host_id: str, detail: Callable[[], EntityDetail | None]) -> Match:
        """
        Return the minion that is the host ``host_id``; ``detail`` reads the HOST entity and is only asked when needed.
        """
        self.refresh()
        match = self._find(host_id, detail)
        # A name or an address may have become another minion's too, of which no event tells.
        if match.by in ("", "name", "address") and self._may_rescan():
            self._scan()
            match = self._find(host_id, detail)
        elif match.minion is not None:
            # The index may be behind the grains cache; one read (0.2 ms) makes sure of the one that is acted on.
            self._reread(match.minion)
            match = self._find(host_id, detail)
        return match

    def _find(self, host_id: str, detail: Callable[[], EntityDetail | None]) -> Match:
        candidates = self._index.host_ids.get(host_id, set())
        if candidates:
            return _one(candidates, "host_id")
        host = detail()
        if host is None:
            return Match(
                None, reason="no minion has this host id, and the tenant does not know the host"
            )
        steps = (
            ("property", {minion for minion in host.salt_minions if minion in self._keys}),
            ("name", self._collect(self._index.names, _host_names(host))),
            ("address", self._collect(self._index.addresses, _usable(host.addresses))),
        )
        for step, found in steps:
            if found:
                # A minion that knows itself to be another host is not this one, whatever it is called.
                own = {minion for minion in found if self._keys[minion].host_id in (None, host_id)}
                return _one(own, step) if own else self._other_host(found, step)
        return Match(None, reason="no minion has this host id, name or address")

    def _other_host(self, found: set[str], step: str) -> Match:
        minion = min(found)
        return Match(None, reason=f"{minion} fits by {step}, but is {self._keys[minion].host_id}")

    @staticmethod
    def _collect(index: dict[str, set[str]], keys: Iterable[str]) -> set[str]:
        return {minion for key in keys for minion in index.get(key, ())}

    def _may_rescan(self) -> bool:
        return self._scanned is None or self._now() - self._scanned >= RESCAN_S

    def _scan(self) -> None:
        self._scanned = self._now()
        self._keys, self._index = {}, _Index()
        for minion in self._accepted_now():
            self._add(minion)

    def _relist(self) -> None:
        accepted = set(self._accepted_now())
        for minion in set(self._keys) - accepted:
            self._remove(minion)
        for minion in accepted - set(self._keys):
            self._add(minion)

    def _reread(self, minion: str) -> None:
        if minion in self._keys:
            self._remove(minion)
            self._add(minion)

    def _add(self, minion: str) -> None:
        keys = _keys(minion, self._grains(minion) or {})
        self._keys[minion] = keys
        if keys.host_id:
            self._index.host_ids.setdefault(keys.host_id, set()).add(minion)
        for name in keys.names:
            self._index.names.setdefault(name, set()).add(minion)
        for address in keys.addresses:
            self._index.addresses.setdefault(address, set()).add(minion)

    def _remove(self, minion: str) -> None:
        keys = self._keys.pop(minion)
        if keys.host_id:
            self._index.host_ids[keys.host_id].discard(minion)
        for name in keys.names:
            self._index.names[name].discard(minion)
        for address in keys.addresses:
            self._index.addresses[address].discard(minion)


def _one(candidates: set[str], step: str) -> Match:
    if len(candidates) == 1:
        return Match(next(iter(candidates)), by=step)
    names = ", ".join(sorted(candidates)[:5]) + (", …" if len(candidates) > 5 else "")
    reason = f"ambiguous: {len(candidates)} minions by {step}: {names}"
    # Nothing cures it but a person, who has never seen it before.
    hint = "; a clone keeps the id of its original until it gets a OneAgent of its own"
    return Match(None, reason=reason + (hint if step == "host_id" else ""))


def _keys(minion: str, grains: Grains) -> _Keys:
    own = grains.get("dynatrace")
    host_id = own.get("host_id") if isinstance(own, Mapping) else None
    names = {minion.lower()} | {
        value.lower()
        for key in ("fqdn", "host", "nodename")
        if isinstance(value := grains.get(key), str) and value
    }
    addresses = [
        item
        for key in ("ipv4", "ipv6")
        if isinstance(grains.get(key), (list, tuple))
        for item in grains[key]
        if isinstance(item, str)
    ]
    local = _bridges(grains.get("ip_interfaces"))
    # localhost is what every host calls itself.
    return _Keys(
        host_id if isinstance(host_id, str) else None,
        frozenset(name for name in names if not name.startswith("localhost")),
        frozenset(_usable(address for address in addresses if address not in local)),
    )


def _host_names(host: EntityDetail) -> Iterable[str]:
    names = (host.detected_name, *host.dns_names, host.name)
    return {name.lower() for name in names if name and not name.lower().startswith("localhost")}


def _bridges(interfaces: Any) -> set[str]:
    """
    Return the addresses of container bridges, which many hosts share.
    """
    prefixes = (
        *("docker", "br-", "virbr", "cni", "cali", "flannel", "veth", "lxcbr", "podman"),
        *("lxdbr", "incusbr", "kube-", "cilium_", "nerdctl"),
    )
    if not isinstance(interfaces, Mapping):
        return set()
    return {
        address
        for name, addresses in interfaces.items()
        if isinstance(name, str)
        and name.startswith(prefixes)
        and isinstance(addresses, (list, tuple))
        for address in addresses
        if isinstance(address, str)
    }


def _usable(addresses: Iterable[str]) -> set[str]:
    found = set()
    for text in addresses:
        try:
            address = ipaddress.ip_address(text.split("%")[0])
        except ValueError:
            continue
        if not (
            address.is_loopback
            or address.is_link_local
            or address.is_unspecified
            or address.is_multicast
        ):
            found.add(str(address))
    return found

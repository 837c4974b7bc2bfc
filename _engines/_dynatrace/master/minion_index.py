"""
The accepted minions and what the master's caches tell of them: an index that is built once and kept current from the bus.

What a cache does not give is no knowledge: an entry that cannot be read costs that minion alone, a listing that fails
costs nothing, and what was known before stays. Each is said once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..core.errors import DynatraceError
from ..core.identity import Grains, Keys, keys, unknown
from ..core.log_once import LogOnce

log = logging.getLogger(__name__)

#: Any minion can fire the events that cause a listing of the keys.
RELIST_S = 2.0
#: Of one search; each takes 0.2 ms.
REREADS = 1000
#: A cache that answers nothing for so long altogether is asked for no more minions in this scan.
PATIENCE_S = 10.0
NAMED = 5
NO_GRAINS = (
    "the master has no grains of it, which it sends when it starts or refreshes: "
    "`saltutil.sync_all` makes it do so"
)


def named(minions: Collection[str]) -> str:
    """
    Return a text that names some of the minions.
    """
    return ", ".join(sorted(minions)[:NAMED]) + (", …" if len(minions) > NAMED else "")


@dataclass
class Index:
    """
    What is known of each minion, and who has what.
    """

    known: dict[str, Keys] = field(default_factory=dict)
    host_ids: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    addresses: dict[str, set[str]] = field(default_factory=dict)

    def put(self, minion: str, found: Keys) -> None:
        """
        Note all that a minion has, and nothing that it had.
        """
        self.drop(minion)
        self.known[minion] = found
        for places, key in self._places(found):
            places.setdefault(key, set()).add(minion)

    def drop(self, minion: str) -> None:
        """
        Forget a minion, if it is known.
        """
        for places, key in self._places(self.known.pop(minion, Keys())):
            places[key].discard(minion)

    def _places(self, found: Keys) -> Iterator[tuple[dict[str, set[str]], str]]:
        if found.host_id:
            yield self.host_ids, found.host_id
        yield from ((self.names, name) for name in found.names)
        yield from ((self.addresses, address) for address in found.addresses)


class MinionIndex:
    """
    The accepted minions and what they can be found by.

    ``accepted`` returns the ids of all accepted minions, ``grains`` the cached grains of one (or None); both come from
    Salt, may be slow for thousands of minions, and may raise anything. Used by one thread; ``touch`` and ``touch_keys``
    may come from others.
    """

    def __init__(
        self,
        accepted: Callable[[], Iterable[str]],
        grains: Callable[[str], Grains | None],
        now: Callable[[], float],
        name: str = "dynatrace",
    ) -> None:
        self._accepted_now = accepted
        self._grains = grains
        self._now = now
        self._prefix = name
        self.index = Index()
        #: Of whom nothing but the id is known, and why.
        self._blank: dict[str, str] = {}
        #: Whose grains cannot be read, and why; that has been said.
        self._failing: dict[str, str] = {}
        self._unlisted: str | None = None
        self._listing = LogOnce(
            log,
            name,
            "the accepted minions cannot be listed, and those that are known stay",
            "the accepted minions are listed again",
            clock=now,
        )
        self._built = False
        self._scanned: float | None = None
        self._touched: set[str] = set()
        self._keys_touched = False
        self._relisted = 0.0

    def __len__(self) -> int:
        return len(self.index.known)

    def __contains__(self, minion: object) -> bool:
        return minion in self.index.known

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
        if not self._built and self.age() >= RELIST_S:
            self.scan()
        if self._keys_touched and self._now() - self._relisted >= RELIST_S:
            self._keys_touched = False
            self._relisted = self._now()
            self._relist()
        # Not until there is none: a minion that fires events of starts adds them faster than they are read again.
        for _ in range(min(len(self._touched), REREADS)):
            self.reread(self._touched.pop())

    def age(self) -> float:
        """
        Return how many seconds ago the last scan was tried.
        """
        return self._now() - self._scanned if self._scanned is not None else float("inf")

    def scan(self) -> None:
        """
        Read what is known of all minions; the index stays as it is until a new one is complete.
        """
        self._scanned = self._now()
        accepted = self._list()
        if accepted is None:
            return
        index, before, failed_s, why = Index(), set(self._failing), 0.0, ""
        self._blank, self._failing = {}, {}
        for minion in accepted:
            begun = self._now()
            if failed_s <= PATIENCE_S:
                why = self._read(minion, index)
                failed_s += self._now() - begun if why else 0.0
            else:
                self._keep(minion, index, why)
        self.index, self._built = index, True
        self._say(before)

    def reread(self, minion: str) -> None:
        """
        Read again what is known of a minion, if it is accepted.
        """
        if minion not in self.index.known:
            return
        before = set(self._failing)
        self._read(minion, self.index)
        self._say(before)

    def lacking(self) -> str:
        """
        Return of whom nothing is known, and why, as the end of a sentence that says that nobody was found.
        """
        if not self._built:
            return f"; the accepted minions cannot be listed: {self._unlisted}"
        if not self._blank:
            return ""
        count = f"{len(self._blank)} of {len(self)} accepted minions"
        some = min(self._blank)
        return f"; of {count} ({named(self._blank)}) only the id is known: {self._blank[some]}"

    def _list(self) -> list[str] | None:
        """
        Return the accepted minions, or None when they cannot be listed.
        """
        try:
            found = list(self._accepted_now())
        except Exception as err:  # noqa: BLE001 - Salt raises what its key store raises; nothing of it ends the engine.
            self._unlisted = _said(err)
            self._listing.fails(self._unlisted)
            return None
        self._unlisted = None
        self._listing.works()
        return found

    def _relist(self) -> None:
        found = self._list()
        if found is None:
            self._keys_touched = True
            return
        before, accepted = set(self._failing), set(found)
        for minion in set(self.index.known) - accepted:
            self.index.drop(minion)
            self._blank.pop(minion, None)
            self._failing.pop(minion, None)
        for minion in accepted - set(self.index.known):
            self._read(minion, self.index)
        self._say(before)

    def _read(self, minion: str, index: Index) -> str:
        """
        Note what is known of a minion now; return why it cannot be read, empty if it can.
        """
        try:
            grains = self._grains(minion)
            if not isinstance(grains, (Mapping, type(None))):
                raise TypeError(f"they are a {type(grains).__name__} and no mapping")
            found = keys(minion, grains) if grains else unknown(minion, NO_GRAINS)
        except Exception as err:  # noqa: BLE001 - A cache raises what its driver raises; it costs this minion alone.
            why = _said(err)
            self._keep(minion, index, why)
            return why
        self._failing.pop(minion, None)
        self._blank.pop(minion, None)
        if not grains:
            self._blank[minion] = NO_GRAINS
        index.put(minion, found)
        return ""

    def _keep(self, minion: str, index: Index, why: str) -> None:
        """
        Keep what was known of a minion whose grains cannot be read.
        """
        self._failing[minion] = why
        before = self.index.known.get(minion)
        if before is None or not (before.host_id or before.claims or before.addresses):
            before = unknown(minion, why)
            self._blank[minion] = why
        index.put(minion, before)

    def _say(self, before: set[str]) -> None:
        """
        Say whose grains cannot be read that could be before.
        """
        failing = self._failing.keys() - before
        if failing:
            log.warning(
                "%s: the grains of %d of %d minions (%s) cannot be read, said once; what was known of them stays: %s",
                self._prefix,
                len(failing),
                len(self),
                named(failing),
                self._failing[min(failing)],
            )


def _said(err: Exception) -> str:
    return str(err) if isinstance(err, DynatraceError) else f"{type(err).__name__}: {err}"

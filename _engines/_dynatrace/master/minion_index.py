"""
The accepted minions and what the master's caches tell of them: an index that is built once and kept current from the bus.

What a cache does not give is no knowledge: an entry that cannot be read costs that minion alone, a listing that fails
costs nothing, and what was known before stays. Each is said once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ..core.errors import DynatraceError
from ..core.identity import Grains, Match, keys, unknown
from ..core.log_once import LogOnce
from .host_matching import NO_HOST, NO_MINION, Candidates, ReadHost, named

log = logging.getLogger(__name__)

#: Any minion can fire the events that cause a listing of the keys.
RELIST_S = 2.0
#: A scan of 10,000 minions takes about 2 s: a miss may cause one, but not each miss.
RESCAN_S = 30.0
#: Of one search; each takes 0.2 ms.
REREADS = 1000
#: A cache that answers nothing for so long altogether is asked for no more minions in this scan.
PATIENCE_S = 10.0
NO_GRAINS = (
    "the master has no grains of it, which it sends when it starts or refreshes: "
    "`saltutil.sync_all` makes it do so"
)


@dataclass
class MinionIndex:
    """
    The accepted minions, among which hosts are looked for.

    ``accepted`` returns the ids of all accepted minions, ``grains`` the cached grains of one (or None); both come from
    Salt, may be slow for thousands of minions, and may raise anything. Used by one thread; ``touch`` and ``touch_keys``
    may come from others.
    """

    accepted: Callable[[], Iterable[str]]
    grains: Callable[[str], Grains | None]
    now: Callable[[], float]
    instance: str = "dynatrace"

    def __post_init__(self) -> None:
        self._candidates = Candidates()
        #: Of whom nothing but the id is known, and why.
        self._blank: dict[str, str] = {}
        #: Whose grains cannot be read, and why; and of whom that has been said.
        self._failing: dict[str, str] = {}
        self._said: set[str] = set()
        self._unlisted: str | None = None
        #: The name of the error for which the accepted minions cannot be listed, if so.
        self.unlisted: str | None = None
        meanwhile = "the accepted minions cannot be listed, and those that are known stay"
        again = "the accepted minions are listed again"
        self._listing = LogOnce(log, self.instance, meanwhile, again, clock=self.now)
        self._built = False
        self._scanned = float("-inf")
        self._touched: set[str] = set()
        self._keys_touched = False
        self._relisted = 0.0

    def __len__(self) -> int:
        return len(self._candidates.known)

    def __contains__(self, minion: object) -> bool:
        return minion in self._candidates.known

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

    def find(self, host_id: str, detail: ReadHost) -> Match:
        """
        Return the minion that is the host ``host_id``; ``detail`` reads the HOST entity and is only asked when needed.
        """
        self.refresh()
        match = self._candidates.match(host_id, detail)
        # A name or an address may have become another minion's too, of which no event tells.
        if match.by in ("", "name", "address") and self.now() - self._scanned >= RESCAN_S:
            self.scan()
            match = self._candidates.match(host_id, detail)
        elif match.minion is not None:
            # The index may be behind the grains cache; one read (0.2 ms) makes sure of the one that is acted on.
            self._reread(match.minion)
            match = self._candidates.match(host_id, detail)
        if match.reason in (NO_MINION, NO_HOST):
            match = replace(match, reason=match.reason + self._lacking())
        return match

    def refresh(self) -> None:
        """
        Bring the index up to date with what was touched; the first call scans all minions.
        """
        if not self._built and self.now() - self._scanned >= RELIST_S:
            self.scan()
        if self._keys_touched and self.now() - self._relisted >= RELIST_S:
            self._keys_touched = False
            self._relisted = self.now()
            self._relist()
        # Not until there is none: a minion that fires events of starts adds them faster than they are read again.
        for _ in range(min(len(self._touched), REREADS)):
            self._reread(self._touched.pop())

    def scan(self) -> None:
        """
        Read what is known of all minions; the index stays as it is until a new one is complete.
        """
        self._scanned = self.now()
        accepted = self._list()
        if accepted is None:
            return
        candidates, failed_s, why = Candidates(), 0.0, ""
        self._blank, self._failing = {}, {}
        for minion in accepted:
            begun = self.now()
            if failed_s <= PATIENCE_S:
                why = self._read(minion, candidates)
                failed_s += self.now() - begun if why else 0.0
            else:
                self._keep(minion, candidates, why)
        self._candidates, self._built = candidates, True
        self._say()

    def _reread(self, minion: str) -> None:
        if minion in self:
            self._read(minion, self._candidates)
            self._say()

    def _lacking(self) -> str:
        """
        Return of whom nothing is known, and why, as the end of a sentence that says that nobody was found.
        """
        if not self._built:
            return f"; the accepted minions cannot be listed: {self._unlisted}"
        if not self._blank:
            return ""
        count = f"{len(self._blank)} of {len(self)} accepted minions"
        why = self._blank[min(self._blank)]
        return f"; of {count} ({named(self._blank)}) only the id is known: {why}"

    def _list(self) -> list[str] | None:
        """
        Return the accepted minions, or None when they cannot be listed.
        """
        try:
            found = list(self.accepted())
        except Exception as err:  # noqa: BLE001 - Salt raises what its key store raises; nothing of it ends the engine.
            self._unlisted, self.unlisted = _text(err), type(err).__name__
            self._listing.fails(self._unlisted)
            return None
        self.unlisted = None
        self._listing.works()
        return found

    def _relist(self) -> None:
        found = self._list()
        if found is None:
            self._keys_touched = True
            return
        accepted, known = set(found), set(self._candidates.known)
        for minion in known - accepted:
            self._candidates.drop(minion)
            self._blank.pop(minion, None)
            self._failing.pop(minion, None)
        for minion in accepted - known:
            self._read(minion, self._candidates)
        self._say()

    def _read(self, minion: str, candidates: Candidates) -> str:
        """
        Note what is known of a minion now; return why it cannot be read, empty if it can.
        """
        try:
            grains = self.grains(minion)
            if not isinstance(grains, (Mapping, type(None))):
                raise TypeError(f"they are a {type(grains).__name__} and no mapping")
            found = keys(minion, grains) if grains else unknown(minion, NO_GRAINS)
        except Exception as err:  # noqa: BLE001 - A cache raises what its driver raises; it costs this minion alone.
            why = _text(err)
            self._keep(minion, candidates, why)
            return why
        self._failing.pop(minion, None)
        self._blank.pop(minion, None)
        if not grains:
            self._blank[minion] = NO_GRAINS
        candidates.put(minion, found)
        return ""

    def _keep(self, minion: str, candidates: Candidates, why: str) -> None:
        """
        Keep what was known of a minion whose grains cannot be read.
        """
        self._failing[minion] = why
        before = self._candidates.known.get(minion)
        if before is None or not (before.host_id or before.claims or before.addresses):
            before = unknown(minion, why)
            self._blank[minion] = why
        candidates.put(minion, before)

    def _say(self) -> None:
        """
        Say whose grains cannot be read of whom that was not said.
        """
        failing = self._failing.keys() - self._said
        self._said = set(self._failing)
        if failing:
            log.warning(
                "%s: the grains of %d of %d minions (%s) cannot be read, said once; what was known of them stays: %s",
                self.instance,
                len(failing),
                len(self),
                named(failing),
                self._failing[min(failing)],
            )


def _text(err: Exception) -> str:
    return str(err) if isinstance(err, DynatraceError) else f"{type(err).__name__}: {err}"

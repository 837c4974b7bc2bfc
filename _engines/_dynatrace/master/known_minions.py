"""
Reads what the master's cache tells of single minions, and keeps it: one that cannot be read stays as it was known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from ..core.errors import DynatraceError
from ..core.identity import Grains, keys, unknown
from .host_matching import Candidates, named

log = logging.getLogger(__name__)

NO_GRAINS = (
    "the master has no grains of it, which it sends when it starts or refreshes: "
    "`saltutil.sync_all` makes it do so"
)


@dataclass
class KnownMinions:
    """
    What is known of each minion, and why no more. ``grains`` returns the cached grains of one (or None), and may raise
    anything. ``stamp`` returns what changes whenever they do, or None if that is not known.

    ``reread`` may be called from any thread, all that changes more from one alone.
    """

    instance: str
    grains: Callable[[str], Grains | None]
    stamp: Callable[[str], Hashable | None]
    candidates: Candidates = field(default_factory=Candidates, init=False)
    #: Whether anything became known that was not.
    changed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._stamps: dict[str, Hashable] = {}
        #: Of whom nothing but the id is known, and why.
        self._blank: dict[str, str] = {}
        #: Whose grains cannot be read, and why; and of whom that was logged.
        self._failing: dict[str, str] = {}
        self._logged: set[str] = set()

    def __len__(self) -> int:
        return len(self.candidates.known)

    def __contains__(self, minion: object) -> bool:
        return minion in self.candidates.known

    def ids(self) -> set[str]:
        return set(self.candidates.known)

    def read(self, minion: str) -> str:
        """
        Note what is known of a minion now; return why it cannot be read, empty if it can.
        """
        return self._read(minion, self.stamp(minion))

    def read_changed(self, minion: str) -> str:
        """
        The same, unless nothing changed since it was read.
        """
        stamp = self.stamp(minion)
        return "" if self._is_known(minion, stamp) else self._read(minion, stamp)

    def reread(self, minion: str) -> None:
        """
        Read a minion again, unless it is known no more, or nothing changed since it was read.
        """
        if not self._is_known(minion, self.stamp(minion)):
            # Its stamp is not kept: of two threads that read, the one with the older grains may be the last.
            self._read(minion, None, again=True)
            self.log_failing()

    def _is_known(self, minion: str, stamp: Hashable | None) -> bool:
        return stamp is not None and self._stamps.get(minion) == stamp

    def _read(self, minion: str, stamp: Hashable | None, again: bool = False) -> str:
        try:
            grains = self.grains(minion)
            if not isinstance(grains, (Mapping, type(None))):
                raise TypeError(f"they are a {type(grains).__name__} and no mapping")
            found = keys(minion, grains) if grains else unknown(minion, NO_GRAINS)
        except Exception as err:  # noqa: BLE001 - A cache raises what its driver raises; it costs this minion alone.
            why = text_of(err)
            if not again or minion in self:
                self.keep(minion, why)
            return why
        new = self.candidates.put(minion, found, again)
        self.changed = self.changed or new
        if minion in self:
            self._failing.pop(minion, None)
            self._note(minion, "" if grains else NO_GRAINS)
            if stamp is not None:
                # Taken before the reading: what is written meanwhile changes it.
                self._stamps[minion] = stamp
        return ""

    def keep(self, minion: str, why: str) -> None:
        """
        Keep what was known of a minion whose grains cannot be read.
        """
        self._failing[minion] = why
        self._stamps.pop(minion, None)
        before = self.candidates.known.get(minion)
        if before is None or not (before.host_id or before.claims or before.addresses):
            self._note(minion, why)
            self.candidates.put(minion, unknown(minion, why))

    def _note(self, minion: str, why: str) -> None:
        if why:
            self._blank[minion] = why
        else:
            self._blank.pop(minion, None)

    def drop(self, minion: str) -> None:
        """
        Forget a minion, which is accepted no more.
        """
        if self.candidates.drop(minion):
            self.changed = True
        for noted in (self._blank, self._failing, self._stamps):
            noted.pop(minion, None)

    def lacking(self) -> str:
        """
        Return of whom nothing is known, and why, as the end of a sentence that says that nobody was found.
        """
        blank = self._blank.copy()
        if not blank:
            return ""
        count = f"{len(blank)} of {len(self)} accepted minions"
        return f"; of {count} ({named(blank)}) only the id is known: {blank[min(blank)]}"

    def log_failing(self) -> None:
        """
        Log whose grains cannot be read of whom that was not logged.
        """
        failing = self._failing.copy()
        fresh = failing.keys() - self._logged
        self._logged = set(failing)
        if fresh:
            log.warning(
                "%s: the grains of %d of %d minions (%s) cannot be read; what was known of them stays: %s",
                self.instance,
                len(fresh),
                len(self),
                named(fresh),
                failing[min(fresh)],
            )


def text_of(err: Exception) -> str:
    """
    Return what an error of Salt says, with its name unless it is one of the engine's own.
    """
    return str(err) if isinstance(err, DynatraceError) else f"{type(err).__name__}: {err}"

"""
The accepted minions and what the master's caches tell of them: an index that is built and kept current in a thread of its
own, and that others only look into.

What a cache does not give is no knowledge: an entry that cannot be read costs that minion alone, a listing that fails
costs nothing, and what was known before stays. Each is logged when it begins.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace

from ..core.heartbeat import Heartbeat
from ..core.identity import Grains, Match, host_names
from ..core.log_once import LogOnce
from .host_matching import NO_HOST, NO_MINION, ReadHost
from .known_minions import KnownMinions, text_of

log = logging.getLogger(__name__)

#: Between two listings of the keys, whatever asks for one.
RELIST_S = 2.0
#: A search that finds nobody, or somebody by hearsay, may cause a scan so soon after the last; doubled while that goes on.
RESCAN_S = 30.0
#: A scan finds what no event told. It happens this often ...
PERIOD_S = 300.0
#: ... and no more often than that it takes 0.2 % of a core; after a miss 1 %, and after the bus was away 10 %.
SHARES = {"period": 500, "missed": 100, "keys": 10}
#: Of one turn, and the pause between two turns: a storm of start events takes a fifth of a core.
REREADS = 100
STEP_S = 0.1
WAIT_S = 10.0
#: The first listing waits so long for the bus: what is fired between both nobody would hear, and all were listed again.
BUS_S = 1.0
#: So long after the start a search waits for the index: by then it is whole, unless there are thousands.
PATIENT_S = 0.5
#: A scan works for so long, and rests as long.
WORK_S = 0.01
#: Of so many minions it is noted that they changed; of more all are looked at.
TOUCHED = 20_000
#: No id that Salt keeps a key of is longer, since it is the name of a file.
LONGEST = 255
#: Changes are told no more often: each has all problems that have no minion matched again.
NEWS_S = 5.0
#: A cache that answers nothing for so long altogether is asked for no more minions in this scan.
PATIENCE_S = 10.0
BUILDING = "; the index of the accepted minions is being built, and the problem is looked at again after that"


@dataclass
class MinionIndex:
    """
    The accepted minions, among which hosts are looked for.

    ``accepted`` returns the ids of all accepted minions, ``is_accepted`` tells of one, ``grains`` returns the cached grains
    of one (or None); all come from Salt, may be slow, and may raise anything. ``stamp`` returns what changes whenever the
    cached grains of one do, or None if that is not known. ``on_news`` is called when matches may be others than before.

    ``run``, ``refresh`` and ``scan`` belong to one thread, all else may be called from any.
    """

    accepted: Callable[[], Iterable[str]]
    is_accepted: Callable[[str], bool]
    grains: Callable[[str], Grains | None]
    now: Callable[[], float]
    instance: str = "dynatrace"
    stamp: Callable[[str], Hashable | None] = lambda _: None
    on_news: Callable[[], None] = lambda: None
    heartbeat: Heartbeat = field(default_factory=Heartbeat, init=False)

    def __post_init__(self) -> None:
        self._known = KnownMinions(self.instance, self.grains, self.stamp)
        #: Who is accepted and was not read yet; whether the accepted ones were ever listed.
        self._unread: set[str] = set()
        self._listed = False
        self._unlisted: str | None = None
        #: The name of the error for which the accepted minions cannot be listed, if so.
        self.unlisted: str | None = None
        meanwhile = "the accepted minions cannot be listed, and those that are known stay"
        again = "the accepted minions are listed again"
        self._listing = LogOnce(log, self.instance, meanwhile, again, clock=self.now)
        self._missed = self._keys_touched = self._news = False
        self._scanned = self._told = self._patient_until = float("-inf")
        self._pause, self._cost, self._worked = RESCAN_S, 0.0, 0.0
        self._touched: set[str] = set()
        self._touched_keys: set[str] = set()
        self._wake = threading.Event()
        #: Set when all accepted minions were read at least once.
        self.complete = threading.Event()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, minion: object) -> bool:
        if minion in self._known or minion in self._unread:
            return True
        # A look at a key takes a millisecond, and each host has several names.
        return not self._listed and isinstance(minion, str) and self._accepts(minion)

    def touch(self, minion: str) -> None:
        """
        Note that a minion's grains may have changed; they are read again soon.
        """
        if len(minion) > LONGEST:
            return
        if len(self._touched) < TOUCHED:
            self._touched.add(minion)
        else:
            self._keys_touched = True
        self._wake.set()

    def touch_key(self, minion: str) -> None:
        """
        Note that a minion's key may have been accepted or removed; it alone is looked at soon.
        """
        if len(self._touched_keys) < TOUCHED and len(minion) <= LONGEST:
            self._touched_keys.add(minion)
        self.touch(minion)

    def touch_keys(self) -> None:
        """
        Note that any keys may have been accepted or removed; they are listed again soon.
        """
        self._keys_touched = True
        self._wake.set()

    def has_news(self) -> bool:
        """
        Tell whether the index has changed since this was asked last, and is complete.
        """
        if self._news:
            self._news = False
            return True
        return False

    def find(self, host_id: str, detail: ReadHost) -> Match:
        """
        Return the minion that is the host ``host_id``; ``detail`` reads the HOST entity and is only asked when needed.
        """
        if (left := self._patient_until - self.now()) > 0:
            self.complete.wait(left)
        read = functools.cache(detail)
        match = self._match(host_id, read)
        if match.minion is not None:
            # The index may be behind the grains cache; a look at its file makes sure of the one that is acted on.
            self._known.reread(match.minion)
            match = self._match(host_id, read)
        if self.complete.is_set() and match.by in ("", "name", "address"):
            # A name or an address may have become another minion's too, of which no event tells.
            self._missed = True
            self._wake.set()
        if match.reason in (NO_MINION, NO_HOST):
            match = replace(match, reason=match.reason + self._lacking())
        return match

    def _match(self, host_id: str, detail: ReadHost) -> Match:
        if self.complete.is_set():
            return self._known.candidates.match(host_id, detail)
        # Somebody who was not read yet may have the same id: only who is also called as the host is meant for sure.
        host = detail()
        if host is None:
            return Match(None, reason=NO_HOST)
        called = host_names(host)
        short = {name.partition(".")[0] for name in called}
        for minion in {*host.salt_minions, *called, *short}:
            if minion not in self._known and minion in self:
                self._known.read(minion)
        return self._known.candidates.agreed(host_id, host) or Match(None, reason=NO_MINION)

    def run(self) -> None:
        self._patient_until = self.now() + PATIENT_S
        self._wake.wait(BUS_S)
        while True:
            self.heartbeat.beat()
            self._wake.clear()
            self.refresh()
            time.sleep(STEP_S)  # What is touched meanwhile is read once.
            if not self._touched:
                self._wake.wait(WAIT_S if self.complete.is_set() else RELIST_S)

    def refresh(self) -> None:
        """
        Do what is due: build the index, look for what no event told, read again some of what was touched.
        """
        if self._is_due():
            self.scan()
        # Not until there is none: a minion that fires events of starts adds them faster than they are read again.
        for _ in range(min(len(self._touched), REREADS)):
            self._look_at(self._touched.pop())
        self._known.log_failing()
        if self.complete.is_set() and self._known.changed and self.now() - self._told >= NEWS_S:
            self._known.changed, self._told, self._news = False, self.now(), True
            self.on_news()

    def _is_due(self) -> bool:
        waits = {"period": PERIOD_S}
        if self._missed:
            waits["missed"] = self._pause
        if self._keys_touched or not self.complete.is_set():
            waits["keys"] = RELIST_S
        since = self.now() - self._scanned
        return any(since >= max(least, self._cost * SHARES[why]) for why, least in waits.items())

    def scan(self) -> None:
        """
        Look at all minions, and read those whose grains may have changed; each stays as it is until it is read.
        """
        begun, self._scanned = time.thread_time(), self.now()
        self._keys_touched = False
        self._pause = min(self._pause * 2, PERIOD_S) if self._missed else RESCAN_S
        self._missed = False
        accepted = self._list()
        if accepted is None:
            self._keys_touched = True
            return
        known = self._known.ids()
        self._unread = {minion for minion in accepted if minion not in known}
        self._listed = True
        for minion in known.difference(accepted):
            self._known.drop(minion)
        self._read_all(accepted)
        self._unread = set()
        self._known.log_failing()
        if self.complete.is_set():
            self._cost = time.thread_time() - begun
        else:
            self._known.changed = True
            self.complete.set()
            took = self.now() - self._scanned
            log.info("%s: %d accepted minions are known, %.1f s", self.instance, len(self), took)

    def _read_all(self, accepted: Iterable[str]) -> None:
        failed_s, why, self._worked = 0.0, "", time.thread_time()
        for minion in accepted:
            self.heartbeat.beat()
            begun = self.now()
            if failed_s <= PATIENCE_S:
                why = self._known.read_changed(minion)
                failed_s += self.now() - begun if why else 0.0
            else:
                self._known.keep(minion, why)
            self._unread.discard(minion)
            self._give_way()

    def _give_way(self) -> None:
        # As long as was worked: the other threads heal meanwhile.
        worked = time.thread_time() - self._worked
        if worked >= WORK_S:
            time.sleep(worked)
            self._worked = time.thread_time()

    def _look_at(self, minion: str) -> None:
        """
        Look at one minion, of which an event told that anybody may have fired.
        """
        key = minion in self._touched_keys or minion not in self
        self._touched_keys.discard(minion)
        if not key or self._accepts(minion):
            self._known.read(minion)
        elif minion in self._known:
            self._known.drop(minion)

    def _accepts(self, minion: str) -> bool:
        try:
            return self.is_accepted(minion)
        except Exception as err:  # noqa: BLE001 - As for the listing.
            log.debug("%s: the key of %.100r cannot be looked at: %s", self.instance, minion, err)
            return minion in self._known

    def _lacking(self) -> str:
        """
        Return of whom nothing is known, and why, as the end of a sentence that says that nobody was found.
        """
        if not self.complete.is_set():
            away = f"; the accepted minions cannot be listed: {self._unlisted}"
            return away if self.unlisted else BUILDING
        return self._known.lacking()

    def _list(self) -> list[str] | None:
        """
        Return the accepted minions, or None when they cannot be listed.
        """
        try:
            found = list(self.accepted())
        except Exception as err:  # noqa: BLE001 - Salt raises what its key store raises; nothing of it ends the engine.
            self._unlisted, self.unlisted = text_of(err), type(err).__name__
            self._listing.fails(self._unlisted)
            return None
        self.unlisted = None
        self._listing.works()
        return found

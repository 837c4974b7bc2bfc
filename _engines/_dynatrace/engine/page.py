"""
What the status page shows, from the ledger and what the engine knows of itself.

It is made only while somebody looks, when something has changed, and at most once a second for all who look; making it
takes no more than a hundredth of a core.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import LedgerError
from ..facts.page_facts import NOTHING, Facts, PageFacts
from ..master.envelope import iso
from ..pages import status
from ..webhook.page import Part
from .health import Probe

#: Seconds: the page is made again no sooner, and no later when making it takes long.
SOONEST_S, LATEST_S = 1.0, 10.0
#: Between two makings lies so many times what the first took.
SPARED = 100
HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_UNREAD = "The ledger cannot be read: what is shown is of before."


@dataclass
class StatusPage:
    """
    The page of one engine; ``document`` and ``parts`` are called in one thread, that of the probes.
    """

    facts: PageFacts
    probe: Probe
    dry_run: bool
    clock: Callable[[], float] = time.time
    _next: float = field(default=0.0, init=False)
    #: The ledger's changes and the hour that `_read` is of, and what is known beside it.
    _seen: tuple[object, Facts] = field(default=(None, {}), init=False)
    _read: Facts = field(default_factory=lambda: dict(NOTHING), init=False)
    _shown: tuple[Part, ...] = field(default=(), init=False)

    def document(self) -> tuple[str, Mapping[str, str]]:
        """
        Return the whole page, and the headers that it needs.
        """
        parts = {one.name: status.known(one.html) for one in self.parts()}
        html, policy = status.page(parts, iso(self.clock()) or "")
        return html, {**HEADERS, "Content-Security-Policy": policy}

    def parts(self) -> Iterable[Part]:
        """
        Return the page's parts as they are now; the same object as before if nothing has changed.
        """
        begun = time.monotonic()
        if begun >= self._next:
            # Else the ledger failed just between two questions: the next look tells of it.
            with contextlib.suppress(LedgerError):
                self._look()
            took = time.monotonic() - begun
            self._next = begun + min(max(SOONEST_S, SPARED * took), LATEST_S)
        return self._shown

    def _look(self) -> None:
        works, told = self.probe.health()
        moment = iso(self.clock()) or ""
        of: object = (self.facts.ledger.changes, moment[:13])
        engine = {
            **{name: told[name] for name in ("instance", "version", "last_poll")},
            "works": works,
            "faults": tuple(_faults(works, told)),
            "day": moment[:10],
        }
        if (of, engine) == self._seen:
            return
        if of != self._seen[0]:
            try:
                self._read = self.facts.read()
            except LedgerError:
                of = None  # It is tried again.
                engine.update(works=False, faults=(_UNREAD,))
        self._seen = of, engine
        facts = {**engine, **self._read, "dry_run": self.dry_run}
        made = tuple(_part(name, str(html)) for name, html in status.parts(facts).items())
        if made != self._shown:
            self._shown = made


def _part(name: str, html: str) -> Part:
    return Part(name, hashlib.sha256(html.encode()).hexdigest()[:16], html)


def _faults(works: bool, told: Mapping[str, Any]) -> Iterable[str]:
    """
    Yield a sentence on each thing that does not work.
    """
    if told["ledger"] != "ok":
        yield "The ledger cannot be read or written: nothing is decided."
    if told["bus"] != "ok":
        yield "Salt's event bus cannot be reached: nothing is ordered."
    for name in told["threads"]:
        yield f"The thread {name} ended or stands still."
    for name, error in told["failing"].items():
        yield f"It cannot read {name}: {error}."
    if not works and told["ledger"] == told["bus"] == "ok" and not told["threads"]:
        yield "Dynatrace was not read for long."

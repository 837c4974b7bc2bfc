"""
The end of Salt's event bus that fires: one thread with a connection of its own, which it shares with nobody.

The bus may fail or hang at any time. So what is to be fired waits in the ledger's outbox, and what was fired and never
came back is fired again. The end that hears is ``master.subscriber``.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.heartbeat import IDLE_S, Heartbeat
from ..core.log_once import LogOnce
from ..core.records import Outgoing
from ..store.outbox import Outbox
from .bus_connection import BusConnection
from .delivery import HANG_S, SILENCE_S, DeliveryConfirmation, Doubt
from .envelope import sign
from .event import PROBE_TAG
from .salt_interface import EventBus

log = logging.getLogger(__name__)

RETRY_S = 1.0
#: So many failures in a row mean that the publisher will not come back by itself (Salt 3008 never restarts it).
FAILURES_CRITICAL = 5


class _Refused(Exception):
    """
    The event bus did not take an event.
    """


@dataclass
class OutboxRelay:
    """
    Fires what stands in the outbox, signed at the moment of firing: orders first, and events about one problem in order.

    Reports are recorded as fired in batches, an order before anything else is fired; what was not recorded when the engine is
    killed, or not on disk when the machine loses power, is fired again under the same ids. An event counts as fired only as
    long as it may still come back; nothing more is fired on a bus that gives nothing back.

    ``held`` tells that an order must not be fired now after all. Who changes what it tells takes ``gate`` first, and then
    the ledger: no order is fired by what was told before. It waits for ``gate`` with a timeout, since a fire may hang.
    ``valid_for`` and ``act_for`` tell for how many seconds a reactor may take an order and a minion begin it.
    ``on_recovery`` is called when the bus works again after it was said to fail, ``on_fired`` with events that were fired and
    recorded, each with its time.
    """

    instance: str
    outbox: Outbox
    connect: Callable[[], EventBus]
    key: bytes
    delivery: DeliveryConfirmation
    held: Callable[[Mapping[str, Any]], bool]
    valid_for: float
    act_for: float
    on_recovery: Callable[[], None]
    clock: Callable[[], float] = time.time
    on_fired: Callable[[Sequence[tuple[Outgoing, float]]], None] = lambda _: None
    failures: int = field(default=0, init=False)
    #: Whether it has been said that the bus fails and a person must look.
    broken: bool = field(default=False, init=False)
    heartbeat: Heartbeat = field(default_factory=Heartbeat, init=False)

    def __post_init__(self) -> None:
        #: Held from the last check of an order until it is on the bus: under it, nothing is fired that is held already.
        self.gate = threading.Lock()
        self._connection = BusConnection(self.instance, self.connect)
        self._wake = threading.Event()
        self._answers: queue.SimpleQueue[tuple[str, Mapping[str, Any]]] = queue.SimpleQueue()
        #: Of the outbox: what was handed to a publisher that died before it came back.
        self._lost: list[int] = []
        #: What was fired when: that is not recorded as fired, and that was not told of.
        self._unrecorded: list[tuple[Outgoing, float]] = []
        self._untold: list[tuple[Outgoing, float]] = []
        again = "the ledger works again: events are fired"
        self._outage = LogOnce(log, self.instance, "events wait", again)
        self._doubt: Doubt | None = None
        self._watched = 0.0

    def wake(self) -> None:
        """
        Have the outbox looked at; called after each commit that put something there.
        """
        self._wake.set()

    def say(self, tag: str, data: Mapping[str, Any]) -> None:
        """
        Fire an answer that nobody misses when it is lost; it does not go through the ledger.
        """
        self._answers.put((tag, data))
        self._wake.set()

    def watch(self) -> None:
        """
        Say once if a fire hangs; called by the reconciler now and then, since this thread cannot say it then.
        """
        now = time.monotonic()
        # After a long pause the engine itself was at a standstill, and the fire may just need a moment more.
        awake, self._watched = now - self._watched < 2 * IDLE_S, now
        if awake and self._connection.is_blocked():
            self._complain(f"its publisher takes nothing for more than {HANG_S:g} s")

    @property
    def healthy(self) -> bool:
        works = self.failures == 0 and not self._connection.is_blocked()
        return works and self.delivery.silent_for() <= HANG_S

    def run(self) -> None:
        # An earlier thread may have ended in the midst of a fire, with more to be fired.
        self._connection.close()
        self.wake()
        retry = False
        while True:
            self.heartbeat.beat()
            self._wake.wait(RETRY_S if retry else IDLE_S)
            self._wake.clear()
            try:
                retry = not self.drain()
                self._outage.works()
            except Exception as err:  # noqa: BLE001 - Without this thread nothing is ever fired again.
                self._outage.fails(err)
                retry = True

    def drain(self) -> bool:
        """
        Fire all that may be fired now; False when it should be tried again soon.
        """
        held: set[int] = set()
        try:
            while self._is_trusted():
                self._catch_up()
                if not self._fire_orders(held) and not self._fire_reports():
                    # Nothing else would show that a bus that failed works again.
                    works = not self.failures or self._probe()
                    return works and self.delivery.silent_for() == 0.0
        except _Refused:
            self._record()
        return False

    def _catch_up(self) -> None:
        """
        Fire the answers that wait, and bring the outbox up to what became of earlier events.
        """
        while not self._answers.empty():
            tag, data = self._answers.get_nowait()
            self._put(data, tag)
        # Nothing else is fired before what was fired is recorded, and it is recorded before it counts as lost.
        self._record()
        if self._lost:
            self.outbox.unfire(self._lost)
            self._lost = []
        if self._untold:
            # Of a whole batch: an order waits for nobody else's.
            told, self._untold = self._untold, []
            self.on_fired(told)

    def _fire_orders(self, held: set[int]) -> bool:
        """
        Fire a batch of orders that may be fired, and tell whether there was any; the others are put into ``held``.
        """
        fired, after = 0, 0
        while not fired and (orders := self.outbox.orders(self.clock(), after)):
            after = orders[-1].seq
            for order in orders:
                if order.seq not in held and self._fire_order(order):
                    fired += 1
                else:
                    held.add(order.seq)
        self._record()
        return fired > 0

    def _fire_order(self, listed: Outgoing) -> bool:
        """
        Fire an order, after what stands before it about the same problem; False when it must not be fired now.
        """
        with self.gate:
            # One wait for the ledger: to record the order before, and for all questions about this one.
            with self.outbox.reading():
                self._record()
                earlier, order = self._checked(listed)
            for event in earlier:
                self._fire(event)
            if order is None or self._is_stale(order):
                return False
            self._fire(order)
        return True

    def _checked(self, listed: Outgoing) -> tuple[list[Outgoing], Outgoing | None]:
        """
        Return what stands before an order and is fired first, and the order as it is now; None: it must not be fired now.
        """
        earlier = self.outbox.before(listed)
        if any(event.fresh_until is not None for event in earlier):
            return [], None  # An order that must be decided anew holds the later ones.
        # Its problem may have closed since: then it is a mere report by now.
        order = self.outbox.waiting_one(listed.seq)
        must_not = order is not None and order.fresh_until is not None and self.held(order.data)
        return earlier, None if must_not else order

    def _fire_reports(self) -> bool:
        """
        Fire a batch of what orders nothing, and tell whether there was any.
        """
        for report in (reports := self.outbox.reports()):
            self._fire(report)
        self._record()
        return bool(reports)

    def _is_trusted(self) -> bool:
        """
        Tell whether the bus gives back what it is given; else ask it, and in the end say so.
        """
        silent = self.delivery.silent_for()
        if silent <= SILENCE_S:
            self._doubt = None
            if self.broken and not self.failures and not silent:
                self.broken = False
                log.warning("%s: the event bus works again", self.instance)
                self.on_recovery()
            return True
        doubt = self._doubt = self._doubt or Doubt(self.delivery.connections)
        # Not by the silence alone: the engine itself may have been stopped, and hears what it missed in a moment.
        if doubt.age() > HANG_S - SILENCE_S:
            self._complain(f"it gives back nothing of what it takes since {silent:.0f} s")
        if doubt.renews():
            self.delivery.renewal = True
        if doubt.asks(self.delivery.connections):
            self._probe()
        return False

    def _probe(self) -> bool:
        return self._put({"what": "probe", "instance": self.instance}, PROBE_TAG)

    def _is_stale(self, event: Outgoing) -> bool:
        return event.fresh_until is not None and self.clock() > event.fresh_until

    def _fire(self, event: Outgoing) -> None:
        self.outbox.sync()
        if not self._put(event.data, event.tag, event.seq):
            raise _Refused
        log.info("%s: fired %s", self.instance, event.tag)
        self._unrecorded.append((event, self.clock()))

    def _record(self) -> None:
        """
        Note in the ledger what is on the bus; without it events would be fired again at each try of a night.
        """
        if self._unrecorded:
            self.outbox.fired([event for event, _ in self._unrecorded], self._unrecorded[-1][1])
            self._untold += self._unrecorded
            self._unrecorded = []

    def _put(self, data: Mapping[str, Any], tag: str, seq: int | None = None) -> bool:
        signed = sign(data, self.key, self.clock(), self.valid_for, self.act_for)
        self.heartbeat.beat()
        # Noted before: it may come back before the call returns.
        self.delivery.fired(signed["signature"], seq)
        why = self._connection.fire(signed, tag)
        if why is not None:
            self.delivery.refused(signed["signature"])
            self._failed(why)
            return False
        self.failures = 0
        return True

    def _failed(self, why: str) -> None:
        self.failures += 1
        # All that this connection carried and that did not come back may be lost with it.
        self._lost += self.delivery.lost()
        self._connection.close()
        log.debug("%s: an event could not be fired: %s", self.instance, why)
        if self.failures == FAILURES_CRITICAL:
            self._complain(f"no event could be fired {self.failures} times in a row ({why})")

    def _complain(self, why: str) -> None:
        if self.broken:
            return
        self.broken = True
        log.critical(
            "%s: the event bus fails: %s. Notifications are still taken and nothing is lost, but nothing is healed "
            "either: restart the salt-master, whose event publisher does not come back by itself (Salt 3008)",
            self.instance,
            why,
        )
